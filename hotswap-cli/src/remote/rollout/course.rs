//! The course of a rollout: what is done in which order, from wherever it stands. What is known is in the state, which is
//! made of the facts of the journal and of nothing else; so one that was ended at any point goes on as if it had not been.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

use hotswap::remote::wire::{CommitBody, Expect, Outcome, Phase, RollbackBody, UpgradeBody};

use super::gate::Counts;
use super::journal::{Fact, Fault, Intent, Journal};
use super::program::Program;
use super::report::{Bar, event};
use super::{Args, Ended, OnFailure, RolloutError, report};
use crate::remote::error::RemoteError;
use crate::report::{Failure, Found};

/// So many programs are spoken to at once.
const AT_ONCE: usize = 16;
/// How often programs are looked at while they have to do well.
const OFTEN: Duration = Duration::from_secs(1);

/// The reasons of calls of which nobody knows whether they came.
const UNANSWERED: [&str; 3] = ["unreachable", "broken", "no-answer"];

/// What is known of one program.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) seen: Option<Seen>,
    pub(super) upgraded: Option<Upgraded>,
    /// Its upgrade was not answered: it may have come or not.
    pub(super) unanswered: bool,
    /// And how many were held back then.
    pub(super) rolled_back: Option<u64>,
    pub(super) committed: bool,
}

/// How it was before anything was done to it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) switch: String,
    boot: String,
    epoch: u64,
    pub(super) from: u32,
    counts: Counts,
}

#[derive(Debug, Clone)]
pub(super) struct Upgraded {
    epoch: u64,
    pub(super) live: u64,
    pub(super) moved: u64,
    pub(super) held_back: u64,
    settled: bool,
    /// What was counted of it just before.
    before: Counts,
}

/// What is known of the rollout.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) programs: Vec<Known>,
    /// How many waves have passed.
    passed: usize,
    failed: Option<(usize, Vec<Fault>)>,
    ended: Option<Ended>,
}

impl State {
    fn learn(&mut self, intent: &Intent, fact: &Fact) {
        let programs = &mut self.programs;
        let mut with = |name: &String, learn: &dyn Fn(&mut Known)| {
            let at = intent.programs.iter().position(|program| program == name);
            if let Some(known) = at.and_then(|at| programs.get_mut(at)) {
                learn(known);
            }
        };
        match fact {
            Fact::Begun { .. } => {}
            Fact::Seen { program, switch, boot, epoch, from, counts } => with(program, &|it| {
                let (switch, boot) = (switch.clone(), boot.clone());
                it.seen = Some(Seen { switch, boot, epoch: *epoch, from: *from, counts: *counts });
            }),
            Fact::Upgraded { program, epoch, live, moved, held_back, settled, before, .. } => with(program, &|it| {
                let (epoch, live, moved, held_back, settled) = (*epoch, *live, *moved, *held_back, *settled);
                it.upgraded = Some(Upgraded { epoch, live, moved, held_back, settled, before: *before });
            }),
            Fact::RolledBack { program, held_back } => with(program, &|it| it.rolled_back = Some(*held_back)),
            Fact::Committed { program } => with(program, &|it| it.committed = true),
            Fact::Passed { wave } => self.passed = *wave,
            Fact::Failed { wave, faults } => {
                for Fault { program, reason, .. } in faults {
                    with(program, &|it| it.unanswered = UNANSWERED.contains(&&**reason));
                }
                self.failed = Some((*wave, faults.clone()));
            }
            Fact::Ended { how } => self.ended = Some(*how),
        }
    }
}

/// A rollout under way.
pub(super) struct Course<'a> {
    args: &'a Args,
    intent: Intent,
    id: String,
    waves: Vec<Range<usize>>,
    as_json: bool,
    bar: Bar,
    kept: Mutex<(Journal, State)>,
}

/// What was done to several programs at once: what is wrong with which.
type Faults = Result<Vec<Fault>, Failure>;

impl<'a> Course<'a> {
    pub(super) fn new(
        args: &'a Args,
        intent: Intent,
        id: String,
        journal: Journal,
        facts: &[Fact],
        as_json: bool,
    ) -> Self {
        let mut state = State { programs: vec![Known::default(); intent.programs.len()], ..State::default() };
        for fact in facts {
            state.learn(&intent, fact);
        }
        let mut begin = 0;
        let waves = intent.waves.iter().map(|size| {
            let wave = begin..begin + size;
            begin = wave.end;
            wave
        });
        let waves = waves.collect();
        let bar = Bar::new(intent.programs.len());
        Self { args, intent, id, waves, as_json, bar, kept: Mutex::new((journal, state)) }
    }

