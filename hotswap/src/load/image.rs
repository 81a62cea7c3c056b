//! The image's side: the tables of its machines, generic over what `#[machine]` generated, and the root.
//!
//! Every panic ends here, as text. What the user's code says with `tracing`, and every panic's message, goes to the
//! program: this copy of the standard library and of `tracing` has nobody listening of its own.

#![expect(unsafe_code, reason = "the functions of the boundary, and its one exported symbol")]

use std::ffi::c_void;
use std::fmt::{self, Write as _};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::OnceLock;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, forward_to_deserialize_any};
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::encoded::decode;
use crate::finite;
use crate::frame::all_of;
use crate::line::compiled_way;
use crate::load::abi::{
    self, ABI, Buf, Code, DONE, ERROR, FAILED, Host, MAGIC, Out, PANICKED, REFUSED, Root, Sink, Slice, Table,
    UNDECODABLE, UNENCODABLE,
};
use crate::loaded::{Format, split_name};
use crate::machine::{InputInfo, Machine};
use crate::way;

/// A machine of this image; submitted by generated code.
#[derive(Debug)]
pub struct Listed(pub &'static Table);

inventory::collect!(Listed);

/// The functions of one machine's table.
#[derive(Debug)]
pub struct Thunks<M>(PhantomData<M>);

impl<M: Machine> Thunks<M> {
    /// The machine's table; `description` is what its note holds.
    #[must_use]
    pub const fn table(description: &'static [u8]) -> Table {
        Table {
            #[expect(clippy::cast_possible_truncation, reason = "some 70 bytes")]
            size: size_of::<Table>() as u32,
            description: Slice::of(description),
            open: Self::open,
            carry: Self::carry,
            step: Self::step,
            encode: Self::encode,
            close: Self::close,
            free,
        }
    }

    unsafe extern "C" fn open(encoded: Slice, to: u32, handle: *mut *mut c_void, out: *mut Out) -> Code {
        // SAFETY: the program lends the bytes and the place for the call.
        let (encoded, out) = unsafe { (encoded.get(), &mut *out) };
        answer(out, |_| {
            let state = Box::into_raw(Box::new(brought::<M>(encoded, to)?));
            // SAFETY: the program lends the handle's place for the call.
            unsafe { handle.write(state.cast()) };
            Ok(())
        })
    }

    unsafe extern "C" fn carry(encoded: Slice, to: u32, out: *mut Out) -> Code {
        // SAFETY: the program lends the bytes and the place for the call.
        let (encoded, out) = unsafe { (encoded.get(), &mut *out) };
        answer(out, |sink| {
            let state = brought::<M>(encoded, to)?;
            let written = write(Format::Postcard, &state, sink);
            way::drop_contained(state);
            written
        })
    }

    unsafe extern "C" fn step(handle: *mut c_void, format: u32, input: Slice, out: *mut Out) -> Code {
        // SAFETY: the handle is one that `open` of this table gave and `close` has not taken, and no other thread
        // uses it; the rest is lent for the call.
        let (state, input, out) = unsafe { (&mut *handle.cast::<M::AnyState>(), input.get(), &mut *out) };
        // SAFETY: `out` is lent for the call.
        let mut sink = unsafe { Sink::new(out) };
        let mut begun = false;
        let stepped = catch_unwind(AssertUnwindSafe(|| stepped::<M>(state, format, input, &mut sink, &mut begun)));
        let code = stepped.unwrap_or_else(|payload| {
            sink.say(&way::text_of(payload));
            if begun { PANICKED } else { UNDECODABLE }
        });
        let given = sink.finish();
        out.give(given);
        code
    }

    unsafe extern "C" fn encode(handle: *const c_void, format: u32, out: *mut Out) -> Code {
        // SAFETY: as in `step`; the state is only looked at.
        let (state, out) = unsafe { (&*handle.cast::<M::AnyState>(), &mut *out) };
        answer(out, |sink| match known(format)? {
            Format::Postcard => write(Format::Postcard, state, sink),
            // the program makes a value of it in its turn, so what has no place in one is refused here
            Format::Json => {
                finite::check(state)?;
                let value = serde_json::to_value(state).map_err(|error| error.to_string())?;
                write(Format::Json, &value, sink)
            }
        })
    }

    unsafe extern "C" fn close(handle: *mut c_void) {
        // SAFETY: `open` of this table made it of a box, and whoever closes it does not use it again.
        let state = unsafe { Box::from_raw(handle.cast::<M::AnyState>()) };
        way::drop_contained(state);
    }
}

unsafe extern "C" fn free(buf: *mut Buf) {
    // SAFETY: the program gives back what this image filled.
    unsafe { (*buf).free() };
}

/// Decodes a state of any version and takes it to another.
fn brought<M: Machine>(encoded: &[u8], to: u32) -> Result<M::AnyState, String> {
    let state = way::decode::<M>(encoded)?;
    let from = M::version_of(&state);
    let mut slot = Some(state);
    if from != to {
        // not a switch's line: what that looks up is kept with a thread-local that has a destructor, which would pin the image
        let way = compiled_way::<M>(from, to)?;
        if let Err(stuck) = way::travel::<M>(&mut slot, &way) {
            way::drop_contained(slot);
            return Err(stuck.reason);
        }
    }
    slot.ok_or_else(|| "the state is lost".to_owned())
}

/// Runs one step; `begun` says that the user's code may have touched the state.
fn stepped<M: Machine>(state: &mut M::AnyState, format: u32, input: &[u8], sink: &mut Sink, begun: &mut bool) -> Code {
    let read = known(format).and_then(|format| Ok((format, read::<M>(format, input)?)));
    let (format, input) = match read {
        Ok(read) => read,
        Err(reason) => {
            sink.say(&reason);
            return UNDECODABLE;
        }
    };
    *begun = true;
    match M::step_any(state, input) {
        Ok(stepped) => match write(format, &stepped.output, sink) {
            Ok(()) if stepped.failed => FAILED,
            Ok(()) => DONE,
            // the state has changed, and nobody can be told to what end
            Err(reason) => {
                sink.say(&reason);
                UNENCODABLE
            }
        },
        Err(input) => {
            *begun = false;
            drop(input);
            REFUSED
        }
    }
}

#[inline]
fn read<M: Machine>(format: Format, bytes: &[u8]) -> Result<M::AnyInput, String> {
    let named = if format == Format::Postcard { Named::of(M::INPUTS, bytes) } else { None };
    named.map_or_else(|| decode(format, bytes), |named| all_of(named.read()))
}

/// An input in postcard whose name is one of the machine's: its bytes are those of a text, so they are not checked for that again.
struct Named<'de> {
    name: Option<&'static str>,
    value: postcard::Deserializer<'de, postcard::de_flavors::Slice<'de>>,
}

