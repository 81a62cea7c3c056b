//! The process that is killed: a life of upgrades, steps, saves, commits, rollbacks and restarts, each written to a log
//! before and after; and the process that comes up after it and reports.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use hotswap::{
    AdminError, CommitOptions, Kind, Machine as _, Outcome, Phase, RollbackOptions, SaveError, UpgradeOptions,
};
use serde::{Deserialize, Serialize};

use super::machine::marked::{self, Fleet, Mark, Marks, Switch, V1};
use super::machine::way;

const KEYS: u64 = 40;
/// A life that is not killed ends.
const DEEDS: u32 = 2000;

/// An instance's version and marks.
pub(crate) type States = BTreeMap<u64, (u32, Vec<u64>)>;

/// A line of the log. What ends in `ing` is written before it is begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Event {
    Opening,
    Opened,
    Upgrading {
        to: u32,
        id: String,
    },
    Committing {
        id: String,
    },
    RollingBack {
        id: String,
    },
    /// What is there, and which keys are held back.
    Saving(States, Vec<u64>),
    /// What was begun was done.
    Done,
    /// What was begun was refused.
    Refused(String),
    Marked(u64),
}

/// What a process found when it came up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) version: u32,
    pub(crate) permanent: u32,
    pub(crate) epoch: u64,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) states: States,
    /// The keys that are held back.
    pub(crate) held: Vec<u64>,
    /// The keys whose states are torn.
    pub(crate) torn: Vec<u64>,
}

struct Life {
    folder: PathBuf,
    log: File,
    dice: u64,
    deeds: u64,
    switch: Switch,
    fleet: Fleet<u64>,
}

/// Lives until it is killed.
pub(crate) fn live(folder: &Path, seed: u64) {
    let mut log = OpenOptions::new().create(true).append(true).open(folder.join("log")).expect("a writable folder");
    note(&mut log, &Event::Opening);
    let (switch, fleet) = open(folder);
    note(&mut log, &Event::Opened);
    let mut life = Life { folder: folder.to_owned(), log, dice: seed, deeds: seed * 10_000, switch, fleet };
    if life.fleet.is_empty() {
        for key in 0..KEYS {
            life.fleet.insert(key, V1::default()).expect("enters");
        }
    }
    for _ in 0..DEEDS {
        life = life.next();
    }
}

/// Comes up and says what it found.
pub(crate) fn report(folder: &Path) {
    let (switch, fleet) = open(folder);
    let status = switch.admin().status();
    assert_eq!(status.live, fleet.len() as u64);
    let states = states(&fleet);
    let torn = states.keys().copied().filter(|key| !fleet.step(key, Marks).expect("serves").1).collect();
    let held = held(&switch);
    let report = Report {
        version: status.version,
        permanent: status.permanent,
        epoch: status.epoch,
        outcomes: switch.admin().outcomes(),
        states,
        held,
        torn,
    };
    println!("report: {}", serde_json::to_string(&report).expect("encodes"));
}

/// Two saves: at the second, the folder cannot be synced any more.
pub(crate) fn save_that_may_not_last(folder: &Path) {
    let fleet = Switch::new().fleet::<u64>();
    let file = folder.join("fleet");
    fleet.insert(1, V1::default()).expect("enters");
    fleet.save(&file).expect("a disk that works");
    fleet.insert(2, V1::default()).expect("enters");
    let told = fleet.save(&file).expect_err("it may not last");
    assert!(matches!(told, SaveError::NotLasting { .. }), "{told:?}");
    let again = Switch::new().fleet::<u64>();
    assert_eq!(again.restore(&file).expect("whole").instances, 2);
}

/// An upgrade, and a commit whose record cannot be made to last.
pub(crate) fn commit_that_may_not_last(folder: &Path) {
    let (switch, _fleet) = open(folder);
    switch.admin().upgrade(2, "").expect("a disk that works");
    let refused = switch.admin().commit().expect_err("it may not last");
    assert!(matches!(refused, AdminError::NotStored { .. }), "{refused:?}");
    assert_eq!(switch.admin().status().phase, Phase::Probation);
}

