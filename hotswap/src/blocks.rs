//! The file of a fleet: a head, and blocks of records, each with its checksum.
//!
//! ```text
//! head        as in `frame`, of kind fleet
//! blocks      each: how many records, u32; length, u32; checksum, u64, seeded with the one before; the records
//! ```
//!
//! The first block holds the `Mark` and a `Sample` of the keys, the last, of no records, their number. A record is key,
//! the length of the state, the state, and the version that it owes to pass, if any, in postcard.

use std::any::type_name;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::error::VersionError;
use crate::fleet::Key;
use crate::frame::{self, Holds, ReadError, SnapshotError, checksum, exactly, read_on, read_sum};
use crate::line::Line;
use crate::loaded::Guest;
use crate::machine::Machine;
use crate::roster::{Find, Sought};
use crate::snapshot::{self, Codec, Postcard};
use crate::switch::Release;
use crate::way::{contain, decode_by, drop_contained};

/// A block is written when it has come to this many bytes.
const BLOCK: usize = 256 * 1024;

/// What a file says of the moment in which it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The fingerprints of the versions that there were.
    pub(crate) shapes: Vec<(u32, String)>,
    /// The store of the switch, if it had one: the probation means something to the same store only.
    pub(crate) store: Option<u64>,
    /// The epoch in which this was written.
    pub(crate) epoch: u64,
    /// The epoch at which the probation began in which this was written.
    pub(crate) probation: Option<u64>,
    /// The version that was permanent then: where the probation began, and what undoing it goes by.
    pub(crate) permanent: u32,
}

impl Mark {
    /// Whether a commit since then left the held back as they were, and so forgave them what they owed.
    pub(crate) fn forgiven(&self, store: Option<u64>, release: &Release) -> bool {
        self.store.is_some() && self.store == store && release.committed > self.epoch
    }

    /// The lowest version that states of the file must pass: where a restart, or a rollback, undid the probation in which
    /// it was written, the one that was permanent before.
    pub(crate) fn low(&self, store: Option<u64>, release: &Release) -> u32 {
        let ours = self.store.is_some() && self.store == store;
        let undone = ours && self.probation.is_some_and(|began| release.was_undone(began));
        if undone { self.permanent } else { u32::MAX }
    }
}

/// An instance in a file.
pub(crate) struct Record<K, S> {
    pub(crate) key: K,
    /// `Err`: it is of a version that is not here.
    pub(crate) state: Result<S, VersionError>,
    /// The version that it must pass on its way, for it carries what was undone.
    pub(crate) owed: Option<u32>,
}

/// A key as text and as it is encoded. It says of what type the keys are: another one encodes the same text otherwise, and
/// unlike a type's name this means the same to every compiler, and to a type that was renamed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) text: String,
    encoded: Vec<u8>,
}

impl Sample {
    /// Of an encoded key; `None` if it cannot be had back from its text.
    fn of<K: Key>(encoded: &[u8]) -> Option<Self> {
        let text = contain(|| postcard::from_bytes::<K>(encoded).ok().map(|key| key.to_string())).ok()??;
        let sample = Self { text, encoded: encoded.to_vec() };
        sample.is_a::<K>().then_some(sample)
    }

    fn is_a<K: Key>(&self) -> bool {
        let encode = || postcard::to_allocvec(&self.text.parse::<K>().ok()?).ok();
        contain(encode).is_ok_and(|encoded| encoded.as_ref() == Some(&self.encoded))
    }
}

/// A state that cannot be encoded, or not be read back from what it is encoded to.
#[derive(Debug)]
pub(crate) struct Unsavable {
    pub(crate) who: String,
    pub(crate) reason: String,
}

/// Encoded records that wait to be a block.
#[derive(Default)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    /// A state, until it is known how long it is.
    state: Vec<u8>,
    pub(crate) count: u32,
    /// How far they have been read back.
    checked: usize,
    /// Where the longest key is, of several the greatest: the small ones look alike in many types.
    longest: Range<usize>,
    /// The first that could not be encoded.
    failed: Option<Unsavable>,
}

impl Records {
    pub(crate) fn full(&self) -> bool {
        self.bytes.len() >= BLOCK || self.failed.is_some()
    }

