//! The boundary between a program and an image: C layouts, and bytes only. Both sides are built from this file.
//!
//! Memory is freed by the side that allocated it. The program lends a place for what a call gives; what does not fit
//! there comes in memory of the image's, and goes back through [`Table::free`]. No panic crosses.

#![expect(unsafe_code, reason = "raw pointers are what crosses")]

use std::ffi::c_void;
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};

use crate::loaded::Format;

/// Stands at the front of the root.
pub(crate) const MAGIC: [u8; 8] = *b"hotswap\0";

/// Another number is another boundary: nothing of it is read.
pub(crate) const ABI: u32 = 1;

/// The name of the one symbol that an image exports.
pub(crate) const ROOT: &[u8] = b"HOTSWAP_ROOT\0";

/// How a call ended. A text comes with all but the first three.
pub(crate) type Code = u32;
/// It is done.
pub(crate) const DONE: Code = 0;
/// The step ran, and what it gave counts as a failure.
pub(crate) const FAILED: Code = 1;
/// The version does not take the input; the state is untouched.
pub(crate) const REFUSED: Code = 2;
/// The bytes are no input of the machine's; the state is untouched.
pub(crate) const UNDECODABLE: Code = 3;
/// The step panicked.
pub(crate) const PANICKED: Code = 4;
/// It could not be done, whatever else was asked for; nothing has changed.
pub(crate) const ERROR: Code = 5;
/// The step ran, and what it gave cannot be written in the format that was asked for.
pub(crate) const UNENCODABLE: Code = 6;

/// A format's number.
pub(crate) const fn number(format: Format) -> u32 {
    match format {
        Format::Postcard => 0,
        Format::Json => 1,
    }
}

/// The format of a number.
pub(crate) const fn format(number: u32) -> Option<Format> {
    match number {
        0 => Some(Format::Postcard),
        1 => Some(Format::Json),
        _ => None,
    }
}

/// Bytes that are lent for a call.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Slice {
    at: *const u8,
    len: usize,
}

impl Slice {
    pub(crate) const fn of(bytes: &[u8]) -> Self {
        Self { at: bytes.as_ptr(), len: bytes.len() }
    }

    /// # Safety
    ///
    /// It was made of bytes that stay as they are for `'a`.
    pub(crate) const unsafe fn get<'a>(self) -> &'a [u8] {
        // SAFETY: `of` took both from a slice, which is still there by what the caller promises.
        unsafe { std::slice::from_raw_parts(self.at, self.len) }
    }
}

/// Memory of the image's: a `Vec` taken apart.
#[repr(C)]
pub(crate) struct Buf {
    at: *mut u8,
    len: usize,
    capacity: usize,
}

impl Buf {
    const EMPTY: Self = Self { at: std::ptr::null_mut(), len: 0, capacity: 0 };

    fn of(bytes: Vec<u8>) -> Self {
        let mut bytes = ManuallyDrop::new(bytes);
        Self { at: bytes.as_mut_ptr(), len: bytes.len(), capacity: bytes.capacity() }
    }

    /// Whether there is anything to be read and freed.
    pub(crate) fn is_some(&self) -> bool {
        !self.at.is_null()
    }

    /// What is in it.
    pub(crate) fn bytes(&self) -> &[u8] {
        if self.at.is_null() {
            return &[];
        }
        // SAFETY: `of` took both from a vector, and it is not freed before `free` makes it empty.
        unsafe { std::slice::from_raw_parts(self.at, self.len) }
    }

    /// Frees what this side allocated.
    ///
    /// # Safety
    ///
    /// It was filled on this side of the boundary.
    pub(crate) unsafe fn free(&mut self) {
        let Self { at, len, capacity } = std::mem::replace(self, Self::EMPTY);
        if !at.is_null() {
            // SAFETY: `of` took the three from a vector of this side's allocator, and nobody frees it again.
            drop(unsafe { Vec::from_raw_parts(at, len, capacity) });
        }
    }
}

/// Where a call puts what it gives.
#[repr(C)]
pub(crate) struct Out {
    /// The program lends bytes that are written already; the image does not count on it.
    place: *mut MaybeUninit<u8>,
    room: usize,
    /// So much of the place is filled; 0 if `more` holds it all.
    len: usize,
    /// What did not fit.
    pub(crate) more: Buf,
}

impl Out {
    /// The caller's side: lends a place, for as long as the call takes.
    pub(crate) fn lend(place: &mut [u8]) -> Self {
        Self { place: place.as_mut_ptr().cast(), room: place.len(), len: 0, more: Buf::EMPTY }
    }

    /// How much of the place is filled, never more than there is.
    pub(crate) fn filled(&self) -> usize {
        self.len.min(self.room)
    }

    /// # Safety
    ///
    /// It was made by `lend`, in a call that has not returned.
    unsafe fn place<'a>(&mut self) -> &'a mut [MaybeUninit<u8>] {
        // SAFETY: `lend` took both from a slice that is the call's alone until it returns.
        unsafe { std::slice::from_raw_parts_mut(self.place, self.room) }
    }
}