    pub(super) fn run(self) -> Result<Found, Failure> {
        let how = match self.state().ended {
            // people have looked at it meanwhile, and want it undone
            Some(Ended::Stopped) if self.args.on_failure == OnFailure::Rollback => self.go_on(),
            Some(how) => Ok(how),
            None => self.go_on(),
        };
        self.bar.end();
        let state = self.state();
        let report = |how| report::found(&self.id, &self.intent, &self.waves, &state, how);
        match how {
            Ok(how @ (Ended::Stopped | Ended::RolledBack)) => {
                let faults = state.failed.as_ref().map(|(_, faults)| faults.clone()).unwrap_or_default();
                Err(RolloutError::Gate { faults, how, report: Box::new(report(Some(how))) }.into())
            }
            Ok(how) => Ok(report(Some(how))),
            Err(Halt::Failed(failure)) if state.programs.iter().any(|it| it.upgraded.is_some()) => {
                let what = "the rollout could not go on, and programs are as it left them";
                let (reason, message) = (failure.reason().to_owned(), failure.to_string());
                let faults = vec![Fault { program: "this command".to_owned(), reason, message }];
                Err(RolloutError::Unfinished { what, reason: "journal", faults, report: Box::new(report(None)) }.into())
            }
            Err(Halt::Failed(failure)) => Err(failure),
            Err(Halt::Unfinished { what, reason, faults }) => {
                Err(RolloutError::Unfinished { what, reason, faults, report: Box::new(report(None)) }.into())
            }
        }
    }

    fn go_on(&self) -> Result<Ended, Halt> {
        let programs = self.open()?;
        if self.state().failed.is_none() {
            self.look_first(&programs)?;
        }
        while self.state().failed.is_none() {
            let State { passed, .. } = self.state();
            let Some(wave) = self.waves.get(passed).cloned() else {
                return self.finish(&programs);
            };
            let mut faults = self.upgrade(&programs, wave.clone(), passed)?;
            let pause = if faults.is_empty() { self.args.pause } else { Duration::ZERO };
            let seen = self.watch(&programs, wave.end, passed, pause)?;
            let is_new = |it: &Fault| faults.iter().all(|fault| fault.program != it.program);
            let more: Vec<_> = seen.into_iter().filter(is_new).collect();
            faults.extend(more);
            let wave = passed + 1;
            self.note(&if faults.is_empty() { Fact::Passed { wave } } else { Fact::Failed { wave, faults } })?;
        }
        let how = match self.args.on_failure {
            OnFailure::Stop => Ended::Stopped,
            OnFailure::Rollback => {
                self.roll_back(&programs)?;
                Ended::RolledBack
            }
        };
        self.note(&Fact::Ended { how })?;
        Ok(how)
    }

    /// Every program; of those that were not seen yet, it is asked which switch they have.
    fn open(&self) -> Result<Vec<Program>, Failure> {
        let state = self.state();
        let each = self.intent.programs.iter().zip(&state.programs).map(|(name, known)| {
            let seen = known.seen.as_ref().map(|seen| &*seen.switch);
            Program::open(name, &self.args.who, seen.or(self.intent.switch.as_deref()))
                .map_err(|source| RolloutError::Program { program: name.clone(), source: Box::new(source) }.into())
        });
        each.collect()
    }

    /// Looks at every program before anything is done to any.
    fn look_first(&self, programs: &[Program]) -> Result<(), Failure> {
        self.bar.say("looking at the programs");
        let known = self.state().programs;
        let unseen: Vec<_> = (0..programs.len()).filter(|at| known[*at].seen.is_none()).collect();
        let looked = at_once(&unseen, |at| self.fit(at, &programs[at]));
        // all of them are fit, or nothing is known of any: the next time they are looked at again
        let facts = looked.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut seen: BTreeSet<_> =
            known.iter().filter_map(|it| it.seen.as_ref()).map(|it| (it.boot.clone(), it.switch.clone())).collect();
        for fact in &facts {
            if let Fact::Seen { program, boot, switch, .. } = fact
                && !seen.insert((boot.clone(), switch.clone()))
            {
                return Err(RolloutError::Twice { program: program.clone() }.into());
            }
        }
        facts.iter().try_for_each(|fact| self.note(fact))
    }

