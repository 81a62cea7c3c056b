//! Whatever bytes come in: no panic, no state that was not encoded, no more memory than the bytes warrant.
//!
//! Each target makes inputs from a seed, damaged and generated. Part of them get their checksums right again after the
//! damage, so that it reaches what lies behind. `cargo xtask fuzz` runs more of them.

mod fuzzing;

// The reader of `kv`, an example, and what it needs of its neighbours.
#[allow(dead_code, reason = "the reader takes a part of it")]
#[path = "../../examples/kv/line.rs"]
mod line;
#[path = "../../examples/kv/resp.rs"]
mod resp;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::time::UNIX_EPOCH;

use hotswap::load::{self, Claims, SecretKey, Trust, TrustError};
use hotswap::snapshot::{self, Holds, Json, SnapshotError};
use hotswap::{OpenError, Phase, RestoreError, Restored};
use hotswap_tests::folder::Folder;
use hotswap_tests::images::Image;
use serde_json::Value;

use fuzzing::counting::peak_of;
use fuzzing::elf;
use fuzzing::mutate::mutate;
use fuzzing::run::{Bound, Rng, run};
use fuzzing::states::{AnyState, Fleet, Machine, Switch, V1, body, state, version};
use fuzzing::wire::{self, Block};
use resp::{Limits, Reader};

/// Panics in what the user wrote are contained, and would go unnoticed.
fn no_panic(text: &str) {
    assert!(!text.contains("it panicked"), "{text}");
}

// ---- a snapshot

/// What the input says of itself, if its head is whole.
fn says(bytes: &[u8]) -> Option<(snapshot::Header, &[u8])> {
    let header = snapshot::header(bytes).ok()?;
    let (_, rest) = wire::split(bytes);
    Some((header, rest.split_at_checked(rest.len().checked_sub(8)?)?.0))
}

fn some_snapshot(rng: &mut Rng) -> Vec<u8> {
    let json = rng.once_in(8);
    let whole = |rng: &mut Rng| {
        let state = state(rng, json);
        if json { snapshot::encode_by::<Machine, Json>(&state) } else { snapshot::encode::<Machine>(&state) }
            .expect("encodes")
    };
    let (mut bytes, other) = (whole(rng), whole(rng));
    let (header, inner) = says(&bytes).map(|(header, inner)| (header, inner.to_vec())).expect("whole");
    match rng.below(10) {
        // as it was written
        0 => bytes,
        // damaged on the way
        1 | 2 => {
            mutate(rng, &mut bytes, &other);
            bytes
        }
        // another head, as if it had been written so
        3 => {
            let mut head = wire::split(&bytes).0.to_vec();
            mutate(rng, &mut head, wire::split(&other).0);
            wire::seal(&head, &inner)
        }
        // the head of another state
        4 => wire::seal_as(&says(&other).expect("whole").0, &inner),
        // anything at all for a body
        5 => {
            let begins = [rng.byte() % 6, 0];
            let many = rng.below(20_000);
            let rest = match rng.below(64) {
                // many of the smallest things there are, fewer or more than it says
                0 => {
                    let said = postcard::to_allocvec(rng.pick(&[many, many / 2, 100_000])).expect("encodes");
                    [said, vec![rng.byte() % 2; many]].concat()
                }
                1 => rng.bytes(20_000),
                _ => rng.bytes(60),
            };
            wire::seal_as(&header, &[&begins[..], &rest].concat())
        }
        // another body, as if it had been written so
        _ => {
            let mut inner = inner;
            mutate(rng, &mut inner, says(&other).expect("whole").1);
            wire::seal_as(&header, &inner)
        }
    }
}

