//! `cargo xtask check`: what can be known without running the code.

use xshell::{Shell, cmd};

use crate::ahead::Ahead;
use crate::report::Report;
use crate::tools::{self, Tool};

const HACK: Tool = Tool { name: "cargo-hack", version: "0.6.46" };
const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };

/// A platform that images cannot be loaded on.
const ELSEWHERE: &str = "x86_64-pc-windows-gnu";

pub(crate) fn run(sh: &Shell, full: bool) -> bool {
    let mut report = Report::default();
    let ahead = Ahead::begin(tools::missing(sh, &DENY));
    report.command("formatting", cmd!(sh, "cargo fmt --all --check"));
    report.command("lints", cmd!(sh, "cargo clippy --workspace --all-targets -- -D warnings"));
    // those that somebody reads; hotswap with all that it has
    let read = "--package hotswap --package hotswap-macros --package hotswap-cli".split(' ');
    let docs =
        cmd!(sh, "cargo doc {read...} --features hotswap/image,hotswap/load,hotswap/remote,hotswap/testing --no-deps");
    report.command("docs", docs.env("RUSTDOCFLAGS", "-D warnings"));
    if !full {
        report.command(
            "hotswap with all features",
            cmd!(sh, "cargo clippy --package hotswap --all-features -- -D warnings"),
        );
        let kv = cmd!(
            sh,
            "cargo clippy --package kv-store --package hotswap-examples --no-default-features --all-targets -- -D warnings"
        );
        report.command("kv without version 3", kv);
        for feature in ["", "load", "image", "metrics", "remote", "testing"] {
            let lints =
                cmd!(sh, "cargo clippy --package hotswap --no-default-features --features={feature} -- -D warnings");
            report.command(format!("hotswap with {}", if feature.is_empty() { "no feature" } else { feature }), lints);
        }
    } else if report.step("cargo-hack", || tools::provide(sh, &HACK)).is_some() {
        // clippy rather than check: it shares the build of the dependencies with the lints above
        let powerset = cmd!(sh, "cargo hack clippy --workspace --feature-powerset -- -D warnings");
        report.command("every set of features", powerset);
    }
    // loading is for Linux; elsewhere it has to compile to a refusal
    if cmd!(sh, "rustup target add {ELSEWHERE}").quiet().ignore_stderr().run().is_ok() {
        let lints = cmd!(
            sh,
            "cargo clippy --package hotswap --features load,image,metrics,testing --target {ELSEWHERE} -- -D warnings"
        );
        report.command("another platform", lints);
    } else {
        eprintln!("the standard library for {ELSEWHERE} cannot be installed: not checked there");
    }
    ahead.end();
    if report.step("cargo-deny", || tools::provide(sh, &DENY)).is_some() {
        // not advisories: their database is fetched from outside the package registry, which a build may not reach
        let deny = cmd!(sh, "cargo deny --all-features check licenses bans sources");
        report.command("licences, bans and sources", deny);
    }
    report.close()
}
