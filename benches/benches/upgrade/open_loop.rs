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

use super::{MILLION, back, flip_only, populated};

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
    let hows = [How::Not, How::Sweep, How::Lazy, How::StopTheWorld];
    let mut turns: [Vec<Turn>; 4] = [const { Vec::new() }; 4];
    turn(How::Not, &switch, &fleet, &mut rng);
    for begin in 0..TURNS {
        for place in 0..hows.len() {
            let which = (begin + place) % hows.len();
            turns[which].push(turn(hows[which], &switch, &fleet, &mut rng));
        }
    }
    // a round's turns are looked at for as long as its sweep took: later steps feel nothing of it
    let spans: Vec<usize> = turns[1].iter().map(|turn| turn.swept.expect("it is swept before the turn ends")).collect();
    let microseconds = |share: f64| {
        turns.each_ref().map(|turns| turns.iter().zip(&spans).map(|(turn, span)| turn.of(share, *span) / 1e3).collect())
    };
    let [none, sweep, lazy, stopped]: [Vec<f64>; 4] = microseconds(0.999);
    let [none_max, sweep_max, lazy_max, stopped_max]: [Vec<f64>; 4] = microseconds(1.0);
    let took: Vec<f64> = spans.iter().map(|span| exact(*span as u64) * in_nanoseconds(EVERY) / 1e6).collect();
    let median = spread(&took)[1];
    let what = "p99.9 of a step while a sweep runs against none, a step every 5 µs on 1,000,000 states of 64 bytes";
    let row = Row::ratio(what, "µs", &sweep, &none).at_most(1.25).beside(&format!(
        "open loop; the serving thread sweeps 2 µs at a time; of the steps due during the sweep, which took {median:.1} ms, and \
         as many of the other"
    ));
    report.add(row.limit(
        "So short a sweep has some two thousand steps, and p99.9 is the second longest of them: of both sides it is what else the machine does.",
    ));
    let row = Row::ratio("the longest of those, sweep against none", "µs", &sweep_max, &none_max).at_most(1.5);
    let row = row.beside(&format!("of as many steps: {median:.1} ms of them"));
    report.add(row.limit("It is one step of so few: of both sides, what else the machine does."));
    let row = Row::ratio("the longest of those, stop-the-world against sweep", "µs", &stopped_max, &sweep_max);
    let row = row.at_least(80.0).beside("stop-the-world: `upgrade` on the serving thread");
    report.add(row.limit(
        "To stop the world takes no more than 5 ns for each of the million, at the speed of memory. The longest step beside a sweep is not the sweep's: without one it is nearly \
         as long, as the row above says.",
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

fn turn(how: How, switch: &Switch, fleet: &Fleet<u32>, rng: &mut fastrand::Rng) -> Turn {
    let (admin, sweeper) = (switch.admin(), switch.sweeper());
    let (mut latencies, mut swept) = (Vec::with_capacity(STEPS as usize), None);
    let begin = Instant::now();
    for step in 0..STEPS {
        let due = begin + EVERY * step;
        while Instant::now() < due {
            if how == How::Sweep && sweeper.pending() {
                let _ = sweeper.slice(SLICE);
            } else {
                std::hint::spin_loop();
            }
        }
        if step == FLIP {
            match how {
                How::Not => {}
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
    if how != How::Not {
        back(&admin);
    }
    Turn { latencies, swept }
}