#[test]
fn snapshot() {
    // A collection's length is believed as far as there are bytes left, by postcard, and as far as 1 MiB, by serde. What
    // takes the most for a byte is an empty text in a list, 24 bytes: three times that while the list doubles, and once
    // more while it is migrated.
    let bound = Bound { fixed: 4096, for_each_byte: 96 };
    let decode = |bytes: &[u8]| {
        let to = snapshot::header(bytes).map_or(1, |header| header.version);
        snapshot::decode::<Machine>(bytes, to)
    };
    run("snapshot", &bound, some_snapshot, decode, |input, result| {
        let header = says(input);
        let meant = header.as_ref().and_then(|(header, inner)| {
            let mut rest = *inner;
            wire::state(&mut rest).filter(|(version, _)| rest.is_empty() && *version == header.version)
        });
        match result {
            Ok(state) => {
                let (header, inner) = header.expect("what was decoded has a header");
                assert_eq!((header.holds, header.version), (Holds::State, version(&state)));
                let again = body(&state);
                if header.codec == "postcard" {
                    let (_, meant) = meant.expect("another reader finds a state as well");
                    assert_eq!(again, meant, "it is another state");
                    // numbers in the head may be longer than they need to be, too
                    let again = wire::seal_as(&header, inner);
                    assert_eq!(says(&again), Some((header, inner)), "the head says something else");
                } else {
                    let json = snapshot::encode_by::<Machine, Json>(&state).expect("encodes");
                    let back = snapshot::decode::<Machine>(&json, version(&state)).expect("decodes");
                    assert_eq!(body(&back), again, "JSON gives back another state");
                }
                for to in 1..=4 {
                    match snapshot::decode::<Machine>(input, to) {
                        Ok(state) => assert_eq!(version(&state), to),
                        Err(SnapshotError::NotMigrated { reason, .. }) => no_panic(&reason),
                        Err(other) => panic!("it is read at its own version only: {other}"),
                    }
                }
                true
            }
            Err(error) => {
                no_panic(&error.to_string());
                if let (Some((header, _)), SnapshotError::Undecodable(_)) = (header, error) {
                    assert!(header.codec != "postcard" || meant.is_none(), "another reader finds a state");
                }
                false
            }
        }
    });
}

/// A hash table is the one collection whose length is believed beyond the bytes there are, to as much as serde allows.
#[hotswap::machine]
mod table {
    use std::collections::HashMap;

    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub struct Len;

    #[machine(version = 1)]
    #[derive(Serialize, Deserialize)]
    pub struct V1(pub HashMap<u64, u64>);
    #[machine(version = 1)]
    fn len(state: &V1, _: Len) -> usize {
        state.0.len()
    }
}

#[test]
fn a_table_that_claims_to_be_huge_takes_a_few_mib() {
    let whole = snapshot::encode::<table::Machine>(&table::V1([(1, 2)].into()).into()).expect("encodes");
    let (header, inner) = says(&whole).expect("whole");
    assert_eq!(inner, [1, 1, 1, 2]);
    let huge = postcard::to_allocvec(&(1_u32, u64::MAX, 1_u64, 2_u64)).expect("encodes");
    let bytes = wire::seal_as(&header, &huge);
    let (result, peak) = peak_of(|| snapshot::decode::<table::Machine>(&bytes, 1));
    assert!(matches!(result, Err(SnapshotError::Undecodable(_))));
    // serde's 1 MiB of entries, in a table that is a power of two and not quite full
    assert!(peak < 3 << 20, "{peak} bytes");
}

// ---- a fleet's file

/// The version that the fleet runs which restores.
const RUNS: u32 = 3;
/// Whose instance is in the fleet before.
const RESIDENT: u64 = u64::MAX - 1;

/// Which file the bytes stand for; the first byte of an input.
const PLAIN: u8 = 0;
/// Written in a probation that was undone; the file from before it is whole.
const UNDONE: u8 = 1;
/// The file from before such a probation; the other is whole.
const BEFORE: u8 = 2;

/// A fleet, the folder that it restores from, and how its instance was.
struct Place {
    folder: Folder,
    fleet: Fleet<u64>,
    was: Vec<u8>,
}

impl Place {
    fn new(folder: Folder, switch: &Switch) -> Self {
        let mut place = Self { folder, fleet: switch.fleet(), was: Vec::new() };
        place.settle();
        place
    }

    /// Leaves nobody there but the resident.
    fn settle(&mut self) {
        let mut keys = Vec::new();
        self.fleet.for_each(|key, _| keys.push(*key)).expect("outside");
        for key in keys {
            self.fleet.remove(&key).expect("outside");
        }
        let resident = V1 { name: "resident".into(), tags: Vec::new(), rows: vec![vec![1, 2, 3]] };
        self.fleet.insert(RESIDENT, resident).expect("enters");
        self.was = self.states().remove(&RESIDENT).expect("there");
    }

    fn states(&self) -> BTreeMap<u64, Vec<u8>> {
        let mut states = BTreeMap::new();
        self.fleet.for_each(|key, state| drop(states.insert(*key, body(state)))).expect("outside");
        states
    }

    fn restore(&self, bytes: &[u8], file: &str) -> Result<Restored, RestoreError> {
        fs::write(self.folder.path(file), bytes).expect("a writable folder");
        self.fleet.restore(self.folder.path("fleet"))
    }
}

