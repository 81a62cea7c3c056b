//! Rests: the thread that serves looks for what clients send less often than they send it, where that saves more than it costs.
//!
//! To sleep until one client sends costs both, and the client that wakes a processor more. Where many others send soon after, one
//! short rest saves most of that: with 16 commands at a time from each of 50 clients, on the other of two cores, `kv` sleeps a third as
//! often, and answers 10 % more with 5 % less work. The price is for those in between: half of the replies take 0.38 ms and not 0.26.
//! A few clients would only wait for it, and so would many where this thread lacks nothing but time: it does not rest then.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The shortest sleep that there is: Linux makes some 55 microseconds of it.
const REST: Duration = Duration::from_micros(1);
/// It rests after so many reads without a pause: fewer clients do not bring it there, unless they wait for no reply.
const MANY: u32 = 16;
/// For so long it does without, to see how much of its core it uses then.
const LOOK: Duration = Duration::from_millis(5);
/// And for so long it keeps to what it has seen.
const KEEP: Duration = Duration::from_millis(200);
/// It rests where it did not use so much of its core, for want of requests or because others had it.
const BUSY: f64 = 0.875;

thread_local! {
    static READS: Cell<u32> = const { Cell::new(0) };
    static PACE: Cell<Pace> = Cell::new(Pace::Looking { since: Instant::now(), used: used() });
}

/// Says that this thread has read from a client.
pub(crate) fn has_read() {
    READS.set(READS.get().saturating_add(1));
}

/// Rests, if it is due: this thread has answered all that has come.
pub(crate) fn has_nothing_to_do() {
    let pace = PACE.get().at(Instant::now(), used);
    PACE.set(pace);
    if READS.take() >= MANY && matches!(pace, Pace::Known { rests: true, .. }) {
        thread::sleep(REST);
    }
}

/// How long this thread has had a core.
fn used() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

/// What a thread knows of how busy it is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pace {
    /// It looks, and had had a core for so long when it began.
    Looking {
        since: Instant,
        used: Duration,
    },
    Known {
        since: Instant,
        rests: bool,
    },
}

impl Pace {
    /// What it knows by now; `used` says for how long the thread has had a core.
    fn at(self, now: Instant, used: impl FnOnce() -> Duration) -> Self {
        match self {
            Self::Looking { since, used: before } if now - since >= LOOK => {
                let busy = used().saturating_sub(before).as_secs_f64() / (now - since).as_secs_f64();
                Self::Known { since: now, rests: busy < BUSY }
            }
            Self::Known { since, .. } if now - since >= KEEP => Self::Looking { since: now, used: used() },
            same => same,
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_looks_how_busy_it_is_and_keeps_to_that_for_a_while() {
        use super::{Duration, Instant, Pace};

        let (begun, ms) = (Instant::now(), Duration::from_millis);
        let rests = |pace| matches!(pace, Pace::Known { rests: true, .. });
        for (used, expected) in [(0, true), (4, true), (5, false)] {
            let looking = Pace::Looking { since: begun, used: ms(70) };
            assert_eq!(looking.at(begun + ms(4), || unreachable!("not yet")), looking);
            let known = looking.at(begun + ms(5), || ms(70 + used));
            assert_eq!(rests(known), expected, "{used} of 5 ms");
            assert_eq!(known.at(begun + ms(204), || unreachable!("not yet")), known);
            let again = known.at(begun + ms(205), || ms(90));
            assert_eq!(again, Pace::Looking { since: begun + ms(205), used: ms(90) });
        }
    }
}
