//! The cargo subcommands that the checks use, installed under `target/tools` where they are missing.

use std::env;

use xshell::{Cmd, Shell, cmd};

/// A cargo subcommand, pinned: another version may judge differently.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

/// Makes `cargo <tool>` run the pinned version.
pub(crate) fn provide(sh: &Shell, tool: &Tool) -> xshell::Result<()> {
    missing(sh, tool).map_or(Ok(()), |install| install.run())
}

/// What installs it, unless `cargo <tool>` runs the pinned version; `cargo` finds it there from now on.
pub(crate) fn missing<'a>(sh: &'a Shell, tool: &Tool) -> Option<Cmd<'a>> {
    let Tool { name, version } = tool;
    let root = crate::target(sh).join("tools");
    let path = env::var_os("PATH").unwrap_or_default();
    if let Ok(path) = env::join_paths([root.join("bin")].into_iter().chain(env::split_paths(&path))) {
        sh.set_var("PATH", path);
    }
    let subcommand = name.trim_start_matches("cargo-");
    let found = cmd!(sh, "cargo {subcommand} --version").quiet().ignore_stderr().read().unwrap_or_default();
    let there = found.split_whitespace().any(|word| word == *version);
    // unoptimised: it runs for seconds, and takes minutes less to build
    (!there).then(|| cmd!(sh, "cargo install --quiet --debug --locked --root {root} {name}@{version}"))
}
