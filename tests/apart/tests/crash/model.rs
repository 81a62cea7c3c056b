//! What must be there when the process comes up again, worked out from its log alone.

use hotswap::Kind;

use super::child::{Event, Report, States};
use super::machine::way;

/// A fleet's file.
#[derive(Debug, Clone)]
struct Saved {
    states: States,
    /// The keys that were held back, and may owe to go where an undone probation came from.
    held: Vec<u64>,
    /// How many commits there had been: a later one forgives what they owe.
    commits: u32,
    /// The probation it was written in, by number.
    probation: Option<usize>,
    /// The version that a restart would have come up at when it was written.
    permanent: u32,
}

#[derive(Debug, Default)]
struct Probation {
    undone: bool,
}

/// The folder, as far as the log says.
#[derive(Debug)]
pub(crate) struct Model {
    permanent: u32,
    version: u32,
    probations: Vec<Probation>,
    probation: Option<usize>,
    commits: u32,
    file: Option<Saved>,
    before: Option<Saved>,
    /// The commands that answered.
    answered: Vec<String>,
    /// What was begun and is not over.
    begun: Option<Event>,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            permanent: 1,
            version: 1,
            probations: Vec::new(),
            probation: None,
            commits: 0,
            file: None,
            before: None,
            answered: Vec::new(),
            begun: None,
        }
    }

    /// Takes the next line of the log.
    pub(crate) fn follow(&mut self, event: Event) {
        match event {
            Event::Marked(_) => {}
            Event::Opened => {
                assert_eq!(self.begun.take(), Some(Event::Opening));
                self.restart();
            }
            Event::Refused(_) => {
                self.begun.take().expect("begun before");
            }
            Event::Done => {
                let begun = self.begun.take().expect("begun before");
                if let Event::Upgrading { id, .. } | Event::Committing { id } | Event::RollingBack { id } = &begun {
                    self.answered.push(id.clone());
                }
                self.take_place(begun);
            }
            begun => self.begun = Some(begun),
        }
    }

    fn take_place(&mut self, event: Event) {
        match event {
            Event::Upgrading { to, .. } => {
                self.version = to;
                if self.probation.is_none() {
                    self.probations.push(Probation::default());
                    self.probation = Some(self.probations.len() - 1);
                }
            }
            Event::Committing { .. } => {
                self.permanent = self.version;
                self.probation = None;
                self.commits += 1;
            }
            Event::RollingBack { .. } => self.restart(),
            Event::Saving(states, held) => {
                match &self.file {
                    Some(file) if self.probation.is_some() && file.probation != self.probation => self.keep(),
                    _ => {}
                }
                let (commits, probation, permanent) = (self.commits, self.probation, self.permanent);
                self.file = Some(Saved { states, held, commits, probation, permanent });
            }
            _ => unreachable!("not a thing that is begun"),
        }
    }

    fn is_undone(&self, saved: &Saved) -> bool {
        saved.probation.is_some_and(|probation| self.probations[probation].undone)
    }

    /// Nothing of an undone probation that cannot come down is what a later restart should find.
    fn keep(&mut self) {
        let file = self.file.as_ref().expect("one to keep");
        let stranded = self.is_undone(file) && file.states.values().any(|(version, _)| !way(*version, file.permanent));
        if !stranded {
            self.before = self.file.clone();
        }
    }

    fn restart(&mut self) {
        if let Some(probation) = self.probation.take() {
            self.probations[probation].undone = true;
        }
        self.version = self.permanent;
    }

    /// Holds what came up, after a kill at `fault`, against what may; and goes on from there.
    pub(crate) fn killed(&mut self, fault: &str, report: &Report) {
        let begun = self.begun.take();
        if self.probation.is_some() && matches!(begun, None | Some(Event::Opening | Event::Saving(..))) {
            // not the last one, if the first that came up after it was killed too
            let mut starts = report.outcomes.iter().rev().take_while(|outcome| outcome.kind == Kind::Start);
            let why = format!("version {} was not committed", self.version);
            assert!(starts.any(|start| start.from == self.version && start.reason == why), "{report:?}");
        }
        match begun {
            Some(Event::Committing { ref id }) => {
                let committed = match fault {
                    "commit: decided" => Some(false),
                    "commit: stored" | "commit: flipped" | "store: renamed" | "store: done" => Some(true),
                    // the store is written before the flip, and after it
                    _ => None,
                };
                let there = report.permanent == self.version;
                assert!(there || report.permanent == self.permanent, "{report:?}");
                assert!(committed.is_none_or(|committed| committed == there), "{report:?}");
                assert_eq!(report.outcomes.iter().any(|outcome| outcome.id == *id), there, "{report:?}");
                if there {
                    self.take_place(begun.expect("it was begun"));
                }
            }
            Some(Event::Saving(states, held)) if matches!(fault, "save: renamed" | "save: done") => {
                self.take_place(Event::Saving(states, held));
            }
            _ => {}
        }
        self.restart();
        self.check(report);
    }

    /// Holds what came up against what must.
    pub(crate) fn check(&self, report: &Report) {
        assert_eq!(report.torn, [0; 0]);
        assert_eq!((report.version, report.permanent), (self.permanent, self.permanent));
        let (expected, held) = self.restored();
        for key in expected.keys().chain(report.states.keys()) {
            let (expected, found) = (expected.get(key), report.states.get(key));
            let as_it_was = self.may_owe(*key) && report.held.contains(key) && found == self.saved(*key);
            assert!(expected == found || as_it_was, "key {key}: {found:?}, of {:?}, kept {:?}", self.file, self.before);
        }
        assert!(held.iter().all(|key| report.held.contains(key)), "{held:?} in {:?}", report.held);
        let others = report.held.iter().filter(|key| !held.contains(key));
        for key in others {
            assert!(self.may_owe(*key), "key {key} is held back, of {:?}, kept {:?}", self.file, self.before);
        }
        // every command that answered is known, in order, and none is told twice
        let ids: Vec<_> = report.outcomes.iter().map(|outcome| outcome.id.as_str()).collect();
        let last = |n: usize| &self.answered[self.answered.len().saturating_sub(n)..];
        let told: Vec<_> =
            ids.iter().copied().filter(|id| self.answered.iter().any(|answered| answered == id)).collect();
        assert!(told.iter().copied().eq(last(told.len())), "{ids:?}");
        assert!(ids.len() >= 256 || told.len() == self.answered.len(), "{ids:?}");
        for pair in report.outcomes.windows(2) {
            assert!(pair[0].epoch < pair[1].epoch, "{pair:?}");
            assert_eq!(pair[0].superseded_by.as_ref(), Some(&pair[1].id), "{pair:?}");
            let Some(was) = pair.first().filter(|was| was.settled) else { continue };
            assert_eq!(was.moved + was.held_back + was.gone + was.not_reached, was.live, "{was:?}");
        }
    }

    fn saved(&self, key: u64) -> Option<&(u32, Vec<u64>)> {
        self.file.as_ref()?.states.get(&key)
    }

    /// Whether it was held back when it was saved, and no commit has forgiven what it may owe. Which of those do owe
    /// something the log does not say.
    fn may_owe(&self, key: u64) -> bool {
        let unforgiven = |saved: &&Saved| saved.commits == self.commits;
        self.file.as_ref().filter(unforgiven).is_some_and(|file| file.held.contains(&key))
    }

    /// What a restart makes of the file, and of the one that is kept from before it; and who is held back.
    fn restored(&self) -> (States, Vec<u64>) {
        let (mut states, mut held) = (States::new(), Vec::new());
        let Some(file) = &self.file else { return (states, held) };
        let low = if self.is_undone(file) { file.permanent.min(self.permanent) } else { u32::MAX };
        let comes = |version: u32| {
            if low < version { way(version, low) && way(low, self.permanent) } else { way(version, self.permanent) }
        };
        for (key, state) in &file.states {
            let before = self.before.as_ref().and_then(|before| before.states.get(key));
            let stranded = low != u32::MAX && !comes(state.0);
            let (version, marks) = before.filter(|_| stranded).unwrap_or(state).clone();
            // one that cannot come serves on at its version: also at that of the permanent one, if it has not come to it
            // by the one that it was to go back to
            let version = if comes(version) {
                self.permanent
            } else {
                held.push(*key);
                version
            };
            states.insert(*key, (version, marks));
        }
        (states, held)
    }
}
