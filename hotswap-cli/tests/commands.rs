//! The command as it is run: what it prints, what it writes, and its exit codes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use hotswap::load::{PublicKey, Trust, TrustError};
use serde_json::Value;

/// An empty folder of this test's own; what an earlier run left there is gone.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn hotswap(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hotswap")).args(args).current_dir(folder).output().expect("it runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ends by itself")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

/// What a command that goes well prints.
fn done(folder: &Path, args: &[&str]) -> String {
    let output = hotswap(folder, args);
    assert_eq!((code(&output), stderr(&output)), (0, ""), "{args:?}");
    stdout(&output).to_owned()
}

/// The object that it prints with `--json`, and its exit code.
fn json(folder: &Path, args: &[&str]) -> (Value, i32) {
    let output = hotswap(folder, &[args, &["--json"]].concat());
    let text = stdout(&output);
    assert!(text.ends_with('\n') && text.matches('\n').count() == 1, "{text}");
    let value: Value = serde_json::from_str(text).expect("one object");
    assert_eq!((&value["schema"], &value["ok"]), (&1.into(), &(code(&output) == 0).into()));
    (value, code(&output))
}

/// A folder with a pair of keys, `release` and `release.pub`, and `image`, which is signed for `shop` as `image.signed`.
fn with_signed_image(name: &str) -> PathBuf {
    let folder = folder(name);
    fs::write(folder.join("image"), b"\x7fELF and so on").expect("a file");
    done(&folder, &["key", "new", "release"]);
    done(&folder, &["sign", "image", "--key", "release", "--application", "shop", "--serial", "7", "--note", "first"]);
    folder
}

const VERIFY: [&str; 6] = ["verify", "image.signed", "--key", "release.pub", "--application", "shop"];

#[test]
fn a_key_is_made_an_image_signed_with_it_and_verified() {
    let folder = with_signed_image("all-is-well");
    let said = done(&folder, &VERIFY);
    for line in ["verified     image.signed", "application  shop", "serial       7", "note         first"] {
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }
    // a program takes it too
    let key = PublicKey::read(folder.join("release.pub")).expect("a key");
    let file = fs::read(folder.join("image.signed")).expect("a file");
    let verified = Trust::new("shop").key(key).verify(&file).expect("signed");
    assert_eq!(verified.image(), b"\x7fELF and so on");
    // the line itself does for the file, and one key of several
    done(&folder, &["key", "new", "other"]);
    let line = key.to_string();
    done(&folder, &["verify", "image.signed", "--key", "other.pub", "--key", &line, "--application", "shop"]);
}

#[test]
fn programs_get_one_object() {
    let folder = with_signed_image("json");
    let (key, _) = json(&folder, &["key", "new", "second"]);
    assert_eq!((&key["command"], &key["public_key"]), (&"key new".into(), &"second.pub".into()));
    let sign = ["sign", "image", "--key", "second", "--application", "shop", "--expires", "2h", "-o", "out/second"];
    let (signed, _) = json(&folder, &sign);
    let envelope = &signed["envelope"];
    let number = |name: &str| envelope[name].as_u64().expect("a number");
    assert_eq!(number("expires") - number("created"), 7200);
    // without a serial: the time
    assert_eq!(number("serial") / 1_000_000, number("created"));
    assert_eq!((&envelope["key"], number("bytes")), (&key["id"], 14));
    let (inspected, exit) = json(&folder, &["inspect", "out/second"]);
    assert_eq!((&inspected["envelope"], &inspected["signed"], exit), (envelope, &true.into(), 0));
    let (verified, _) = json(&folder, &["verify", "out/second", "--key", "second.pub", "--application", "shop"]);
    assert_eq!(&verified["envelope"], envelope);
    // nothing but the file is in its folder
    assert_eq!(fs::read_dir(folder.join("out")).expect("a folder").count(), 1);
}

