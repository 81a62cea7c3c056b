//! `kv` beside `redis-server`, and beside one that only answers, as `redis-benchmark` and a client with a rate of its own find them.

use std::process::Command;
use std::time::Duration;

use hotswap_benches::report::{Report, Row, spread};
use hotswap_benches::turns::exact;

use crate::load::{self, Load, Window};
use crate::server::Server;
use crate::tool::{self, Measured};
use crate::{KEYS, STEADILY, STEADY, WINDOW};

/// So many are kept; where three take turns, each begins as often as the others. One more warms up.
const TURNS: usize = 15;

/// What is asked for: throughput of SET, GET and INCR, then p99 and the server's CPU a request of each.
struct Targets {
    throughput: [f64; 3],
    p99: f64,
    cpu: Option<f64>,
    /// What stands in the way of each.
    limits: [&'static str; 3],
}

/// What a server that only answers has of a server.
const BARE: &str = "it runs on tokio as kv does, counts commands, and sends the same reply for each: what the client and the kernel leave to do without";
/// What stands in the way of throughput where the client and the network have most of the time.
const SMALL: &str = "The client is what has nearly all of its core beside `kv`, as a row says, and how much of its CPU a request takes has rows too. \
     How far redis-server would come, and how far `kv`, if its client had all of its core for as much work as it has beside that server, has a row each: what one gains beyond is not its own doing. A server that only counts commands \
     and answers each with the same bytes, on the same runtime and in the same turns, has a row: what one comes to that has no work of its own. And redis-server is not as quick in one turn as in the next, as the rows of it say: so \
     much of one turn's ratio is chance, and less of what half of them come to.";
/// And of p99.
const PACE: &str = "It is no limit of the machine's: a server that only answers has less, as a row says. Made to take as long for a request as `kv`, it has rows beside `kv` in turns of their own: as far as it comes to the p99 of `kv`, that is how long `kv` takes, \
     and the rest is what it does meanwhile. How far one turn of redis-server is from its next has a row too.";
/// And of its CPU.
const OWN: &str = "A server that only answers has a row: so much is the runtime's and the kernel's, and what is above that is `kv`'s own and no limit of the machine's. Profiles below list the instructions outside the kernel at -P 16, function by function. \
     What the kernel takes for it and for redis-server has a row: it reads and writes once for what came together, and wakes who sleeps. Rows say how often each has nothing to do before the next request comes, and sleeps. How far one turn of redis-server is from its next has one too.";
/// What the third is called in the rows.
const ANSWERS: &str = "a server that only answers";
/// Two clients, pipelined, that ask for keys at random. Two processes: with `--threads` the tool rounds its time to 250 ms.
const AT_RANDOM: &str = "-P 16 -r 1000000, two threads";
const HALF: &[&str] = &["-c", "25", "-P", "16", "-r", "1000000", "-n", "300000"];

pub(crate) fn against_redis(kv: &str, report: &mut Report) {
    let servers = [Server::kv(kv, &[]), Server::redis(), Server::bare(Duration::ZERO)];
    let [kv_server, redis, _] = &servers;
    let plain = Targets { throughput: [0.93; 3], p99: 1.15, cpu: Some(1.0), limits: [SMALL, PACE, OWN] };
    compare(&servers.each_ref(), "plain", &[&["-c", "50", "-n", "60000"]], &plain, report);
    let pipelined = Targets { throughput: [1.2, 1.05, 1.05], p99: 0.8, cpu: Some(0.85), limits: [SMALL, PACE, OWN] };
    compare(&servers.each_ref(), "-P 16", &[&["-c", "50", "-P", "16", "-n", "1200000"]], &pipelined, report);
    for server in [kv_server, redis] {
        for test in ["set", "incr"] {
            tool::run(server, test, &[&["-c", "50", "-P", "16", "-r", "1000000", "-n", "1000000"]]);
        }
    }
    let random = Targets { throughput: [1.25; 3], p99: 1.3, cpu: None, limits: [OWN, PACE, OWN] };
    compare(&servers.each_ref(), AT_RANDOM, &[HALF, HALF], &random, report);
    drop(servers);
    at_a_rate(kv, report);
}

/// What each server does when it is its turn. The first turns warm up.
fn in_turns<T>(servers: &[&Server], mut run: impl FnMut(&Server) -> T) -> Vec<Vec<T>> {
    let mut found: Vec<Vec<T>> = servers.iter().map(|_| Vec::new()).collect();
    for turn in 0..=TURNS {
        for place in 0..servers.len() {
            let which = (turn + place) % servers.len();
            let one = run(servers[which]);
            if turn > 0 {
                found[which].push(one);
            }
        }
    }
    found
}

fn figures<T>(found: &[T], figure: impl Fn(&T) -> f64) -> Vec<f64> {
    found.iter().map(figure).collect()
}

/// `kv` over `redis-server`, and a server that only answers over that, each command in turn; `options` are those of as many clients.
fn compare(servers: &[&Server; 3], what: &str, options: &[&[&str]], targets: &Targets, report: &mut Report) {
    let peer = redis_gives();
    let [for_rate, for_p99, for_cpu] = targets.limits;
    for (test, throughput) in ["set", "get", "incr"].into_iter().zip(targets.throughput) {
        let found = in_turns(servers, |server| tool::run(server, test, options));
        let name = test.to_uppercase();
        let row = |of: &str, unit: &str, figure: fn(&Measured) -> f64| {
            let [kv, redis] = [0, 1].map(|which| figures(&found[which], figure));
            let what = format!("kv against redis-server, {what}, {name}: {of}");
            Row::ratio(&what, unit, &kv, &redis)
        };
        let bare = |of: &str, unit: &str, figure: fn(&Measured) -> f64| {
            let [bare, redis] = [2, 1].map(|which| figures(&found[which], figure));
            let what = format!("{ANSWERS} against redis-server, {what}, {name}: {of}");
            Row::ratio(&what, unit, &bare, &redis).beside(BARE)
        };
        let chance = |of: &str, unit: &str, figure: fn(&Measured) -> f64| {
            let what = format!("redis-server, {what}, {name}, each turn against the next: {of}");
            Row::chance(&what, unit, &figures(&found[1], figure))
        };
        let rows = [
            row("throughput", "requests/s", |run| run.rate).at_least(throughput).limit(for_rate).beside(&peer),
            bare("throughput", "requests/s", |run| run.rate),
            chance("throughput", "requests/s", |run| run.rate),
            ceiling("redis-server", &format!("{what}, {name}"), options.len(), &found[1], &found[1]),
            ceiling("kv", &format!("{what}, {name}"), options.len(), &found[0], &found[1]),
            row("half of the waits", "ms", |run| run.p50),
            row("p99", "ms", |run| run.p99).at_most(targets.p99).limit(for_p99),
            bare("p99", "ms", |run| run.p99),
            chance("p99", "ms", |run| run.p99),
            targets
                .cpu
                .into_iter()
                .fold(row("the server's CPU a request", "µs", |run| run.cpu).limit(for_cpu), Row::at_most),
            bare("the server's CPU a request", "µs", |run| run.cpu),
            chance("the server's CPU a request", "µs", |run| run.cpu),
            row("of that, in the kernel", "µs", |run| run.kernel),
            row("how busy the server is", "of the time", |run| run.busy),
            bare("how busy the server is", "of the time", |run| run.busy),
        ];
        for row in rows {
            report.add(row);
        }
        tell_waits(&format!("{what}, {name}"), &found, report);
        let [kv_took, _, bare_took] = [0, 1, 2].map(|which| spread(&figures(&found[which], |run| run.cpu))[1]);
        let more = Duration::from_secs_f64((kv_took - bare_took).max(0.0) / 1e6);
        as_slow_as(servers[0], more, test, what, options, report);
    }
}

/// What a client's CPU leaves room for beside a server, against what redis-server comes to.
fn ceiling(server: &str, what: &str, clients: usize, beside: &[Measured], by_redis: &[Measured]) -> Row {
    let room = figures(beside, |run| exact(clients as u64) * 1e6 / run.client_cpu);
    let what = format!("{server}, {what}: throughput if its clients had all of a core each, against redis-server's");
    Row::ratio(&what, "requests/s", &room, &figures(by_redis, |run| run.rate))
        .beside("by what a request takes of its client's CPU")
}

/// Which `redis-server` it is, and what it is for its time that `kv` is not.
fn redis_gives() -> String {
    let said = Command::new("redis-server").arg("--version").output().expect("redis-server can be started").stdout;
    let said = String::from_utf8(said).expect("text");
    let of = |name: &str| said.split(' ').find_map(|word| word.strip_prefix(name)).unwrap_or("unknown").to_owned();
    let (version, allocator) = (of("v="), of("malloc="));
    format!(
        "redis-server {version} on {allocator}, kv on the system's allocator; Redis also has some 240 commands, scripts, replication and eviction, all idle here"
    )
}

/// How often each server sleeps, how long it waits for a core while others have all of them, and how its clients do.
fn tell_waits(what: &str, found: &[Vec<Measured>], report: &mut Report) {
    for (server, found) in ["kv", "redis-server", ANSWERS].into_iter().zip(found) {
        let mut tell = |what_of_it: &str, unit: &str, figure: fn(&Measured) -> f64| {
            report.add(Row::of(&format!("{server}, {what}: {what_of_it}"), unit, &figures(found, figure)));
        };
        tell("how often it has nothing to do, and sleeps", "of 1,000 requests", |run| run.sleeps);
        tell("how long it waits for a core", "of the time", |run| run.waits);
        tell("how long each of its clients does", "of the time", |run| run.client_waits);
        tell("how busy each of its clients is", "of the time", |run| run.client_busy);
        tell("what a request takes of its client's CPU", "µs", |run| run.client_cpu);
    }
}

/// A command by `kv`, and by a server that only answers and is busy for so much longer with it.
fn as_slow_as(kv: &Server, more: Duration, test: &str, what: &str, options: &[&[&str]], report: &mut Report) {
    let found = in_turns(&[&Server::bare(more), kv], |server| tool::run(server, test, options));
    let what = format!("{ANSWERS}, and takes kv's time for a request, against kv, {what}, {}", test.to_uppercase());
    let beside = format!("it spins for {} ns a request", more.as_nanos());
    let mut row = |of: &str, unit: &str, figure: fn(&Measured) -> f64| {
        let [slowed, kv] = [0, 1].map(|which| figures(&found[which], figure));
        report.add(Row::ratio(&format!("{what}: {of}"), unit, &slowed, &kv).beside(&beside));
    };
    row("throughput", "requests/s", |run| run.rate);
    row("p99", "ms", |run| run.p99);
    row("the server's CPU a request", "µs", |run| run.cpu);
}

/// Waits at a rate that waits for no server, and that both keep up with.
fn at_a_rate(kv: &str, report: &mut Report) {
    let servers = [Server::kv(kv, &[]), Server::redis()];
    for server in &servers {
        load::fill(server, KEYS);
    }
    let found = in_turns(&servers.each_ref(), |server| {
        let mut load = Load::new(server, STEADY, KEYS);
        // connections are made, and buffers
        load.run(WINDOW / 10);
        let window = load.run(WINDOW);
        assert_eq!(window.lost, 0, "a request was lost");
        window
    });
    let mut row = |of: &str, unit: &str, figure: fn(&Window) -> f64| {
        let [kv, redis] = [0, 1].map(|which| figures(&found[which], figure));
        let what = format!("kv against redis-server, {STEADILY} on 1,000,000 keys: {of}");
        report.add(Row::ratio(&what, unit, &kv, &redis).beside("a third each SET, GET, INCR"));
    };
    row("throughput", "requests/s", Window::rate);
    row("half of the waits", "ms", |window| window.wait(0.5));
    row("p99", "ms", |window| window.wait(0.99));
    row("p99.9", "ms", |window| window.wait(0.999));
}
