//! hotswap against Erlang/OTP: a step against a call, and 100,000 instances upgraded against as many processes.
//!
//! The Erlang side is a program of our own, `otp/`, that Debian's `erlang-base` compiles and runs. It takes turns with this side. What
//! the two give for their time is not the same: a cell is called under a lock, a process is isolated and may be on another machine.

use std::fs;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use hotswap_benches::counter::{Add, Fleet, Switch, V1};
use hotswap_benches::report::{Report, Row};
use hotswap_benches::turns::{in_nanoseconds, nanoseconds};
use hotswap_benches::{INSTANCES, report};

/// Comparisons of which one warms up and is left out.
const TURNS: usize = 5;
const UPGRADED: u32 = 100_000;
/// How often somebody asks for something meanwhile.
const EVERY: Duration = Duration::from_micros(20);

fn main() {
    let mut otp = Otp::start();
    let mut report = report!();
    calls(&mut otp, &mut report);
    for (way, told) in [("suspend, change_code, resume", "sys"), ("release_handler", "release_handler")] {
        upgrades(&mut otp, way, told, &mut report);
    }
    report.close();
}

/// The turns of both, without the first.
fn turns<T>(mut hotswap: impl FnMut() -> T, mut otp: impl FnMut() -> T) -> (Vec<T>, Vec<T>) {
    (0..=TURNS).map(|_| (hotswap(), otp())).skip(1).unzip()
}

fn calls(otp: &mut Otp, report: &mut Report) {
    const ROUNDS: u32 = 20_000;
    let switch = Switch::builder().starting_at(2).build().expect("version 2 is compiled in");
    let cells: Vec<_> = (0..INSTANCES).map(|_| switch.cell(V1::default()).expect("it comes up")).collect();
    let step = || {
        nanoseconds(u64::from(ROUNDS) * u64::from(INSTANCES), || {
            for cell in (0..ROUNDS).flat_map(|_| &cells) {
                black_box(cell.step(black_box(Add(1))).expect("version 2 adds"));
            }
        })
    };
    let (ours, theirs) = turns(step, || otp.tell("call")[0]);
    let row = Row::ratio("gen_server:call against Cell::step", "ns", &theirs, &ours).at_least(80.0);
    let release = release();
    report.add(row.beside(&format!(
        "OTP {release}; a message to an isolated process that it supervises, against a call under a lock"
    )));
}

/// Which OTP this is, as it says itself.
fn release() -> String {
    let ask = "io:put_chars(erlang:system_info(otp_release)), halt().";
    let said = Command::new("erl").args(["-noshell", "-eval", ask]).output().expect("erl can be started").stdout;
    String::from_utf8(said).expect("a number")
}

fn upgrades(otp: &mut Otp, way: &str, told: &str, report: &mut Report) {
    let both = |answer: Vec<f64>| [answer[0], answer[1]];
    let (ours, theirs) = turns(upgrade, || both(otp.tell(told)));
    let each = |turns: &[[f64; 2]], which: usize| -> Vec<f64> { turns.iter().map(|turn| turn[which] / 1e6).collect() };
    for (which, what, least) in [(0, "in all", 300.0), (1, "the worst wait of a client", 50.0)] {
        let what = format!("100,000 OTP processes upgraded by {way} against 100,000 instances: {what}");
        let row = Row::ratio(&what, "ms", &each(&theirs, which), &each(&ours, which)).at_least(least);
        report.add(
            row.beside("the processes are isolated; hotswap's are in one fleet, and one client asks meanwhile in both"),
        );
    }
}

