//! Asks the processor to fetch what will be looked at soon.

/// Whether asking does anything.
pub(crate) const CAN_PREFETCH: bool = cfg!(target_arch = "x86_64");

/// The bytes of a cache line, nearly everywhere.
const LINE: usize = 64;
/// As many of a value's first bytes as are fetched: of more, the processor follows whoever reads them.
const FIRST: usize = 8 * LINE;

/// Begins to fetch a value, and waits for none of it; it need not be there any more. Nothing but on x86-64: elsewhere Rust has no
/// name for it yet.
#[inline]
pub(crate) fn prefetch<T>(value: *const T) {
    let length = size_of::<T>().min(FIRST);
    for line in (0..length).step_by(LINE).chain(length.checked_sub(1)) {
        fetch(value.cast::<u8>().wrapping_add(line));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn fetch(line: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    #[expect(unsafe_code, reason = "there is no safe name for it")]
    // SAFETY: it is a hint, which neither reads nor faults, whatever the address
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn fetch(_: *const u8) {}