#[test]
fn what_is_not_trusted_is_refused_by_name_with_exit_code_3() {
    let folder = with_signed_image("refused");
    let refused = |args: &[&str], reason: &str| {
        let (value, exit) = json(&folder, args);
        assert_eq!((&value["reason"], &value["exit"], exit), (&reason.into(), &3.into(), 3), "{value}");
    };
    done(&folder, &["key", "new", "other"]);
    refused(&["verify", "image.signed", "--key", "other.pub", "--application", "shop"], "unknown-key");
    refused(&["verify", "image.signed", "--key", "release.pub", "--application", "bank"], "wrong-application");
    refused(&["verify", "image", "--key", "release.pub", "--application", "shop"], "unsigned");
    refused(&["verify", "release.pub", "--key", "release.pub", "--application", "shop"], "not-an-envelope");
    refused(&["inspect", "release"], "not-an-envelope");

    let file = fs::read(folder.join("image.signed")).expect("a file");
    let damaged = |bytes: &[u8], reason: &str| {
        fs::write(folder.join("image.signed"), bytes).expect("a file");
        refused(&VERIFY, reason);
    };
    let changed = |at: usize| {
        let mut file = file.clone();
        file[at] ^= 1;
        file
    };
    damaged(&changed(file.len() - 1), "altered");
    damaged(&changed(24), "bad-signature");
    damaged(&changed(8), "format");
    damaged(&file[..file.len() - 1], "truncated");
    damaged(&[&file[..], b"\n"].concat(), "too-long");

    let output = hotswap(&folder, &VERIFY);
    assert_eq!(stdout(&output), "");
    assert_eq!(stderr(&output), format!("error: {}\n", TrustError::TooLong { over: 1 }));
}

#[test]
fn what_cannot_be_done_is_said_with_exit_code_1() {
    let folder = with_signed_image("failed");
    let failed = |args: &[&str], reason: &str| {
        let (value, exit) = json(&folder, args);
        assert_eq!((&value["reason"], exit), (&reason.into(), 1), "{value}");
    };
    failed(&["inspect", "none"], "io");
    failed(&["verify", "none", "--key", "release.pub", "--application", "shop"], "io");
    failed(&["verify", "image.signed", "--key", "none", "--application", "shop"], "key");
    failed(&["verify", "image.signed", "--key", "release", "--application", "shop"], "key");
    failed(&["verify", "image.signed", "--key", "hotswap-public-key:1:00", "--application", "shop"], "key");
    failed(&["sign", "image", "--key", "release.pub", "--application", "shop"], "key");
    failed(&["sign", "image", "--key", "release", "--application", ""], "not-signed");
    failed(&["sign", "image.signed", "--key", "release", "--application", "shop"], "not-signed");
    failed(&["sign", "image", "--key", "release", "--application", "shop", "--expires", "10ms"], "not-signed");
    // neither of the two is written over, and where one is there the other is not made
    let before = fs::read(folder.join("release")).expect("a key");
    failed(&["key", "new", "release"], "key");
    fs::rename(folder.join("release"), folder.join("away")).expect("moved");
    failed(&["key", "new", "release"], "key");
    assert!(!folder.join("release").exists());
    assert_eq!(fs::read(folder.join("away")).expect("a key"), before);
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    let folder = folder("usage");
    let cases: [&[&str]; 5] = [
        &[],
        &["frobnicate"],
        &["sign", "image"],
        &["verify", "image"],
        &["sign", "i", "--key", "k", "--application", "a", "--expires", "soon"],
    ];
    for args in cases {
        assert_eq!(code(&hotswap(&folder, args)), 2, "{args:?}");
    }
    let help = done(&folder, &["--help"]);
    for told in ["build", "inspect", "key", "sign", "verify", "Exit codes:", "--json"] {
        assert!(help.contains(told), "{told}: {help}");
    }
}

