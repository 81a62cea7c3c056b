//! `kv` against `redis-server`, against itself while it is upgraded, and against a rolling restart of itself.
//!
//! All servers run one thread and keep nothing on disk unless it is said. What is compared takes turns, and each turn another
//! begins. Arguments name the parts to run: `redis`, `upgrade`, `open`, `restart`; by `bare` it starts a server that only answers.

mod bare;
mod load;
mod server;
mod tool;

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hotswap_benches::report;
use hotswap_benches::report::{Report, Row, spread};
use hotswap_benches::turns::exact;
use load::{Load, Pace, Window};
use server::{Folder, Server};
use tool::Measured;

/// Comparisons of which one warms up and is left out.
const TURNS: usize = 5;
const KEYS: u64 = 1_000_000;
/// What is looked at after a flip, and beside it.
const WINDOW: Duration = Duration::from_secs(1);
/// A wait that a client would notice.
const LONG: Duration = Duration::from_millis(10);

fn main() {
    let asked: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if asked.iter().any(|asked| asked == bare::NAME) {
        bare::serve().expect("it serves until it is killed");
        return;
    }
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|asked| asked == part);
    let kv = server::build_kv();
    let mut report = report!();
    if wanted("redis") {
        against_redis(&kv, &mut report);
    }
    if wanted("upgrade") {
        let pace = Pace::Closed { connections: 50, pipeline: 16 };
        while_upgraded(&kv, "the same load, one thread", pace, &mut report);
    }
    if wanted("open") {
        let pace = Pace::Open { connections: 8, every: Duration::from_micros(10) };
        while_upgraded(&kv, "open loop at 100,000/s", pace, &mut report);
    }
    if wanted("restart") {
        against_restart(&kv, &mut report);
    }
    report.close();
}

// ---- against redis-server

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
const RANDOM: &str = "Three processes share two cores, so that one of them waits for another's turn, of some 4 ms. Nor is that the clients' alone: a server that only answers, in the same \
     turns, has less, as the next row says. Half of the waits are shorter, as the row above says.";

fn against_redis(kv: &str, report: &mut Report) {
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
            tool::run(server, test, &[&["-c", "50", "-P", "16", "-r", "1000000", "-n", "1000000"]]);
        }
    }
    let random = Targets { throughput: [1.25; 3], p99: 1.3, cpu: None, limit: RANDOM };
    compare(&servers.each_ref(), "-P 16 -r 1000000, two threads", &[half, half], &random, report);
}

/// `kv` over `redis-server`, each command in turn; `options` are those of as many clients. Where a bare server is the third, a row
/// tells its lead too.
fn compare(servers: &[&Server], what: &str, options: &[&[&str]], targets: &Targets, report: &mut Report) {
    for (test, throughput) in ["set", "get", "incr"].into_iter().zip(targets.throughput) {
        let mut measured: Vec<Vec<Measured>> = servers.iter().map(|_| Vec::new()).collect();
        for turn in 0..=TURNS {
            for place in 0..servers.len() {
                let which = (turn + place) % servers.len();
                let run = tool::run(servers[which], test, options);
                if turn > 0 {
                    measured[which].push(run);
                }
            }
        }
        let of =
            |which: usize, figure: fn(&Measured) -> f64| -> Vec<f64> { measured[which].iter().map(figure).collect() };
        let each = |figure| [of(0, figure), of(1, figure)];
        let name = test.to_uppercase();
        let row = |of: &str, unit: &str, [kv, redis]: [Vec<f64>; 2]| {
            Row::ratio(&format!("kv against redis-server, {what}, {name}: {of}"), unit, &kv, &redis)
        };
        let row = |of: &str, unit: &str, sides| row(of, unit, sides).limit(targets.limit);
        let bare = |of_what: &str, unit: &str, figure: fn(&Measured) -> f64| {
            let what = format!("a server that only answers against redis-server, {what}, {name}: {of_what}");
            let row = || Row::ratio(&what, unit, &of(2, figure), &of(1, figure)).beside(BARE);
            (servers.len() > 2).then(row)
        };
        report.add(row("throughput", "requests/s", each(|run| run.rate)).at_least(throughput));
        if let Some(row) = bare("throughput", "requests/s", |run| run.rate) {
            report.add(row);
        }
        report.add(row("half of the waits", "ms", each(|run| run.p50)));
        report.add(row("p99", "ms", each(|run| run.p99)).at_most(targets.p99));
        if let Some(row) = bare("p99", "ms", |run| run.p99) {
            report.add(row);
        }
        let cpu = row("the server's CPU a request", "µs", each(|run| run.cpu));
        report.add(targets.cpu.into_iter().fold(cpu, Row::at_most));
        report.add(row("of that, in the kernel", "µs", each(|run| run.kernel)));
        report.add(row("how busy the server is", "of the time", each(|run| run.cpu * run.rate / 1e6)));
    }
}

