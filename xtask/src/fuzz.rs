//! `cargo xtask fuzz`: the fuzz targets of `tests/tests/fuzz.rs`, on more inputs than the tests give them.
//!
//! They make their inputs themselves, so that the stable toolchain runs them, and a test runs the same in small.

use clap::ValueEnum;
use xshell::{Shell, cmd};

use crate::report::Report;

/// What is fed, each by a test of its name.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Target {
    /// `snapshot::decode`
    Snapshot,
    /// `Fleet::restore`
    Fleet,
    /// `Switch::open`
    Store,
    /// The reader of `kv`
    Resp,
    /// `Trust::verify`
    Envelope,
    /// `inspect`, on images without code
    Image,
    /// `inspect`, on one that the compiler built
    Built,
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Fleet => "fleet",
            Self::Store => "store",
            Self::Resp => "resp",
            Self::Envelope => "envelope",
            Self::Image => "image",
            Self::Built => "built",
        }
    }
}

pub(crate) fn run(sh: &Shell, target: Option<Target>, cases: u64, seed: u64, first: u64) -> bool {
    let mut report = Report::default();
    for target in target.map_or_else(|| Target::value_variants().to_vec(), |target| vec![target]) {
        let name = target.name();
        let fuzz =
            cmd!(sh, "cargo test --package hotswap-tests --test fuzz --profile fuzz -- --nocapture --exact {name}")
                .env("HOTSWAP_FUZZ_CASES", cases.to_string())
                .env("HOTSWAP_FUZZ_SEED", seed.to_string())
                .env("HOTSWAP_FUZZ_FIRST", first.to_string());
        report.command(name, fuzz);
    }
    report.close()
}