    /// How a program is, if it can be upgraded.
    fn fit(&self, at: usize, program: &Program) -> Result<Fact, RolloutError> {
        let name = || self.intent.programs[at].clone();
        let lost = |source: RemoteError| RolloutError::Program { program: name(), source: Box::new(source.into()) };
        let unfit = |reason, why| RolloutError::Unfit { program: name(), reason, why };
        let (view, counts) = program.look().map_err(lost)?;
        let status = view.status;
        let to = self.intent.to;
        if status.phase == Phase::Probation {
            let why = format!("version {} is on probation there: commit it, or roll it back", status.version);
            return Err(unfit("on-probation", why));
        }
        let versions = program.versions().map_err(lost)?.versions;
        if !versions.iter().any(|it| it.number == to && !it.takes.is_empty()) {
            return Err(unfit("no-version", format!("it has no version {to} that can run")));
        }
        if let Err((reason, why)) = self.args.gate.held_back(status.held_back, status.live) {
            return Err(unfit(reason, format!("{why} already")));
        }
        let (boot, epoch, from) = (status.boot, status.epoch, status.version);
        Ok(Fact::Seen { program: name(), switch: status.label, boot, epoch, from, counts })
    }

    fn upgrade(&self, programs: &[Program], wave: Range<usize>, passed: usize) -> Faults {
        let known = self.state().programs;
        let is_left = |at: &usize| known[*at].upgraded.is_none() && !self.is_there(&known[*at]);
        let left: Vec<_> = wave.filter(is_left).collect();
        self.bar.say(&format!("wave {} of {}: upgrading {}", passed + 1, self.waves.len(), left.len()));
        self.each(&left, |at| {
            let Some(seen) = &known[at].seen else { return Ok(Ok(())) };
            let body = UpgradeBody {
                to: self.intent.to,
                reason: self.intent.reason.clone(),
                // whatever has come since, it is not upgraded on top of that
                expect: Some(Expect { boot: Some(seen.boot.clone()), epoch: seen.epoch }),
                keep_previous: self.intent.keep_previous,
                accept_loss: self.intent.accept_loss,
                rollback_after: self.intent.rollback_after,
                canary: None,
                wait_ms: None,
            };
            let id = self.id_of("upgrade", at);
            let upgraded = programs[at].look().and_then(|(view, now)| {
                // what it did while it waited for its wave is not the new version's, unless that came before a kill
                let before = if view.status.epoch == seen.epoch { now } else { seen.counts };
                Ok((programs[at].command("upgrades", &body, &id, self.args.patience)?, before))
            });
            let (outcome, before) = match upgraded {
                Ok(upgraded) => upgraded,
                Err(error) => return Ok(Err(fault(&error))),
            };
            let verdict = self.came(&outcome);
            let Outcome { epoch, live, moved, held_back, settled, .. } = outcome;
            let program = self.intent.programs[at].clone();
            self.note(&Fact::Upgraded { program, id, epoch, live, moved, held_back, settled, before })?;
            Ok(verdict)
        })
    }

    /// Whether a program ran the version for good before the rollout came to it: nothing is done to it.
    fn is_there(&self, known: &Known) -> bool {
        known.seen.as_ref().is_some_and(|seen| seen.from == self.intent.to)
    }

    fn came(&self, outcome: &Outcome) -> Result<(), (String, String)> {
        if let Some(by) = &outcome.superseded_by {
            return Err(("superseded".to_owned(), format!("another command came before all had moved: `{by}`")));
        }
        if !outcome.settled {
            return Err(self.not_settled());
        }
        // whoever was poisoned since is for the gate to judge, which counts panics
        let poisoned = outcome.held.iter().filter(|it| it.poisoned).count() as u64;
        let judged = self.args.gate.held_back(outcome.held_back.saturating_sub(poisoned), outcome.live);
        judged.map_err(|(reason, why)| (reason.to_owned(), why))
    }

    fn not_settled(&self) -> (String, String) {
        let patience = humantime::format_duration(self.args.patience);
        ("not-settled".to_owned(), format!("not all instances have moved in {patience}"))
    }