/// A file as hotswap wrote it: its head, and its blocks.
struct Written {
    bytes: Vec<u8>,
    head: Vec<u8>,
    blocks: Vec<Block>,
}

impl Written {
    fn new(bytes: Vec<u8>) -> Self {
        let (head, rest) = wire::split(&bytes);
        let (head, blocks) = (head.to_vec(), wire::blocks(rest).expect("whole"));
        assert_eq!(wire::file(&head, &blocks), bytes, "the format is another");
        let blocks = sorted(blocks);
        Self { bytes: wire::file(&head, &blocks), head, blocks }
    }

    /// As it was, or damaged in one of its layers.
    fn damaged(&self, rng: &mut Rng, other: &Self) -> Vec<u8> {
        let mut blocks = self.blocks.clone();
        let at = rng.below(blocks.len());
        match rng.below(9) {
            0 => return self.bytes.clone(),
            1 | 2 => {
                let mut bytes = self.bytes.clone();
                mutate(rng, &mut bytes, &other.bytes);
                return bytes;
            }
            3 => {
                let mut head = self.head.clone();
                mutate(rng, &mut head, &other.head);
                return wire::file(&head, &blocks);
            }
            4 => {
                let block = &mut blocks[at];
                let other = u32::try_from(rng.number() & 0xffff_ffff).expect("masked");
                block.count = *rng.pick(&[block.count.wrapping_add(1), block.count.wrapping_sub(1), other]);
            }
            5 => blocks.insert(at, other.blocks[rng.below(other.blocks.len())].clone()),
            6 => drop(blocks.remove(at)),
            7 => return wire::file(&self.head, &generated(rng, &blocks[0])),
            _ => mutate(rng, &mut blocks[at].bytes, &other.blocks[0].bytes),
        }
        wire::file(&self.head, &blocks)
    }
}

/// The same records by their keys: a fleet writes them as its hashes have it, which differ from run to run.
fn sorted(mut blocks: Vec<Block>) -> Vec<Block> {
    let end = blocks.len() - 1;
    for Block { bytes, .. } in &mut blocks[1..end] {
        let mut records = BTreeMap::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let start = rest;
            let key = wire::varint(&mut rest, 64).expect("a key");
            wire::held(&mut rest).expect("a state");
            wire::owed(&mut rest).expect("whether it owes anything");
            records.insert(key, &start[..start.len() - rest.len()]);
        }
        *bytes = records.into_values().collect::<Vec<_>>().concat();
    }
    blocks
}

/// Records of one's own, in several blocks; now and then with damage in one, or with the same key again.
fn generated(rng: &mut Rng, mark: &Block) -> Vec<Block> {
    let mut blocks = vec![mark.clone()];
    let mut instances = 0_u64;
    // now and then many of the smallest there are: what is kept beside a state counts the most then
    let many = rng.once_in(100);
    let (keys, records) = if many { (100_000, 2_000) } else { (12, 6) };
    for _ in 0..rng.below(4) {
        let mut block = Block { count: 0, bytes: Vec::new() };
        for _ in 0..=rng.below(records) {
            let key = rng.next() % keys;
            let state = if many { least() } else { state(rng, false) };
            let mut record = postcard::to_allocvec(&(key, state, None::<u32>)).expect("encodes");
            if !many && rng.once_in(30) {
                mutate(rng, &mut record, &mark.bytes);
            }
            block.bytes.extend(record);
            block.count += 1;
        }
        instances += u64::from(block.count);
        blocks.push(block);
    }
    blocks.push(Block { count: 0, bytes: instances.to_le_bytes().to_vec() });
    blocks
}

/// Files of plain fleets, then those from the midst of a probation and from before it, and where that was undone.
fn written(folder: Folder) -> (Vec<Written>, [Written; 2], Place) {
    let rng = &mut fuzzing::run::first();
    let plain = (0..12).map(|many| {
        let switch = Switch::builder().starting_at(many % 4 + 1).build().expect("one to run");
        let fleet = switch.fleet::<u64>();
        for key in 0..u64::from(many) * 3 {
            // those that cannot come to its version stay out
            let _ = fleet.insert(key, state(rng, false));
        }
        fleet.save(folder.path("plain")).expect("a writable folder");
        Written::new(fs::read(folder.path("plain")).expect("there"))
    });
    let plain = plain.collect();

    let store = folder.path("store");
    drop(Switch::builder().label("fuzzed fleet").starting_at(2).open(&store).expect("a store of its own"));
    let same = numbered(&fs::read(&store).expect("there"), "-");
    fs::write(&store, same).expect("a writable folder");
    let switch = Switch::open(&store).expect("its own store");
    let fleet = switch.fleet::<u64>();
    for key in 0..20 {
        let _ = fleet.insert(key, state(rng, false));
    }
    fleet.save(folder.path("fleet")).expect("a writable folder");
    switch.admin().upgrade(4, "").expect("not refused");
    for key in 15..30 {
        let _ = fleet.insert(key, state(rng, false));
    }
    fleet.save(folder.path("fleet")).expect("a writable folder");
    drop((fleet, switch));
    let read = |name| Written::new(fs::read(folder.path(name)).expect("there"));
    let undone = [read("fleet"), read("fleet.before")];
    let switch = Switch::open(&store).expect("its own store");
    (plain, undone, Place::new(folder, &switch))
}

