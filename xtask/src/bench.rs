//! `cargo xtask bench`: the benches, or the one that is named.

use xshell::{Shell, cmd};

use crate::report::Report;

pub(crate) fn run(sh: &Shell, name: Option<&str>, args: &[String]) -> bool {
    let mut report = Report::default();
    let which = name.map_or_else(|| vec!["--benches"], |name| vec!["--bench", name]);
    report.command("benches", cmd!(sh, "cargo bench --package hotswap-benches {which...} -- {args...}"));
    report.close()
}