impl<'de> Named<'de> {
    #[inline]
    fn of(inputs: &'static [InputInfo], bytes: &'de [u8]) -> Option<Self> {
        let (name, value) = split_name(bytes)?;
        let known = inputs.iter().find(|input| input.name.as_bytes() == name)?;
        Some(Self { name: Some(known.name), value: postcard::Deserializer::from_bytes(value) })
    }

    /// The input, and what is left over.
    #[inline]
    fn read<T: Deserialize<'de>>(mut self) -> postcard::Result<(T, &'de [u8])> {
        Ok((T::deserialize(&mut self)?, self.value.finalize()?))
    }
}

impl<'de> Deserializer<'de> for &mut Named<'de> {
    type Error = postcard::Error;
    fn is_human_readable(&self) -> bool {
        false
    }
    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, postcard::Error> {
        visitor.visit_seq(self)
    }
    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Named<'de> {
    type Error = postcard::Error;
    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, postcard::Error> {
        match self.name.take() {
            Some(name) => seed.deserialize(BorrowedStrDeserializer::new(name)),
            None => seed.deserialize(&mut self.value),
        }
        .map(Some)
    }
}

#[inline]
fn known(format: u32) -> Result<Format, String> {
    abi::format(format).ok_or_else(|| no_format(format))
}

