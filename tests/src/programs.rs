//! Programs of the workspace, built as a user builds them.

use std::process::Stdio;

/// Builds an example and gives its path.
///
/// # Panics
///
/// If it does not compile.
#[must_use]
pub fn example(name: &str) -> String {
    built(&["--profile", "served", "-p", "hotswap-examples", "--example", name])
}

/// Builds what these arguments of cargo's name, and gives the path of the program that it is.
///
/// # Panics
///
/// If it does not compile.
#[must_use]
pub fn built(arguments: &[&str]) -> String {
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
        .find_map(|message| message["executable"].as_str().map(str::to_owned))
        .expect("cargo names the program's file")
}
