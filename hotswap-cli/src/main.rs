//! The `hotswap` command: builds, signs and checks images, the files that bring a running program its next version, and
//! upgrades running programs. Here is the command line; each verb has a file of its own.

mod build;
mod completions;
mod facts;
mod inspect;
mod key;
mod remote;
mod report;
mod sign;
mod snapshot;
mod verify;
mod write;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

const EXITS: &str = "Exit codes:
  0  done
  1  it could not be done: a file, a key, the build, or the program that was asked could not
  2  the command line is wrong, or leaves open which program or switch is meant
  3  refused: the file was read and is not good, or not trusted; or the program said no, and nothing changed
  4  unreachable: the program is not there, or the connection broke; the message says what may have been done
  5  done, or planned, but instances are held back
  6  a rollout was stopped by its gate, and all programs that it had upgraded have gone back
  7  a rollout was stopped, or could not be ended, and programs are where it left them; the same again goes on

With --json, standard output is one object on one line: `schema` (1), `command`, `ok`, and what was found; if `ok` is
false, `exit`, `reason` (a stable name) and `message`. People read standard error.";

/// Upgrades running programs, and builds, signs and checks the images that bring them their next version
#[derive(Parser)]
#[command(name = "hotswap", version, after_help = EXITS)]
struct Args {
    /// Print what was found as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make the keys that images are signed with
    #[command(subcommand)]
    Key(key::Verb),
    /// Build a machine's library crate into an image
    Build(build::Args),
    /// Say what a file is, signed or not; nothing in it runs, and nothing it says is checked
    Inspect(inspect::Args),
    /// Put an image into a signed envelope
    Sign(sign::Args),
    /// Check that a program which trusts these keys would let a signed image through, whatever serial it has seen;
    /// what is in it, `inspect` says
    Verify(verify::Args),
    /// Look at what a program saved, or have a running one save its fleets, or convert what was saved
    #[command(subcommand)]
    Snapshot(snapshot::Verb),
    #[command(flatten)]
    Remote(remote::Verb),
    /// Print what a shell needs to complete these words
    Completions(completions::Args),
}

fn main() -> ExitCode {
    let Args { json, verb } = Args::parse();
    let (command, result) = match verb {
        Verb::Key(verb) => ("key new", key::run(&verb)),
        Verb::Build(args) => ("build", build::run(&args)),
        Verb::Inspect(args) => ("inspect", inspect::run(&args)),
        Verb::Sign(args) => ("sign", sign::run(&args)),
        Verb::Verify(args) => ("verify", verify::run(&args)),
        Verb::Snapshot(verb) => snapshot::run(&verb),
        Verb::Remote(verb) => remote::run(&verb, json),
        Verb::Completions(args) => ("completions", Ok(completions::run(&args, Args::command()))),
    };
    report::report(command, json, result)
}
