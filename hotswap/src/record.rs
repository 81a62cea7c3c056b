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
        match what {
            Wish::Said(what) => what.into_owned(),
            Wish::Upgrade { .. } => what.to_string(),
        }
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

    /// What came of it up to the end of its epoch.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome_by(self.counts, self.held.clone())
    }

    /// The same with other numbers, and other held back: those of this moment.
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
        let terms = Terms { keep_previous: true, accept_loss: true, rollback_after: Some(3), canary: Some(20) };
        let asked = Asked { kind: Kind::Upgrade, to: 2, what: Wish::Upgrade { to: 2, terms } };
        let stored = serde_json::to_string(&asked).expect("it can be written");
        let what = "upgrade to version 2, keeping previous states, accepting losses, rolled back after failures: 3, as a canary of 20 percent";
        assert_eq!(stored, format!(r#"{{"kind":"upgrade","to":2,"what":"{what}"}}"#));
        let read: Asked = serde_json::from_str(&stored).expect("it can be read");
        assert!(matches!(&read.what, Wish::Said(said) if said == what));
        assert_eq!(read, asked);
    }

    fn record() -> Record {
        let next =
            Next { kind: Kind::Upgrade, version: 2, id: "x".into(), reason: "y", by: "", terms: Terms::default() };
        Record::begun(&next, Asked { kind: Kind::Upgrade, to: 2, what: "z".into() }, 1, 7, 15)
    }

    #[test]
    fn an_outcome_is_made_of_a_record_and_a_record_of_an_outcome() {
        let held = HeldBack {
            who: "w".to_owned(),
            place: crate::ledger::Place::Cell,
            version: 1,
            reason: "r".to_owned(),
            poisoned: false,
        };
        let outcome = Outcome {
            id: "x".to_owned(),
            kind: Kind::Upgrade,
            from: 1,
            to: 2,
            epoch: 7,
            reason: "y".to_owned(),
            done: true,
            live: 15,
            moved: 1,
            stayed: 2,
            held_back: 3,
            gone: 4,
            not_reached: 5,
            settled: true,
            superseded_by: Some("v".to_owned()),
            held: vec![held.clone()],
        };
        let mut kept = record();
        kept.counts = Counts { moved: 1, stayed: 2, held_back: 3, gone: 4, not_reached: 5 };
        (kept.settled, kept.superseded_by, kept.held) = (true, Some("v".into()), vec![held]);
        assert_eq!(kept.outcome(), outcome);
        assert_eq!(Record::from(kept.command()).outcome(), outcome);
    }

    #[test]
    fn a_retry_goes_on_with_what_was_asked_for_and_why() {
        let mut kept = record();
        let next = Next { kind: Kind::Retry, version: 2, id: "x".into(), reason: "n", by: "", terms: Terms::default() };
        kept.tried_again(Record::begun(&next, Asked { kind: Kind::Retry, to: 2, what: "retry".into() }, 2, 8, 3));
        let Outcome { kind, from, epoch, reason, live, not_reached, .. } = kept.outcome();
        assert_eq!((kept.asked.what, kind, from, &*reason), ("z".into(), Kind::Upgrade, 1, "y"));
        assert_eq!((epoch, live, not_reached), (8, 3, 3));
    }
}
