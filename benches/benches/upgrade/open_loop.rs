//! What the steps feel of an upgrade, when they come in at their own pace: a step that has to wait makes those after it wait
//! too, and all of that counts.
//!
//! One thread serves a million instances. A step is due every 5 µs, whether the one before is done or not; how long it takes
//! is counted from when it was due. Between steps the thread sweeps. Judged are the steps that were due while it swept.

use std::time::{Duration, Instant};

use hotswap_benches::plot::{self, Labels, Scale, Series};
use hotswap_benches::report::{Report, Row, spread};
use hotswap_benches::turns::{exact, in_nanoseconds};
use hotswap_benches::wide::line::{Add, Fleet, Switch};

use super::{MILLION, back, flip_only, pass_over, populated};

/// How often a step is due.
const EVERY: Duration = Duration::from_micros(5);
/// How many there are in a turn: half a second of them.
const STEPS: u32 = 100_000;
/// When in a turn the upgrade comes.
const FLIP: u32 = STEPS / 5;
/// How long the thread sweeps before it looks for a step that is due.
const SLICE: Duration = Duration::from_micros(2);
const TURNS: usize = 15;

/// How the states are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Nothing is upgraded.
    Not,
    /// All at once, while the steps wait.
    StopTheWorld,
    /// Each when it is stepped.
    Lazy,
    /// Each when it is stepped, or between the steps.
    Sweep,
    /// None; between the steps the thread passes over as much memory as a sweep.
    Pass,
}

/// As many bytes as the places of the fleet have, and how far the thread has come.
struct Memory {
    places: Vec<[u64; 11]>,
    at: usize,
}

impl Memory {
    /// Goes on for as long as a slice of a sweep, and looks at the clock as often.
    fn slice(&mut self) {
        let begun = Instant::now();
        while self.is_left() && begun.elapsed() < SLICE {
            let end = self.places.len().min(self.at + 64);
            pass_over(&mut self.places[self.at..end]);
            self.at = end;
        }
    }

    fn is_left(&self) -> bool {
        self.at < self.places.len()
    }
}

/// What one turn gave.
struct Turn {
    /// Nanoseconds of each step.
    latencies: Vec<f64>,
    /// How many steps were due from the upgrade until all states were moved, where they were swept.
    swept: Option<usize>,
}

impl Turn {
    /// How long a step took at most in this share of so many from the upgrade on.
    fn of(&self, share: f64, steps: usize) -> f64 {
        let mut during = self.latencies[FLIP as usize..][..steps].to_vec();
        during.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in the list"
        )]
        let place = (share * (during.len() - 1) as f64) as usize;
        during[place]
    }
}

