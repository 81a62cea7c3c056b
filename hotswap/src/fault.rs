//! Named points at which a test stops the program dead, to kill it there. Without `--cfg hotswap_faults` they are nothing.
//!
//! `tests/tests/crash_points.rs` lists them, and kills at each.

#[cfg(not(hotswap_faults))]
#[inline(always)]
pub(crate) fn point(_: &str, _: &str) {}

/// Says so on standard output and stops for good, if `HOTSWAP_FAULT` names this point: `what: where`.
///
/// `HOTSWAP_FAULT_AFTER` lets it pass so many times first.
#[cfg(hotswap_faults)]
pub(crate) fn point(what: &str, place: &str) {
    use std::io::Write;
    use std::sync::atomic::{AtomicU64, Ordering};

    static PASSED: AtomicU64 = AtomicU64::new(0);
    let name = format!("{what}: {place}");
    if std::env::var("HOTSWAP_FAULT").is_ok_and(|wanted| wanted == name) {
        let after = std::env::var("HOTSWAP_FAULT_AFTER").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
        if PASSED.fetch_add(1, Ordering::SeqCst) == after {
            let mut out = std::io::stdout();
            let _ = writeln!(out, "fault: {name}").and_then(|()| out.flush());
            loop {
                std::thread::park();
            }
        }
    }
}