/// What the records of a file are to become in a fleet that runs `RUNS`; `None` if one owes to pass another version first.
fn meant(file: &[u8]) -> Option<BTreeMap<u64, Vec<u8>>> {
    let header = snapshot::header(file).expect("its head was read");
    let blocks = wire::blocks(wire::split(file).1).expect("its blocks were read");
    let [mark, blocks @ .., end] = &blocks[..] else { panic!("it was read without a mark or an end") };
    let mut states = BTreeMap::new();
    let (mut instances, mut owing) = (0_u64, false);
    assert_eq!((mark.count, end.count), (1, 0));
    for Block { count, bytes } in blocks {
        let mut rest = &bytes[..];
        for _ in 0..*count {
            let key = wire::varint(&mut rest, 64).expect("a key was read");
            let (version, inner) = wire::held(&mut rest).expect("a state was read");
            owing |= wire::owed(&mut rest).expect("whether it owes was read").is_some();
            states.insert(key, becomes(&header, version, &inner));
            instances += 1;
        }
        assert!(rest.is_empty(), "something was passed over");
    }
    assert_eq!(end.bytes, instances.to_le_bytes());
    (!owing).then_some(states)
}

fn becomes(header: &snapshot::Header, version: u32, inner: &[u8]) -> Vec<u8> {
    let known = |info: &&hotswap::VersionInfo| info.number == version;
    let info = <Machine as hotswap::Machine>::VERSIONS.iter().find(known).expect("a known version");
    let (holds, fingerprint) = (Holds::State, info.fingerprint.to_owned());
    let header = snapshot::Header { holds, version, fingerprint, ..header.clone() };
    match snapshot::decode::<Machine>(&wire::seal_as(&header, inner), RUNS) {
        Ok(state) => body(&state),
        Err(SnapshotError::NotMigrated { .. }) => inner.to_vec(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn fleet() {
    let (plain, [during, before], undone) = written(Folder::in_memory());
    let switch = Switch::builder().starting_at(RUNS).build().expect("one to run");
    let (place, undone) = (RefCell::new(Place::new(Folder::in_memory(), &switch)), RefCell::new(undone));
    // two buffers of 64 KiB, and the fleet's shards as they begin; then the same as for a snapshot, and a slot for a state
    // that may have as few as six bytes
    let bound = Bound { fixed: 192 * 1024, for_each_byte: 128 };
    let make = |rng: &mut Rng| {
        let which = *rng.pick(&[PLAIN, PLAIN, UNDONE, BEFORE]);
        let bytes = match which {
            PLAIN => rng.pick(&plain).damaged(rng, &during),
            UNDONE => during.damaged(rng, &before),
            _ => before.damaged(rng, &during),
        };
        [&[which], &bytes[..]].concat()
    };
    let work = |input: &[u8]| match input[0] {
        PLAIN => place.borrow().restore(&input[1..], "fleet"),
        UNDONE => undone.borrow().restore(&input[1..], "fleet"),
        _ => undone.borrow().restore(&input[1..], "fleet.before"),
    };
    run("fleet", &bound, make, work, |input, result| {
        let mut place = if input[0] == PLAIN { place.borrow_mut() } else { undone.borrow_mut() };
        // the other of the two is whole again
        match input[0] {
            PLAIN => {}
            UNDONE => fs::write(place.folder.path("fleet"), &during.bytes).expect("a writable folder"),
            _ => fs::write(place.folder.path("fleet.before"), &before.bytes).expect("a writable folder"),
        }
        let mut there = place.states();
        match result {
            Ok(restored) => {
                let replaced = usize::try_from(restored.instances - restored.replaced).expect("few") + 1;
                assert_eq!(there.len(), replaced, "{restored:?}");
                if let Some(meant) = if input[0] == PLAIN { meant(&input[1..]) } else { None } {
                    if !meant.contains_key(&RESIDENT) {
                        assert_eq!(there.remove(&RESIDENT).as_ref(), Some(&place.was));
                    }
                    assert_eq!(there, meant, "other states are there");
                } else {
                    for state in there.values() {
                        let mut rest = &state[..];
                        let (_, again) = wire::state(&mut rest).expect("another reader finds a state");
                        assert_eq!((&again, rest), (state, &b""[..]));
                    }
                }
                place.settle();
                true
            }
            Err(RestoreError::Snapshot { error, .. }) => {
                no_panic(&error.to_string());
                assert_eq!(there, BTreeMap::from([(RESIDENT, place.was.clone())]), "a refused file changed something");
                false
            }
            Err(other) => panic!("{other}"),
        }
    });
    let status = switch.admin().status();
    assert_eq!((status.live, status.held_back), (1, 0), "the account is wrong");
}

// ---- a switch's store

/// Stores as hotswap wrote them, at several points of a switch's life.
fn stores() -> Vec<Vec<u8>> {
    let folder = Folder::in_memory();
    let path = folder.path("switch");
    let mut stores = Vec::new();
    let mut keep = || stores.push(fs::read(&path).expect("there"));
    let switch = Switch::builder().label("fuzzed store").starting_at(1).open(&path).expect("a store of its own");
    keep();
    let cells: Vec<_> = (0..3).map(|_| switch.cell(least()).expect("enters")).collect();
    switch.admin().upgrade(2, "on probation").expect("not refused");
    keep();
    switch.admin().rollback("\"undone\"").expect("in probation");
    keep();
    switch.admin().upgrade(3, "again").expect("not refused");
    switch.admin().commit().expect("in probation");
    keep();
    let boot = format!("{:016x}", switch.admin().status().boot);
    drop((cells, switch));
    drop(Switch::open(&path).expect("its own store"));
    keep();
    stores.into_iter().map(|store| numbered(&store, &boot)).collect()
}

/// The same store with the numbers that differ from run to run made the same: so an input can be made again.
fn numbered(store: &[u8], boot: &str) -> Vec<u8> {
    let (header, inner) = says(store).expect("whole");
    let text = std::str::from_utf8(inner).expect("JSON").replace(boot, "00000000000000b0");
    let mut document: Value = serde_json::from_str(&text).expect("JSON");
    document["store"] = Value::from(7);
    wire::seal_as(&header, &serde_json::to_vec(&document).expect("JSON"))
}

fn least() -> AnyState {
    V1 { name: String::new(), tags: Vec::new(), rows: Vec::new() }.into()
}

/// Where the values stand in a document.
fn pointers(value: &Value, at: String, to: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, format!("{at}/{index}"), to);
            }
        }
        Value::Object(fields) => {
            for (name, item) in fields {
                pointers(item, format!("{at}/{name}"), to);
            }
        }
        _ => {}
    }
    to.push(at);
}

