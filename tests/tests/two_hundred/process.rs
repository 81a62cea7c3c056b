//! What this process holds: bytes, mappings, descriptors, threads; and how much of what is free its allocator may keep.

#![allow(unsafe_code, reason = "an allocator cannot be written without it, nor told anything; only in tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_int;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// What all threads of the program hold together; an image has an allocator of its own, which the resident pages tell of.
static HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator as it came, and what it gives is given back unchanged; the
// counter is a plain number.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps what `GlobalAlloc::alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_add(size, Ordering::Relaxed);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps what `GlobalAlloc::realloc` asks for, and every block is the system's.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps what `GlobalAlloc::dealloc` asks for, and every block is the system's.
        unsafe { System.dealloc(old, layout) }
    }
}

unsafe extern "C" {
    /// glibc's own.
    fn mallopt(parameter: c_int, value: c_int) -> c_int;
}

const M_TRIM_THRESHOLD: c_int = -1;

/// Has glibc map a block as large as an image by itself, and give back what is free at the end of an arena but for 128 KiB. It
/// lets both thresholds grow with the largest block that was freed otherwise: then two images' worth stays there or does not, as
/// it happens to lie.
pub(crate) fn keep_little_free() {
    // SAFETY: it takes two numbers, and no other thread of the test's allocates yet.
    let taken = unsafe { mallopt(M_TRIM_THRESHOLD, 0) };
    assert_eq!(taken, 1, "glibc takes it");
}

/// What the process holds at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    /// Bytes that the program has allocated.
    pub(crate) heap: usize,
    /// Bytes in memory, as the system sees it.
    pub(crate) resident: usize,
    /// Mappings of files, those in memory included.
    pub(crate) files: usize,
    /// Those of files in memory, as an image is one.
    pub(crate) images: usize,
    /// All mappings.
    pub(crate) mappings: usize,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
}

impl Process {
    pub(crate) fn now() -> Self {
        let heap = HELD.load(Ordering::Relaxed);
        let read = |file: &str| fs::read_to_string(format!("/proc/self/{file}")).expect("it is there");
        let count = |folder: &str| fs::read_dir(format!("/proc/self/{folder}")).expect("it is there").count();
        let maps = read("maps");
        let paths: Vec<_> = maps.lines().filter_map(|line| line.split_once('/')).collect();
        let pages: usize = read("statm").split(' ').nth(1).expect("the second").parse().expect("a number");
        Self {
            heap,
            resident: pages * 4096,
            files: paths.len(),
            images: paths.iter().filter(|(_, path)| path.starts_with("memfd:")).count(),
            mappings: maps.lines().count(),
            descriptors: count("fd"),
            threads: count("task"),
        }
    }
}
