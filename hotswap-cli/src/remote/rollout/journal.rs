//! What a rollout has done, a line of JSON for each fact, in a file where one is given: so that the command can be killed at
//! any point and started again. A fact of what is about to be done that cannot be asked about is written before, and of what
//! was done after: done twice under one id, it is done once.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::gate::Counts;
use super::{Ended, RolloutError};
use crate::report::Failure;

/// No journal is longer.
const LONGEST: u64 = 64 << 20;

/// Every line begins so.
const FACT: &[u8] = br#"{"event":""#;

/// What a rollout is to do; it does not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    /// The number of this layout.
    pub(super) schema: u32,
    /// The version to go to.
    pub(super) to: u32,
    /// The programs, as they were named, in the order in which they are upgraded.
    pub(super) programs: Vec<String>,
    /// The switch, if one was named.
    pub(super) switch: Option<String>,
    /// How many programs each wave has.
    pub(super) waves: Vec<usize>,
    pub(super) keep_previous: bool,
    pub(super) accept_loss: bool,
    pub(super) rollback_after: Option<u64>,
    pub(super) reason: String,
}

/// What is known of a rollout, one after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Fact {
    /// It began. Every id that it gives to a program begins with its own.
    Begun { rollout: String, intent: Box<Intent> },
    /// How a program was before anything was done to it.
    Seen { program: String, switch: String, boot: String, epoch: u64, from: u32, counts: Counts },
    /// A program has been upgraded, and all who can be reached have moved or are held back.
    Upgraded {
        program: String,
        id: String,
        epoch: u64,
        live: u64,
        moved: u64,
        held_back: u64,
        /// Whether all of them had moved, or were held back, in time.
        settled: bool,
        /// What was counted of it just before.
        before: Counts,
    },
    /// The gate after a wave let it through.
    Passed { wave: usize },
    /// It did not, or a program could not be upgraded.
    Failed { wave: usize, faults: Vec<Fault> },
    /// A program has gone back.
    RolledBack { program: String, held_back: u64 },
    /// A program's version is permanent.
    Committed { program: String },
    /// Nothing is left to be done.
    Ended { how: Ended },
}

/// What is wrong with a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) program: String,
    /// A name that stays, for programs.
    pub(crate) reason: String,
    /// The same for people.
    pub(crate) message: String,
}

/// The facts, and the file that keeps them.
#[derive(Debug)]
pub(super) struct Journal {
    file: Option<(PathBuf, File)>,
}

impl Journal {
    /// The journal in this file, and what it says; of nothing, if there is none.
    pub(super) fn open(path: Option<&Path>) -> Result<(Self, Vec<Fact>), Failure> {
        let Some(path) = path else { return Ok((Self { file: None }, Vec::new())) };
        let failed = |error| Failure::io(path, error);
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        // one command at a time: two would command the same programs
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(RolloutError::JournalInUse { path: path.to_owned() }.into());
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut text = Vec::new();
        (&file).take(LONGEST + 1).read_to_end(&mut text).map_err(failed)?;
        let strange = |why: String| RolloutError::Journal { path: path.to_owned(), why };
        if text.len() as u64 > LONGEST {
            return Err(strange(format!("it is longer than {LONGEST} bytes")).into());
        }
        // a line without an end was being written when the command was killed
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let begun = text[whole..].iter().zip(FACT).all(|(byte, fact)| byte == fact);
        let facts = if begun { read(&text[..whole]) } else { Err("its last line is none of a journal's".to_owned()) };
        let facts = facts.map_err(strange)?;
        file.set_len(whole as u64).map_err(failed)?;
        file.seek(io::SeekFrom::End(0)).map_err(failed)?;
        Ok((Self { file: Some((path.to_owned(), file)) }, facts))
    }

    /// Writes a fact so that it lasts.
    pub(super) fn write(&mut self, fact: &Fact) -> Result<(), Failure> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let line = serde_json::to_vec(fact).map_err(io::Error::from).map(|line| [line, b"\n".to_vec()].concat());
        let is_new = file.metadata().is_ok_and(|file| file.len() == 0);
        let written = line.and_then(|line| file.write_all(&line)).and_then(|()| file.sync_data());
        // that the file is there has to last as well
        let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let lasting = if is_new { File::open(folder).and_then(|folder| folder.sync_all()) } else { Ok(()) };
        let written = written.and(lasting);
        written.map_err(|error| Failure::io(path, error))
    }
}

fn read(text: &[u8]) -> Result<Vec<Fact>, String> {
    let mut facts = Vec::new();
    for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let fact = serde_json::from_slice(line).map_err(|error| format!("line {}: {error}", at + 1))?;
        if matches!(fact, Fact::Begun { .. }) != (at == 0) {
            return Err(format!("line {}: it begins once, in the first line", at + 1));
        }
        facts.push(fact);
    }
    Ok(facts)
}