fn some_store(rng: &mut Rng, stores: &[Vec<u8>]) -> Vec<u8> {
    let (mut bytes, other) = (rng.pick(stores).clone(), rng.pick(stores));
    let (header, inner) = says(&bytes).map(|(header, inner)| (header, inner.to_vec())).expect("whole");
    match rng.below(10) {
        0 => bytes,
        1 | 2 => {
            mutate(rng, &mut bytes, other);
            bytes
        }
        3 => {
            let mut head = wire::split(&bytes).0.to_vec();
            mutate(rng, &mut head, wire::split(other).0);
            wire::seal(&head, &inner)
        }
        4 => wire::seal_as(&says(other).expect("whole").0, &inner),
        5 | 6 => {
            let mut inner = inner;
            mutate(rng, &mut inner, says(other).expect("whole").1);
            wire::seal_as(&header, &inner)
        }
        // a whole document that says something else
        _ => {
            let mut document: Value = serde_json::from_slice(&inner).expect("JSON");
            for _ in 0..=rng.below(2) {
                let mut places = Vec::new();
                pointers(&document, String::new(), &mut places);
                if let Some(value) = document.pointer_mut(rng.pick(&places[..]).as_str()) {
                    *value = match rng.below(8) {
                        0 => Value::Null,
                        1 => Value::from("\u{0}/odd"),
                        2 => Value::Array(vec![value.clone(); rng.below(4)]),
                        3 => Value::from(-1),
                        4 => Value::from(rng.below(6)),
                        _ => Value::from(rng.number()),
                    };
                }
            }
            wire::seal_as(&header, &serde_json::to_vec(&document).expect("JSON"))
        }
    }
}