fn open(folder: &Path) -> (Switch, Fleet<u64>) {
    let switch = Switch::builder().starting_at(1).open(folder.join("switch")).expect("the store comes up whole");
    let fleet = switch.fleet();
    let file = folder.join("fleet");
    if file.exists() {
        fleet.restore(file).expect("the fleet comes up whole");
    }
    (switch, fleet)
}

fn states(fleet: &Fleet<u64>) -> States {
    let mut keys = Vec::new();
    fleet.for_each(|key, state| keys.push((*key, marked::Machine::version_of(state)))).expect("outside");
    keys.into_iter().map(|(key, version)| (key, (version, fleet.step(&key, Marks).expect("serves").0))).collect()
}

fn held(switch: &Switch) -> Vec<u64> {
    switch.admin().held_back().iter().map(|held| held.who.parse().expect("a key")).collect()
}

/// What is written is there for the parent, however the process ends.
fn note(log: &mut File, event: &Event) {
    let line = serde_json::to_string(event).expect("encodes") + "\n";
    log.write_all(line.as_bytes()).expect("a writable folder");
}

impl Life {
    fn roll(&mut self, sides: u64) -> u64 {
        // splitmix64
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn next(mut self) -> Self {
        self.deeds += 1;
        let id = format!("deed-{}", self.deeds);
        let admin = self.switch.admin();
        match self.roll(16) {
            0..=3 => {
                // not all of them: who was touched since the flip and who was not must make no difference
                let every = 1 + self.roll(3);
                note(&mut self.log, &Event::Marked(self.deeds));
                for key in (0..KEYS).step_by(usize::try_from(every).expect("small")) {
                    let made = self.fleet.step_or_insert_with(key, V1::default, Mark(self.deeds));
                    made.expect("taken by every version");
                }
            }
            4 => {
                let key = self.roll(KEYS);
                self.fleet.remove(&key).expect("outside");
            }
            5..=8 => {
                note(&mut self.log, &Event::Saving(states(&self.fleet), held(&self.switch)));
                let file = self.folder.join("fleet");
                let saved = if self.roll(4) == 0 { self.fleet.save_paused(file) } else { self.fleet.save(file) };
                self.over(saved);
            }
            9..=10 => {
                let status = admin.status();
                let goes = |to: &u32| *to != status.version && way(status.version, *to) && way(status.permanent, *to);
                let targets: Vec<_> = (1..=4).filter(goes).collect();
                if !targets.is_empty() {
                    let to = targets[self.roll(targets.len() as u64) as usize];
                    note(&mut self.log, &Event::Upgrading { to, id: id.clone() });
                    let options = UpgradeOptions::default().keep_previous(true).accept_loss(true).id(id);
                    let done = admin.upgrade_with(to, "", &options);
                    self.over(done);
                }
            }
            11..=12 if admin.status().version != admin.status().permanent => {
                // once this is done there is no way back for the rest of the folder's days: seldom
                let returns = way(admin.status().version, admin.status().permanent);
                if returns || self.roll(4) == 0 {
                    note(&mut self.log, &Event::Committing { id: id.clone() });
                    let done = admin.commit_with("", &CommitOptions::default().leave_held_back(true).id(id));
                    self.over(done);
                }
            }
            13..=14 => {
                note(&mut self.log, &Event::RollingBack { id: id.clone() });
                let done = admin.rollback_with("", &RollbackOptions::default().accept_loss(true).id(id));
                self.over(done);
            }
            15 => {
                let Self { folder, mut log, dice, deeds, switch, fleet } = self;
                note(&mut log, &Event::Opening);
                drop((admin, fleet, switch));
                let (switch, fleet) = open(&folder);
                note(&mut log, &Event::Opened);
                self = Self { folder, log, dice, deeds, switch, fleet };
            }
            _ => {}
        }
        self
    }

    fn over<T, E: std::fmt::Display>(&mut self, done: Result<T, E>) {
        let event = done.map_or_else(|error| Event::Refused(error.to_string()), |_| Event::Done);
        note(&mut self.log, &event);
    }
}

impl Report {
    /// The start that this process made, if it was not the first.
    pub(crate) fn start(&self) -> Option<&Outcome> {
        self.outcomes.last().filter(|last| last.kind == Kind::Start)
    }
}
