//! What versions cost the compiler: `cargo check` of a machine of 1, 10, 50 and 100 versions with 10 fields each.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use hotswap_benches::plot::{self, Labels, Scale, Series};
use hotswap_benches::report;
use hotswap_benches::report::{Row, spread};
use hotswap_benches::turns::exact;

const FIELDS: usize = 10;
const ROUNDS: usize = 5;

fn main() {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile");
    let source = package.join("src/lib.rs");
    fs::create_dir_all(package.join("src")).expect("the folder can be made");
    fs::write(package.join("Cargo.toml"), manifest()).expect("the manifest can be written");
    // the versions of the workspace, so that nothing is resolved or fetched
    fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock")).expect("the lock file can be copied");

    let mut report = report!();
    let seconds = [1, 10, 50, 100].map(|versions| {
        fs::write(&source, machine(versions)).expect("the source can be written");
        check(&package); // the dependencies, and the source once
        let turns: Vec<_> = (0..ROUNDS)
            .map(|_| {
                fs::write(&source, machine(versions)).expect("the source can be written");
                check(&package).as_secs_f64()
            })
            .collect();
        let versions_of = if versions == 1 { "1 version".to_owned() } else { format!("{versions} versions") };
        report.add(Row::of(&format!("cargo check of a machine of {versions_of} with 10 fields each"), "s", &turns));
        (versions, turns)
    });
    let least = seconds.each_ref().map(|(_, turns)| spread(turns)[0]);
    let [one, _, fifty, hundred] = least;
    let row = Row::of("50 versions over one", "s", &over(&seconds[2].1, &seconds[0].1));
    report.add(row.judged(fifty - one, "minima").at_most(3.0));
    let row = Row::ratio(
        "what 100 versions add to one against what 50 add",
        "s",
        &over(&seconds[3].1, &seconds[0].1),
        &over(&seconds[2].1, &seconds[0].1),
    );
    report.add(row.judged((hundred - one) / (fifty - one), "minima").at_most(2.2).beside("linear: twice"));
    let points = seconds.iter().zip(least).map(|((versions, _), least)| (exact(*versions as u64), least)).collect();
    let labels = Labels { title: "cargo check of a machine, by number of versions", x: "versions", y: "s" };
    plot::draw(&report.plot("versions"), labels, Scale::Logarithmic, &[Series { name: "seconds".to_owned(), points }]);
    report.close();
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

/// How long `cargo check` takes.
fn check(package: &Path) -> Duration {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["check", "--quiet", "--offline"]).current_dir(package);
    cargo.env("CARGO_TARGET_DIR", package.join("target")).env("CARGO_INCREMENTAL", "0");
    let start = Instant::now();
    let status = cargo.status().expect("cargo can be started");
    let took = start.elapsed();
    assert!(status.success(), "the machine does not compile");
    took
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
