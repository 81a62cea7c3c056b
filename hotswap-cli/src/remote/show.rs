//! How what a program says is shown to people: facts in lines, the rest in tables, with nothing that a terminal would obey.

use std::time::{Duration, UNIX_EPOCH};

use comfy_table::{CellAlignment, Table, presets};
use hotswap::remote::wire::{HeldBack, Phase, Place, Standing};

pub(super) use crate::facts::lines as facts;
use crate::facts::{LAST_DATE, shown};

/// A table without lines, in which numbers stand on the right; empty if it has no rows.
pub(super) fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head);
    for at in 0..N {
        let is_number = rows.iter().all(|row| row[at].bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(column) = table.column_mut(at) {
            let align = if is_number { CellAlignment::Right } else { CellAlignment::Left };
            column.set_padding((0, 2));
            column.set_cell_alignment(align);
        }
    }
    for row in rows {
        table.add_row(row.map(|cell| shown(&cell)));
    }
    table.lines().fold(String::new(), |mut text, line| {
        text.push_str(line.trim_end());
        text.push('\n');
        text
    })
}

/// The held back that are named, under a heading.
pub(super) fn held(held: &[HeldBack], of: u64) -> String {
    if held.is_empty() {
        return String::new();
    }
    let version = |version: u32| if version == 0 { "lost".to_owned() } else { version.to_string() };
    let rows =
        held.iter().map(|it| [it.who.clone(), place(it.place).to_owned(), version(it.version), it.reason.clone()]);
    let count = held.len() as u64;
    let some = if count < of { format!(" (the first {count})") } else { String::new() };
    format!("\nheld back{some}\n{}", table(["who", "place", "version", "reason"], rows.collect()))
}

/// A time in milliseconds since 1970, in UTC.
pub(super) fn time(ms: u64) -> String {
    if ms / 1000 > LAST_DATE {
        return "never".to_owned();
    }
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

/// A time in nanoseconds, in the unit in which it has two to four digits.
pub(super) fn nanos(ns: u64) -> String {
    match ns {
        ..10_000 => format!("{ns} ns"),
        10_000..10_000_000 => format!("{} µs", ns / 1000),
        _ => format!("{} ms", ns / 1_000_000),
    }
}

pub(super) fn place(place: Place) -> &'static str {
    match place {
        Place::Cell => "cell",
        Place::Fleet => "fleet",
        Place::Owned => "owned",
    }
}

pub(super) fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Permanent => "permanent",
        Standing::Current => "current",
        Standing::Old => "old",
        Standing::Available => "available",
    }
}

pub(super) fn phase(phase: Phase, permanent: u32) -> String {
    match phase {
        Phase::Probation => format!("on probation, a rollback goes to version {permanent}"),
        Phase::Permanent => "permanent".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_numbers_on_the_right_and_no_controls() {
        let rows = vec![["7".to_owned(), "a\x1b[31m".to_owned()], ["12".to_owned(), "b".to_owned()]];
        let text = table(["n", "what"], rows);
        assert_eq!(text, " n  what\n 7  a\\u{1b}[31m\n12  b\n");
        assert_eq!(table(["n"], Vec::new()), "");
    }

    #[test]
    fn a_time_has_few_digits() {
        let times = [0, 9_999, 10_000, 9_999_999, 10_000_000].map(nanos);
        assert_eq!(times, ["0 ns", "9999 ns", "10 µs", "9999 µs", "10 ms"]);
    }
}
