//! Rests: the thread that serves, when many clients keep it busy, looks for what they send less often than they send it.
//!
//! To sleep until one client sends costs both, and the client that wakes a processor more. Where many others send soon after, one
//! short rest saves most of that: with 16 commands at a time from each of 50 clients, on the other of two cores, `kv` sleeps a quarter
//! as often, and answers 10 % more with 5 % less work. The price is for those in between: half of the replies take 0.38 ms and not
//! 0.26, and one of a hundred 0.65 and not 0.62. A few clients would only wait, so for them it does not rest.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

/// From so many reads on without a pause it rests. Fewer clients than that do not bring it there, unless they wait for no reply.
const MANY: u32 = 16;
/// The shortest sleep that there is. Linux makes some 55 microseconds of it, half of what as many reads take.
const REST: Duration = Duration::from_micros(1);

thread_local! {
    static READS: Cell<u32> = const { Cell::new(0) };
}

/// Says that this thread has read from a client.
pub(crate) fn has_read() {
    READS.set(READS.get().saturating_add(1));
}

/// Rests, if it is due: this thread has answered all that has come.
pub(crate) fn has_nothing_to_do() {
    if is_due() {
        thread::sleep(REST);
    }
}

fn is_due() -> bool {
    READS.replace(0) >= MANY
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_rest_is_due_once_many_reads_came_without_a_pause() {
        let due_after = |reads| {
            (0..reads).for_each(|_| super::has_read());
            super::is_due()
        };
        assert_eq!([0, 15, 1, 16, 0, 15].map(due_after), [false, false, false, true, false, false]);
    }
}
