//! Images of the machine in `tests/images/tally`, built as a user builds them, and signed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{env, fs};

use hotswap::load::{Claims, SecretKey, Trust, sign};

/// The application that the tests sign for.
pub const APPLICATION: &str = "hotswap-tests";

/// The machine's crate with these features as an image. Each is built once.
///
/// # Panics
///
/// If it cannot be built.
#[must_use]
pub fn built(features: &str) -> Vec<u8> {
    static BUILT: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let build = || copied(&format!("with-{features}"), features, &str::to_owned, &str::to_owned);
    built.entry(features.to_owned()).or_insert_with(build).clone()
}

/// The same crate with version 3, as someone has changed it: its manifest and its source, each from the old text.
///
/// # Panics
///
/// If it cannot be built.
#[must_use]
pub fn changed(name: &str, manifest: impl Fn(&str) -> String, source: impl Fn(&str) -> String) -> Vec<u8> {
    copied(name, "three", &manifest, &source)
}

/// Cargo gives a library that can be loaded one name, whatever its features and whichever copy of the crate it is of: so what an
/// older build left is cleaned away, or it would be taken for this one.
fn copied(name: &str, features: &str, manifest: &dyn Fn(&str) -> String, source: &dyn Fn(&str) -> String) -> Vec<u8> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = target().join("images").join(name);
    // one at a time: cargo lets go of its lock before what it has built is read
    fs::create_dir_all(target().join("images")).expect("the folder can be made");
    let lock = fs::File::create(target().join("images/lock")).expect("a lock can be made");
    lock.lock().expect("the lock can be taken");
    fs::create_dir_all(folder.join("src")).expect("the folder can be made");
    let read = |path: &str| fs::read_to_string(here.join(path)).expect("the crate is there");
    // outside of the workspace, and with what the workspace says written out
    let inherited = read("../Cargo.toml");
    let (package, dependencies) =
        (table(&inherited, "[workspace.package]"), table(&inherited, "[workspace.dependencies]"));
    let mut text = String::from("[workspace]\n");
    for line in read("images/tally/Cargo.toml").lines() {
        let told = line.strip_suffix(".workspace = true").map(|key| {
            let is_it = |line: &&str| line.split_once(" = ").is_some_and(|(name, _)| name == key);
            package.lines().chain(dependencies.lines()).find(is_it).expect("the workspace says it")
        });
        text += told.unwrap_or(line);
        text.push('\n');
    }
    let hotswap = here.join("../hotswap").canonicalize().expect("it is there");
    let text = text.replace(r#"path = "hotswap""#, &format!("path = {:?}", hotswap.display().to_string()));
    fs::write(folder.join("Cargo.toml"), manifest(&text)).expect("it can be written");
    fs::write(folder.join("src/lib.rs"), source(&read("images/tally/src/lib.rs"))).expect("it can be written");
    fs::copy(here.join("../Cargo.lock"), folder.join("Cargo.lock")).expect("it can be copied");
    build(&folder.join("Cargo.toml"), features)
}

/// The lines of one table of a manifest.
fn table<'a>(manifest: &'a str, head: &str) -> &'a str {
    let rest = manifest.split_once(head).expect("the table is there").1;
    rest.split_once("\n[").map_or(rest, |(table, _)| table)
}

fn build(manifest: &Path, features: &str) -> Vec<u8> {
    let folder = target().join("images");
    let text = fs::read_to_string(manifest).expect("it is there");
    let package = text.lines().find_map(|line| line.strip_prefix("name = ")).expect("it has a name").trim_matches('"');
    let cargo = |does: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(does).args(["--quiet", "--offline", "--manifest-path"]).arg(manifest);
        let status = cargo.arg("--target-dir").arg(&folder).status().expect("cargo runs");
        assert!(status.success(), "the image cannot be built");
    };
    cargo(&["clean", "--package", package]);
    cargo(&["rustc", "--lib", "--crate-type", "cdylib", "--features", &format!("hotswap/image,{features}")]);
    let file = format!("debug/lib{}.so", package.replace('-', "_"));
    fs::read(folder.join(file)).expect("cargo has built it")
}

/// The folder of what cargo builds.
fn target() -> PathBuf {
    let test = env::current_exe().expect("this test is a file");
    test.ancestors().nth(3).expect("cargo puts tests two folders deep").to_owned()
}

/// A key, and the trust in it.
///
/// # Panics
///
/// If the system has no randomness.
#[must_use]
pub fn trusted() -> (SecretKey, Trust) {
    let key = SecretKey::generate().expect("there is randomness");
    let trust = Trust::new(APPLICATION).key(key.public());
    (key, trust)
}

/// An image in its envelope.
///
/// # Panics
///
/// If it cannot be signed.
#[must_use]
pub fn signed(image: &[u8], key: &SecretKey, serial: u64) -> Vec<u8> {
    sign(image, key, &Claims::new(APPLICATION, serial)).expect("it can be signed")
}

/// Images are listed for the process: one test at a time.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
