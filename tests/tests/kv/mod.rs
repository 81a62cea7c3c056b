//! A `kv` server of one's own, and how the `redis` crate talks to it.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod benchmark;
#[path = "../server/mod.rs"]
mod server;

use std::collections::HashMap;
use std::env;
use std::sync::LazyLock;

use hotswap_tests::programs;
use redis::Value;

pub(crate) use server::Server;

/// Builds the example once and gives its path.
pub(crate) fn binary() -> &'static str {
    static BINARY: LazyLock<String> = LazyLock::new(|| programs::program("kv"));
    &BINARY
}

/// The example with versions 1 and 2 only.
pub(crate) fn binary_of_two() -> &'static str {
    static BINARY: LazyLock<String> = LazyLock::new(|| {
        // without those who want version 3; most of what it depends on is built as for the whole workspace then
        let two = "--workspace --exclude hotswap-tests --exclude reload --no-default-features --example kv";
        let two: Vec<_> = two.split(' ').collect();
        programs::built(&two, "kv", "kv-of-two")
    });
    &BINARY
}

/// Builds the command `hotswap` once and gives its path.
pub(crate) fn hotswap_command() -> &'static str {
    static BINARY: LazyLock<String> = LazyLock::new(|| programs::program("hotswap"));
    &BINARY
}

impl Server {
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::run(binary(), options)
    }

    pub(crate) fn client(&self) -> redis::Connection {
        self.connect("resp3")
    }

    pub(crate) fn connect(&self, protocol: &str) -> redis::Connection {
        let url = format!("redis://127.0.0.1:{}/?protocol={protocol}", self.port);
        redis::Client::open(url).and_then(|client| client.get_connection()).expect("the server takes a client")
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

pub(crate) fn numbers(report: HashMap<String, Value>) -> HashMap<String, i64> {
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
