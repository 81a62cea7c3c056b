//! A `kv` server of one's own, ended with the test, and what it holds in memory and descriptors.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::{env, fs};

use redis::Value;

/// Builds the example once and gives its path.
pub(crate) fn binary() -> &'static str {
    static BINARY: OnceLock<String> = OnceLock::new();
    BINARY.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args([
                "build",
                "--release",
                "--quiet",
                "--message-format=json",
                "-p",
                "hotswap-examples",
                "--example",
                "kv",
            ])
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "the example builds");
        String::from_utf8(output.stdout)
            .expect("JSON is text")
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .find_map(|message| message["executable"].as_str().map(str::to_owned))
            .expect("cargo names the example's file")
    })
}

/// A server on a free port; it ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(options: &[&str]) -> Self {
        let mut child = Command::new(binary())
            .args(["--port", "0"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it says where it serves");
        let port = line
            .split_once("127.0.0.1:")
            .and_then(|(_, rest)| rest.split_once(';')?.0.parse().ok())
            .unwrap_or_else(|| panic!("no port in {line:?}"));
        Self { child, port }
    }

    pub(crate) fn client(&self) -> redis::Connection {
        self.connect("resp3")
    }

    pub(crate) fn connect(&self, protocol: &str) -> redis::Connection {
        let url = format!("redis://127.0.0.1:{}/?protocol={protocol}", self.port);
        redis::Client::open(url).and_then(|client| client.get_connection()).expect("the server takes a client")
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the server lives");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory is known");
        line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of KiB")
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("the server lives").count()
    }

    /// Its threads.
    pub(crate) fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the server lives").count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Goes to a version, whatever is lost, and gives the numbers of the outcome.
pub(crate) fn upgrade(client: &mut redis::Connection, to: u32) -> HashMap<String, i64> {
    let outcome: HashMap<String, Value> = redis::cmd("HOTSWAP")
        .arg(&["UPGRADE", &to.to_string(), "ACCEPT-LOSS", "test"])
        .query(client)
        .unwrap_or_else(|error| panic!("to version {to}: {error}"));
    numbers(outcome)
}

/// What the switch says of itself.
pub(crate) fn status(client: &mut redis::Connection) -> HashMap<String, i64> {
    numbers(redis::cmd("HOTSWAP").arg("STATUS").query(client).expect("a status"))
}

fn numbers(report: HashMap<String, Value>) -> HashMap<String, i64> {
    let number = |(name, value)| if let Value::Int(n) = value { Some((name, n)) } else { None };
    report.into_iter().filter_map(number).collect()
}

/// Accounts for everyone: DESIGN's invariant 7, as a client sees it.
pub(crate) fn assert_accounted(outcome: &HashMap<String, i64>) {
    let sum: i64 = ["moved", "held_back", "gone", "not_reached"].iter().map(|part| outcome[*part]).sum();
    assert_eq!(sum, outcome["live"], "{outcome:?}");
    assert_eq!((outcome["settled"], outcome["not_reached"]), (1, 0), "{outcome:?}");
}

/// Whether a tool is missing; in CI that is a failure.
pub(crate) fn missing(tool: &str, there: bool) -> bool {
    if !there {
        assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "{tool} is missing");
        println!("SKIPPED: {tool} is missing");
    }
    !there
}
