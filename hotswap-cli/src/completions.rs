//! `hotswap completions`: what a shell needs to complete this command's words.

use clap::Command;
use clap_complete::{Shell, generate};
use serde_json::json;

use crate::report::Found;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut command: Command) -> Found {
    let mut script = Vec::new();
    generate(args.shell, &mut command, "hotswap", &mut script);
    let text = String::from_utf8_lossy(&script).into_owned();
    let json = json!({ "shell": args.shell.to_string(), "script": text });
    Found { text, json }
}
