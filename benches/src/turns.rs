//! How what is compared takes turns: whatever else the machine does then falls on all of it.

use std::time::{Duration, Instant};

/// What each contender gave, turn by turn. Each turn another one begins, and the first turn, which warms up, is left out.
#[expect(clippy::needless_pass_by_value, reason = "the closures are made for it")]
pub fn take_turns<const N: usize>(turns: usize, contenders: [&mut dyn FnMut() -> f64; N]) -> [Vec<f64>; N] {
    let mut gave = [const { Vec::new() }; N];
    for turn in 0..=turns {
        for place in 0..N {
            let which = (turn + place) % N;
            let figure = contenders[which]();
            if turn > 0 {
                gave[which].push(figure);
            }
        }
    }
    gave
}

/// Nanoseconds that each of `times` takes, of all of which `work` is made.
pub fn nanoseconds(times: u64, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    in_nanoseconds(start.elapsed()) / exact(times)
}

/// A length of time as the reports have it.
#[must_use]
pub fn in_nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

/// A count as the reports have it.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]
pub fn exact(count: u64) -> f64 {
    count as f64
}

/// The numbers below `below`, each once, in an order that no prefetcher knows and that is the same in every run.
#[must_use]
pub fn shuffled(below: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..below).collect();
    fastrand::Rng::with_seed(1).shuffle(&mut order);
    order
}