#[test]
fn store() {
    let stores = stores();
    let folder = Folder::in_memory();
    let path = folder.path("switch");
    // the switch itself, its counters in stripes, and the buffers of the file that it writes
    let bound = Bound { fixed: 96 * 1024, for_each_byte: 16 };
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("a writable folder");
        Switch::open(&path)
    };
    run(
        "store",
        &bound,
        |rng| some_store(rng, &stores),
        open,
        |input, result| match result {
            Ok(switch) => {
                let (header, inner) = says(input).expect("what was opened has a header");
                let record: Value = serde_json::from_slice(inner).expect("JSON");
                let (epoch, permanent) = (&record["release"]["epoch"], &record["release"]["permanent"]);
                let status = switch.admin().status();
                assert_eq!((status.phase, status.held_back), (Phase::Permanent, 0));
                assert_eq!(
                    (Value::from(status.version), Value::from(status.epoch - 1)),
                    (permanent.clone(), epoch.clone())
                );
                assert_eq!(header.version, status.permanent, "the shape that was checked is another version's");
                assert_eq!(record["label"], status.label);
                // it is a switch like any other
                let to = status.version % 4 + 1;
                let cell = switch.cell(least()).expect("enters or is brought there");
                let gone = switch.admin().upgrade_with(to, "", &hotswap::UpgradeOptions::default().id("fuzz"));
                if gone.as_ref().is_ok_and(|outcome| outcome.done) {
                    assert_eq!((cell.version(), switch.admin().status().epoch), (Some(to), status.epoch + 1));
                    switch.admin().commit().expect("in probation");
                }
                let permanent = switch.admin().status().permanent;
                drop((cell, switch));
                assert_eq!(Switch::open(&path).expect("its own store").version(), permanent);
                true
            }
            Err(OpenError::Io { source, .. }) => panic!("{source}"),
            Err(error) => {
                no_panic(&error.to_string());
                assert_eq!(fs::read(&path).expect("there"), input, "a refused store was changed");
                false
            }
        },
    );
}

#[test]
fn a_store_that_no_switch_writes_is_refused() {
    let folder = Folder::in_memory();
    let path = folder.path("switch");
    drop(Switch::builder().label("odd").starting_at(1).open(&path).expect("a store of its own"));
    let store = fs::read(&path).expect("there");
    let (header, inner) = says(&store).expect("whole");
    let refused = |field: &str, number: u64| {
        let mut document: Value = serde_json::from_slice(inner).expect("JSON");
        document["release"][field] = Value::from(number);
        fs::write(&path, wire::seal_as(&header, &serde_json::to_vec(&document).expect("JSON"))).expect("writable");
        match Switch::open(&path).expect_err("no switch writes it") {
            OpenError::Snapshot { error: SnapshotError::Undecodable(what), .. } => what,
            other => panic!("{other}"),
        }
    };
    // the shape that was checked would be another version's
    assert_eq!(refused("permanent", 2), "its header says version 1, its body version 2");
    // there would be no next epoch, or one that means something else
    for epoch in [u64::MAX, 1 << 62, 1 << 61, 1 << 60] {
        assert_eq!(refused("epoch", epoch), "its epochs are in no order that a switch makes");
    }
    for later in ["committed", "rolled_back", "probation"] {
        assert_eq!(refused(later, 9), "its epochs are in no order that a switch makes");
    }
}

// ---- what a client of `kv` sends

const LIMITS: Limits = Limits { argument: 1024, command: 4096 };

/// A command as clients send it.
fn array(words: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.as_ref().len()).into_bytes());
        bytes.extend(word.as_ref());
        bytes.extend(b"\r\n");
    }
    bytes
}

