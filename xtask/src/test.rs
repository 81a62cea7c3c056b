//! `cargo xtask test`: every test there is.

use xshell::{Shell, cmd};

use crate::ahead::Ahead;
use crate::report::Report;
use crate::{bench, needs};

pub(crate) fn run(sh: &Shell, full: bool) -> bool {
    let mut report = Report::default();
    if full {
        sh.set_var("HOTSWAP_FULL", "1");
    }
    let absent = needs::provide(sh, &mut report);
    // each in a folder of its own, beside the tests, which seldom have something to do for every core
    let counter = (!absent.contains(&needs::VALGRIND)).then(|| bench::counter(sh));
    let ahead = Ahead::begin([crash(sh).arg("--no-run"), loom(sh).arg("--no-run")].into_iter().chain(counter));
    // plain cargo test: it is on every machine with a toolchain, and runs the documentation examples
    report.command("tests", cmd!(sh, "cargo test --workspace --no-fail-fast"));
    // of the whole workspace: of one package alone, what it depends on would have other features, and be built anew
    let later = cmd!(sh, "cargo test --workspace --test hygiene --features hotswap-tests/later");
    report.command("versions under a cfg", later);
    report.step("what is built ahead", || {
        ahead.end();
        Ok(())
    });
    report.command("crash tests", crash(sh));
    report.command("loom models", loom(sh));
    if !absent.contains(&needs::VALGRIND) {
        report.command("instructions of a step", bench::count(sh, &["check".to_owned()]));
        if full {
            report.command("the loader under valgrind", valgrind(sh));
        }
    }
    for what in &absent {
        eprintln!("\nleft out for want of {what}");
    }
    report.close()
}

/// The models of the switch protocol run the runtime on loom's threads and atomics: a build of its own, in a folder of
/// its own, so that neither build throws out the other. With optimisation, for they visit every interleaving.
fn loom(sh: &Shell) -> xshell::Cmd<'_> {
    let target = crate::target(sh).join("loom");
    cmd!(
        sh,
        "cargo test --package hotswap-tests-apart --test loom_* --profile model --target-dir {target} --no-fail-fast"
    )
    .env("RUSTFLAGS", "--cfg hotswap_loom")
}

/// The crash tests run the runtime with points in it at which it can be stopped: a build of its own as well.
fn crash(sh: &Shell) -> xshell::Cmd<'_> {
    let target = crate::target(sh).join("faults");
    cmd!(sh, "cargo test --package hotswap-tests-apart --test crash_* --target-dir {target} --no-fail-fast")
        .env("RUSTFLAGS", "--cfg hotswap_faults")
}

/// The loader's own tests map real images, and unmap them again, under valgrind: nothing is read, written or freed that is not
/// there, or not there any more. It does not look for leaks: tracing keeps a list for as long as the program runs, and goes
/// with each image; `two_hundred_images.rs` holds how little is left.
fn valgrind(sh: &Shell) -> xshell::Cmd<'_> {
    let runner = r#"target.'cfg(target_os = "linux")'.runner = ["valgrind", "--quiet", "--error-exitcode=9"]"#;
    cmd!(sh, "cargo test --package hotswap --lib --features load --config {runner} -- load::tests::")
        .env_remove("HOTSWAP_FULL")
}