#[test]
fn what_a_stranger_wrote_does_not_reach_the_terminal_as_it_is() {
    let folder = with_signed_image("terminal");
    let note = "red \x1b[31m\nsecond line";
    done(&folder, &["sign", "image", "--key", "release", "--application", "shop", "--note", note]);
    let said = done(&folder, &["inspect", "image.signed"]);
    assert!(said.contains(r"note         red \u{1b}[31m\nsecond line"), "{said}");

    // nor by what an image says of itself
    let folder = machine_crate("stranger", "hotswap");
    let built = object(&build(&folder, &["--out", "image.so"]));
    assert_eq!(built["ok"], true, "{built}");
    let image = fs::read(folder.join("image.so")).expect("an image");
    let (inspected, _) = json(&folder, &["inspect", "image.so"]);
    let manifest = &inspected["manifest"];
    let (how, machine) = (&manifest["build"], &manifest["machines"][0]);
    let mut texts = vec![&how["rustc"], &how["hotswap"]];
    texts.extend(["machine", "module", "krate", "crate_version"].map(|field| &machine[field]));
    for version in machine["versions"].as_array().expect("versions") {
        texts.extend([&version["state"], &version["fingerprint"]]);
    }
    let mut hostile = image.clone();
    for text in &texts {
        change(&mut hostile, &noted(text.as_str().expect("text")), 4, b"\x1b");
    }
    let needed = manifest["needed"].as_array().expect("libraries");
    for library in needed {
        change(&mut hostile, format!("\0{}\0", library.as_str().expect("text")).as_bytes(), 1, b"\x1b");
    }
    fs::write(folder.join("image.so"), &hostile).expect("a file");
    let said = done(&folder, &["inspect", "image.so"]);
    assert_eq!(said.matches(r"\u{1b}").count(), texts.len() + needed.len(), "{said}");
    assert!(!said.contains(|char: char| char.is_control() && char != '\n'), "{said:?}");
    assert_eq!((texts.len(), said.lines().count()), (10, 10), "{said}");

    // nor by why it is none
    let mut hostile = image.clone();
    let target = how["target"].as_str().expect("text");
    change(&mut hostile, &noted(target), 4, b"\x1b\n");
    fs::write(folder.join("image.so"), &hostile).expect("a file");
    let said = done(&folder, &["inspect", "image.so"]);
    let unfit = said.lines().last().expect("it says why");
    let fact = format!(r"unfit here   the image is for target \u{{1b}}\n{}, this program for {target}", &target[2..]);
    assert_eq!(unfit, fact);
}

/// A text as it stands in a note: with its length in front.
fn noted(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("short").to_le_bytes();
    [&length[..], text.as_bytes()].concat()
}

/// Writes over so much of what is in there.
fn change(image: &mut [u8], what: &[u8], from: usize, to: &[u8]) {
    let at = image.windows(what.len()).position(|window| window == what).expect("it is in there") + from;
    image[at..at + to.len()].copy_from_slice(to);
}

#[test]
fn people_are_told_what_an_image_needs() {
    let folder = machine_crate("needy", "hotswap");
    let built = object(&build(&folder, &["--out", "image.so"]));
    assert_eq!(built["ok"], true, "{built}");
    let said = done(&folder, &["inspect", "image.so"]);
    let (inspected, _) = json(&folder, &["inspect", "image.so"]);
    let manifest = &inspected["manifest"];
    let needed: Vec<_> = manifest["needed"].as_array().expect("libraries").iter().filter_map(Value::as_str).collect();
    assert!(needed.iter().any(|library| library.starts_with("libc.")), "{needed:?}");
    let constructors = manifest["constructors"].as_u64().expect("a number");
    let lines = ["panics       unwind", &format!("needs        {}", needed.join(", "))];
    for line in lines.iter().chain([&&*format!("constructors {constructors}")]) {
        assert!(said.lines().any(|said| said == *line), "{line}: {said}");
    }
}

// ---- build

const MACHINE: &str = r"
//! A machine with two versions.

pub mod counter;
";

