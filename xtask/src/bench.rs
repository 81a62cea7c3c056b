//! `cargo xtask bench`: the benches, or the one that is named, and the table of what they found: `benches/RESULTS.md`.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
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
    let (wanted, mut failed) = (benches.iter().filter(|bench| name.is_none_or(|name| name == *bench)), false);
    for bench in wanted {
        // what it left before, for it may leave nothing now
        if let Err(error) = clear(sh, bench) {
            eprintln!("error: the last report of {bench} cannot be removed: {error}");
            return false;
        }
        let ran = report
            .step(format!("what {bench} needs"), || needs::provide_to(sh, bench))
            .and_then(|()| report.step(bench.clone(), || command(sh, bench, args).quiet().run()));
        failed |= ran.is_none();
    }
    let written = match (failed, args.is_empty()) {
        (true, _) => Ok("benches/RESULTS.md is as it was, for not every bench came to its end".to_owned()),
        (_, false) => Ok("benches/RESULTS.md is as it was, for the bench was told what to do".to_owned()),
        (false, true) => written(sh, &benches),
    };
    match written {
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

/// Builds what counts them.
pub(crate) fn counter(sh: &Shell) -> xshell::Cmd<'_> {
    cmd!(sh, "cargo build --quiet --release --package hotswap-benches --bin count")
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

// ---- the reports

/// Where the benches leave their reports.
fn reports(sh: &Shell) -> PathBuf {
    crate::target(sh).join("tmp/reports")
}

/// Removes what a bench has left: its report and its plots.
fn clear(sh: &Shell, bench: &str) -> io::Result<()> {
    let (report, plots) = (format!("{bench}.json"), plots(&reports(sh), bench)?);
    for path in plots.into_iter().chain([reports(sh).join(report)]) {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The plots of a bench in a folder, by their names.
fn plots(folder: &Path, bench: &str) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut plots = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let of = name.strip_suffix(".svg").and_then(|name| name.split_once('-')).map(|(of, _)| of);
        if of == Some(bench) {
            plots.push(folder.join(name));
        }
    }
    plots.sort();
    Ok(plots)
}

// ---- the table

/// Writes the table if every bench that reports has done so in full, and says what it did.
fn written(sh: &Shell, benches: &[String]) -> io::Result<String> {
    let folder = reports(sh);
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for bench in benches {
        let report = match fs::read_to_string(folder.join(format!("{bench}.json"))) {
            Ok(text) => Some(serde_json::from_str::<Value>(&text)?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match report {
            // told what to do, it reports a part
            Some(report) if report["args"].as_array().is_some_and(Vec::is_empty) => found.push(report),
            // it prints times only
            None if bench == "times" => {}
            _ => missing.push(bench.as_str()),
        }
    }
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Ok(format!(
            "benches/RESULTS.md is as it was: nothing whole is known here of {missing}; `cargo xtask bench` runs all"
        ));
    }
    let place = sh.current_dir().join("benches");
    // those that nothing draws any more go
    match fs::remove_dir_all(place.join("plots")) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(place.join("plots"))?,
    }
    let mut names = Vec::new();
    for bench in benches {
        for path in plots(&folder, bench)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            fs::copy(&path, place.join("plots").join(&name))?;
            names.push(name);
        }
    }
    fs::write(place.join("RESULTS.md"), table(&found, &names))?;
    Ok("benches/RESULTS.md is written".to_owned())
}

const HEAD: &str = "\
# What was measured

Written by `cargo xtask bench`. What is compared took turns in one run; min, median and max are over those turns. A target is judged by the
median unless the row says by what. What a peer gives for its time stands beside its row. Everything is optimised at link time as one piece, but for what `count` counts.

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
    text.push_str(&commits(reports));
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
    text.push_str(&missed(rows().map(|(_, row)| row)));
    for profile in reports.iter().flat_map(|report| report["profiles"].as_array().into_iter().flatten()) {
        let _ = write!(text, "\n## {}\n\n```text\n{}\n```\n", said(profile, "of"), said(profile, "text").trim_end());
    }
    for plot in plots {
        let _ = write!(text, "\n![{}](plots/{plot})\n", plot.trim_end_matches(".svg"));
    }
    text
}

/// The targets that are missed, and what stands in their way.
fn missed<'a>(rows: impl Iterator<Item = &'a Value>) -> String {
    let mut text = String::new();
    for row in rows.filter(|row| row["held"] == false) {
        let limit = match said(row, "limit") {
            "" => "nothing is known to stand in its way; it is to be looked at.",
            limit => limit,
        };
        let (what, judged) = (said(row, "what"), short(&row["judged"]));
        let _ = writeln!(text, "- **{what}**: {judged}, wanted {}. {limit}", target(&row["target"]));
    }
    if text.is_empty() { text } else { format!("\n## What is missed, and why\n\n{text}") }
}

/// What the reports are of; a commit's `+` says that the work tree was another.
fn commits(reports: &[Value]) -> String {
    let mut of: Vec<(&str, Vec<&str>)> = Vec::new();
    for report in reports {
        let (bench, commit) = (said(report, "bench"), said(report, "commit"));
        match of.iter_mut().find(|(known, _)| *known == commit) {
            Some((_, benches)) => benches.push(bench),
            None => of.push((commit, vec![bench])),
        }
    }
    match of[..] {
        [(commit, _)] if !commit.is_empty() && !commit.ends_with('+') => {
            format!("All of it is of commit {commit}.\n\n")
        }
        [("", _)] => "**It is not known of which commit it is.**\n\n".to_owned(),
        [(commit, _)] => format!("**It is of commit {commit}, with changes that were not committed.**\n\n"),
        _ => {
            let each = of.iter().map(|(commit, benches)| {
                let commit = if commit.is_empty() { "unknown" } else { commit };
                format!("{commit}: {}", benches.join(", "))
            });
            let each = each.collect::<Vec<_>>().join("; ");
            format!("**Not all of it is of one commit**, where `+` says that there were changes besides: {each}.\n\n")
        }
    }
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
        "median" => None,
        by => Some(format!("by the {by}: {}", short(&row["judged"]))),
    };
    let held = row["held"].as_bool().map(|held| if held { "held" } else { "**missed**" }.to_owned());
    held.into_iter().chain(by).collect::<Vec<_>>().join(", ")
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
