//! `redis-benchmark` against a `kv` server: it must hear of no error.

use std::process::{Command, Stdio};

use super::missing;

/// Of one run.
pub(crate) const REQUESTS: i64 = 5_000;

/// Whether it is not there; in CI that is a failure.
pub(crate) fn no_redis_benchmark() -> bool {
    missing("redis-benchmark", Command::new("redis-benchmark").arg("--version").output().is_ok())
}

/// Runs it once, against the server at this port.
pub(crate) fn benchmark(port: u16, arguments: &[&str]) {
    let output = Command::new("redis-benchmark")
        .args(["-p", &port.to_string(), "-n", &REQUESTS.to_string(), "-c", "20", "--csv"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("redis-benchmark runs");
    let said = [&*output.stdout, &output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && !said.to_lowercase().contains("error"), "{arguments:?}: {said}");
    assert!(said.contains("\"rps\""), "{said}");
}
