//! What loading asks of a live switch: what it has and uses, to take in versions, and to let them go.

use std::sync::Arc;

use serde::Serialize;

use crate::ledger::LOST;
use crate::loaded::{Guest, GuestLine};
use crate::machine::Machine;
use crate::roster::Shared;

use super::fit::{Here, Unfit};

/// Who keeps an image from being let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The switch.
    pub switch: String,
    /// The image's version that it uses.
    pub version: u32,
    /// The version runs, for everybody or on one side of a canary.
    pub current: bool,
    /// A rollback or a restart comes up there.
    pub permanent: bool,
    /// So many instances run it, or will leave it when they are touched.
    pub live: u64,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: version {}", self.switch, self.version)?;
        f.write_str(match (self.current, self.permanent) {
            (true, true) => " runs and is permanent",
            (true, false) => " runs",
            (false, true) => " is permanent",
            (false, false) => "",
        })?;
        if self.live > 0 { write!(f, " ({} live)", self.live) } else { Ok(()) }
    }
}

/// Gives a switch again what was taken away from it.
pub(super) type PutBack<'a> = Box<dyn FnOnce() + 'a>;

/// A live switch, as loading sees it.
pub trait Host: Send + Sync {
    /// The versions that an image's line would bring.
    fn fit(&self, line: &GuestLine) -> Result<Vec<u32>, Unfit>;
    /// Makes them available.
    fn bring(&self, guest: &Arc<dyn Guest>, by: &str) -> Result<Vec<u32>, Unfit>;
    /// Forgets them, unless they are in use; if there were any, it gives the way to have again what it had before.
    fn take_away<'a>(&'a self, guest: &'a Arc<dyn Guest>, by: &'a str) -> Result<Option<PutBack<'a>>, Vec<Holder>>;
    /// What of an image is in use.
    fn holders(&self, image: &str) -> Vec<Holder>;
    /// Tells the audit of something done, or refused, and who asked for it.
    fn note(&self, what: String, refused: Option<String>, by: &str);
}

impl<M: Machine> Host for Shared<M> {
    fn fit(&self, line: &GuestLine) -> Result<Vec<u32>, Unfit> {
        let (release, census) = self.core.look();
        let mut used: Vec<u32> = census.counts.iter().map(|(count, _)| count.version).collect();
        used.extend([release.version, release.permanent]);
        used.extend(release.before());
        let here = Here { identity: M::IDENTITY, versions: self.line.versions(), inputs: self.line.inputs(), used };
        here.fit(line)
    }

    fn bring(&self, guest: &Arc<dyn Guest>, by: &str) -> Result<Vec<u32>, Unfit> {
        // no command comes between the question and the answer
        let mut control = self.core.control();
        let there = self.line.brought_by(guest);
        if !there.is_empty() {
            // a switch that was made while it came in
            return Ok(there);
        }
        let further = self.fit(guest.line())?;
        if !further.is_empty() {
            self.line.bring(further.iter().copied(), guest);
            let list: Vec<_> = further.iter().map(u32::to_string).collect();
            let what = format!("load {}: version {} available", guest.image(), list.join(", "));
            control.changed(self.core.epoch(), what, by);
        }
        Ok(further)
    }

    fn take_away<'a>(&'a self, guest: &'a Arc<dyn Guest>, by: &'a str) -> Result<Option<PutBack<'a>>, Vec<Holder>> {
        let mut control = self.core.control();
        let holders = self.holders(guest.image());
        if !holders.is_empty() {
            return Err(holders);
        }
        let Some(before) = self.line.take_away(guest) else { return Ok(None) };
        control.changed(self.core.epoch(), format!("let go {}", guest.image()), by);
        Ok(Some(Box::new(move || {
            let mut control = self.core.control();
            self.line.put_back(before);
            let what = format!("keep {}: another switch uses it", guest.image());
            control.changed(self.core.epoch(), what, by);
        })))
    }

    fn holders(&self, image: &str) -> Vec<Holder> {
        let (release, census) = self.core.look();
        let holder = |(version, by): (u32, Arc<dyn Guest>)| {
            let current = version == release.version || Some(version) == release.before();
            let permanent = version == release.permanent;
            let live = census.of_version(version);
            let uses = by.image() == image && version != LOST && (current || permanent || live > 0);
            uses.then(|| Holder { switch: self.core.label.clone(), version, current, permanent, live })
        };
        self.line.brought().into_iter().filter_map(holder).collect()
    }

    fn note(&self, what: String, refused: Option<String>, by: &str) {
        let mut control = self.core.control();
        let epoch = self.core.epoch();
        match refused {
            Some(why) => control.refused(epoch, what, why, by),
            None => control.changed(epoch, what, by),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_reads_as_a_sentence() {
        let holder = |current, permanent, live| {
            let switch = "till".to_owned();
            Holder { switch, version: 3, current, permanent, live }.to_string()
        };
        assert_eq!(holder(false, false, 2), "till: version 3 (2 live)");
        assert_eq!(holder(true, false, 0), "till: version 3 runs");
        assert_eq!(holder(false, true, 0), "till: version 3 is permanent");
        assert_eq!(holder(true, true, 1), "till: version 3 runs and is permanent (1 live)");
    }
}
