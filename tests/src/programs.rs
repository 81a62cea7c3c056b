//! Programs of the workspace, as its tests build them.

use std::fs;
use std::process::Stdio;

use crate::images::target;

/// All of them, so that nothing is built but what `cargo test` builds: for one alone, its dependencies would have other features.
const WHOLE: [&str; 3] = ["--workspace", "--bins", "--examples"];

/// Builds the workspace's programs and gives the path of the command or example of this name.
///
/// # Panics
///
/// If they do not compile.
#[must_use]
pub fn program(name: &str) -> String {
    built(&WHOLE, name, name)
}

/// Builds what these arguments of cargo's name, and gives the path of the program of this name, which is called `file` there.
///
/// # Panics
///
/// If it does not compile.
#[must_use]
pub fn built(arguments: &[&str], name: &str, file: &str) -> String {
    let folder = target().join("programs");
    fs::create_dir_all(&folder).expect("the folder can be made");
    // one at a time: cargo keeps the builds of one program with different features under one path
    let lock = fs::File::create(folder.join("lock")).expect("a lock can be made");
    lock.lock().expect("the lock can be taken");
    let [new, path] = ["new", file].map(|file| folder.join(file));
    let _ = fs::remove_file(&new);
    // not a copy: what is open for writing cannot be run, and any thread that starts a process has it open a while
    fs::hard_link(build(arguments, name), &new).expect("one file system");
    // another test may be starting the one before
    fs::rename(&new, &path).expect("one file system");
    path.to_str().expect("a path that is text").to_owned()
}

/// The path where cargo puts it.
fn build(arguments: &[&str], name: &str) -> String {
    let output = crate::cargo()
        .args(["build", "--quiet", "--message-format=json"])
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "the program builds");
    String::from_utf8(output.stdout)
        .expect("JSON is text")
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| {
            let program = message["executable"].as_str().filter(|_| message["target"]["name"] == name);
            program.map(str::to_owned)
        })
        .expect("cargo names the program's file")
}
