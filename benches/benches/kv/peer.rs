//! `kv` beside `redis-server`, and beside one that only answers, as `redis-benchmark` and a client with a rate of its own find them.

use std::time::Duration;

use hotswap_benches::report::{Report, Row};

use crate::load::{self, Load, Pace};
use crate::server::Server;
use crate::tool::{self, Measured};
use crate::{KEYS, WINDOW};

/// Comparisons of which one warms up and is left out.
const TURNS: usize = 5;

/// What is asked for: throughput of SET, GET and INCR, then p99 and the server's CPU a request of each.
struct Targets {
    throughput: [f64; 3],
    p99: f64,
    cpu: Option<f64>,
    limit: &'static str,
}

/// What a server that only answers has of a server.
const BARE: &str = "it runs on tokio as kv does, counts commands, and sends the same reply for each: what the client and the kernel leave to do without";
/// What stands in the way where the client and the network have most of the time.
const SMALL: &str = "More than half of `kv`'s CPU for a request is the kernel's, which takes about as long for both, as a row beside this one says. And the client takes as long as the server, on the other core: \
     what a server saves beyond that, it waits for the client. Rows beside those of -P 16 are of a server that only counts commands and answers each with the same bytes, in the same turns, on the same runtime: what one gains that has no work of its own.";
/// And where memory has.
const RANDOM: &str = "Two clients and a fast server want more than two cores. redis-server is slow enough for its clients to sleep, and never waits for one; `kv` does for a good part of the time, \
     as the last row of each command says, for the rest of a tick at a time, which is 4 ms: that is its p99. The server that only answers waits too, and not as long: it sleeps in between, and who wakes \
     goes first. Where each server has a core for itself, and the clients the other, its p99 is what `kv`'s is, as rows below say, and at a rate that both can serve `kv`'s stands below. Half of the waits are shorter.";
/// Where a server runs that is to have a core for itself.
const ITS_CORE: &str = "0";
/// Where its clients do then.
const THEIR_CORE: &str = "1";

pub(crate) fn against_redis(kv: &str, report: &mut Report) {
    let servers = [Server::kv(kv, &[]), Server::redis(), Server::bare()];
    let [kv, redis, _] = &servers;
    let plain = Targets { throughput: [0.93; 3], p99: 1.15, cpu: Some(1.0), limit: SMALL };
    compare(&[kv, redis], "plain", &[&["-c", "50", "-n", "60000"]], &plain, report);
    let pipelined = Targets { throughput: [1.2, 1.05, 1.05], p99: 0.8, cpu: Some(0.85), limit: SMALL };
    compare(&servers.each_ref(), "-P 16", &[&["-c", "50", "-P", "16", "-n", "1200000"]], &pipelined, report);
    // two processes: with --threads the tool rounds its time to 250 ms
    let half: &[&str] = &["-c", "25", "-P", "16", "-r", "1000000", "-n", "300000"];
    for server in [kv, redis] {
        for test in ["set", "incr"] {
            tool::run(server, test, &[&["-c", "50", "-P", "16", "-r", "1000000", "-n", "1000000"]], None);
        }
    }
    let random = Targets { throughput: [1.25; 3], p99: 1.3, cpu: None, limit: RANDOM };
    compare(&servers.each_ref(), "-P 16 -r 1000000, two threads", &[half, half], &random, report);
    at_a_rate(&[kv, redis], report);
    each_alone(&servers.each_ref(), &[half, half], report);
}

/// What each server does when it is its turn. The first turns warm up.
fn in_turns<T>(servers: &[&Server], mut run: impl FnMut(&Server) -> T) -> Vec<Vec<T>> {
    let mut found: Vec<Vec<T>> = servers.iter().map(|_| Vec::new()).collect();
    for turn in 0..=TURNS {
        for place in 0..servers.len() {
            let which = (turn + place) % servers.len();
            let run = run(servers[which]);
            if turn > 0 {
                found[which].push(run);
            }
        }
    }
    found
}

