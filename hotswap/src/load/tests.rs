//! Real images of the machine in `tests/images/tally`, built by cargo, mapped and let go again.

#![expect(unsafe_code, reason = "the images were built here: they are trusted")]

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::map::Arrived;
use super::map::is_mapped;
use super::{Digest, InspectError, MapError, inspect, load, pinned, reap};
use crate::loaded::{Format, Guest, GuestState, Ran};
use crate::room::Room;

/// The folder of what cargo builds.
fn target() -> PathBuf {
    let test = env::current_exe().expect("this test is a file");
    test.ancestors().nth(3).expect("cargo puts tests two folders deep").to_owned()
}

/// The image of the machine with these features; each is built once.
fn image(features: &str) -> Vec<u8> {
    static BUILT: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(features.to_owned()).or_insert_with(|| build(features)).clone()
}

fn build(features: &str) -> Vec<u8> {
    let folder = target().join("images");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/images/tally/Cargo.toml");
    let cargo = |does: &[&str]| {
        let mut cargo = Command::new(env::var_os("CARGO").expect("cargo runs this"));
        cargo.args(does).args(["--quiet", "--manifest-path"]).arg(&manifest);
        let status = cargo.arg("--target-dir").arg(&folder).status().expect("cargo runs");
        assert!(status.success(), "the image cannot be built");
    };
    // cargo gives a library that can be loaded one name, whatever its features: what an older build left would be taken for
    // this one
    cargo(&["clean", "--package", "hotswap-image-tally"]);
    cargo(&["rustc", "--lib", "--crate-type", "cdylib", "--features", &format!("hotswap/image,{features}")]);
    std::fs::read(folder.join("debug/libhotswap_image_tally.so")).expect("cargo has built it")
}

fn three() -> Vec<u8> {
    image("three")
}

/// The process's mappings, panic hook and reaper are one for all tests.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn map(image: &[u8]) -> Arrived {
    // SAFETY: it was built from this repository a moment ago.
    unsafe { load(image, &Digest::of(image)) }.expect("a whole image")
}

fn refused(image: &[u8]) -> MapError {
    // SAFETY: as above, or nothing of it runs.
    unsafe { load(image, &Digest::of(image)) }.map(|_| ()).expect_err("it is no whole image")
}

fn tally(arrived: &Arrived) -> Arc<dyn Guest> {
    Arc::clone(&arrived.guests[0])
}

fn postcard(value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("encodes")
}

/// Version 1 as it is encoded: `[1, [total, label]]`.
fn first(total: i64, label: &str) -> Vec<u8> {
    postcard(&(1_u32, (total, label)))
}

fn at_three(arrived: &Arrived, label: &str) -> Box<dyn GuestState> {
    tally(arrived).open(&first(7, label), 3).expect("migrates")
}

fn step(state: &mut Box<dyn GuestState>, name: &str, input: &impl Serialize) -> (Ran, Vec<u8>) {
    let mut output = Room::new();
    let ran = state.step(Format::Postcard, &postcard(&(name, input)), &mut output);
    (ran, output.into_vec())
}

fn json(state: &mut Box<dyn GuestState>, input: &str) -> (Ran, String) {
    let mut output = Room::new();
    let ran = state.step(Format::Json, input.as_bytes(), &mut output);
    (ran, String::from_utf8(output.into_vec()).expect("text"))
}

fn gone(name: &str) -> bool {
    reap();
    !is_mapped(name).expect("there is a list of mappings")
}

#[test]
fn an_image_says_what_it_is() {
    let manifest = inspect(&three()).expect("an image");
    manifest.check().expect("it fits");
    assert!(manifest.build.unwind && manifest.build.rustc.starts_with("rustc 1."));
    assert!(manifest.constructors >= 2 && manifest.needed.iter().any(|library| library.starts_with("libc.")));
    let [line] = manifest.machines.as_slice() else { panic!("it has one machine") };
    let numbers: Vec<_> = line.versions.iter().map(|version| version.number).collect();
    assert_eq!((&*line.machine, &*line.krate, numbers), ("tally", "hotswap-image-tally", vec![1, 2, 3]));
    assert_eq!(line.version(3).map(|version| version.takes.len()), Some(3));
    let two = inspect(&image("")).expect("an image");
    assert_eq!(two.machines[0].versions[..], line.versions[..2], "the cfg is not part of what versions 1 and 2 are");
}

