//! What versions cost the compiler: `cargo check` of a machine of 1, 50 and 100 versions with 10 fields each.
//!
//! It fails where 50 cost more than 3 s over one, or 100 more than 2.2 times as much as 50.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

const FIELDS: usize = 10;
const ROUNDS: usize = 5;

fn main() {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile");
    let source = package.join("src/lib.rs");
    fs::create_dir_all(package.join("src")).expect("the folder can be made");
    fs::write(package.join("Cargo.toml"), manifest()).expect("the manifest can be written");
    // the versions of the workspace, so that nothing is resolved or fetched
    fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock")).expect("the lock file can be copied");

    let [one, fifty, hundred] = [1, 50, 100].map(|versions| {
        fs::write(&source, machine(versions)).expect("the source can be written");
        check(&package); // the dependencies, and the source once
        let best = (0..ROUNDS).map(|_| {
            fs::write(&source, machine(versions)).expect("the source can be written");
            check(&package)
        });
        let best = best.min().expect("there are rounds");
        println!("{versions:>4} versions: {:.2} s", best.as_secs_f64());
        best
    });
    let (fifty, hundred) = (fifty.saturating_sub(one), hundred.saturating_sub(one));
    let ratio = hundred.as_secs_f64() / fifty.as_secs_f64();
    println!("50 cost {:.2} s over one, 100 cost {ratio:.2} times that", fifty.as_secs_f64());
    assert!(fifty <= Duration::from_secs(3), "50 versions cost more than 3 s");
    assert!(ratio <= 2.2, "the cost of a version grows with their number");
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