fn part(rng: &mut Rng) -> Vec<u8> {
    match rng.below(13) {
        0 => (0..rng.below(30)).map(|_| *rng.pick(b"*$:-+012\r\n\"'\\x a")).collect(),
        1 => [(0..rng.below(30)).map(|_| *rng.pick(b"abc  \"'\\x4")).collect::<Vec<u8>>(), b"\r\n".to_vec()].concat(),
        2 => format!("*{}\r\n", rng.number().cast_signed()).into_bytes(),
        3 => format!("*1\r\n${}\r\n", rng.number().cast_signed()).into_bytes(),
        4 => format!("*{}\r\n", rng.below(2_000_000)).into_bytes(),
        5 => rng.bytes(1200),
        // long, of small things: where each takes a place of its own, they take the most
        6 if rng.once_in(40) => {
            let (small, many) = (*rng.pick(&[&b"a "[..], b"$0\r\n\r\n", b"\r\n", b"*0\r\n", b"'"]), rng.below(2000));
            [format!("*{many}\r\n").into_bytes(), small.repeat(many), b"\r\n".to_vec()][rng.below(2)..].concat()
        }
        _ => {
            let words: Vec<Vec<u8>> = (0..rng.below(6)).map(|_| rng.bytes(20)).collect();
            array(&words)
        }
    }
}

fn some_stream(rng: &mut Rng) -> Vec<u8> {
    let stream = |rng: &mut Rng| (0..rng.below(6)).flat_map(|_| part(rng)).collect::<Vec<u8>>();
    let mut bytes = stream(rng);
    if rng.once_in(2) {
        let other = stream(rng);
        mutate(rng, &mut bytes, &other);
    }
    bytes
}

/// Everything that a stream says when it comes in these pieces, the error that ended it, and what is left of it.
type Read = (Vec<Vec<kv_store::Bytes>>, Option<String>);

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    read_within(LIMITS, pieces)
}

fn read_within<'a>(limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut reader = Reader::new(limits);
    let mut commands = Vec::new();
    for piece in pieces {
        reader.room().extend_from_slice(piece);
        loop {
            match reader.next() {
                Ok(Some(command)) => commands.push(command),
                Ok(None) => break,
                Err(error) => return (commands, Some(error)),
            }
        }
    }
    (commands, None)
}

/// The commands at the front of a stream of arrays, read a second time and simply; `None` where something else follows
/// that is neither such a command nor the beginning of one.
fn arrays(mut rest: &[u8]) -> Option<Vec<Vec<&[u8]>>> {
    fn number(rest: &mut &[u8], kind: u8) -> Option<Option<i64>> {
        match rest.first() {
            None => return Some(None),
            Some(first) if *first != kind => return None,
            Some(_) => {}
        }
        let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else { return Some(None) };
        let digits = std::str::from_utf8(&rest[1..end]).ok().filter(|digits| !digits.starts_with('+'))?;
        *rest = &rest[end + 2..];
        digits.parse().ok().map(Some)
    }
    let mut commands = Vec::new();
    'commands: while !rest.is_empty() {
        let Some(count) = number(&mut rest, b'*')? else { break };
        let mut words = Vec::new();
        for _ in 0..count {
            let Some(length) = number(&mut rest, b'$')? else { break 'commands };
            let length = usize::try_from(length).ok()?;
            let Some(word) = rest.get(..length) else { break 'commands };
            match rest.get(length..length + 2) {
                None => break 'commands,
                Some(b"\r\n") => rest = &rest[length + 2..],
                Some(_) => return None,
            }
            words.push(word);
        }
        if count > 0 {
            commands.push(words);
        }
    }
    Some(commands)
}

#[test]
fn resp() {
    // what it reads into grows by 16 KiB; a word of one byte in a line takes an allocation of its own, and a place in a
    // list that doubles
    let bound = Bound { fixed: 64 * 1024, for_each_byte: 128 };
    let whole = |stream: &[u8]| read([stream]);
    run("resp", &bound, some_stream, whole, |stream, (commands, error)| {
        if let Some(error) = &error {
            assert!(error.starts_with("Protocol error: "), "{error}");
        } else if let Some(arrays) = arrays(stream) {
            assert_eq!(commands, arrays, "other commands were read");
        }
        // what came as a line is longer as an array
        let wide = Limits { argument: 1 << 20, command: 1 << 20 };
        for command in &commands {
            let again = read_within(wide, [&array(command)[..]]);
            assert_eq!(again, (vec![command.clone()], None), "it is read as another command");
        }
        let taken = error.is_none() && !commands.is_empty();
        let said = (commands, error);
        let cut = stream.len() / 3;
        assert_eq!(read([&stream[..cut], &stream[cut..]]), said, "pieces say something else");
        if stream.len() < 100 {
            assert_eq!(read(stream.chunks(1)), said, "bytes one by one say something else");
        }
        taken
    });
}

// ---- a signed image

fn some_envelope(rng: &mut Rng, key: &SecretKey) -> Vec<u8> {
    let mut signed = || {
        let claims = Claims::new("shop", rng.number()).created_at(UNIX_EPOCH).note("n".repeat(rng.below(40)));
        let image = [vec![7], rng.bytes(600)].concat();
        load::sign(&image, key, &claims).expect("claims as they may be")
    };
    let (mut bytes, other) = (signed(), signed());
    match rng.below(8) {
        0 => bytes,
        // the image of another
        1 => {
            let length = |bytes: &[u8]| load::head(bytes).expect("whole").length;
            let around = |bytes: &[u8]| bytes.len() - usize::try_from(length(bytes)).expect("short");
            [&bytes[..around(&bytes)], &other[around(&other)..]].concat()
        }
        // a head that nobody signed
        2 | 3 => {
            let end = 20 + usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
            let mut head = bytes[20..end].to_vec();
            mutate(rng, &mut head, &other[20..]);
            let length = u16::try_from(head.len()).expect("short").to_le_bytes();
            [&bytes[..10], &length, &bytes[12..20], &head, &bytes[end..]].concat()
        }
        _ => {
            mutate(rng, &mut bytes, &other);
            bytes
        }
    }
}

#[test]
fn envelope() {
    let key: SecretKey = format!("hotswap-secret-key:1:{}", "5a".repeat(32)).parse().expect("a key");
    let trust = Trust::new("shop").key(key.public());
    let bound = Bound { fixed: 4096, for_each_byte: 2 };
    run(
        "envelope",
        &bound,
        |rng| some_envelope(rng, &key),
        |bytes| (load::head(bytes), trust.verify_at(bytes, UNIX_EPOCH)),
        |bytes, (head, verified)| match verified {
            Ok(verified) => {
                // ed25519 signs one way only: what is taken is what the same key signs of the same claims
                let again = load::sign(verified.image(), &key, &verified.head().claims).expect("claims as they may be");
                assert_eq!(again, bytes);
                assert_eq!(&head.expect("a head that was signed"), verified.head());
                true
            }
            Err(error) => {
                let structural = matches!(error, TrustError::BadSignature { .. } | TrustError::UnknownKey { .. });
                assert!(structural || error.code() == head.map_or_else(|error| error.code(), |_| "altered"), "{error}");
                false
            }
        },
    );
}

// ---- an image

/// What `inspect` says of an image, as the targets judge it; whether it is one.
fn judge(result: Result<load::Manifest, load::InspectError>) -> bool {
    match result {
        Ok(manifest) => {
            assert!(!manifest.machines.is_empty() && manifest.build.abi == 1);
            for line in &manifest.machines {
                assert!(line.versions.is_sorted_by(|one, next| one.number < next.number));
            }
            true
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("\n\nhelp: "), "{text}");
            false
        }
    }
}