const COUNTER: &str = r"
use HOTSWAP::machine;

#[machine(crate = HOTSWAP)]
mod declared {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
    }

    #[machine(version = 1)]
    pub fn tick(state: &mut V1, _: Tick) {
        state.count += 1
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub count: i64,
        #[machine(added = 0)]
        pub ticks: u64,
    }

    #[machine(version = 2)]
    pub fn tick_counted(state: &mut V2, _: Tick) {
        state.count += 1;
        state.ticks += 1
    }
}

pub use declared::*;
";

/// A crate of its own with a machine, which calls hotswap by this name; it builds in one folder with all others here, so
/// that what they depend on is built once.
fn machine_crate(name: &str, calls: &str) -> PathBuf {
    let folder = folder(name);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member of the workspace");
    let hotswap = workspace.join("hotswap");
    let manifest = format!(
        r#"
[workspace]

[package]
name = "{name}"
version = "1.2.3"
edition = "2024"

[features]
extra = []

[dependencies]
{calls} = {{ package = "hotswap", path = "{}" }}
serde = {{ version = "1", features = ["derive"] }}

[profile.release]
# an image unwinds all the same
panic = "abort"
# nothing is asked of its speed here
opt-level = 0
"#,
        hotswap.display()
    );
    fs::create_dir(folder.join("src")).expect("a folder");
    fs::write(folder.join("Cargo.toml"), manifest).expect("a file");
    fs::write(folder.join("src/lib.rs"), MACHINE).expect("a file");
    fs::write(folder.join("src/counter.rs"), COUNTER.replace("HOTSWAP", calls)).expect("a file");
    // the versions that are there already: nothing has to be fetched
    fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock")).expect("a file");
    folder
}

/// `hotswap build` there, with cargo's own messages on standard error.
fn build(folder: &Path, args: &[&str]) -> Output {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("target");
    Command::new(env!("CARGO_BIN_EXE_hotswap"))
        .args(["build", "--offline", "--json"])
        .args(args)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .expect("it runs")
}

fn object(output: &Output) -> Value {
    assert_ne!(stdout(output), "", "{}", stderr(output));
    serde_json::from_str(stdout(output)).expect("one object")
}