fn figures<T>(found: &[T], figure: impl Fn(&T) -> f64) -> Vec<f64> {
    found.iter().map(figure).collect()
}

/// `kv` over `redis-server`, each command in turn; `options` are those of as many clients. Where a bare server is the third, rows
/// tell of it too.
fn compare(servers: &[&Server], what: &str, options: &[&[&str]], targets: &Targets, report: &mut Report) {
    for (test, throughput) in ["set", "get", "incr"].into_iter().zip(targets.throughput) {
        let found = in_turns(servers, |server| tool::run(server, test, options, None));
        let name = test.to_uppercase();
        let row = |of: &str, unit: &str, figure: fn(&Measured) -> f64| {
            let [kv, redis] = [0, 1].map(|which| figures(&found[which], figure));
            let what = format!("kv against redis-server, {what}, {name}: {of}");
            Row::ratio(&what, unit, &kv, &redis).limit(targets.limit)
        };
        let bare = |of: &str, unit: &str, figure: fn(&Measured) -> f64| {
            let bare = found.get(2)?;
            let what = format!("a server that only answers against redis-server, {what}, {name}: {of}");
            Some(Row::ratio(&what, unit, &figures(bare, figure), &figures(&found[1], figure)).beside(BARE))
        };
        let rows = [
            Some(row("throughput", "requests/s", |run| run.rate).at_least(throughput)),
            bare("throughput", "requests/s", |run| run.rate),
            Some(row("half of the waits", "ms", |run| run.p50)),
            Some(row("p99", "ms", |run| run.p99).at_most(targets.p99)),
            bare("p99", "ms", |run| run.p99),
            Some(targets.cpu.into_iter().fold(row("the server's CPU a request", "µs", |run| run.cpu), Row::at_most)),
            Some(row("of that, in the kernel", "µs", |run| run.kernel)),
            Some(row("how busy the server is", "of the time", |run| run.cpu * run.rate / 1e6)),
        ];
        rows.into_iter().flatten().for_each(|row| report.add(row));
        for (server, found) in ["kv", "redis-server", "a server that only answers"].into_iter().zip(&found) {
            let what = format!("{server}, {what}, {name}: how long it waits for a core");
            report.add(Row::of(&what, "of the time", &figures(found, |run| run.waits)));
        }
    }
}

/// Waits at a rate that waits for no server, which every one of them keeps.
fn at_a_rate(servers: &[&Server], report: &mut Report) {
    for server in servers {
        load::fill(server, KEYS);
    }
    let pace = Pace::Open { connections: 8, every: Duration::from_micros(10) };
    let found = in_turns(servers, |server| Load::new(server, pace, KEYS).run(WINDOW));
    for (quantile, name) in [(0.5, "half of the waits"), (0.99, "p99"), (0.999, "p99.9")] {
        let [kv, redis] = [0, 1].map(|which| figures(&found[which], |window| window.wait(quantile)));
        let what = format!("kv against redis-server, open loop at 100,000/s on 1,000,000 keys: {name}");
        report.add(Row::ratio(&what, "ms", &kv, &redis).beside("a third each SET, GET, INCR"));
    }
}

/// p99 where every server has a core for itself, and all clients share the other.
fn each_alone(servers: &[&Server], options: &[&[&str]], report: &mut Report) {
    for server in servers {
        server.stay_on(ITS_CORE);
    }
    let found = in_turns(servers, |server| tool::run(server, "get", options, Some(THEIR_CORE)));
    for (server, which) in [("kv", 0), ("a server that only answers", 2)] {
        let what = format!("{server} against redis-server, the same, GET, the server on a core of its own: p99");
        let [one, redis] = [which, 1].map(|which| figures(&found[which], |run| run.p99));
        report.add(Row::ratio(&what, "ms", &one, &redis).beside("both clients share the other core"));
    }
}
