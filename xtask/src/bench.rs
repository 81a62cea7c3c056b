//! `cargo xtask bench`: the benches, or the one that is named, and the table of what they found: `benches/RESULTS.md`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{fs, io};

use serde_json::Value;
use xshell::{Shell, cmd};

use crate::needs;
use crate::report::Report;

/// The order of the table; what is not in it comes after.
const ORDER: [&str; 9] = ["step", "count", "cell_fleet", "upgrade", "snapshot", "peers", "kv", "otp", "load"];

pub(crate) fn run(sh: &Shell, name: Option<&str>, args: &[String]) -> bool {
    let mut report = Report::default();
    let benches = match benches(sh) {
        Ok(benches) => benches,
        Err(error) => {
            eprintln!("error: benches cannot be listed: {error}");
            return false;
        }
    };
    if let Some(name) = name.filter(|name| benches.iter().all(|bench| bench != name)) {
        eprintln!("error: there is no bench `{name}`: it is one of {}", benches.join(", "));
        return false;
    }
    let wanted: Vec<&String> = benches.iter().filter(|bench| name.is_none_or(|name| name == *bench)).collect();
    for bench in wanted {
        if report.step(format!("what {bench} needs"), || needs::provide_to(sh, bench)).is_none() {
            continue;
        }
        report.command(bench.clone(), command(sh, bench, args));
    }
    match written(sh, &benches) {
        Ok(said) => eprintln!("\n{said}"),
        Err(error) => {
            eprintln!("error: the table cannot be written: {error}");
            return false;
        }
    }
    report.close()
}

/// The instruction counts: a program of its own and no `[[bench]]`, so that the tests need not build what benches compare with.
const COUNT: &str = "count";

/// Counts instructions; what it is told is in `args`.
pub(crate) fn count<'a>(sh: &'a Shell, args: &[String]) -> xshell::Cmd<'a> {
    cmd!(sh, "cargo run --quiet --release --package hotswap-benches --bin count -- {args...}")
}

fn command<'a>(sh: &'a Shell, bench: &str, args: &[String]) -> xshell::Cmd<'a> {
    if bench == COUNT {
        return count(sh, args);
    }
    cmd!(sh, "cargo bench --package hotswap-benches --bench {bench} -- {args...}")
}

fn benches(sh: &Shell) -> io::Result<Vec<String>> {
    let mut benches = vec![COUNT.to_owned()];
    for entry in fs::read_dir(sh.current_dir().join("benches/benches"))? {
        let path = entry?.path();
        // a bench is a file, or a folder with its main one
        if path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file() {
            benches.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    let place = |bench: &String| ORDER.iter().position(|known| known == bench).unwrap_or(ORDER.len());
    benches.sort_by(|one, other| (place(one), one).cmp(&(place(other), other)));
    Ok(benches)
}

// ---- the table

/// Writes the table if every bench that reports has done so, and says what it did.
fn written(sh: &Shell, benches: &[String]) -> io::Result<String> {
    let folder = reports(sh);
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for bench in benches {
        match fs::read_to_string(folder.join(format!("{bench}.json"))) {
            Ok(text) => found.push(serde_json::from_str::<Value>(&text)?),
            // it prints times only
            Err(_) if bench == "times" => {}
            Err(_) => missing.push(bench.as_str()),
        }
    }
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Ok(format!(
            "benches/RESULTS.md is as it was: nothing is known here of {missing}; `cargo xtask bench` runs all"
        ));
    }
    let benches = sh.current_dir().join("benches");
    let mut plots = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "svg") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            fs::create_dir_all(benches.join("plots"))?;
            fs::copy(&path, benches.join("plots").join(&name))?;
            plots.push(name);
        }
    }
    plots.sort();
    fs::write(benches.join("RESULTS.md"), table(&found, &plots))?;
    Ok("benches/RESULTS.md is written".to_owned())
}

/// Where the benches leave their reports.
fn reports(sh: &Shell) -> PathBuf {
    crate::target(sh).join("tmp/reports")
}

const HEAD: &str = "\
# What was measured

Written by `cargo xtask bench`. What is compared took turns in one run; min, median and max are over those turns. A target is judged by the
median unless the row says by what. What a peer gives for its time stands beside its row.

";

fn table(reports: &[Value], plots: &[String]) -> String {
    let mut text = HEAD.to_owned();
    let machines: Vec<String> = reports.iter().map(|report| machine(&report["machine"])).collect();
    let mut told: Vec<&String> = Vec::new();
    for described in &machines {
        if !told.contains(&described) {
            told.push(described);
            let _ = writeln!(text, "{described}\n");
        }
    }
    if told.len() > 1 {
        text.push_str("**Not all of it was measured on one machine.**\n\n");
    }
    let loads: Vec<String> = reports
        .iter()
        .map(|report| format!("{} {}", said(report, "bench"), said(&report["machine"], "load")))
        .collect();
    let _ = writeln!(
        text,
        "How busy the machine was when each bench began, as its load over a minute: {}.\n",
        loads.join(", ")
    );
    let rows = || {
        reports.iter().flat_map(|report| report["rows"].as_array().into_iter().flatten().map(move |row| (report, row)))
    };
    let held = |held: bool| rows().filter(|(_, row)| row["held"] == held).count();
    let _ = writeln!(text, "{} targets are held, {} are missed.\n", held(true), held(false));
    text.push_str(
        "| bench | what | target | min | median | max | | figures | beside |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for (report, row) in rows() {
        let [min, median, max] = ["min", "median", "max"].map(|name| short(&row[name]));
        let (what, unit) = (said(row, "what"), said(row, "unit"));
        let unit = if unit == "times" { String::new() } else { format!(" ({unit})") };
        let _ = writeln!(
            text,
            "| `{}` | {what}{unit} | {} | {min} | {median} | {max} | {} | {} | {} |",
            said(report, "bench"),
            target(&row["target"]),
            verdict(row),
            said(row, "figures"),
            said(row, "beside"),
        );
    }
    for plot in plots {
        let _ = write!(text, "\n![{}](plots/{plot})\n", plot.trim_end_matches(".svg"));
    }
    text
}

fn machine(machine: &Value) -> String {
    format!(
        "{}, {} cores, {} of memory, Linux {}, {}.",
        said(machine, "cpu"),
        machine["cores"],
        said(machine, "memory"),
        said(machine, "kernel"),
        said(machine, "rustc")
    )
}

fn target(target: &Value) -> String {
    match (target["at_most"].as_f64(), target["at_least"].as_f64()) {
        (Some(most), _) => format!("≤ {most}"),
        (_, Some(least)) => format!("≥ {least}"),
        _ => String::new(),
    }
}

fn verdict(row: &Value) -> String {
    let by = match said(row, "judged_by") {
        "median" => String::new(),
        by => format!(", by the {by}: {}", short(&row["judged"])),
    };
    match row["held"].as_bool() {
        Some(true) => format!("held{by}"),
        Some(false) => format!("**missed**{by}"),
        None => String::new(),
    }
}

fn said<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Four figures that count, or as many as stand before the point.
fn short(figure: &Value) -> String {
    let figure = figure.as_f64().unwrap_or(f64::NAN);
    let places = match figure.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    format!("{figure:.places$}")
}
