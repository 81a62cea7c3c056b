//! `redis-benchmark`: runs it, and reads what it found.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hotswap_benches::turns::exact;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::process::Spent;
use crate::server::Server;

/// A client that takes longer has a server that hangs.
const LONGEST: Duration = Duration::from_mins(1);
/// How often it is looked whether a client has ended.
const OFTEN: Duration = Duration::from_millis(5);

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
    /// How often the server had nothing to do and slept, of 1,000 requests.
    pub(crate) sleeps: f64,
    /// For how much of the time the server had a core, and could have run and had none.
    pub(crate) busy: f64,
    pub(crate) waits: f64,
    /// CPU that a request took of its client, in microseconds.
    pub(crate) client_cpu: f64,
    /// For how much of the time a client had a core, and could have run and had none.
    pub(crate) client_busy: f64,
    pub(crate) client_waits: f64,
}

/// What one client said, and what it took.
struct Client {
    rate: f64,
    p50: f64,
    p99: f64,
    spent: Spent,
    took: f64,
}

/// Runs as many clients at once as there are `options`.
pub(crate) fn run(server: &Server, test: &str, options: &[&[&str]]) -> Measured {
    let (begin, before) = (Instant::now(), server.spent());
    let started: Vec<_> = options.iter().map(|options| start(server, test, options)).collect();
    let clients: Vec<Client> = started.into_iter().map(|client| finish(client, begin)).collect();
    let requests: f64 = options.iter().map(|options| requests(options)).sum();
    let (spent, took) = (server.spent().since(before), begin.elapsed().as_secs_f64());
    let sum = |figure: fn(&Client) -> f64| clients.iter().map(figure).sum::<f64>();
    let most = |figure: fn(&Client) -> f64| clients.iter().map(figure).fold(0.0, f64::max);
    let many = exact(clients.len() as u64);
    Measured {
        rate: sum(|client| client.rate),
        p50: most(|client| client.p50),
        p99: most(|client| client.p99),
        cpu: spent.ran * 1e6 / requests,
        kernel: spent.kernel * 1e6 / requests,
        sleeps: spent.sleeps * 1e3 / requests,
        busy: spent.ran / took,
        waits: spent.waited / took,
        client_cpu: sum(|client| client.spent.ran) * 1e6 / requests,
        client_busy: sum(|client| client.spent.ran / client.took) / many,
        client_waits: sum(|client| client.spent.waited / client.took) / many,
    }
}

fn requests(options: &[&str]) -> f64 {
    let after = options.iter().skip_while(|option| **option != "-n").nth(1);
    after.and_then(|count| count.parse().ok()).expect("a number of requests")
}

fn start(server: &Server, test: &str, options: &[&str]) -> Child {
    let port = server.port.to_string();
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .args(["redis-benchmark", "--csv", "-p", &port, "-t", test])
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("redis-benchmark can be started")
}

/// Waits for its end. What the kernel counts of it is gone once it has been waited for, and so is looked at before.
fn finish(client: Child, begin: Instant) -> Client {
    let ended = || {
        let id = WaitId::Pid(Pid::from_child(&client));
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        waitid(id, look).expect("it is a child of this").is_some()
    };
    while !ended() {
        assert!(begin.elapsed() < LONGEST, "the server hangs");
        thread::sleep(OFTEN);
    }
    let (spent, took) = (Spent::by(&client), begin.elapsed().as_secs_f64());
    let output = client.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let row = said.lines().last().expect("a row");
    let fields: Vec<&str> = row.split(',').map(|field| field.trim_matches('"')).collect();
    let [rate, p50, p99] = [1, 4, 6].map(|at| fields.get(at).and_then(|field| field.parse().ok()).expect("a number"));
    Client { rate, p50, p99, spent, took }
}