#[test]
fn an_ordinary_library_crate_is_built_as_an_image() {
    let folder = machine_crate("ordinary", "hotswap");
    let before = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
    let output = build(&folder, &[]);
    let built = object(&output);
    assert_eq!((code(&output), &built["package"], &built["version"]), (0, &"ordinary".into(), &"1.2.3".into()));
    let file = Path::new(built["file"].as_str().expect("a path"));
    assert!(file.ends_with(format!("hotswap/ordinary-1.2.3{}", std::env::consts::DLL_SUFFIX)), "{built}");
    let image = fs::read(file).expect("an image");
    assert_eq!(Some(image.len() as u64), built["image"]["bytes"].as_u64());
    if cfg!(target_os = "linux") {
        assert!(image.starts_with(b"\x7fELF"));
    }
    // the manifest is the user's, and what inspect says is what build said
    assert_eq!(fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest"), before);
    let (inspected, _) = json(&folder, &["inspect", &file.display().to_string()]);
    assert_eq!((&inspected["signed"], &inspected["image"]), (&false.into(), &built["image"]));
    let machine = &inspected["manifest"]["machines"][0];
    let numbers: Vec<_> = machine["versions"].as_array().expect("versions").iter().map(|it| &it["number"]).collect();
    assert_eq!(
        (&machine["machine"], &machine["krate"], numbers),
        (&"declared".into(), &"ordinary".into(), vec![&1.into(), &2.into()])
    );
}

#[test]
fn a_renamed_dependency_is_found_and_the_compiler_is_heard() {
    let folder = machine_crate("renamed", "live");
    let output = build(&folder, &["--package", "renamed", "--features", "extra", "--out", "images/renamed.so"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(folder.join("images/renamed.so").is_file());

    fs::write(folder.join("src/lib.rs"), "pub mod counter;\npub fn broken() -> u8 { \"text\" }\n").expect("a file");
    let output = build(&folder, &[]);
    assert_eq!((code(&output), &object(&output)["reason"]), (1, &"build-failed".into()));
    assert!(stderr(&output).contains("error[E0308]: mismatched types"), "{}", stderr(&output));
}

/// Cargo keeps the library of one package under one name, whichever version it is of.
#[test]
fn what_is_built_is_of_the_version_that_is_there() {
    let folder = machine_crate("bumped", "hotswap");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
    let crate_version = |version: &str| {
        fs::write(folder.join("Cargo.toml"), manifest.replace("1.2.3", version)).expect("a file");
        let built = object(&build(&folder, &[]));
        assert_eq!(built["version"], version);
        let (inspected, _) = json(&folder, &["inspect", built["file"].as_str().expect("a path")]);
        inspected["manifest"]["machines"][0]["crate_version"].clone()
    };
    assert_eq!(["1.2.3", "1.2.4", "1.2.3", "1.2.3"].map(crate_version), ["1.2.3", "1.2.4", "1.2.3", "1.2.3"]);
}

/// What cargo made may be another build's by the time that it is read, unless builds into one folder take turns.
#[test]
fn builds_into_one_folder_at_once_each_give_their_own() {
    let crates = [("first", "1.2.3"), ("second", "1.2.4")].map(|(name, version)| {
        let folder = machine_crate(name, "hotswap");
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        let manifest = manifest.replace(name, "at-once").replace("1.2.3", version);
        fs::write(folder.join("Cargo.toml"), manifest).expect("a file");
        (folder, version)
    });
    thread::scope(|scope| {
        for (folder, version) in &crates {
            scope.spawn(move || {
                for _ in 0..4 {
                    let output = build(folder, &["--out", "image.so"]);
                    assert_eq!(code(&output), 0, "{version}: {}", stderr(&output));
                    let (inspected, _) = json(folder, &["inspect", "image.so"]);
                    assert_eq!(inspected["manifest"]["machines"][0]["crate_version"], *version);
                }
            });
        }
    });
}

#[test]
fn a_library_without_a_machine_is_no_image() {
    let folder = machine_crate("bare", "hotswap");
    fs::write(folder.join("src/lib.rs"), "pub fn nothing() {}\n").expect("a file");
    let output = build(&folder, &[]);
    assert_eq!((code(&output), &object(&output)["reason"]), (1, &"unfit".into()));
    assert!(!folder.join("bare.so").exists());
}

#[test]
fn what_can_be_no_image_is_told_what_it_lacks() {
    let manifest = |name: &str, rest: &str| {
        let folder = folder(name);
        fs::create_dir(folder.join("src")).expect("a folder");
        let package = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n[workspace]\n{rest}");
        fs::write(folder.join("Cargo.toml"), package).expect("a file");
        folder
    };
    let without = manifest("without", "");
    fs::write(without.join("src/lib.rs"), "").expect("a file");
    let output = build(&without, &[]);
    assert_eq!((code(&output), &object(&output)["reason"]), (1, &"no-hotswap".into()));
    assert!(stderr(&output).contains("package `without` does not depend on `hotswap`"), "{}", stderr(&output));

    let program = manifest("program", "");
    fs::write(program.join("src/main.rs"), "fn main() {}").expect("a file");
    let output = build(&program, &[]);
    assert_eq!((code(&output), &object(&output)["reason"]), (1, &"no-library".into()));

    let output = build(&program, &["--package", "nobody"]);
    assert_eq!((code(&output), &object(&output)["reason"]), (1, &"which-package".into()));
    let output = build(&folder("nothing"), &["--manifest-path", "none/Cargo.toml"]);
    assert_eq!((code(&output), &object(&output)["reason"]), (1, &"metadata".into()));
}