#[test]
fn a_state_lives_in_it() {
    let _alone = alone();
    let arrived = map(&three());
    let name = arrived.image.name().to_owned();
    let mut state = tally(&arrived).open(&first(7, "seven"), 1).expect("decodes");
    assert_eq!(step(&mut state, "Add", &3_i64), (Ran::Done { failed: false }, postcard(&("Add", 10_i64))));
    assert_eq!(state.encode(Format::Postcard), Ok(first(10, "seven")));
    assert_eq!(step(&mut state, "Misbehave", &4_u32).0, Ran::Refused);
    let encoded = state.encode(Format::Postcard).expect("encodes");
    drop(state);
    let mut state = tally(&arrived).open(&encoded, 3).expect("migrates");
    assert_eq!(state.version(), 3);
    assert_eq!(json(&mut state, r#"["Add", 1]"#), (Ran::Done { failed: false }, r#"["Add",110]"#.to_owned()));
    assert_eq!(json(&mut state, r#"["Label", null]"#).1, r#"["Label","seven after 1 steps"]"#);
    assert_eq!(json(&mut state, r#"["Misbehave", "Fail"]"#).0, Ran::Done { failed: true });
    assert!(matches!(json(&mut state, r#"["Ad"#).0, Ran::Undecodable(_)));
    assert!(matches!(step(&mut state, "Nothing", &()).0, Ran::Undecodable(text) if text.len() > 5));
    // what does not fit the place that is lent comes whole
    let (ran, long) = json(&mut state, r#"["Misbehave", {"Long": 100000}]"#);
    assert_eq!(ran, Ran::Done { failed: false });
    let text = long.strip_prefix(r#"["Misbehave",{"Ok":""#).and_then(|rest| rest.strip_suffix(r#""}]"#));
    assert_eq!(text.map(str::len), Some(100_000));
    // an input is no input with more behind it, nor where its name or its value ends too early
    for wrong in [&b"\x03Add\x06\x00"[..], b"\x03Add", b"\x04Add", b"\x03Ad", b"\x01\xff", b"\x80", b""] {
        let mut output = Room::new();
        assert!(matches!(state.step(Format::Postcard, wrong, &mut output), Ran::Undecodable(_)), "{wrong:?}");
    }
    assert_eq!(step(&mut state, "Add", &1_i64), (Ran::Done { failed: false }, postcard(&("Add", 210_i64))));
    let down =
        tally(&arrived).carry(&state.encode(Format::Postcard).expect("encodes"), 1).expect("there is a way down");
    assert_eq!(down, first(210, "seven"));
    let guest = state.guest();
    drop((arrived, state));
    assert!(!gone(&name), "a handle is held");
    drop(guest);
    assert!(gone(&name), "no handle is held");
}

#[test]
fn a_migration_that_fails_says_why() {
    let _alone = alone();
    let arrived = map(&three());
    let why = |label: &str| tally(&arrived).open(&first(1, label), 3).map(|_| ()).expect_err("it fails");
    assert_eq!(why("refuse"), "it is labelled `refuse`");
    assert_eq!(why("panic"), "it panicked: it is labelled `panic`");
    let carried = |encoded: &[u8], to| tally(&arrived).carry(encoded, to).expect_err("it fails");
    assert_eq!(carried(&first(1, "panic"), 3), "it panicked: it is labelled `panic`");
    assert!(carried(&[], 3).len() > 5 && carried(&first(1, ""), 9).contains('9'));
    let mut json = at_three(&arrived, "whole").encode(Format::Json).expect("encodes");
    json.retain(|byte| *byte != b' ');
    assert_eq!(String::from_utf8_lossy(&json), r#"[3,{"label":"whole","log":[],"steps":0,"total":7}]"#);
}

#[test]
fn a_panic_comes_as_text_and_by_the_programs_hook() {
    static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let _alone = alone();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| {
        let text = info.payload_as_str().unwrap_or_default().to_owned();
        HEARD.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }));
    let arrived = map(&three());
    let name = arrived.image.name().to_owned();
    let mut state = at_three(&arrived, "");
    let ran = json(&mut state, r#"["Misbehave", {"Panic": "as it was asked to"}]"#);
    let twice = json(&mut state, r#"["Misbehave", "PanicTwice"]"#);
    let after = json(&mut state, r#"["Add", 0]"#);
    drop((state, arrived));
    let gone = gone(&name);
    std::panic::set_hook(before);
    assert_eq!(ran, (Ran::Panicked("as it was asked to".to_owned()), String::new()));
    assert_eq!(twice.0, Ran::Panicked("a value that is no text".to_owned()));
    assert_eq!(after.0, Ran::Done { failed: false });
    let heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(heard[0].contains("tests/images/tally/src/lib.rs") && heard[0].contains("as it was asked to"), "{heard:?}");
    assert!(gone, "the hook of the image is in its memory");
}

#[test]
fn the_same_bytes_and_others_side_by_side() {
    let _alone = alone();
    let (hundred, dearer) = (map(&three()), map(&image("dearer")));
    let again = map(&three());
    let add = |arrived: &Arrived| json(&mut at_three(arrived, ""), r#"["Add", 1]"#).1;
    assert_eq!(add(&hundred), r#"["Add",107]"#);
    assert_eq!(add(&dearer), r#"["Add",110]"#);
    assert_eq!(add(&again), r#"["Add",107]"#);
    let names = [&hundred, &dearer, &again].map(|arrived| arrived.image.name().to_owned());
    drop(dearer);
    assert!(gone(&names[1]) && !gone(&names[0]), "each is let go by itself");
    assert_eq!(add(&again), r#"["Add",107]"#);
    drop((hundred, again));
    assert!(gone(&names[0]) && gone(&names[2]));
    // another image where one was: its path and its addresses are free for use again
    let dearer = map(&image("dearer"));
    assert_eq!(add(&dearer), r#"["Add",110]"#);
}

#[test]
fn a_thread_local_with_a_destructor_pins_it_until_the_thread_ends() {
    let _alone = alone();
    let arrived = map(&three());
    let name = arrived.image.name().to_owned();
    let (end, wait) = std::sync::mpsc::channel::<()>();
    let (did, done) = std::sync::mpsc::channel();
    let mut state = at_three(&arrived, "");
    let thread = std::thread::spawn(move || {
        did.send(json(&mut state, r#"["Misbehave", "ThreadLocal"]"#).0).expect("someone waits");
        drop(state);
        did.send(Ran::Refused).expect("someone waits");
        let _ = wait.recv();
    });
    assert_eq!(done.recv(), Ok(Ran::Done { failed: false }));
    assert_eq!(done.recv(), Ok(Ran::Refused));
    drop(arrived);
    assert!(!gone(&name), "glibc has to run the destructor, which is in the image");
    let pins: Vec<_> = pinned().into_iter().filter(|pinned| pinned.image == name).collect();
    assert!(matches!(pins.as_slice(), [pin] if pin.reason.contains("thread-local")), "{pins:?}");
    // the others come and go
    let other = map(&three());
    let second = other.image.name().to_owned();
    drop(other);
    assert!(gone(&second));
    drop(end);
    thread.join().expect("it does not panic");
    assert!(gone(&name) && pinned().is_empty(), "the thread has ended");
}

#[test]
fn what_it_says_is_heard_in_the_program() {
    use std::fmt::{self, Debug, Write as _};
    use tracing::field::{Field, Visit};
    use tracing::{Event, Metadata, span};

    struct Heard(Arc<Mutex<String>>);
    struct Text<'a>(&'a mut String);
    impl Visit for Text<'_> {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            let _: fmt::Result = write!(self.0, "{field}={value:?};");
        }
    }
    impl tracing::Subscriber for Heard {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "hotswap::image"
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &Event<'_>) {
            event.record(&mut Text(&mut self.0.lock().expect("no panic")));
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    let _alone = alone();
    let heard = Arc::new(Mutex::new(String::new()));
    let name = tracing::subscriber::with_default(Heard(Arc::clone(&heard)), || {
        let arrived = map(&three());
        let mut state = at_three(&arrived, "");
        let _ = json(&mut state, r#"["Misbehave", {"Trace": "hear, hear"}]"#);
        arrived.image.name().to_owned()
    });
    assert!(gone(&name));
    let heard = heard.lock().expect("no panic");
    assert!(
        heard.contains("message=hear, hear steps=0") && heard.contains("from=hotswap_image_tally::tally"),
        "{heard}"
    );
}

#[test]
fn it_comes_and_goes_and_nothing_stays() {
    let _alone = alone();
    let cycles = if env::var_os("HOTSWAP_FULL").is_some() { 1000 } else { 50 };
    let (image, maps) = (three(), || std::fs::read_to_string("/proc/self/maps").expect("it is there").lines().count());
    let mut first = 0;
    for cycle in 0..cycles {
        let arrived = map(&image);
        let name = arrived.image.name().to_owned();
        let mut state = at_three(&arrived, "");
        assert_eq!(step(&mut state, "Add", &1_i64).0, Ran::Done { failed: false });
        drop((arrived, state));
        assert!(gone(&name), "cycle {cycle}");
        if cycle == 10 {
            first = maps();
        }
    }
    assert!(maps() <= first + 8, "{} mappings, {first} before", maps());
}

/// Where the text stands in the bytes.
fn find(bytes: &[u8], text: &[u8]) -> usize {
    bytes.windows(text.len()).position(|window| window == text).expect("it is in there")
}

#[test]
fn each_way_of_not_fitting_has_its_name() {
    let image = three();
    let changed = |at: usize, to: &[u8]| {
        let mut image = image.clone();
        image[at..at + to.len()].copy_from_slice(to);
        inspect(&image).and_then(|manifest| manifest.check().map(|()| manifest))
    };
    assert_eq!(inspect(b"#!/bin/sh"), Err(InspectError::NotElf));
    assert_eq!(inspect(&[]), Err(InspectError::NotElf));
    assert!(matches!(inspect(&image[..image.len() / 2]), Err(InspectError::Truncated { .. })));
    assert!(matches!(inspect(&image[..20]), Err(InspectError::Malformed { .. })));
    let this = std::fs::read("/proc/self/exe").expect("this test is a file");
    let this = inspect(&this).expect_err("a program is no image");
    assert!(matches!(this, InspectError::NoNote | InspectError::NoRoot), "{this}");
    // the build note: its kind, then the owner's name, the boundary, the flags, the texts
    let build = find(&image, b"\x01\0\0\0hotswap\0\x01\0\0\0") + 12;
    assert_eq!(changed(build, &[9]), Err(InspectError::Abi { expected: 1, found: 9 }));
    assert_eq!(changed(build + 4, &[0]), Err(InspectError::PanicAbort));
    let triple = find(&image[build..], env!("HOTSWAP_TARGET").as_bytes()) + build;
    assert!(matches!(changed(triple, b"X"), Err(InspectError::Target { found, .. }) if found.starts_with('X')));
    assert!(matches!(changed(build - 8, b"H"), Err(InspectError::Malformed { .. })));
    let machine = find(&image, b"\x02\0\0\0hotswap\0") + 12;
    assert!(matches!(changed(machine, &[0xff, 0xff, 0xff, 0xff]), Err(InspectError::Malformed { .. })));
    assert!(matches!(changed(machine - 12, &[7]), Err(InspectError::Malformed { .. })));
    let section = find(&image, b".note.hotswap\0");
    assert_eq!(changed(section, b".nite"), Err(InspectError::NoNote));
    let (mut root, mut at) = (image.clone(), 0);
    while let Some(next) = root[at..].windows(12).position(|window| window == b"HOTSWAP_ROOT") {
        at += next;
        root[at] = b'h';
    }
    assert_eq!(inspect(&root), Err(InspectError::NoRoot));
    assert!(matches!(refused(b"nothing"), MapError::Inspect(InspectError::NotElf)));
}

#[test]
fn an_image_that_is_not_what_its_notes_say_is_not_used() {
    let _alone = alone();
    let image = three();
    let changed = |text: &[u8], to: &[u8]| {
        let (mut image, at) = (image.clone(), find(&image, text));
        image[at..at + to.len()].copy_from_slice(to);
        refused(&image)
    };
    let library = changed(b"libc.so.6\0", b"libx.so.6");
    assert!(matches!(&library, MapError::Refused { what } if what.contains("libx.so.6")), "{library:?}");
    // the first of a table's functions is not looked at, but its size is
    let sizes =
        [size_of::<super::abi::Root>(), size_of::<super::abi::Table>()].map(|size| u32::try_from(size).expect("small"));
    let root = [&b"hotswap\0\x01\0\0\0"[..], &sizes[0].to_le_bytes()].concat();
    let root = changed(&root, &[&b"hotswap\0\x01\0\0\0"[..], &[1, 0]].concat());
    assert!(matches!(&root, MapError::Differs { what } if what.contains("root")), "{root:?}");
    reap();
    assert!(pinned().is_empty());
}
