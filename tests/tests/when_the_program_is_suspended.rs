//! A program that is suspended in mid-sweep goes on where it was, and comes to the outcome that it would have come to.
//!
//! To the program, being suspended is a jump of every clock. No other clock than the monotonic one is asked how long to
//! wait; the time of day only stands in the audit.

#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Write, stdin};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{env, fs, thread};

use hotswap::{UpgradeOptions, Wait};
use hotswap_tests::Hook;
use hotswap_tests::paused::{Add, Get, Switch, V1};
use serde_json::{Value, json};

/// Where it is set, this file is the program that is suspended.
const PROGRAM: &str = "HOTSWAP_SUSPENDED_PROGRAM";
const KEYS: u64 = 1000;
/// How long the program's first command is to wait; it is suspended for longer.
const LIMIT: Duration = Duration::from_millis(10);

fn say(what: &str, value: impl serde::Serialize) {
    println!("\nprogram: {}", json!([what, value]));
}

/// Sweeps a thousand instances under load. In the middle of the 500th migration it says so, and waits for a line.
#[test]
fn the_program() {
    if env::var_os(PROGRAM).is_none() {
        return;
    }
    let switch = Switch::builder().starting_at(1).build().expect("one to run");
    let fleet = switch.fleet::<u64>();
    let migrations = Arc::new(AtomicU64::new(0));
    for key in 0..KEYS {
        let migrations = migrations.clone();
        let hook = Hook::new(move || {
            if migrations.fetch_add(1, Ordering::Relaxed) == 500 {
                say("in mid-sweep", ());
                stdin().read_line(&mut String::new()).expect("told to go on");
            }
        });
        fleet.insert(key, V1 { sum: 1, hook }).expect("enters");
    }
    thread::scope(|scope| {
        scope.spawn(|| (0..10_000).for_each(|i| fleet.step(&(i % 100), Add(1)).expect("taken by both versions")));
        let options = UpgradeOptions::default().id("the one");
        let admin = switch.admin();
        say("hurried", admin.upgrade_with(2, "", &options.clone().wait(Wait::For(LIMIT))).expect("not refused"));
        say("patient", admin.upgrade_with(2, "", &options).expect("attached"));
    });
    say("migrations", migrations.load(Ordering::Relaxed));
    say("sum", (0..KEYS).map(|key| fleet.step(&key, Get).expect("taken")).sum::<u64>());
}

/// Ends with the test, so that one which fails leaves nothing suspended behind.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(program: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &program.id().to_string()]).status();
    assert!(status.expect("there is a `kill`").success());
}

/// Whether every thread of the program is stopped.
fn stopped(program: &Child) -> bool {
    let tasks = fs::read_dir(format!("/proc/{}/task", program.id())).expect("the program lives");
    tasks.map(|task| fs::read_to_string(task.expect("a thread").path().join("stat"))).all(|stat| {
        // the state comes after the name, which is in parentheses and may hold anything
        stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
    })
}

#[test]
fn scenario_39_a_program_that_is_suspended_in_mid_sweep_goes_on_to_the_same_outcome() {
    let program = Command::new(env::current_exe().expect("this program has a file"))
        .args(["--exact", "the_program", "--nocapture"])
        .env(PROGRAM, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut program = Program(program);
    let program = &mut program.0;
    let mut said = BufReader::new(program.stdout.take().expect("piped"))
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<[Value; 2]>(line.strip_prefix("program: ")?).ok());
    // the hurried command comes first on a machine that takes its whole limit to get half-way
    let mut all: Vec<_> = said.by_ref().take_while(|[what, _]| what != "in mid-sweep").collect();

    signal(program, "-STOP");
    while !stopped(program) {
        thread::yield_now();
    }
    program.stdin.take().expect("piped").write_all(b"go on\n").expect("it reads on when it goes on");
    thread::sleep(2 * LIMIT);
    assert!(stopped(program));
    signal(program, "-CONT");

    all.extend(said);
    assert!(program.wait().expect("it ends").success());
    let what: Vec<_> = all.iter().map(|[what, _]| what.as_str().expect("a word")).collect();
    assert_eq!(what, ["hurried", "patient", "migrations", "sum"]);
    let number = |at: usize, name: &str| all[at][1][name].as_u64().expect("a number");
    assert_eq!((&all[0][1]["settled"], number(0, "moved") + number(0, "not_reached")), (&json!(false), KEYS));
    assert_eq!((&all[1][1]["settled"], number(1, "live"), number(1, "moved")), (&json!(true), KEYS, KEYS));
    assert_eq!((&all[2][1], &all[3][1]), (&json!(KEYS), &json!(KEYS + 10_000)));
}
