//! What the demo found, as a table.

use std::collections::HashMap;
use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use redis::Value;

use super::Failure;
use super::client::{Checked, Done, Tally};

/// Rows in the order of time, and what was checked at the end.
pub(super) struct Report {
    rows: Vec<Row>,
    checked: Checked,
}

struct Row {
    phase: String,
    came: String,
    tally: Option<Tally>,
}

impl Report {
    pub(super) fn new(version: u32) -> Self {
        let mut report = Self { rows: Vec::new(), checked: Checked::default() };
        report.running(version);
        report
    }

    /// Begins the phase in which a version runs; gives its number.
    pub(super) fn running(&mut self, version: u32) -> usize {
        self.phase(format!("version {version}"))
    }

    /// Begins the phase of a switch; gives its number.
    pub(super) fn switching(&mut self, from: u32, to: u32) -> usize {
        self.phase(format!("  {from} → {to}"))
    }

    fn phase(&mut self, phase: String) -> usize {
        self.rows.push(Row { phase, came: String::new(), tally: None });
        self.rows.len() - 1
    }

    /// Notes what came of the switch that has just been made.
    pub(super) fn outcome(&mut self, outcome: &HashMap<String, Value>) -> Result<(), Failure> {
        let number = |name: &str| match outcome.get(name) {
            Some(Value::Int(n)) => Ok(*n),
            other => Err(format!("the outcome's `{name}` is {other:?}")),
        };
        if let Some(row) = self.rows.last_mut() {
            row.came = format!("{} moved, {} held back", number("moved")?, number("held_back")?);
        }
        Ok(())
    }

    /// Adds what a client did.
    pub(super) fn add(&mut self, done: Done) {
        for (row, tally) in self.rows.iter_mut().zip(done.tallies) {
            match &mut row.tally {
                None => row.tally = Some(tally),
                Some(sum) => {
                    sum.waits += tally.waits;
                    sum.errors += tally.errors;
                    sum.wrong += tally.wrong;
                }
            }
        }
        self.check(&done.checked);
    }

    /// Adds what was compared at the end.
    pub(super) fn check(&mut self, checked: &Checked) {
        self.checked.values += checked.values;
        self.checked.lost += checked.lost;
    }

    /// Nothing was lost, and no reply was an error or wrong.
    pub(super) fn flawless(&self) -> bool {
        self.checked.lost == 0 && self.tallies().all(|tally| tally.errors + tally.wrong == 0)
    }

    fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.rows.iter().filter_map(|row| row.tally.as_ref())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["", "requests", "errors", "lost", "p50 ms", "p99", "p99.9", "max", "keys"]);
        for Row { phase, came, tally } in &self.rows {
            let Some(Tally { waits, errors, wrong }) = tally else {
                table.add_row([phase, "0", "", "", "", "", "", "", came]);
                continue;
            };
            let at = |quantile| millis(waits.value_at_quantile(quantile));
            let (requests, errors, wrong) = (waits.len().to_string(), errors.to_string(), wrong.to_string());
            let [p50, p99, p999, max] = [at(0.5), at(0.99), at(0.999), millis(waits.max())];
            table.add_row([phase, &requests, &errors, &wrong, &p50, &p99, &p999, &max, came]);
        }
        for column in table.column_iter_mut().skip(1).take(7) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(f, "{table}")?;
        let requests: u64 = self.tallies().map(|tally| tally.waits.len()).sum();
        let errors: u64 = self.tallies().map(|tally| tally.errors).sum();
        let lost = self.checked.lost + self.tallies().map(|tally| tally.wrong).sum::<u64>();
        write!(f, "{requests} requests, {errors} errors; {} values checked, {lost} lost", self.checked.values)
    }
}

fn millis(nanos: u64) -> String {
    let micros = nanos / 1000;
    format!("{}.{:03}", micros / 1000, micros % 1000)
}