/// The image's side: fills the place that was lent, and goes on in a vector when that is full.
pub(crate) struct Sink<'a> {
    place: &'a mut [MaybeUninit<u8>],
    len: usize,
    more: Vec<u8>,
}

impl<'a> Sink<'a> {
    /// # Safety
    ///
    /// `out` was made by `lend`, in a call that does not return before the sink has gone.
    pub(crate) unsafe fn new(out: &'a mut Out) -> Self {
        // SAFETY: the caller promises the same.
        Self { place: unsafe { out.place() }, len: 0, more: Vec::new() }
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let free = &mut self.place[self.len..];
        if self.more.is_empty() && bytes.len() <= free.len() {
            free[..bytes.len()].write_copy_of_slice(bytes);
            self.len += bytes.len();
        } else {
            self.spill(bytes);
        }
    }

    #[cold]
    fn spill(&mut self, bytes: &[u8]) {
        self.more.reserve(self.len + bytes.len());
        // SAFETY: `put` has filled the place so far.
        self.more.extend_from_slice(unsafe { self.place[..self.len].assume_init_ref() });
        self.len = 0;
        self.more.extend_from_slice(bytes);
    }

    /// Forgets what was put there, for a text that takes its place.
    pub(crate) fn say(&mut self, text: &str) {
        self.len = 0;
        self.more.clear();
        self.put(text.as_bytes());
    }

    /// What the caller finds in its [`Out`].
    #[inline]
    pub(crate) fn finish(self) -> (usize, Buf) {
        (self.len, if self.more.is_empty() { Buf::EMPTY } else { Buf::of(self.more) })
    }
}

impl Out {
    /// Hands over what was put into a sink.
    #[inline]
    pub(crate) fn give(&mut self, (len, more): (usize, Buf)) {
        (self.len, self.more) = (len, more);
    }
}

impl postcard::ser_flavors::Flavor for &mut Sink<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        // most of what a small output is made of: no call for each
        match self.place.get_mut(self.len) {
            Some(place) if self.more.is_empty() => {
                place.write(byte);
                self.len += 1;
            }
            _ => self.spill(&[byte]),
        }
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        match bytes {
            [one] => self.try_push(*one),
            [one, two] => self.try_push(*one).and_then(|()| self.try_push(*two)),
            _ => {
                self.put(bytes);
                Ok(())
            }
        }
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

impl io::Write for &mut Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One machine of an image. Handles are of the table that opened them, and used by one thread at a time.
#[repr(C)]
pub struct Table {
    /// Of this table, in bytes.
    pub(crate) size: u32,
    /// What the machine's note holds.
    pub(crate) description: Slice,
    /// Decodes a state and brings it to a version; a handle comes of it.
    pub(crate) open: unsafe extern "C" fn(Slice, u32, *mut *mut c_void, *mut Out) -> Code,
    /// Decodes a state, brings it to a version and encodes it.
    pub(crate) carry: unsafe extern "C" fn(Slice, u32, *mut Out) -> Code,
    /// Runs one step: the handle, the format's number, the input.
    pub(crate) step: unsafe extern "C" fn(*mut c_void, u32, Slice, *mut Out) -> Code,
    /// Encodes the state of a handle.
    pub(crate) encode: unsafe extern "C" fn(*const c_void, u32, *mut Out) -> Code,
    /// Drops the state of a handle.
    pub(crate) close: unsafe extern "C" fn(*mut c_void),
    /// Frees memory of the image's.
    pub(crate) free: unsafe extern "C" fn(*mut Buf),
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("size", &self.size).finish_non_exhaustive()
    }
}

// SAFETY: a table is constant, and so is the description that it points to.
unsafe impl Sync for Table {}
// SAFETY: as above.
unsafe impl Send for Table {}

/// What a program does for an image.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Host {
    /// Of this table, in bytes.
    pub(crate) size: u32,
    /// Which image is calling.
    pub(crate) image: u64,
    /// The most verbose level that anyone wants: 0 for none, 1 for errors, 5 for everything.
    pub(crate) level: extern "C" fn() -> u32,
    /// An event of `tracing`: which image, its level, target and text.
    pub(crate) event: unsafe extern "C" fn(u64, u32, Slice, Slice),
    /// A panic begins: which image, and its message with the place.
    pub(crate) panic: unsafe extern "C" fn(u64, Slice),
}

/// What an image exports.
#[repr(C)]
pub(crate) struct Root {
    /// [`MAGIC`].
    pub(crate) magic: [u8; 8],
    /// [`ABI`].
    pub(crate) abi: u32,
    /// Of this root, in bytes.
    pub(crate) size: u32,
    /// Before anything else, once.
    pub(crate) init: unsafe extern "C" fn(*const Host) -> Code,
    /// Calls back with each of its machines.
    pub(crate) machines: unsafe extern "C" fn(unsafe extern "C" fn(*mut c_void, *const Table), *mut c_void),
    /// Lets go of what the image holds of its own, before it is unmapped.
    pub(crate) quiesce: unsafe extern "C" fn() -> Code,
}