#[test]
fn image() {
    let whole = |rng: &mut Rng| elf::image(rng);
    // what takes the most is an empty text in a list: 4 bytes of the file, and 24 of a list that doubles
    let bound = Bound { fixed: 16 * 1024, for_each_byte: 32 };
    let some = |rng: &mut Rng| {
        let (mut bytes, other) = (whole(rng), whole(rng));
        if !rng.once_in(20) {
            mutate(rng, &mut bytes, &other);
        }
        bytes
    };
    run("image", &bound, some, load::inspect, |_, result| judge(result));
}

/// An image of the compiler's, damaged for the most part where something is read:.
#[test]
fn built() {
    let source = Image { krate: "images/tally", copy: "fuzzed", features: "hotswap/image,three" };
    let stripped = |manifest: &str| format!("{manifest}\n[profile.dev]\nstrip = true\n");
    let whole = source.changed(stripped, str::to_owned).expect("it compiles");
    let telling = elf::telling(&whole);
    // nothing that is read of it takes memory by the length of the file
    let bound = Bound { fixed: 16 * 1024, for_each_byte: 0 };
    let some = |rng: &mut Rng| {
        let mut bytes = whole.clone();
        let (place, other) = (rng.pick(&telling).clone(), rng.pick(&telling).clone());
        let mut piece = whole[place.clone()].to_vec();
        match rng.below(20) {
            0 => return bytes,
            1 | 2 => mutate(rng, &mut bytes, &whole[other]),
            // with what is behind it somewhere else
            3 => {
                mutate(rng, &mut piece, &whole[other]);
                drop(bytes.splice(place, piece));
            }
            _ => {
                mutate(rng, &mut piece, &whole[other]);
                piece.resize(place.len(), 0);
                bytes[place].copy_from_slice(&piece);
            }
        }
        bytes
    };
    run("built", &bound, some, load::inspect, |_, result| judge(result));
}
