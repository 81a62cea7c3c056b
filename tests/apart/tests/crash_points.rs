//! Killed at any point of a save, a command or a restart, a program comes up whole, at the version that was last committed,
//! with the states that were last saved.
//!
//! Runs only with `--cfg hotswap_faults`, which puts the points in.
#![cfg(hotswap_faults)]

mod crash;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crash::child::{self, Report};
use crash::model::Model;
use hotswap_tests_apart::folder::Folder;

/// Not how long anything takes, but after how long it is taken to hang.
const LONG: Duration = Duration::from_secs(60);

/// A process of this file's own `process` test, in a role.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(role: &str, folder: &Path, seed: u64, fault: Option<(&str, u64)>) -> Self {
        let mut command = Command::new(env::current_exe().expect("this file"));
        command
            .args(["--exact", "process", "--nocapture"])
            .env("HOTSWAP_CRASH", role)
            .env("HOTSWAP_CRASH_FOLDER", folder)
            .env("HOTSWAP_CRASH_SEED", seed.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if let Some((point, after)) = fault {
            command.env("HOTSWAP_FAULT", point).env("HOTSWAP_FAULT_AFTER", after.to_string());
        }
        let mut child = command.spawn().expect("this file runs");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (to, lines) = channel();
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| to.send(line)));
        Self { child, lines }
    }

    /// What follows `what` in what it prints; `None` if it ends without.
    fn says(&self, what: &str) -> Option<String> {
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) => {
                    if let Some((_, said)) = line.split_once(what) {
                        return Some(said.to_owned());
                    }
                }
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
            }
        }
    }

    /// Kills it at its point; whether it came there.
    fn kill_at_its_point(mut self) -> bool {
        let came = self.says("fault: ").is_some();
        if came {
            // SIGKILL
            self.child.kill().expect("it lives");
        }
        let ended = self.child.wait().expect("it ends");
        assert!(came || ended.success(), "it failed before its point");
        came
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `Process` runs; in the parent there is nothing to do.
#[test]
fn process() {
    let Ok(role) = env::var("HOTSWAP_CRASH") else { return };
    let folder = PathBuf::from(env::var_os("HOTSWAP_CRASH_FOLDER").expect("set with the role"));
    let seed = env::var("HOTSWAP_CRASH_SEED").ok().and_then(|seed| seed.parse().ok()).expect("set with the role");
    // after the name of the test, which the harness does not end with a newline
    println!();
    match role.as_str() {
        "live" => child::live(&folder, seed),
        "report" => child::report(&folder),
        "save that may not last" => child::save_that_may_not_last(&folder),
        "commit that may not last" => child::commit_that_may_not_last(&folder),
        _ => panic!("no role {role}"),
    }
}

/// A folder through several lives, each of them killed at `point`.
struct Days<'a> {
    point: &'a str,
    folder: Folder,
    model: Model,
    read: usize,
}

impl<'a> Days<'a> {
    fn new(point: &'a str) -> Self {
        Self { point, folder: Folder::in_memory(), model: Model::new(), read: 0 }
    }

    fn path(&self) -> PathBuf {
        self.folder.path("")
    }

    /// What the log says that the model does not know yet.
    fn follow(&mut self) {
        let log = fs::read_to_string(self.folder.path("log")).unwrap_or_default();
        for line in log.lines().skip(self.read) {
            self.model.follow(serde_json::from_str(line).expect("an event"));
            self.read += 1;
        }
    }

    fn report(&self) -> Report {
        let process = Process::start("report", &self.path(), 0, None);
        let report = process.says("report: ").expect("it comes up whole");
        serde_json::from_str(&report).expect("a report")
    }

    /// Lives until it is killed, comes up, and again.
    fn live_and_die(&mut self, seed: u64, after: u64) {
        assert!(
            Process::start("live", &self.path(), seed, Some((self.point, after))).kill_at_its_point(),
            "{} is never reached",
            self.point
        );
        self.follow();
        // the first thing that happens afterwards is sometimes another death
        let next = ["", "store: written", "store: renamed", "open: read", "restore: put"][seed as usize % 5];
        if !next.is_empty() {
            Process::start("report", &self.path(), 0, Some((next, seed / 5 % 2))).kill_at_its_point();
        }
        let report = self.report();
        self.model.killed(self.point, &report);
        let again = self.report();
        self.model.check(&again);
        assert_eq!((&again.states, again.epoch), (&report.states, report.epoch + 1));
        let start = again.start().expect("it is told");
        assert_eq!((start.from, start.to, start.reason.as_str()), (again.version, again.version, ""));
    }
}

fn kill_at(points: &[&str]) {
    let times = if env::var_os("HOTSWAP_FULL").is_some() { 100 } else { 5 };
    for point in points {
        let mut days = Days::new(point);
        for time in 0..times {
            if time % 10 == 0 {
                days = Days::new(point);
            }
            let seed = time + 1000 * point.bytes().map(u64::from).sum::<u64>();
            println!("{point}, life {seed}");
            // not always the first time: it would be at the same few beginnings
            days.live_and_die(seed, time % 3);
        }
    }
}

/// A process that lives to its end, on a disk that fails.
fn live_with(role: &str, folder: &Folder, fault: (&str, u64)) {
    let died = Process::start(role, &folder.path(""), 0, Some(fault)).kill_at_its_point();
    assert!(!died, "it is no point to be killed at");
}

#[test]
fn a_save_whose_folder_cannot_be_synced_stands_and_says_that_it_may_not_last() {
    live_with("save that may not last", &Folder::in_memory(), ("save: syncing the folder", 1));
}

#[test]
fn a_commit_whose_folder_cannot_be_synced_is_refused_and_forgotten() {
    let folder = Folder::in_memory();
    // opening writes the store once, the upgrade three times
    live_with("commit that may not last", &folder, ("store: syncing the folder", 4));
    let process = Process::start("report", &folder.path(""), 0, None);
    let report: Report = serde_json::from_str(&process.says("report: ").expect("it comes up")).expect("a report");
    assert_eq!((report.version, report.permanent), (1, 1));
}

#[test]
fn in_a_save() {
    kill_at(&["save: opened", "save: block", "save: written", "save: synced", "save: renamed", "save: done"]);
}

#[test]
fn in_keeping_what_was_saved_before_an_upgrade() {
    kill_at(&["keep: removed", "keep: linked"]);
}

#[test]
fn in_writing_the_store() {
    kill_at(&["store: opened", "store: written", "store: synced", "store: renamed", "store: done"]);
}

#[test]
fn scenario_40_killed_in_an_upgrade() {
    kill_at(&["upgrade: decided", "upgrade: stored", "upgrade: flipped"]);
}

#[test]
fn in_a_commit() {
    kill_at(&["commit: decided", "commit: stored", "commit: flipped"]);
}

#[test]
fn in_a_rollback() {
    kill_at(&["rollback: flipped"]);
}

#[test]
fn in_a_restart() {
    kill_at(&["open: taken", "open: read", "open: done", "restore: checked", "restore: put", "restore: done"]);
}