    pub(crate) fn add<K: Key>(&mut self, key: &K, state: &impl Serialize, owed: Option<u32>) {
        let start = self.bytes.len();
        let Self { bytes, state: alone, .. } = self;
        alone.clear();
        let encoded = contain(|| {
            append(alone, state)?;
            append(bytes, &(key, Raw(alone), owed))
        });
        match encoded.and_then(|encoded| encoded) {
            Ok(()) => self.count += 1,
            Err(reason) => {
                self.bytes.truncate(start);
                self.failed.get_or_insert(Unsavable { who: display(key), reason });
            }
        }
    }

    /// Reads back what was added since the last time.
    pub(crate) fn check<M: Machine, K: Key>(&mut self, line: &Line<M>) -> Result<(), Unsavable> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        while self.checked < self.bytes.len() {
            let mut rest = &self.bytes[self.checked..];
            let key = take::<K>(&mut rest).map_err(|reason| Unsavable { who: "(a key)".to_owned(), reason })?;
            let encoded = self.checked..self.bytes.len() - rest.len();
            let greatness = |at: &Range<usize>| (at.len(), &self.bytes[at.clone()]);
            if greatness(&encoded) > greatness(&self.longest) {
                self.longest = encoded;
            }
            let state = take::<(&[u8], Option<u32>)>(&mut rest).and_then(|(state, _)| read_back(line, state));
            let state = state.map_err(|reason| Unsavable { who: display(&key), reason })?;
            drop_contained((key, state));
            self.checked = self.bytes.len() - rest.len();
        }
        Ok(())
    }

    pub(crate) fn write<K: Key>(&mut self, writer: &mut Writer<'_>) -> io::Result<()> {
        if self.count > 0 {
            writer.begin(|| Sample::of::<K>(&self.bytes[self.longest.clone()]))?;
            writer.block(self.count, &self.bytes)?;
        }
        self.bytes.clear();
        (self.count, self.checked, self.longest) = (0, 0, 0..0);
        Ok(())
    }
}

/// The user's `Display`, whatever it does.
pub(crate) fn display(key: &impl ToString) -> String {
    contain(|| key.to_string()).unwrap_or_else(|_| "(its key cannot be displayed)".to_owned())
}

/// Appends a value; panics as its `Serialize` does.
fn append(bytes: &mut Vec<u8>, value: &impl Serialize) -> Result<(), String> {
    postcard::to_extend(value, Append(bytes)).map(drop).map_err(|error| error.to_string())
}

/// Decodes a state that was encoded a moment ago.
fn read_back<M: Machine>(line: &Line<M>, bytes: &[u8]) -> Result<M::AnyState, String> {
    let version = take::<u32>(&mut &*bytes)?;
    decode_by::<M>(line.owner(version).as_ref(), version, bytes)
}

/// Decodes a value from the front of `bytes`; fails rather than panics.
fn take<'de, T: Deserialize<'de>>(bytes: &mut &'de [u8]) -> Result<T, String> {
    let (value, rest) = contain(|| postcard::take_from_bytes(bytes).map_err(|error| error.to_string()))??;
    *bytes = rest;
    Ok(value)
}

/// Bytes that are written at once, behind their length.
struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct Append<'a>(&'a mut Vec<u8>);

impl Extend<u8> for Append<'_> {
    fn extend<T: IntoIterator<Item = u8>>(&mut self, bytes: T) {
        self.0.extend(bytes);
    }
}

/// Writes head and blocks.
pub(crate) struct Writer<'a> {
    to: &'a mut BufWriter<File>,
    sum: u64,
    bytes: u64,
    /// Until it is written, with the first records.
    mark: Option<Mark>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(to: &'a mut BufWriter<File>, header: &frame::Header, mark: Mark) -> io::Result<Self> {
        let (head, sum) = frame::head(header).map_err(io::Error::other)?;
        to.write_all(&head)?;
        Ok(Self { to, sum, bytes: head.len() as u64, mark: Some(mark) })
    }

    /// Writes the first block, once.
    fn begin(&mut self, sample: impl FnOnce() -> Option<Sample>) -> io::Result<()> {
        let Some(mark) = self.mark.take() else { return Ok(()) };
        let first = postcard::to_allocvec(&(mark, sample())).map_err(io::Error::other)?;
        self.block(1, &first)
    }

    fn block(&mut self, records: u32, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len())
            .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "one state is larger than 4 GiB"))?;
        self.sum = block_sum(records, bytes, self.sum);
        self.to.write_all(&records.to_le_bytes())?;
        self.to.write_all(&length.to_le_bytes())?;
        self.to.write_all(&self.sum.to_le_bytes())?;
        self.to.write_all(bytes)?;
        self.bytes += 16 + u64::from(length);
        Ok(())
    }

    /// Says how many records there were; gives the length of it all.
    pub(crate) fn end(&mut self, instances: u64) -> io::Result<u64> {
        self.begin(|| None)?;
        self.block(0, &instances.to_le_bytes())?;
        Ok(self.bytes)
    }
}

