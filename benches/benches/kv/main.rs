//! `kv` against `redis-server`, against itself while it is upgraded, and against a rolling restart of itself.
//!
//! All servers have one thread that serves, and keep nothing on disk unless it is said. What is compared takes turns, and each turn another
//! begins. Arguments name the parts to run: `redis`, `counted`, `upgrade`, `open`, `restart`; by `bare` it starts a server that only answers.

mod bare;
mod counted;
mod load;
mod peer;
mod process;
/// What `kv` does when it has nothing to do.
#[path = "../../../examples/kv/rest.rs"]
mod rest;
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

const KEYS: u64 = 1_000_000;
/// What is looked at after a flip, and beside it, and of a rate.
const WINDOW: Duration = Duration::from_secs(1);
/// How often `kv` is upgraded from version 1 to 3, by two flips.
const CLIMBS: usize = 10;
/// Requests that come one by one, whatever becomes of those before, and what rows call that.
const STEADY: Pace = Pace::Open { connections: 8, every: Duration::from_micros(10) };
const STEADILY: &str = "open loop at 100,000/s";
/// A wait that a client would notice.
const LONG: Duration = Duration::from_millis(10);

fn main() {
    let asked: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if let [name, busy] = asked.as_slice()
        && name == bare::NAME
    {
        let busy = busy.parse().map(Duration::from_nanos).expect("nanoseconds");
        bare::serve(busy).expect("it serves until it is killed");
        return;
    }
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|asked| asked == part);
    let kv = server::build_kv();
    let mut report = report!();
    if wanted("redis") {
        peer::against_redis(&kv, &mut report);
    }
    if wanted("counted") {
        counted::by_function(&kv, &mut report);
    }
    if wanted("upgrade") {
        let pace = Pace::Closed { connections: 50, pipeline: 16 };
        while_upgraded(&kv, "the same load, one thread", pace, &mut report);
    }
    if wanted("open") {
        while_upgraded(&kv, STEADILY, STEADY, &mut report);
    }
    if wanted("restart") {
        against_restart(&kv, &mut report);
    }
    report.close();
}

// ---- while it is upgraded

/// Each second that begins with a flip, against the second before it.
fn while_upgraded(kv: &str, what: &str, pace: Pace, report: &mut Report) {
    let server = Server::kv(kv, &[]);
    load::fill(&server, KEYS);
    let mut load = Load::new(&server, pace, KEYS);
    load.run(WINDOW);
    let (mut before, mut during) = (Vec::new(), Vec::new());
    // 1 → 2 → 3, and down again unmeasured
    for to in [2, 3, 2, 1].repeat(CLIMBS) {
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
        "In a second without an upgrade it is a turn of the scheduler's among server, client and whatever else the machine has to do, and so it is in one with an upgrade: the next row \
         says how far apart seconds without one are.",
    ));
    let what = format!("seconds without an upgrade, {what}, each against the next: p99.9");
    report.add(Row::chance(&what, "ms", &before.1));
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
