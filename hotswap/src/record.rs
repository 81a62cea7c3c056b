//! One command as a switch keeps it: what it asked for, and what came of it. Its texts are shared with the release, with the
//! audit and with the command after it; those who look are given their own.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::control::{HeldBack, Kind, Outcome};
use crate::ledger::Census;
use crate::switch::{Next, Terms};

/// What a command asked for, to tell the same one from another under its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) kind: Kind,
    pub(crate) to: u32,
    pub(crate) what: Wish,
}

/// What was asked for, with its terms; put into words when somebody reads them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub(crate) enum Wish {
    Said(Cow<'static, str>),
    Upgrade { to: u32, terms: Terms },
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (to, terms) = match self {
            Self::Said(what) => return f.write_str(what),
            Self::Upgrade { to, terms } => (to, terms),
        };
        write!(f, "upgrade to version {to}")?;
        if terms.keep_previous {
            f.write_str(", keeping previous states")?;
        }
        if terms.accept_loss {
            f.write_str(", accepting losses")?;
        }
        if let Some(n) = terms.rollback_after {
            write!(f, ", rolled back after failures: {n}")?;
        }
        if let Some(percent) = terms.canary {
            write!(f, ", as a canary of {percent} percent")?;
        }
        Ok(())
    }
}

impl From<&'static str> for Wish {
    fn from(what: &'static str) -> Self {
        Self::Said(what.into())
    }
}

impl From<String> for Wish {
    fn from(what: String) -> Self {
        Self::Said(what.into())
    }
}

impl From<Wish> for String {
    fn from(what: Wish) -> Self {
        what.to_string()
    }
}

/// By their words: a store keeps no others.
impl PartialEq for Wish {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Wish {}

/// A command as a store has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Command {
    pub(crate) outcome: Outcome,
    pub(crate) asked: Asked,
}

/// What became of those who were live at a flip.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    moved: u64,
    stayed: u64,
    held_back: u64,
    gone: u64,
    not_reached: u64,
}

impl Counts {
    /// By a census of the flip's epoch.
    pub(crate) fn of(census: &Census) -> Self {
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        Self {
            moved: count(census.flows.moved),
            stayed: count(census.flows.stayed),
            held_back: count(census.flows.held),
            gone: count(census.flows.gone),
            not_reached: census.not_reached(),
        }
    }
}

/// A command, and what came of it up to the end of its epoch.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) asked: Asked,
    pub(crate) id: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) epoch: u64,
    pub(crate) reason: Arc<str>,
    live: u64,
    pub(crate) counts: Counts,
    pub(crate) settled: bool,
    pub(crate) superseded_by: Option<Arc<str>>,
    pub(crate) held: Vec<HeldBack>,
}

impl Record {
    /// A flip as it begins: nobody has been reached.
    pub(crate) fn begun(next: &Next<'_>, asked: Asked, from: u32, epoch: u64, live: u64) -> Self {
        Self {
            asked,
            id: Arc::clone(&next.id),
            kind: next.kind,
            from,
            to: next.version,
            epoch,
            reason: Arc::from(next.reason),
            live,
            counts: Counts { not_reached: live, ..Counts::default() },
            settled: live == 0,
            superseded_by: None,
            held: Vec::new(),
        }
    }

    /// The same command at a later flip, which tries again those who were held back.
    pub(crate) fn tried_again(&mut self, begun: Self) {
        let Self { kind, from, .. } = *self;
        let (asked, reason) = (self.asked.clone(), Arc::clone(&self.reason));
        *self = Self { asked, kind, from, reason, ..begun };
    }

    /// What came of it.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome_by(self.counts, self.held.clone())
    }

    /// What has come of it by now.
    pub(crate) fn outcome_by(&self, counts: Counts, held: Vec<HeldBack>) -> Outcome {
        let Counts { moved, stayed, held_back, gone, not_reached } = counts;
        Outcome {
            id: String::from(&*self.id),
            kind: self.kind,
            from: self.from,
            to: self.to,
            epoch: self.epoch,
            reason: String::from(&*self.reason),
            done: true,
            live: self.live,
            moved,
            stayed,
            held_back,
            gone,
            not_reached,
            settled: self.settled,
            superseded_by: self.superseded_by.as_deref().map(str::to_owned),
            held,
        }
    }

    /// As a store is to have it.
    pub(crate) fn command(&self) -> Command {
        Command { outcome: self.outcome(), asked: self.asked.clone() }
    }
}

impl From<Command> for Record {
    fn from(Command { outcome, asked }: Command) -> Self {
        let Outcome { moved, stayed, held_back, gone, not_reached, .. } = outcome;
        Self {
            asked,
            id: outcome.id.into(),
            kind: outcome.kind,
            from: outcome.from,
            to: outcome.to,
            epoch: outcome.epoch,
            reason: outcome.reason.into(),
            live: outcome.live,
            counts: Counts { moved, stayed, held_back, gone, not_reached },
            settled: outcome.settled,
            superseded_by: outcome.superseded_by.map(Arc::from),
            held: outcome.held,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_is_the_same_after_a_store() {
        let plain = Terms::default();
        let all = Terms { keep_previous: true, accept_loss: true, rollback_after: Some(3), canary: Some(20) };
        let told = [plain, all].map(|terms| {
            let asked = Asked { kind: Kind::Upgrade, to: 2, what: Wish::Upgrade { to: 2, terms } };
            let stored = postcard::to_allocvec(&asked).expect("it can be written");
            let read: Asked = postcard::from_bytes(&stored).expect("it can be read");
            assert_eq!((read == asked, &read.what), (true, &Wish::Said(asked.what.to_string().into())));
            read.what.to_string()
        });
        let [short, long] = told;
        assert_eq!(short, "upgrade to version 2");
        let terms =
            "keeping previous states, accepting losses, rolled back after failures: 3, as a canary of 20 percent";
        assert_eq!(long, format!("{short}, {terms}"));
    }

    #[test]
    fn a_record_is_what_was_stored_of_it() {
        let next =
            Next { kind: Kind::Upgrade, version: 2, id: "x".into(), reason: "y", by: "", terms: Terms::default() };
        let asked = Asked { kind: Kind::Upgrade, to: 2, what: "z".into() };
        let mut record = Record::begun(&next, asked, 1, 7, 5);
        record.counts = Counts { moved: 1, stayed: 1, held_back: 1, gone: 1, not_reached: 1 };
        record.settled = true;
        record.superseded_by = Some("w".into());
        let stored = record.command();
        let again = Record::from(stored.clone()).command();
        assert_eq!((&again.outcome, &again.asked), (&stored.outcome, &stored.asked));
        let Outcome { moved, stayed, held_back, gone, not_reached, live, .. } = again.outcome;
        assert_eq!(moved + stayed + held_back + gone + not_reached, live);
    }
}