#[cold]
fn no_format(format: u32) -> String {
    format!("there is no format {format}")
}

fn write<T: Serialize>(format: Format, value: &T, mut sink: &mut Sink) -> Result<(), String> {
    match format {
        Format::Postcard => postcard::serialize_with_flavor(value, sink).map_err(|error| error.to_string()),
        Format::Json => serde_json::to_writer(&mut sink, value).map_err(|error| error.to_string()),
    }
}

/// Does what is not a step: what it says no with, a panic included, is a text.
fn answer(out: &mut Out, run: impl FnOnce(&mut Sink) -> Result<(), String>) -> Code {
    // SAFETY: the thunks take `out` from the program, which lends it for the call.
    let mut sink = unsafe { Sink::new(out) };
    let code = match way::contain(|| run(&mut sink)).flatten() {
        Ok(()) => DONE,
        Err(reason) => {
            sink.say(&reason);
            ERROR
        }
    };
    let given = sink.finish();
    out.give(given);
    code
}

/// The one symbol that every image exports, whatever crate it is of.
#[unsafe(no_mangle)]
static HOTSWAP_ROOT: Root = Root {
    magic: MAGIC,
    abi: ABI,
    #[expect(clippy::cast_possible_truncation, reason = "some 40 bytes")]
    size: size_of::<Root>() as u32,
    init,
    machines,
    quiesce,
};

/// The program that loaded this image.
static HOST: OnceLock<Host> = OnceLock::new();

unsafe extern "C" fn init(host: *const Host) -> Code {
    // SAFETY: the program lends its table for the call; it is copied.
    let host = unsafe { *host };
    if HOST.set(host).is_err() {
        return ERROR;
    }
    let listening = way::contain(|| {
        std::panic::set_hook(Box::new(forward_panic));
        // only another subscriber of this image's could stand in the way: then its author wants it there
        let _ = tracing::subscriber::set_global_default(Forward);
    });
    if listening.is_ok() { DONE } else { ERROR }
}

unsafe extern "C" fn machines(visit: unsafe extern "C" fn(*mut c_void, *const Table), context: *mut c_void) {
    for listed in inventory::iter::<Listed> {
        // SAFETY: the program gives back its own context to its own function.
        unsafe { visit(context, listed.0) };
    }
}

unsafe extern "C" fn quiesce() -> Code {
    // the hook is this image's memory and code; the library that stays behind must not have it
    let taken = way::contain(|| drop(std::panic::take_hook()));
    if taken.is_ok() { DONE } else { ERROR }
}

fn forward_panic(info: &PanicHookInfo<'_>) {
    if let Some(host) = HOST.get() {
        let text = info.to_string();
        // SAFETY: the text is lent for the call, and the program stays.
        unsafe { (host.panic)(host.image, Slice::of(text.as_bytes())) };
    }
}

/// Hands every event to the program. Spans stay behind: their identities mean nothing there.
struct Forward;

fn number(level: Level) -> u32 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

impl Subscriber for Forward {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // what the program wants may change while the image is there
        if metadata.is_event() { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && HOST.get().is_some_and(|host| number(*metadata.level()) <= (host.level)())
    }

    fn event(&self, event: &Event<'_>) {
        let Some(host) = HOST.get() else { return };
        let mut text = Text(String::new());
        event.record(&mut text);
        let (target, text) = (Slice::of(event.metadata().target().as_bytes()), Slice::of(text.0.as_bytes()));
        // SAFETY: both texts are lent for the call, and the program stays.
        unsafe { (host.event)(host.image, number(*event.metadata().level()), target, text) };
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// An event's message, and its fields behind it.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let space = if self.0.is_empty() { "" } else { " " };
        // to a string it cannot fail, but the value may say that it cannot be shown
        let _ = match field.name() {
            "message" if self.0.is_empty() => write!(self.0, "{value:?}"),
            "message" => {
                let rest = std::mem::take(&mut self.0);
                write!(self.0, "{value:?} {rest}")
            }
            name => write!(self.0, "{space}{name}={value:?}"),
        };
    }
}