pub(super) fn latency(report: &mut Report) {
    let (switch, fleet) = populated(MILLION);
    let mut rng = fastrand::Rng::with_seed(1);
    let mut memory = Memory { places: vec![[1; 11]; MILLION as usize], at: MILLION as usize };
    let hows = [How::Not, How::Sweep, How::Lazy, How::StopTheWorld, How::Pass];
    let mut turns: [Vec<Turn>; 5] = [const { Vec::new() }; 5];
    turn(How::Not, &switch, &fleet, &mut rng, &mut memory);
    for begin in 0..TURNS {
        for place in 0..hows.len() {
            let which = (begin + place) % hows.len();
            turns[which].push(turn(hows[which], &switch, &fleet, &mut rng, &mut memory));
        }
    }
    // a round's turns are looked at for as long as its sweep took: later steps feel nothing of it
    let spans: Vec<usize> = turns[1].iter().map(|turn| turn.swept.expect("it is swept before the turn ends")).collect();
    let microseconds = |share: f64| {
        turns.each_ref().map(|turns| turns.iter().zip(&spans).map(|(turn, span)| turn.of(share, *span) / 1e3).collect())
    };
    let [none, sweep, lazy, stopped, pass]: [Vec<f64>; 5] = microseconds(0.999);
    let [none_max, sweep_max, lazy_max, stopped_max, pass_max]: [Vec<f64>; 5] = microseconds(1.0);
    let took: Vec<f64> = spans.iter().map(|span| exact(*span as u64) * in_nanoseconds(EVERY) / 1e6).collect();
    let median = spread(&took)[1];
    let what = "p99.9 of a step while a sweep runs against none, a step every 5 µs on 1,000,000 states of 64 bytes";
    let row = Row::ratio(what, "µs", &sweep, &none).at_most(1.25).beside(&format!(
        "open loop; the serving thread sweeps 2 µs at a time; of the steps due during the sweep, which took {median:.1} ms, and \
         as many of the other"
    ));
    report.add(row.limit(
        "So short a sweep has so few steps that p99.9 is one of their three longest. Rows below are of a bare pass over as many bytes in the place of the sweep, in turns as long on the same thread, and of steps that move \
         only what they touch: what there is of it in the first is what it takes to go over the memory between steps, whoever does. A sweep in fewer turns was not tried: until it has ended, steps find what it has not reached.",
    ));
    let row = Row::ratio("the longest of those, sweep against none", "µs", &sweep_max, &none_max).at_most(1.5);
    let row = row.beside(&format!("of as many steps: {median:.1} ms of them"));
    report.add(row.limit(
        "It is one step of so few; rows below are of a bare pass in the place of the sweep, and of neither, where steps move only what they touch.",
    ));
    let what = "p99.9 of as many, a bare pass over as many bytes in the place of the sweep, against none";
    report.add(Row::ratio(what, "µs", &pass, &none).beside("88 bytes for each of the million, 2 µs at a time"));
    report.add(Row::ratio("the longest of as many, such a pass against none", "µs", &pass_max, &none_max));
    report.add(Row::chance("p99.9 of as many, none, each turn against the next", "µs", &none));
    report.add(Row::chance("the longest of as many, none, each turn against the next", "µs", &none_max));
    let row = Row::ratio("the longest of those, stop-the-world against sweep", "µs", &stopped_max, &sweep_max);
    let row = row.at_least(80.0).beside("stop-the-world: `upgrade` on the serving thread");
    report.add(row.limit(
        "To stop the world takes some 3.4 ns for each of the million, as a bare pass over as many bytes does, as another row says. The longest step beside a sweep is one of so few: rows above say \
         what it is with such a pass in the place of the sweep, and without either.",
    ));
    report.add(Row::ratio("p99.9 of as many, lazy against none", "µs", &lazy, &none));
    report.add(Row::ratio("the longest of as many, lazy against none", "µs", &lazy_max, &none_max));
    report.add(Row::ratio("p99.9 of as many, stop-the-world against sweep", "µs", &stopped, &sweep));
    let row = Row::of("the sweep between the steps", "ms", &took);
    report.add(row.beside("from the flip to the last state, by the steps that were due"));
    let labels = Labels {
        title: "How long a step takes from when it was due; the upgrade comes at 100 ms",
        x: "ms since the beginning",
        y: "µs",
    };
    let named = [("none", 0), ("sweep", 1), ("lazy", 2), ("stop-the-world", 3)];
    let series =
        named.map(|(name, which)| Series { name: name.to_owned(), points: over_time(&turns[which][TURNS / 2]) });
    plot::draw(&report.plot("latency"), labels, Scale::Linear, &series);
}

/// The longest of every millisecond.
fn over_time(turn: &Turn) -> Vec<(f64, f64)> {
    const A_MILLISECOND: usize = 200;
    let longest = |steps: &[f64]| steps.iter().copied().fold(0.0, f64::max) / 1e3;
    turn.latencies.chunks(A_MILLISECOND).zip(1_u32..).map(|(steps, at)| (f64::from(at), longest(steps))).collect()
}

fn turn(how: How, switch: &Switch, fleet: &Fleet<u32>, rng: &mut fastrand::Rng, memory: &mut Memory) -> Turn {
    let (admin, sweeper) = (switch.admin(), switch.sweeper());
    let (mut latencies, mut swept) = (Vec::with_capacity(STEPS as usize), None);
    let begin = Instant::now();
    for step in 0..STEPS {
        let due = begin + EVERY * step;
        while Instant::now() < due {
            if how == How::Sweep && sweeper.pending() {
                let _ = sweeper.slice(SLICE);
            } else if how == How::Pass && memory.is_left() {
                memory.slice();
            } else {
                std::hint::spin_loop();
            }
        }
        if step == FLIP {
            match how {
                How::Not => {}
                How::Pass => memory.at = 0,
                How::StopTheWorld => assert!(admin.upgrade(2, "bench").expect("it can go up").settled),
                How::Lazy | How::Sweep => {
                    flip_only(&admin);
                }
            }
        }
        fleet.step(&rng.u32(0..MILLION), Add(1)).expect("both versions add");
        latencies.push(in_nanoseconds(due.elapsed()));
        // this step still waited for the last slice
        if how == How::Sweep && step >= FLIP && swept.is_none() && !sweeper.pending() {
            swept = Some((step + 1 - FLIP) as usize);
        }
    }
    // whatever is not moved yet is superseded
    if !matches!(how, How::Not | How::Pass) {
        back(&admin);
    }
    Turn { latencies, swept }
}
