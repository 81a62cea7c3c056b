//! The examples print what they promise.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use hotswap_tests::folder::Folder;
use hotswap_tests::programs;

fn example(name: &str) -> Command {
    Command::new(programs::program(name))
}

fn run(name: &str) -> String {
    let output = example(name).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn counter_learns_to_reset_and_goes_back() {
    assert_eq!(
        run("counter"),
        r#"> tick
> get
1
state: [1,{"count":1}]
> reset
input `Reset` was not taken: version 1 does not take this input
> upgrade 2
upgrade 1 -> 2: 1 live, 1 moved, 0 held back, 0 gone, 0 not reached
state: [2,{"count":1,"ticks":0}]
> tick
> tick
> get
3
state: [2,{"count":3,"ticks":2}]
> reset
> get
0
> upgrade 3
upgrade 2 -> 3: 1 live, 1 moved, 0 held back, 0 gone, 0 not reached
> tick
> get
2
> rollback
rollback 3 -> 1: 1 live, 1 moved, 0 held back, 0 gone, 0 not reached
> tick
> get
3
state: [1,{"count":3}]
1    permanent  1 live
2    old        0 live
3    old        0 live
"#
    );
}

#[test]
fn pricing_changes_its_price_and_then_tells_its_version() {
    assert_eq!(
        run("pricing"),
        "The price of milk is: $0.99
upgrade 1 -> 2: 1 live, 1 moved, 0 held back, 0 gone, 0 not reached
The price of milk is: $1.03
input `WhichVersion` was not taken: version 2 does not take this input
upgrade 2 -> 3: 1 live, 1 moved, 0 held back, 0 gone, 0 not reached
The price of milk is: $1.03
The service runs version 3
Asked so far: 3
"
    );
}

/// The greeter in `folder`, given these lines; what it prints.
fn release(folder: &Path, lines: &str) -> String {
    let mut child = example("release")
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn release_does_what_the_readme_shows() {
    let readme = include_str!("../../README.md");
    let shown = readme.split("$ release greeter\n").skip(1).map(|run| run.split("```").next().unwrap_or(run));
    let folder = Folder::new();
    let mut runs = 0;
    for run in shown {
        let of = |typed: bool| -> String {
            let lines = run.lines().filter(|line| !line.is_empty() && line.starts_with("> ") == typed);
            lines.map(|line| line.trim_start_matches("> ").to_owned() + "\n").collect()
        };
        assert_eq!(release(&folder.path("greeter"), &of(true)), of(false), "given:\n{}", of(true));
        runs += 1;
    }
    assert_eq!(runs, 3, "the README shows so many");
}

#[test]
fn release_refuses_by_name_and_lives() {
    let folder = Folder::new();
    assert_eq!(
        release(&folder.path("greeter"), "commit\nupgrade 3\nupgrade two\noutcome it\nreset\nsay\n"),
        "greeter: version 1, permanent; 0 live, 0 held back, 0 not reached
refused: nothing to commit: version 1 is permanent
refused: machine `greeter` has no version 3; it has 1, 2
refused: invalid digit found in string
refused: no command has this id
say [NAME] | versions | status | upgrade N [ID] | commit | rollback | outcome ID | quit
Helo, world! (1)
"
    );
}

#[test]
fn release_says_in_a_line_why_it_cannot_start() {
    let folder = Folder::new();
    let greeter = folder.path("greeter");
    std::fs::create_dir(&greeter).expect("a writable folder");
    std::fs::write(greeter.join("switch"), b"").expect("a writable folder");
    let output = example("release").arg(&greeter).output().expect("it runs");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(!output.status.success() && said.lines().count() == 1, "{said}");
    assert!(said.starts_with("release: ") && said.ends_with(": the snapshot ends too early\n"), "{said}");
}

#[test]
fn release_counts_on_after_it_is_killed() {
    let folder = Folder::new();
    let path = folder.path("greeter");
    let mut child =
        example("release").arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    child.stdin.as_ref().expect("piped").write_all(b"say\nupgrade 2\nsay\n").expect("it reads");
    let said = BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| line.expect("text"));
    assert!(said.into_iter().any(|line| line == "Hello, world! (2)"));
    child.kill().expect("it lives");
    child.wait().expect("it ends");
    assert_eq!(
        release(&path, "say\n"),
        "greeter: version 1, permanent; 1 live, 0 held back, 0 not reached (version 2 was not committed)
Helo, world! (3)
"
    );
}