/// Nanoseconds until all instances have moved, and the longest that one who asks meanwhile waits.
fn upgrade() -> [f64; 2] {
    let switch = Switch::builder().starting_at(1).build().expect("version 1 is compiled in");
    let fleet = switch.fleet();
    for key in 0..UPGRADED {
        fleet.insert(key, V1::default()).expect("it is at the version that runs");
    }
    let over = AtomicBool::new(false);
    let [took, worst] = thread::scope(|scope| {
        let (asks, asking) = mpsc::channel();
        let (over, fleet) = (&over, &fleet);
        let client = scope.spawn(move || {
            let due = Instant::now();
            asks.send(()).expect("it is waited for");
            ask(fleet, over, due)
        });
        asking.recv().expect("it begins");
        let start = Instant::now();
        let outcome = switch.admin().upgrade(2, "bench").expect("it can go");
        let took = start.elapsed();
        over.store(true, Ordering::SeqCst);
        assert!(outcome.settled && outcome.moved == u64::from(UPGRADED), "{outcome:?}");
        [took, client.join().expect("it is answered")]
    });
    [took, worst].map(in_nanoseconds)
}

/// Asks for something every so often, and once at least. A wait counts from when the request was due, sent or not; the longest one.
fn ask(fleet: &Fleet<u32>, over: &AtomicBool, mut due: Instant) -> Duration {
    let (mut lots, mut worst) = (1_u64, Duration::ZERO);
    loop {
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        // the multiplier of Knuth's MMIX generator; its upper bits are the good ones
        lots = lots.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let key = u32::try_from((lots >> 33) % u64::from(UPGRADED)).expect("a key");
        black_box(fleet.step(&key, Add(1)).expect("both versions add"));
        worst = worst.max(due.elapsed());
        due += EVERY;
        if over.load(Ordering::SeqCst) {
            return worst;
        }
    }
}

/// The Erlang program. It ends with its input, and so with this one, however that ends; and in any case after a while.
struct Otp {
    child: Child,
    tell: Option<ChildStdin>,
    said: BufReader<ChildStdout>,
}

impl Otp {
    fn start() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("otp");
        let versions = [1, 2].map(|version| application(&folder, version));
        compile(&folder, "otp", None);
        let start = format!("otp:main([\"{}\", \"{}\"])", versions[0].display(), versions[1].display());
        let mut child = Command::new("timeout")
            .args(["--signal", "KILL", "170", "erl", "-noshell"])
            .args(["-boot", "start_sasl", "-kernel", "logger_level", "error"])
            .arg("-pa")
            .arg(&folder)
            .args(["-eval", &start])
            .env("ERL_CRASH_DUMP_BYTES", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("erl can be started");
        let tell = child.stdin.take();
        let said = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, tell, said }
    }

    /// Has it do something; what it answers.
    fn tell(&mut self, what: &str) -> Vec<f64> {
        writeln!(self.tell.as_mut().expect("it was not told to end"), "{what}").expect("it listens");
        let mut line = String::new();
        self.said.read_line(&mut line).expect("it answers");
        let numbers: Vec<f64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        assert!(!numbers.is_empty(), "{what}: {line:?}");
        numbers
    }
}

impl Drop for Otp {
    fn drop(&mut self) {
        self.tell = None;
        let _ = self.child.wait();
    }
}

/// A version of the application, compiled to a folder of its own.
fn application(folder: &Path, version: u32) -> PathBuf {
    let folder = folder.join(format!("cells-{version}"));
    let ebin = folder.join("ebin");
    compile(&ebin, "cells", Some(version));
    compile(&ebin, "cells_sup", None);
    let app = format!(
        "{{application, cells, [{{description, \"counters\"}}, {{vsn, \"{version}\"}}, {{modules, [cells, cells_sup]}}, {{registered, [cells_sup]}}, \
         {{applications, [kernel, stdlib]}}, {{mod, {{cells_sup, []}}}}]}}.\n"
    );
    fs::write(ebin.join("cells.app"), app).expect("it can be written");
    let appup = "{\"2\", [{\"1\", [{update, cells, {advanced, []}}]}], []}.\n";
    fs::write(ebin.join("cells.appup"), appup).expect("it can be written");
    folder
}

fn compile(to: &Path, module: &str, version: Option<u32>) {
    fs::create_dir_all(to).expect("the folder can be made");
    let mut erlc = Command::new("erlc");
    erlc.arg("-o").arg(to);
    if let Some(version) = version {
        erlc.arg(format!("-DVSN={version}"));
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("otp/{module}.erl"));
    assert!(erlc.arg(source).status().expect("erlc can be started").success(), "{module}.erl compiles");
}
