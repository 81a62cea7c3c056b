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
    let copy = format!("with-{features}");
    let image = Image { krate: TALLY, copy: &copy, features: &format!("hotswap/image,{features}") };
    built.entry(features.to_owned()).or_insert_with(|| image.built()).clone()
}

/// The same crate with version 3, as someone has changed it: its manifest and its source, each from the old text.
///
/// # Panics
///
/// If it cannot be built.
#[must_use]
pub fn changed(name: &str, manifest: impl Fn(&str) -> String, source: impl Fn(&str) -> String) -> Vec<u8> {
    let image = Image { krate: TALLY, copy: name, features: "hotswap/image,three" };
    image.changed(manifest, source).expect("it compiles")
}

const TALLY: &str = "images/tally";

/// What a copy of a crate is to be built from, as an image.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// The crate's folder, in the folder of the tests.
    pub krate: &'a str,
    /// What the copy is called.
    pub copy: &'a str,
    /// The features, hotswap's own included, as cargo is told them.
    pub features: &'a str,
}

impl Image<'_> {
    /// The crate as it is.
    ///
    /// # Panics
    ///
    /// If it cannot be built.
    #[must_use]
    pub fn built(self) -> Vec<u8> {
        self.changed(str::to_owned, str::to_owned).expect("it compiles")
    }

    /// The crate as someone has changed it: its manifest and its source, each from the old text.
    ///
    /// # Errors
    ///
    /// What the compiler says, if it does not compile.
    pub fn changed(
        self,
        manifest: impl Fn(&str) -> String,
        source: impl Fn(&str) -> String,
    ) -> Result<Vec<u8>, String> {
        copied(self, &manifest, &source)
    }
}

/// Cargo gives a library that can be loaded one name, whatever its features and whichever copy of the crate it is of: so what an
/// older build left is cleaned away, or it would be taken for this one.
fn copied(
    image: Image<'_>,
    manifest: &dyn Fn(&str) -> String,
    source: &dyn Fn(&str) -> String,
) -> Result<Vec<u8>, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(image.krate);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = target().join("images").join(image.copy);
    // one at a time: cargo lets go of its lock before what it has built is read
    fs::create_dir_all(target().join("images")).expect("the folder can be made");
    let lock = fs::File::create(target().join("images/lock")).expect("a lock can be made");
    lock.lock().expect("the lock can be taken");
    fs::create_dir_all(folder.join("src")).expect("the folder can be made");
    let read = |path: PathBuf| fs::read_to_string(path).expect("the crate is there");
    // outside of the workspace, and with what the workspace says written out
    let inherited = read(root.join("Cargo.toml"));
    let (package, dependencies) =
        (table(&inherited, "[workspace.package]"), table(&inherited, "[workspace.dependencies]"));
    let mut text = String::from("[workspace]\n");
    for line in read(here.join("Cargo.toml")).lines() {
        let told = line.strip_suffix(".workspace = true").map(|key| {
            let is_it = |line: &&str| line.split_once(" = ").is_some_and(|(name, _)| name == key);
            package.lines().chain(dependencies.lines()).find(is_it).expect("the workspace says it")
        });
        text += told.unwrap_or(line);
        text.push('\n');
    }
    let hotswap = root.join("hotswap").canonicalize().expect("it is there").display().to_string();
    let paths = [r#"path = "hotswap""#, r#"path = "../../hotswap""#];
    let text = paths.iter().fold(text, |text, path| text.replace(path, &format!("path = {hotswap:?}")));
    fs::write(folder.join("Cargo.toml"), manifest(&text)).expect("it can be written");
    fs::write(folder.join("src/lib.rs"), source(&read(here.join("src/lib.rs")))).expect("it can be written");
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("it can be copied");
    build(&folder.join("Cargo.toml"), image.features)
}

/// The lines of one table of a manifest.
fn table<'a>(manifest: &'a str, head: &str) -> &'a str {
    let rest = manifest.split_once(head).expect("the table is there").1;
    rest.split_once("\n[").map_or(rest, |(table, _)| table)
}

fn build(manifest: &Path, features: &str) -> Result<Vec<u8>, String> {
    let folder = target().join("images");
    let text = fs::read_to_string(manifest).expect("it is there");
    let package = text.lines().find_map(|line| line.strip_prefix("name = ")).expect("it has a name").trim_matches('"');
    let cargo = |does: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(does).args(["--quiet", "--offline", "--manifest-path"]).arg(manifest);
        let output = cargo.arg("--target-dir").arg(&folder).output().expect("cargo runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    };
    cargo(&["clean", "--package", package])?;
    cargo(&["rustc", "--lib", "--crate-type", "cdylib", "--features", features])?;
    let file = format!("debug/lib{}.so", package.replace('-', "_"));
    Ok(fs::read(folder.join(file)).expect("cargo has built it"))
}

/// The folder of what cargo builds.
pub(crate) fn target() -> PathBuf {
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
