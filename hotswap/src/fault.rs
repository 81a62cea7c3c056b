//! Named points at which a test stops the program dead, to kill it there, or has the disk fail. Without
//! `--cfg hotswap_faults` they are nothing.
//!
//! `tests/apart/tests/crash_points.rs` lists them, and kills at each.

use std::io;

#[cfg(not(hotswap_faults))]
#[inline(always)]
pub(crate) fn point(_: &str, _: &str) {}

/// Says so on standard output and stops for good, if `HOTSWAP_FAULT` names this point: `what: where`.
///
/// `HOTSWAP_FAULT_AFTER` lets it pass so many times first.
#[cfg(hotswap_faults)]
pub(crate) fn point(what: &str, place: &str) {
    use std::io::Write;

    let name = format!("{what}: {place}");
    if passed(&name).is_some_and(|(times, after)| times == after) {
        let mut out = io::stdout();
        let _ = writeln!(out, "fault: {name}").and_then(|()| out.flush());
        loop {
            std::thread::park();
        }
    }
}

#[cfg(not(hotswap_faults))]
#[inline]
#[expect(clippy::unnecessary_wraps, reason = "the other one fails")]
pub(crate) fn failure(_: &str, _: &str) -> io::Result<()> {
    Ok(())
}

/// What a disk that fails says, from the time on at which [`point`] would stop.
#[cfg(hotswap_faults)]
pub(crate) fn failure(what: &str, place: &str) -> io::Result<()> {
    let fails = passed(&format!("{what}: {place}")).is_some_and(|(times, after)| times >= after);
    if fails { Err(io::Error::other("the disk fails")) } else { Ok(()) }
}

/// How often the point of this name was passed before, and how often it may be; `None` if another is wanted.
#[cfg(hotswap_faults)]
fn passed(name: &str) -> Option<(u64, u64)> {
    use std::sync::atomic::{AtomicU64, Ordering};

    static PASSED: AtomicU64 = AtomicU64::new(0);
    if std::env::var("HOTSWAP_FAULT").is_ok_and(|wanted| wanted == name) {
        let after = std::env::var("HOTSWAP_FAULT_AFTER").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
        return Some((PASSED.fetch_add(1, Ordering::SeqCst), after));
    }
    None
}