// ---- while it is upgraded

/// Each second that begins with a flip, against the second before it.
fn while_upgraded(kv: &str, what: &str, pace: Pace, report: &mut Report) {
    let server = Server::kv(kv, &[]);
    load::fill(&server, KEYS);
    let mut load = Load::new(&server, pace, KEYS);
    load.run(WINDOW);
    let (mut before, mut during) = (Vec::new(), Vec::new());
    // 1 → 2 → 3 three times, and down again unmeasured
    for to in [2, 3, 2, 1].repeat(3) {
        if load.at() < to {
            before.push(load.run(WINDOW));
            let upgrade = load.upgrade(to);
            during.push(load.run(WINDOW));
            load.finish(&upgrade);
        } else {
            let back = load.upgrade(to);
            load.finish(&back);
        }
    }
    let [before, during] = [before, during].map(|windows| {
        assert!(windows.iter().all(|window| window.lost == 0), "a request was lost");
        let rates: Vec<f64> = windows.iter().map(Window::rate).collect();
        let waits: Vec<f64> = windows.iter().map(|window| window.wait(0.999)).collect();
        (rates, waits)
    });
    let name = format!("kv during 1 → 2 → 3 on 1,000,000 keys against no upgrade, {what}");
    let throughput = Row::ratio(&format!("{name}: throughput"), "requests/s", &during.0, &before.0).at_least(0.95);
    report.add(throughput.limit(
        "The one thread that serves moves the million keys in this second as well: 30 ns each where they are swept, and some ten times that where a command comes first, which finds its \
         way and is counted alone.",
    ));
    let longest = Row::ratio(&format!("{name}: p99.9"), "ms", &during.1, &before.1).at_most(1.3);
    report.add(longest.limit(
        "Both are some 4 to 8 ms: turns of the scheduler among server, client and whatever else the machine has to do.",
    ));
}

// ---- against a rolling restart

/// What clients feel of an upgrade, of a restart with save and restore, and of nothing at all, at 20,000 requests a second.
fn against_restart(kv: &str, report: &mut Report) {
    const TURNS: usize = 3;
    let mut felt: [Vec<Window>; 3] = [const { Vec::new() }; 3];
    for _ in 0..TURNS {
        let folder = Folder::new();
        let mut server = Server::kv(kv, &["--dir", folder.path()]);
        load::fill(&server, KEYS);
        let mut load = Load::new(&server, Pace::Open { connections: 8, every: Duration::from_micros(50) }, KEYS);
        load.run(WINDOW);
        felt[0].push(load.run(2 * WINDOW));
        let upgrade = load.upgrade(2);
        felt[1].push(load.run(2 * WINDOW));
        load.finish(&upgrade);
        load.run(WINDOW);
        // it saves when it is told to end, and the next one restores
        let over = AtomicBool::new(false);
        felt[2].push(thread::scope(|scope| {
            let loading = scope.spawn(|| load.until(|| over.load(Ordering::SeqCst)).and(load.run(WINDOW)));
            // here, for a server ends with the thread that started it
            server.restart(&["--dir", folder.path()]);
            over.store(true, Ordering::SeqCst);
            loading.join().expect("the load goes on")
        }));
        assert_eq!(load::count(&server), KEYS, "keys were lost");
    }
    let [quiet, upgrade, restart] = felt;
    let [lost, delayed]: [fn(&Window) -> u64; 2] = [|window| window.lost, |window| window.longer_than(LONG)];
    let all = |windows: &[Window], count: fn(&Window) -> u64| -> Vec<f64> {
        windows.iter().map(|window| exact(count(window))).collect()
    };
    let row = |what: &str, windows: &[Window], count| {
        Row::of(&format!("{what}, of 20,000 a second"), "requests", &all(windows, count))
    };
    report.add(row("lost by an upgrade of kv", &upgrade, lost).at_most(0.0));
    // what the machine itself delays is not the upgrade's
    let [.., noise] = spread(&all(&quiet, delayed));
    let what = "the target is what was delayed at most when nothing happened";
    report.add(row("delayed over 10 ms by an upgrade of kv", &upgrade, delayed).at_most(noise).beside(what));
    report.add(row("delayed over 10 ms when nothing happens", &quiet, delayed));
    report.add(row("lost by a restart of kv", &restart, lost).beside("it saves, ends, starts and restores"));
    report.add(row("delayed over 10 ms by a restart of kv", &restart, delayed));
}
