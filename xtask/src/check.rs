//! `cargo xtask check`: what can be known without running the code.

use xshell::{Shell, cmd};

use crate::report::Report;
use crate::tools::{self, Tool};

const HACK: Tool = Tool { name: "cargo-hack", version: "0.6.46" };
const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };

pub(crate) fn run(sh: &Shell) -> bool {
    let mut report = Report::default();
    report.command("formatting", cmd!(sh, "cargo fmt --all --check"));
    report.command("lints", cmd!(sh, "cargo clippy --workspace --all-targets -- -D warnings"));
    report.command("docs", cmd!(sh, "cargo doc --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings"));
    if report.step("cargo-hack", || tools::provide(sh, &HACK)).is_some() {
        // clippy rather than check: it shares the build of the dependencies with the lints above
        let powerset = cmd!(sh, "cargo hack clippy --workspace --feature-powerset -- -D warnings");
        report.command("every set of features", powerset);
    }
    if report.step("cargo-deny", || tools::provide(sh, &DENY)).is_some() {
        // not advisories: their database is fetched from outside the package registry, which a build may not reach
        let deny = cmd!(sh, "cargo deny --all-features check licenses bans sources");
        report.command("licences, bans and sources", deny);
    }
    report.close()
}
