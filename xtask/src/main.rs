//! `cargo xtask`, the one door to the project's checks, tests and benches: the command line.

mod ahead;
mod bench;
mod check;
mod fuzz;
mod needs;
mod report;
mod test;
mod tools;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};
use xshell::Shell;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Checks, tests and measures hotswap")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Formatting, lints, docs, each feature, licences and bans
    Check {
        /// Every set of features
        #[arg(long)]
        full: bool,
    },
    /// Every test, documentation examples, crash tests and loom models included;
    /// and what a step takes in instructions
    Test {
        /// The long versions as well: more cases, more keys, more switches; and the loader under valgrind
        #[arg(long)]
        full: bool,
    },
    /// The fuzz targets, or one of them, at length; `test` runs fewer inputs of each
    Fuzz {
        /// `snapshot`, `fleet`, `store`, `resp`, `envelope`, `image` or `built`
        target: Option<fuzz::Target>,
        /// How many inputs each gets
        #[arg(long, default_value_t = 1_000_000)]
        cases: u64,
        /// Other inputs than those of every run
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The number of the first input, to have a failure again
        #[arg(long, default_value_t = 0)]
        first: u64,
    },
    /// The benches, or one of them; then the table of what was found, benches/RESULTS.md
    Bench {
        /// `count`, or the name of a file in benches/benches, without `.rs`
        name: Option<String>,
        /// What is handed on to the bench
        #[arg(last = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    if let Some(code) = without_what_cargo_told() {
        return code;
    }
    let args = Args::parse();
    let sh = match workspace() {
        Ok(sh) => sh,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ok = match args.task {
        Task::Check { full } => check::run(&sh, full),
        Task::Test { full } => test::run(&sh, full),
        Task::Fuzz { target, cases, seed, first } => fuzz::run(&sh, target, cases, seed, first),
        Task::Bench { name, args } => bench::run(&sh, name.as_deref(), &args),
    };
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Starts again without what cargo tells of a package to the program that it runs. Build scripts that ask for that, such as ring's,
/// would run again, and what depends on them be built anew, each time that cargo is called from here and then from elsewhere.
fn without_what_cargo_told() -> Option<ExitCode> {
    let of_a_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    let told: Vec<_> =
        env::vars_os().map(|(name, _)| name).filter(|name| name.to_str().is_some_and(of_a_package)).collect();
    if told.is_empty() {
        return None;
    }
    let mut again = Command::new(env::current_exe().ok()?);
    again.args(env::args_os().skip(1));
    for name in told {
        again.env_remove(name);
    }
    match again.status() {
        Ok(status) => {
            Some(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
        }
        Err(error) => {
            eprintln!("error: it cannot start again: {error}");
            Some(ExitCode::FAILURE)
        }
    }
}

/// A shell at the top of the workspace, wherever the task was started.
fn workspace() -> xshell::Result<Shell> {
    let sh = Shell::new()?;
    sh.change_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace"));
    Ok(sh)
}

/// Where cargo builds, and where the tools and models that are built apart go.
fn target(sh: &Shell) -> PathBuf {
    sh.current_dir().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}