/// A block's place in the file and its number of records are part of what is checked.
fn block_sum(records: u32, bytes: &[u8], seed: u64) -> u64 {
    checksum(bytes, seed ^ u64::from(records).rotate_left(32))
}

/// Reads a block in place of the last one, whose checksum is `sum`; gives its number of records.
pub(crate) fn read_block(from: &mut impl Read, sum: &mut u64, block: &mut Vec<u8>) -> Result<u32, ReadError> {
    let mut head = Vec::with_capacity(8);
    read_on(from, &mut head, 8)?;
    let [r0, r1, r2, r3, l0, l1, l2, l3] = head[..] else { return Err(SnapshotError::Truncated.into()) };
    let (records, length) = (u32::from_le_bytes([r0, r1, r2, r3]), u32::from_le_bytes([l0, l1, l2, l3]));
    let there = read_sum(from)?;
    block.clear();
    read_on(from, block, u64::from(length))?;
    *sum = block_sum(records, block, *sum);
    if *sum == there { Ok(records) } else { Err(SnapshotError::Damaged { part: "a block" }.into()) }
}

/// Reads a file record by record, and says how it ends.
pub(crate) struct Reader<'a, M: Machine> {
    from: BufReader<File>,
    pub(crate) mark: Mark,
    sum: u64,
    block: Vec<u8>,
    at: usize,
    left: u32,
    seen: u64,
    /// How many the file says there are, once it was read to its end.
    pub(crate) instances: u64,
    over: bool,
    line: &'a Line<M>,
    find: Option<&'a Find>,
    /// The image that reads the states of a version; `None`: it is nowhere. What was read once can be read again, whichever
    /// images go meanwhile.
    images: RefCell<BTreeMap<u32, Option<Arc<dyn Guest>>>>,
}

impl<'a, M: Machine> Reader<'a, M> {
    /// Opens a file of this machine's instances with keys of type `K`.
    pub(crate) fn open<K: Key>(line: &'a Line<M>, find: Option<&'a Find>, path: &Path) -> Result<Self, ReadError> {
        let from = BufReader::with_capacity(64 * 1024, File::open(path)?);
        let mark = Mark { shapes: Vec::new(), store: None, epoch: 0, probation: None, permanent: 0 };
        let (block, images) = (Vec::new(), RefCell::default());
        let mut reader =
            Self { from, mark, sum: 0, block, at: 0, left: 0, seen: 0, instances: 0, over: false, line, find, images };
        match reader.begin()? {
            Some(sample) if !sample.is_a::<K>() => {
                Err(SnapshotError::OtherKeys { key: sample.text, expected: type_name::<K>() }.into())
            }
            _ => Ok(reader),
        }
    }