    /// Looks at all programs up to this one for so long, and once at the end.
    fn watch(&self, programs: &[Program], end: usize, passed: usize, pause: Duration) -> Faults {
        let until = Instant::now() + pause;
        loop {
            let known = self.state().programs;
            let upgraded: Vec<_> = (0..end).filter(|at| known[*at].upgraded.is_some()).collect();
            let faults = self.each(&upgraded, |at| Ok(self.does_well(at, &programs[at], &known[at])))?;
            let left = until.saturating_duration_since(Instant::now());
            if !faults.is_empty() || left.is_zero() {
                return Ok(faults);
            }
            let left_s = humantime::format_duration(Duration::from_secs(left.as_secs() + 1)).to_string();
            self.bar.say(&format!("wave {} of {}: watched for {left_s}", passed + 1, self.waves.len()));
            thread::sleep(left.min(OFTEN));
        }
    }

    fn does_well(&self, at: usize, program: &Program, known: &Known) -> Result<(), (String, String)> {
        let (Some(seen), Some(upgraded)) = (&known.seen, &known.upgraded) else { return Ok(()) };
        let (view, now) = program.look().map_err(|error| fault(&error))?;
        let status = &view.status;
        if status.boot != seen.boot {
            return Err(("restarted".to_owned(), "the program has been started anew since".to_owned()));
        }
        if status.id != self.id_of("upgrade", at) {
            let why = format!("another command came: `{}`, and version {} runs", status.id, status.version);
            return Err(("superseded".to_owned(), why));
        }
        if !upgraded.settled {
            return Err(self.not_settled());
        }
        let judged = self.args.gate.judge(&view, &upgraded.before, &now);
        judged.map_err(|(reason, why)| (reason.to_owned(), why))
    }

    /// All have passed.
    fn finish(&self, programs: &[Program]) -> Result<Ended, Halt> {
        if !self.args.commit {
            return Ok(Ended::OnProbation);
        }
        let known = self.state().programs;
        if !known.iter().any(|it| it.committed) {
            // it may be long since the last wave passed
            let (end, last) = (programs.len(), self.waves.len());
            let faults = self.watch(programs, end, last.saturating_sub(1), Duration::ZERO)?;
            if !faults.is_empty() {
                self.note(&Fact::Failed { wave: last, faults })?;
                return self.go_on();
            }
        }
        self.bar.say("committing");
        let left: Vec<_> =
            (0..programs.len()).filter(|at| known[*at].upgraded.is_some() && !known[*at].committed).collect();
        let faults = self.each(&left, |at| {
            let (Some(seen), Some(upgraded)) = (&known[at].seen, &known[at].upgraded) else { return Ok(Ok(())) };
            let body = CommitBody {
                reason: self.intent.reason.clone(),
                // whatever somebody else has brought since, it is not made permanent
                expect: Some(Expect { boot: Some(seen.boot.clone()), epoch: upgraded.epoch }),
                leave_held_back: self.args.gate.lets_some_be_held_back(),
                wait_ms: None,
            };
            match programs[at].command("commit", &body, &self.id_of("commit", at), self.args.patience) {
                Ok(_) => self.note(&Fact::Committed { program: self.intent.programs[at].clone() }).map(Ok),
                Err(error) => Ok(Err(fault(&error))),
            }
        })?;
        if !faults.is_empty() {
            let what = "not every program has committed the version";
            return Err(Halt::Unfinished { what, reason: "not-committed", faults });
        }
        self.note(&Fact::Ended { how: Ended::Committed })?;
        Ok(Ended::Committed)
    }

    /// All that have been upgraded go back, and those of which nobody knows.
    fn roll_back(&self, programs: &[Program]) -> Result<(), Halt> {
        self.bar.say("rolling back");
        let State { programs: known, failed, .. } = self.state();
        let waves = failed.map_or(0, |(wave, _)| wave);
        let end = self.waves.get(waves.saturating_sub(1)).map_or(0, |wave| wave.end);
        let is_left = |at: &usize| known[*at].rolled_back.is_none() && !self.is_there(&known[*at]);
        let left: Vec<_> = (0..end).filter(is_left).collect();
        let faults = self.each(&left, |at| match self.bring_back(at, &programs[at], &known[at]) {
            Ok(Some(held_back)) => {
                self.note(&Fact::RolledBack { program: self.intent.programs[at].clone(), held_back }).map(Ok)
            }
            Ok(None) => Ok(Ok(())),
            Err(fault) => Ok(Err(fault)),
        })?;
        if faults.is_empty() {
            return Ok(());
        }
        let what = "the rollout was stopped, and not every program has gone back";
        Err(Halt::Unfinished { what, reason: "not-rolled-back", faults })
    }

