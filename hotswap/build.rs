//! Says for which target, and by which compiler, images and the programs that load them are built.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=HOTSWAP_TARGET={}", env::var("TARGET").unwrap_or_default());
    let wanted = ["CARGO_FEATURE_IMAGE", "CARGO_FEATURE_LOAD"].iter().any(|feature| env::var_os(feature).is_some());
    let rustc = env::var_os("RUSTC").filter(|_| wanted);
    let said = rustc.and_then(|rustc| Command::new(rustc).arg("--version").output().ok());
    let version = said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default();
    println!("cargo::rustc-env=HOTSWAP_RUSTC={version}");
}
