//! `redis-benchmark`: runs it, and reads what it found.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::server::Server;

/// What a run found.
pub(crate) struct Measured {
    /// Requests a second.
    pub(crate) rate: f64,
    /// In milliseconds, as the next.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// CPU that the server took for a request, in microseconds, and how much of it in the kernel.
    pub(crate) cpu: f64,
    pub(crate) kernel: f64,
    /// For how much of the time the server could run and had no core.
    pub(crate) waits: f64,
}

impl Measured {
    /// For how much of the time the server had a core.
    pub(crate) fn busy(&self) -> f64 {
        self.cpu * self.rate / 1e6
    }
}

/// Runs as many clients at once as there are `options`, on this core if one is named.
pub(crate) fn run(server: &Server, test: &str, options: &[&[&str]], core: Option<&str>) -> Measured {
    let (begin, before, waited) = (Instant::now(), server.cpu(), server.waited());
    let clients: Vec<_> = options.iter().map(|options| start(server, test, options, core)).collect();
    let found: Vec<[f64; 3]> = clients.into_iter().map(finish).collect();
    let requests: f64 = options.iter().map(|options| requests(options)).sum();
    let (after, took) = (server.cpu(), begin.elapsed());
    let [own, kernel] = [0, 1].map(|part| (after[part] - before[part]) * 1e6 / requests);
    Measured {
        rate: found.iter().map(|[rate, ..]| rate).sum(),
        p50: found.iter().map(|[_, p50, _]| *p50).fold(0.0, f64::max),
        p99: found.iter().map(|[.., p99]| *p99).fold(0.0, f64::max),
        cpu: own + kernel,
        kernel,
        waits: server.waited().saturating_sub(waited).div_duration_f64(took),
    }
}

fn requests(options: &[&str]) -> f64 {
    let after = options.iter().skip_while(|option| **option != "-n").nth(1);
    after.and_then(|count| count.parse().ok()).expect("a number of requests")
}

fn start(server: &Server, test: &str, options: &[&str], core: Option<&str>) -> Child {
    let port = server.port.to_string();
    let pinned = core.map(|core| ["taskset", "--cpu-list", core]);
    // the bound is for a server that hangs
    Command::new("timeout")
        .arg("60")
        .args(pinned.iter().flatten())
        .args(["redis-benchmark", "--csv", "-p", &port, "-t", test])
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("redis-benchmark can be started")
}

/// Its rate, p50 and p99.
fn finish(client: Child) -> [f64; 3] {
    let output = client.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let row = said.lines().last().expect("a row");
    let fields: Vec<&str> = row.split(',').map(|field| field.trim_matches('"')).collect();
    [1, 4, 6].map(|at| fields.get(at).and_then(|field| field.parse().ok()).expect("a number"))
}
