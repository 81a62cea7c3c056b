//! An allocator that counts what each thread holds, so that what one call takes at its peak can be measured.

#![allow(unsafe_code, reason = "an allocator cannot be written without it; this is all there is, and only in tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// By thread, so that tests beside each other do not count each other's. Without destructors, so that they are there for
// every allocation of a thread, its last included.
thread_local! {
    /// Negative on a thread that frees what others allocated.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn took(bytes: usize) {
    let held = HELD.get().saturating_add_unsigned(bytes);
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

fn gave(bytes: usize) {
    HELD.set(HELD.get().saturating_sub_unsigned(bytes));
}

// SAFETY: every call is handed on to the system's allocator as it came, and what it gives is given back unchanged; the
// counters are plain cells of the thread, which neither allocate nor panic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller keeps what `GlobalAlloc::alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller keeps what `GlobalAlloc::alloc_zeroed` asks for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // both at once, as when it has to be copied
        took(size);
        gave(layout.size());
        // SAFETY: the caller keeps what `GlobalAlloc::realloc` asks for, and every block is the system's.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        gave(layout.size());
        // SAFETY: the caller keeps what `GlobalAlloc::dealloc` asks for, and every block is the system's.
        unsafe { System.dealloc(old, layout) }
    }
}

/// Runs `run`; gives how many bytes this thread held at the peak of it, beyond those it held before.
pub(crate) fn peak_of<R>(run: impl FnOnce() -> R) -> (R, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let result = run();
    let peak = PEAK.get().saturating_sub(before);
    (result, usize::try_from(peak).unwrap_or(0))
}