    /// Brings one back, and gives how many could not come along; `None` if it never went.
    fn bring_back(&self, at: usize, program: &Program, known: &Known) -> Result<Option<u64>, (String, String)> {
        let Some(seen) = &known.seen else { return Ok(None) };
        let lost = |error: RemoteError| fault(&error);
        let (upgrade, rollback) = (self.id_of("upgrade", at), self.id_of("rollback", at));
        let (view, _) = program.look().map_err(lost)?;
        let status = view.status;
        if ![&upgrade, &rollback].contains(&&status.id) {
            let is_back = status.version == seen.from && status.phase == Phase::Permanent;
            let outcome = program.outcome(&upgrade).map_err(lost)?;
            // it was refused there: whatever runs, nothing of it is this rollout's
            if status.boot == seen.boot && known.upgraded.is_none() && outcome.is_none() {
                return Ok(None);
            }
            // it went back by itself; a program that was started anew comes up at what was permanent
            let undone = outcome.is_none_or(|outcome| outcome.superseded_by.is_some());
            if is_back && (status.boot != seen.boot || undone) {
                return self.all_back(status.held_back, status.live).map(Some);
            }
            let why = format!("another command came: `{}`, and version {} runs", status.id, status.version);
            return Err(("superseded".to_owned(), why));
        }
        let body = RollbackBody {
            reason: self.intent.reason.clone(),
            expect: None,
            accept_loss: self.intent.accept_loss || self.args.accept_loss,
            wait_ms: None,
        };
        let outcome = program.command("rollback", &body, &rollback, self.args.patience).map_err(lost)?;
        if !outcome.settled && outcome.superseded_by.is_none() {
            let why = format!("{} instances have not gone back yet", outcome.not_reached);
            return Err(("not-settled".to_owned(), why));
        }
        self.all_back(outcome.held_back, outcome.live).map(Some)
    }

    /// A rollback that holds more back than the gate lets pass has not brought the program back.
    fn all_back(&self, held_back: u64, live: u64) -> Result<u64, (String, String)> {
        let judged = self.args.gate.held_back(held_back, live);
        judged
            .map(|()| held_back)
            .map_err(|(reason, why)| (reason.to_owned(), format!("{why}, and have not gone back")))
    }

    /// The id of a command to a program: the same whenever it is given.
    fn id_of(&self, what: &str, at: usize) -> String {
        format!("{}/{what}/{}", self.id, at + 1)
    }

    /// Does it to each of these programs, several at once.
    fn each(
        &self,
        programs: &[usize],
        act: impl Fn(usize) -> Result<Result<(), (String, String)>, Failure> + Sync,
    ) -> Faults {
        let mut faults = Vec::new();
        for (at, done) in programs.iter().zip(at_once(programs, act)) {
            if let Err((reason, message)) = done? {
                faults.push(Fault { program: self.intent.programs[*at].clone(), reason, message });
            }
        }
        Ok(faults)
    }

    /// Writes a fact down, and tells of it.
    fn note(&self, fact: &Fact) -> Result<(), Failure> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0.write(fact)?;
        kept.1.learn(&self.intent, fact);
        self.bar.at(kept.1.programs.iter().filter(|it| it.upgraded.is_some()).count());
        // under the lock: events are told in the order of the journal
        self.bar.beside(|| event(fact, self.as_json));
        Ok(())
    }

    fn state(&self) -> State {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

/// Why it does not go on.
enum Halt {
    Failed(Failure),
    Unfinished { what: &'static str, reason: &'static str, faults: Vec<Fault> },
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn fault(error: &RemoteError) -> (String, String) {
    let message = error.to_string();
    // what helps against it with another verb does not help here
    let fact = message.split_once("\n\nhelp: ").map_or(&*message, |(fact, _)| fact);
    (error.code().to_owned(), fact.to_owned())
}

/// What it gives for each of them, in their order.
fn at_once<T: Send>(programs: &[usize], act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let act = &act;
    let mut all = Vec::with_capacity(programs.len());
    for some in programs.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let threads: Vec<_> = some.iter().map(|at| scope.spawn(move || act(*at))).collect();
            for thread in threads {
                all.push(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
        });
    }
    all
}
