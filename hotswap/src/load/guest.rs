//! A machine in a mapped image, and its states: every call over the boundary from the program's side.

#![expect(unsafe_code, reason = "the functions of the boundary are called here")]

use std::ffi::c_void;
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::load::abi::{Code, DONE, FAILED, Out, PANICKED, REFUSED, Slice, Table, UNDECODABLE, UNENCODABLE, number};
use crate::load::map::Mapped;
use crate::loaded::{Format, Guest, GuestLine, GuestState, Ran};
use crate::room::Room;

/// One machine of an image.
pub(crate) struct Member {
    /// Its memory, so as long as `image` is held; it never leaves this file.
    table: &'static Table,
    line: GuestLine,
    image: Arc<Mapped>,
}

impl Member {
    pub(crate) fn new(image: Arc<Mapped>, table: &'static Table, line: GuestLine) -> Self {
        Self { table, line, image }
    }

    /// Calls into the image; what comes of it is written to `output`, which is empty.
    fn call(&self, output: &mut Room, run: impl FnOnce(*mut Out) -> Code) -> Code {
        debug_assert!(output.bytes().is_empty(), "what is there would be written over");
        let mut out = Out::lend(output.lend());
        let code = run(&raw mut out);
        output.filled(out.filled());
        if out.more.is_some() {
            output.put(out.more.bytes());
            // SAFETY: the image filled it, and gets it back once.
            unsafe { (self.table.free)(&raw mut out.more) };
        }
        code
    }

    /// A call that gives bytes, or says why not.
    fn ask(&self, run: impl FnOnce(*mut Out) -> Code) -> Result<Vec<u8>, String> {
        let mut output = Room::new();
        match self.call(&mut output, run) {
            DONE => Ok(output.into_vec()),
            _ => Err(text(output.bytes())),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("machine", &self.line.machine).finish_non_exhaustive()
    }
}

impl Guest for Member {
    fn line(&self) -> &GuestLine {
        &self.line
    }

    fn image(&self) -> &str {
        self.image.name()
    }

    fn build(&self) -> &str {
        self.image.digest()
    }

    fn open(self: Arc<Self>, encoded: &[u8], to: u32) -> Result<Box<dyn GuestState>, String> {
        let mut handle: *mut c_void = ptr::null_mut();
        let place = &raw mut handle;
        // SAFETY: the image is held; the bytes and both places are lent for the call.
        self.ask(|out| unsafe { (self.table.open)(Slice::of(encoded), to, place, out) })?;
        let handle = NonNull::new(handle).ok_or("the image gave no state")?;
        Ok(Box::new(Live { handle, version: to, member: self }))
    }

    fn carry(&self, encoded: &[u8], to: u32) -> Result<Vec<u8>, String> {
        // SAFETY: the image is held; the bytes and the place are lent for the call.
        self.ask(|out| unsafe { (self.table.carry)(Slice::of(encoded), to, out) })
    }
}

/// A live state, in the image's memory.
struct Live {
    /// Given by `open` of the member's table, and closed once, when this is dropped.
    handle: NonNull<c_void>,
    version: u32,
    member: Arc<Member>,
}

// SAFETY: behind the handle is an `AnyState`, which every machine promises to be `Send`; nothing else has the handle.
unsafe impl Send for Live {}

impl GuestState for Live {
    fn version(&self) -> u32 {
        self.version
    }

    fn encode(&self, format: Format) -> Result<Vec<u8>, String> {
        let Self { handle, member, .. } = self;
        // SAFETY: the handle is open and this thread's, and the place is lent for the call.
        member.ask(|out| unsafe { (member.table.encode)(handle.as_ptr(), number(format), out) })
    }

    fn step(&mut self, format: Format, input: &[u8], output: &mut Room) -> Ran {
        let Self { handle, member, .. } = self;
        // SAFETY: the handle is open and nobody else's, as `&mut self` says; the rest is lent for the call.
        let step = |out| unsafe { (member.table.step)(handle.as_ptr(), number(format), Slice::of(input), out) };
        match member.call(output, step) {
            DONE => Ran::Done { failed: false },
            FAILED => Ran::Done { failed: true },
            code => ended(code, &std::mem::replace(output, Room::new())),
        }
    }

    fn guest(&self) -> Arc<dyn Guest> {
        Arc::clone(&self.member) as Arc<dyn Guest>
    }
}

/// A step that gave no output.
#[cold]
fn ended(code: Code, said: &Room) -> Ran {
    let said = text(said.bytes());
    match code {
        REFUSED => Ran::Refused,
        UNDECODABLE => Ran::Undecodable(said),
        UNENCODABLE => Ran::Unencodable(said),
        PANICKED => Ran::Panicked(said),
        other => Ran::Panicked(format!("the image answers with the unknown code {other}")),
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and nothing uses it after this; the image is held until `member` is dropped.
        unsafe { (self.member.table.close)(self.handle.as_ptr()) };
    }
}