    pub(crate) fn open_if_there<K: Key>(
        line: &'a Line<M>,
        find: Option<&'a Find>,
        path: &Path,
    ) -> Result<Option<Self>, ReadError> {
        match Self::open::<K>(line, find, path) {
            Ok(reader) => Ok(Some(reader)),
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn rewind(&mut self) -> Result<(), ReadError> {
        self.from.rewind()?;
        (self.seen, self.over) = (0, false);
        self.begin().map(drop)
    }

    fn begin(&mut self) -> Result<Option<Sample>, ReadError> {
        let (header, sum) = frame::read_head(&mut self.from)?;
        snapshot::check::<M>(header.as_head(), Holds::Fleet)?;
        if header.codec != Postcard::NAME {
            let known = format!("`{}`", Postcard::NAME);
            return Err(SnapshotError::Codec { found: header.codec, known }.into());
        }
        self.sum = sum;
        if self.fill()? != 1 {
            return Err(SnapshotError::Undecodable("its first block is not the mark".to_owned()).into());
        }
        let (mark, sample) = exactly(&self.block).map_err(SnapshotError::Undecodable)?;
        self.mark = mark;
        (self.at, self.left) = (0, 0);
        self.block.clear();
        Ok(sample)
    }

    /// The next block, checked; gives its number of records.
    fn fill(&mut self) -> Result<u32, ReadError> {
        let records = read_block(&mut self.from, &mut self.sum, &mut self.block)?;
        (self.at, self.left) = (0, records);
        Ok(records)
    }

    /// The next key and state; `None` at the end, when all that is to follow has.
    pub(crate) fn next<K: Key>(&mut self) -> Result<Option<Record<K, M::AnyState>>, ReadError> {
        if self.over {
            return Ok(None);
        }
        if self.left == 0 {
            if self.at < self.block.len() {
                return Err(SnapshotError::Undecodable("a block is longer than its records".to_owned()).into());
            }
            if self.fill()? == 0 {
                return self.end().map(|()| None);
            }
        }
        let mut rest = &self.block[self.at..];
        let key = take::<K>(&mut rest).map_err(SnapshotError::Undecodable)?;
        let (state, owed) = take::<(&[u8], Option<u32>)>(&mut rest).map_err(SnapshotError::Undecodable)?;
        let version = take::<u32>(&mut &*state).map_err(SnapshotError::Undecodable)?;
        let state = match self.knows(version) {
            Ok(image) => Ok(decode_by::<M>(image.as_ref(), version, state).map_err(SnapshotError::Undecodable)?),
            Err(SnapshotError::Version(error @ VersionError::Unknown { .. })) => Err(error),
            Err(error) => return Err(error.into()),
        };
        let passes = |owed: u32| owed < version && (state.is_err() || self.knows(owed).is_ok());
        if owed.is_some_and(|owed| !passes(owed)) {
            return Err(SnapshotError::Undecodable("a state owes to pass a version that it cannot".to_owned()).into());
        }
        self.at = self.block.len() - rest.len();
        self.left -= 1;
        self.seen += 1;
        Ok(Some(Record { key, state, owed }))
    }

    /// The image that reads states of a version of the file, if one does; a version that is not here is looked for.
    fn knows(&self, version: u32) -> Result<Option<Arc<dyn Guest>>, SnapshotError> {
        if let Some(Some(image)) = self.images.borrow().get(&version) {
            return Ok(Some(Arc::clone(image)));
        }
        let shape = self.mark.shapes.iter().find(|(number, _)| *number == version);
        let Some((_, shape)) = shape else {
            let what = format!("a state is of version {version}, which the file says there was not");
            return Err(SnapshotError::Undecodable(what));
        };
        let mut image = snapshot::check_shape(self.line, version, shape);
        let unknown = matches!(image, Err(SnapshotError::Version(VersionError::Unknown { .. })));
        if let Some(find) = self.find.filter(|_| unknown && !self.images.borrow().contains_key(&version)) {
            let sought = Sought { machine: M::IDENTITY, version, shape, build: None };
            if let Err(why) = find(&sought) {
                tracing::warn!(target: "hotswap", machine = M::IDENTITY.name, version, why, "a version is nowhere");
            }
            image = snapshot::check_shape(self.line, version, shape);
        }
        match &image {
            Ok(None) => {}
            Ok(Some(image)) => drop(self.images.borrow_mut().insert(version, Some(Arc::clone(image)))),
            Err(_) => drop(self.images.borrow_mut().insert(version, None)),
        }
        image
    }

    fn end(&mut self) -> Result<(), ReadError> {
        let wrong = |what: &str| Err(SnapshotError::Undecodable(what.to_owned()).into());
        let Ok(instances) = <[u8; 8]>::try_from(&self.block[..]) else { return wrong("its last block is not the end") };
        self.instances = u64::from_le_bytes(instances);
        if self.instances != self.seen {
            return wrong("it holds another number of instances than it says");
        }
        let extra = io::copy(&mut self.from, &mut io::sink())?;
        if extra > 0 {
            return Err(SnapshotError::TooLong { extra }.into());
        }
        self.over = true;
        Ok(())
    }
}
