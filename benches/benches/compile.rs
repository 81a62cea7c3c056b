//! What versions cost the compiler: `cargo check` of a machine of 1, 10, 50 and 100 versions with 10 fields each. And what the
//! crate itself costs it, once.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

use hotswap_benches::plot::{self, Labels, Scale, Series};
use hotswap_benches::report;
use hotswap_benches::report::{Report, Row, spread};
use hotswap_benches::turns::{exact, take_turns};

const FIELDS: usize = 10;
/// So often each is checked: its least time is what nothing else was in.
const CHECKS: usize = 11;
/// And so often the crate is.
const CLEAN: usize = 5;

fn main() {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile");
    let source = package.join("src/lib.rs");
    fs::create_dir_all(package.join("src")).expect("the folder can be made");
    fs::write(package.join("Cargo.toml"), manifest()).expect("the manifest can be written");
    // the versions of the workspace, so that nothing is resolved or fetched
    fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock")).expect("the lock file can be copied");

    let mut report = report!();
    let versions = [1, 10, 50, 100];
    let mut checks = versions.map(|versions| {
        let (package, source) = (&package, &source);
        move || check(package, source, versions)
    });
    let [one, ten, fifty, hundred] = &mut checks;
    // the dependencies are checked in the turn that warms up
    let seconds = take_turns(CHECKS, [one, ten, fifty, hundred]);
    for (versions, turns) in versions.iter().zip(&seconds) {
        let versions = if *versions == 1 { "1 version".to_owned() } else { format!("{versions} versions") };
        report.add(Row::of(&format!("cargo check of a machine of {versions} with 10 fields each"), "s", turns));
    }
    let least = seconds.each_ref().map(|turns| spread(turns)[0]);
    let [one, _, fifty, hundred] = least;
    let row = Row::of("50 versions over one", "s", &over(&seconds[2], &seconds[0]));
    report.add(row.judged(fifty - one, "minima").at_most(3.0));
    let row = Row::ratio(
        "what 100 versions add to one against what 50 add",
        "s",
        &over(&seconds[3], &seconds[0]),
        &over(&seconds[2], &seconds[0]),
    );
    let row = row.judged((hundred - one) / (fifty - one), "minima").at_most(2.2).beside("linear: twice");
    report.add(row.limit(
        "It is linear: by rustc's own account (`-Z time-passes`) of 50 and of 100 versions, to expand the macro takes 0.24 and 0.48 s, to check types 0.42 and 0.73 s, and to check \
         borrows 0.57 and 1.07 s. Of a whole check it is what else the machine does in the longer one.",
    ));
    let points = versions.iter().zip(least).map(|(versions, least)| (exact(*versions as u64), least)).collect();
    let labels = Labels { title: "cargo check of a machine, by number of versions", x: "versions", y: "s" };
    plot::draw(&report.plot("versions"), labels, Scale::Logarithmic, &[Series { name: "seconds".to_owned(), points }]);
    clean(&package.join("clean"), &mut report);
    report.close();
}

/// The crate, with nothing built before, and with its dependencies built.
fn clean(target: &Path, report: &mut Report) {
    let check = || seconds(&root(), target, &["check", "--package", "hotswap"]);
    let mut all = || {
        if target.exists() {
            fs::remove_dir_all(target).expect("the last build can be removed");
        }
        check()
    };
    let mut own = || {
        seconds(&root(), target, &["clean", "--package", "hotswap", "--package", "hotswap-macros"]);
        check()
    };
    // everything is built by the turn that warms up, so that both can begin
    let [all, own] = take_turns(CLEAN, [&mut all, &mut own]);
    let row = Row::of("cargo check of the crate `hotswap` with nothing built", "s", &all);
    report.add(row.beside("its dependencies included, with its default features"));
    let row = Row::of("the same with its dependencies built", "s", &own);
    report.add(row.beside("`hotswap` and `hotswap-macros`"));
}

fn over(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| one - other).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn manifest() -> String {
    let hotswap = root().join("hotswap");
    format!(
        "[package]\nname = \"compile\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         hotswap = {{ path = '{}' }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n",
        hotswap.display()
    )
}

/// Seconds that `cargo check` of a machine of so many versions takes, written anew.
fn check(package: &Path, source: &Path, versions: usize) -> f64 {
    fs::write(source, machine(versions)).expect("the source can be written");
    seconds(package, &package.join("target"), &["check"])
}

/// Seconds that cargo takes, with a folder of its own to build in.
fn seconds(folder: &Path, target: &Path, args: &[&str]) -> f64 {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(args).args(["--quiet", "--offline"]).current_dir(folder);
    cargo.env("CARGO_TARGET_DIR", target).env("CARGO_INCREMENTAL", "0");
    let start = Instant::now();
    let status = cargo.status().expect("cargo can be started");
    let took = start.elapsed();
    assert!(status.success(), "cargo {} fails", args.join(" "));
    took.as_secs_f64()
}

/// Each version drops the oldest field of the one before and adds a new one, and replaces all three steps.
fn machine(versions: usize) -> String {
    let mut source = String::from("//! A long line of versions.\n#[hotswap::machine]\npub mod line {\n");
    for input in ["Tick", "Get", "Reset"] {
        let _ = writeln!(source, "#[derive(serde::Serialize, serde::Deserialize)] pub struct {input};");
    }
    for version in 1..=versions {
        let before = version - 1;
        let options = match before {
            0 => String::new(),
            _ => format!(", migrates_from = {before}, reversible, removes(f{before} = 0)"),
        };
        let _ = writeln!(source, "#[machine(version = {version}{options})]");
        let _ = writeln!(source, "#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]");
        let _ = writeln!(source, "pub struct V{version} {{");
        for field in version..version + FIELDS {
            let added = if before > 0 && field == before + FIELDS { "#[machine(added = 0)]" } else { "" };
            let _ = writeln!(source, "{added} pub f{field}: u64,");
        }
        let _ = writeln!(source, "}}");
        for (step, state, input, body) in [
            ("tick", "&mut", "Tick", format!("state.f{version} += 1; state.f{version}")),
            ("get", "&", "Get", format!("state.f{version}")),
            ("reset", "&mut", "Reset", format!("state.f{version} = 0; 0")),
        ] {
            let _ = writeln!(source, "#[machine(version = {version})]");
            let _ = writeln!(source, "fn {step}_{version}(state: {state} V{version}, _: {input}) -> u64 {{ {body} }}");
        }
    }
    source.push_str("}\n");
    source
}
