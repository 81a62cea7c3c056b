//! What the tests need from outside: for `kv` Redis' own tools and the Python client, for what is said of the routes
//! schemathesis, for the page a browser, for the counts and the loader valgrind.
//! And what the benches do: the programs that hotswap is measured against.

use std::env;
use std::path::PathBuf;

use xshell::{Shell, cmd};

use crate::report::Report;

/// It counts the instructions of a step and of `kv`, and runs the loader's tests.
pub(crate) const VALGRIND: &str = "valgrind";

/// Installs what is missing where it may, and tells the tests by environment where it is.
///
/// Gives the names of what is not there. In CI that is a failed step, and the tests fail too; elsewhere they leave out
/// what needs it and say so.
pub(crate) fn provide(sh: &Shell, report: &mut Report) -> Vec<&'static str> {
    let mut absent = Vec::new();
    need(report, &mut absent, VALGRIND, || valgrind(sh));
    need(report, &mut absent, "redis-tools", || redis_tools(sh));
    need(report, &mut absent, "chromium", || chromium(sh));
    for (name, package, major) in [("redis-py", "redis", "8"), ("schemathesis", "schemathesis", "4")] {
        if let Some(python) = need(report, &mut absent, name, || python(sh, package, major)) {
            sh.set_var("HOTSWAP_PYTHON", python);
        }
    }
    absent
}

fn need<T>(
    report: &mut Report,
    absent: &mut Vec<&'static str>,
    name: &'static str,
    install: impl FnOnce() -> xshell::Result<T>,
) -> Option<T> {
    let found = if in_ci() {
        report.step(name, install)
    } else {
        install().inspect_err(|error| eprintln!("{name} cannot be installed: {error}")).ok()
    };
    if found.is_none() {
        absent.push(name);
    }
    found
}

fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|ci| ci == "true")
}

/// Installs what this bench compares with or counts by.
pub(crate) fn provide_to(sh: &Shell, bench: &str) -> xshell::Result<()> {
    match bench {
        "count" => valgrind(sh),
        "kv" => redis_tools(sh).and_then(|()| redis_server(sh)).and_then(|()| valgrind(sh)),
        "otp" => erlang(sh),
        _ => Ok(()),
    }
}

/// `valgrind`.
fn valgrind(sh: &Shell) -> xshell::Result<()> {
    let there = cmd!(sh, "valgrind --version").quiet().ignore_stderr().read().is_ok();
    if there { Ok(()) } else { apt_get(sh, "valgrind") }
}

/// `redis-cli` and `redis-benchmark`.
fn redis_tools(sh: &Shell) -> xshell::Result<()> {
    let there = |tool: &str| cmd!(sh, "{tool} --version").quiet().ignore_stderr().read().is_ok();
    if there("redis-cli") && there("redis-benchmark") {
        return Ok(());
    }
    apt_get(sh, "redis-tools")
}

/// A browser without a window, and what drives it.
fn chromium(sh: &Shell) -> xshell::Result<()> {
    let there = |tool: &str| cmd!(sh, "{tool} --version").quiet().ignore_stderr().read().is_ok();
    if there("chromium") && there("chromedriver") {
        return Ok(());
    }
    // Debian's driver needs Debian's browser of the same version, and brings it
    apt_get(sh, "chromium-driver")
}

fn redis_server(sh: &Shell) -> xshell::Result<()> {
    let there = cmd!(sh, "redis-server --version").quiet().ignore_stderr().read().is_ok();
    if there { Ok(()) } else { apt_get(sh, "redis-server") }
}

/// `erl` and `erlc`.
fn erlang(sh: &Shell) -> xshell::Result<()> {
    let there = cmd!(sh, "erl -noshell -eval halt().").quiet().ignore_stderr().read().is_ok();
    if there { Ok(()) } else { apt_get(sh, "erlang-base") }
}

/// A Python with this major version of a package, in a folder of its own that all such packages share.
fn python(sh: &Shell, package: &str, major: &str) -> xshell::Result<PathBuf> {
    let venv = crate::target(sh).join("python");
    let python = venv.join("bin/python");
    let there = |script: &str| cmd!(sh, "{python} -c {script}").quiet().ignore_stderr().run().is_ok();
    let script = format!("from importlib.metadata import version; assert version('{package}').startswith('{major}.')");
    if there(&script) {
        return Ok(python);
    }
    if !there("import pip") {
        let create = || cmd!(sh, "python3 -m venv --clear {venv}").run();
        if create().is_err() {
            // Debian keeps this part of Python in a package of its own
            apt_get(sh, "python3-venv")?;
            create()?;
        }
    }
    cmd!(sh, "{python} -m pip install --quiet {package}=={major}.*").run()?;
    Ok(python)
}

/// Installs a Debian package, as root or by sudo where that asks for no password.
fn apt_get(sh: &Shell, package: &str) -> xshell::Result<()> {
    let root = cmd!(sh, "id -u").quiet().read()? == "0";
    let sudo: &[&str] = if root { &[] } else { &["sudo", "--non-interactive"] };
    let apt_get = || cmd!(sh, "env {sudo...} env DEBIAN_FRONTEND=noninteractive apt-get --quiet");
    apt_get().arg("update").run()?;
    apt_get().args(["install", "--yes", "--no-install-recommends", package]).run()
}
