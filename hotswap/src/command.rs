//! One command of a switch: known by its id, or refused, or a flip, and the wait for what it moves.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use tracing::field::Empty;

use crate::control::{Control, Kind, Outcome};
use crate::error::{AdminError, Loss};
use crate::ledger::{Census, Count, POISONED, epoch_of};
use crate::line::{Hop, Way};
use crate::machine::Machine;
use crate::options::{Expect, Wait};
use crate::record::{self, Asked, Record};
use crate::roster::Shared;
use crate::store::Store;
use crate::switch::{Core, Lasting, Next, Release, Terms};
use crate::{fault, sweep, sync};

/// Why a flip did not happen: refused, or nothing to do.
pub(crate) enum Halt {
    Refused(AdminError),
    Nothing,
}

impl From<AdminError> for Halt {
    fn from(error: AdminError) -> Self {
        Self::Refused(error)
    }
}

/// A command on its way.
pub(crate) struct Command<'a> {
    pub(crate) asked: Asked,
    pub(crate) id: Option<&'a str>,
    pub(crate) expect: Option<Expect>,
    pub(crate) wait: Wait,
    pub(crate) reason: &'a str,
    /// Who gave it and from where; empty if the program itself did.
    pub(crate) by: &'a str,
    pub(crate) terms: Terms,
    /// Hears of the command as soon as it cannot be refused any more, before the wait for what it moves.
    pub(crate) begun: &'a dyn Fn(&Outcome),
}

pub(crate) fn way<M: Machine>(shared: &Shared<M>, from: u32, to: u32) -> Result<Way<M>, AdminError> {
    shared.line.way(from, to).map_err(|missing| AdminError::NoWay { from, to, missing })
}

/// What the instances that are live would lose on their ways to `to`.
pub(crate) fn losses<M: Machine>(shared: &Shared<M>, census: &Census, to: u32) -> Vec<Loss> {
    losses_of(shared, census, to, |_| true)
}

/// The same of those who may go: which of a fleet's keys a canary takes, no census knows.
pub(crate) fn losses_of<M: Machine>(
    shared: &Shared<M>,
    census: &Census,
    to: u32,
    goes: impl Fn(&Count) -> bool,
) -> Vec<Loss> {
    let mut losses: Vec<Loss> = Vec::new();
    for (count, n) in census.counts.iter().filter(|(count, _)| count.stamp & POISONED == 0 && goes(count)) {
        for what in shared.line.losses(count.version, to) {
            Loss::add_to(&mut losses, &what, *n);
        }
    }
    losses
}

/// What a rollback from `to` would lose, if everyone got there.
pub(crate) fn losses_on_the_way_back<M: Machine>(
    shared: &Shared<M>,
    last: &Release,
    to: u32,
    terms: Terms,
    live: u64,
) -> Vec<Loss> {
    let mut losses = Vec::new();
    match shared.line.way(to, last.permanent) {
        Ok(way) => way.iter().flat_map(Hop::loses).for_each(|what| Loss::add_to(&mut losses, &what, live)),
        Err(_) if terms.keep_previous || (last.probation.is_some() && last.terms.keep_previous) => {
            Loss::add_to(&mut losses, WORK_SINCE, live);
        }
        Err(_) => {}
    }
    losses
}

/// Whether instances that went to `to` could go back to the permanent version: by declared migrations, or from kept states.
pub(crate) fn way_back<M: Machine>(
    shared: &Shared<M>,
    last: &Release,
    to: u32,
    terms: Terms,
) -> Result<(), AdminError> {
    let kept_before = last.probation.is_some() && last.terms.keep_previous;
    let way = |from| shared.line.way(from, last.permanent).map(drop).map_err(|missing| (from, missing));
    let way = match way(to) {
        Err(_) if kept_before => Ok(()),
        // what is kept from now on is of the version that runs, and has to go on from there
        Err(_) if terms.keep_previous => way(last.version),
        way => way,
    };
    way.map_err(|(from, missing)| AdminError::NoWayBack { from, to: last.permanent, missing })
}

/// Refuses what would leave it open what becomes of those whom a canary did not take.
pub(crate) fn no_canary(last: &Release) -> Result<(), AdminError> {
    match &last.canary {
        Some(canary) => Err(AdminError::CanaryRuns { percent: canary.percent, before: canary.before, to: canary.to }),
        None => Ok(()),
    }
}

const WORK_SINCE: &str = "work done since the upgrade";

/// Decides a rollback: where to, and whether what it loses was accepted.
pub(crate) fn roll_back<M: Machine>(
    shared: &Shared<M>,
    last: &Release,
    census: &Census,
    accept_loss: bool,
) -> Result<u32, Halt> {
    let Some(since) = last.probation else {
        return Err(AdminError::NothingToRollBack { permanent: last.permanent }.into());
    };
    let to = last.permanent;
    let mut losses = losses(shared, census, to);
    if last.terms.keep_previous {
        let restored = census.sum(|count| {
            let in_probation = epoch_of(count.stamp) >= since;
            let no_way = count.stamp & POISONED != 0 || shared.line.way(count.version, to).is_err();
            in_probation && no_way
        });
        if restored > 0 {
            Loss::add_to(&mut losses, WORK_SINCE, restored);
        }
    }
    if losses.is_empty() || accept_loss { Ok(to) } else { Err(AdminError::LossNotAccepted { to, losses }.into()) }
}

/// Rolls back because failures reached the operator's threshold; what it loses was accepted at the upgrade, where it was seen
/// that there is a way.
pub(crate) fn alarm<M: Machine>(shared: &Shared<M>, epoch: u64) {
    let failures = shared.core.release().terms.rollback_after.unwrap_or_default();
    let command = Command {
        asked: Asked { kind: Kind::Rollback, to: 0, what: "rollback by threshold".into() },
        id: None,
        expect: Some(Expect { boot: Some(shared.core.boot), epoch }),
        wait: Wait::No,
        reason: &format!("failures in probation: {failures}"),
        by: "",
        terms: Terms::default(),
        begun: &|_| {},
    };
    // refused only if another command came first, which is in the audit
    let _ = run(shared, &command, |last, census| roll_back(shared, last, census, true));
}

/// One command: known by its id, or refused, or a flip and then the wait for it.
pub(crate) fn run<M: Machine>(
    shared: &Shared<M>,
    command: &Command<'_>,
    decide: impl Fn(&Release, &Census) -> Result<u32, Halt>,
) -> Result<Outcome, AdminError> {
    // until it has settled, which may be after this call
    let span = tracing::info_span!(
        target: "hotswap", "command", kind = %command.asked.kind, switch = shared.core.label, id = Empty, from = Empty,
        to = Empty, epoch = Empty, live = Empty, moved = Empty, stayed = Empty, held_back = Empty, gone = Empty
    );
    let _entered = span.clone().entered();
    let next = |last: &Release, census: &Census| -> Result<Next<'_>, Halt> {
        if let Some(expect) = command.expect {
            expect.check(shared.core.boot, last.epoch)?;
        }
        Ok(command.next(&shared.core, last, decide(last, census)?))
    };
    let (release, begun) = match flip(shared, command, next) {
        Ok(flipped) => flipped,
        Err(Stop::Known(outcome)) => {
            span.record("id", &*outcome.id);
            (command.begun)(&outcome);
            return Ok(attach(shared, *outcome, command.wait));
        }
        Err(Stop::Halt(Halt::Nothing)) => return Ok(nothing_done(&shared.core.release(), command)),
        Err(Stop::Halt(Halt::Refused(error))) => {
            shared.core.meter.refused(command.asked.kind);
            let mut control = shared.core.control();
            control.refused(shared.core.epoch(), command.asked.what.to_string(), error.to_string(), command.by);
            return Err(error);
        }
    };
    shared.roster.ring();
    if !span.is_disabled() {
        span.record("id", &*release.id)
            .record("epoch", release.epoch)
            .record("from", begun.from)
            .record("to", begun.to);
    }
    shared.begin_span(release.epoch, span, begun.settled.then_some(&begun));
    #[cfg(feature = "metrics")]
    shared.tell_metrics_outside();
    let _running = command.waits().then(|| Running { shared, id: &release.id });
    tracing::info!(
        target: "hotswap", switch = shared.core.label, epoch = release.epoch, version = release.version,
        id = &*release.id, reason = command.reason, "{}", command.asked.kind
    );
    (command.begun)(&begun);
    let outcome = attach(shared, begun, command.wait);
    if let Some(store) = shared.store.as_ref().filter(|_| command.waits()) {
        // its numbers have changed since the flip
        let turn = store.turn();
        let stored = store_now(shared);
        drop(turn);
        complain(shared, stored);
    }
    Ok(outcome)
}

/// Why there was no flip.
enum Stop {
    /// The id was used before, for the same: what came of that.
    Known(Box<Outcome>),
    Halt(Halt),
}

/// The flip of one command, and what the store has to say of it before and after.
fn flip<'a, M: Machine>(
    shared: &Shared<M>,
    command: &Command<'_>,
    next: impl Fn(&Release, &Census) -> Result<Next<'a>, Halt>,
) -> Result<(Arc<Release>, Outcome), Stop> {
    let core = &shared.core;
    // one command at a time: between the store's word and the flip no other may come
    let turn = shared.store.as_ref().map(Store::turn);
    if turn.is_some() {
        let (last, census) = core.look();
        command.known(shared, &core.control())?;
        let next = next(&last, &census)?;
        // an upgrade, so that states saved in a probation are known to be of one; a commit, so that it lasts
        if matches!(next.kind, Kind::Upgrade | Kind::Commit) {
            fault::point(next.kind.name(), "decided");
            if let Err(error) = store_ahead(shared, &last, &next, &command.asked) {
                // it may have come so far that the next start would believe it
                let _ = store_now(shared);
                return Err(Halt::Refused(AdminError::NotStored { reason: error.to_string() }).into());
            }
            fault::point(next.kind.name(), "stored");
        }
    }
    let mut control = core.control();
    command.known(shared, &control)?;
    let flipped = core.flip(&mut control, &command.asked, next).map(|(release, census)| {
        if command.waits() {
            control.begin(Arc::clone(&release.id));
        }
        let begun = control.outcome_at(release.epoch, &census).expect("a flip opens its account");
        (release, begun)
    });
    drop(control);
    if turn.is_some() {
        fault::point(command.asked.kind.name(), "flipped");
        // or if it was refused at last: then the store forgets it again
        let stored = store_now(shared);
        drop(turn);
        complain(shared, stored);
    }
    Ok(flipped?)
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

/// Writes what the store would say after `next`.
fn store_ahead<M: Machine>(shared: &Shared<M>, last: &Release, next: &Next<'_>, asked: &Asked) -> io::Result<()> {
    let Some(store) = &shared.store else { return Ok(()) };
    let census = shared.core.ledger.census();
    let mut commands = shared.core.control().commands(&census);
    let release = last.followed_by(next);
    let begun = Record::begun(next, asked.clone(), last.leaves(next.kind), release.epoch, census.live()).command();
    if let Some(before) = commands.last_mut() {
        before.outcome.superseded_by = Some(begun.outcome.id.clone());
    }
    commands.push(begun);
    write(shared, store, release.lasting(), commands)
}

/// Writes what is so now.
pub(crate) fn store_now<M: Machine>(shared: &Shared<M>) -> io::Result<()> {
    let Some(store) = &shared.store else { return Ok(()) };
    let (release, census) = shared.core.look();
    let commands = shared.core.control().commands(&census);
    write(shared, store, release.lasting(), commands)
}

fn write<M: Machine>(
    shared: &Shared<M>,
    store: &Store,
    release: Lasting,
    commands: Vec<record::Command>,
) -> io::Result<()> {
    let image = shared.line.owner(release.permanent).map(|owner| owner.build().to_owned());
    store.write(&shared.line, &store.record(&shared.core.label, release, image, commands))
}

/// Tells of what is done, and could not be stored: in the audit and to `tracing`, whose subscribers may command the switch.
fn complain<M: Machine>(shared: &Shared<M>, stored: io::Result<()>) {
    if let Err(error) = stored {
        let mut control = shared.core.control();
        control.refused(shared.core.epoch(), "write the store".to_owned(), error.to_string(), "");
        drop(control);
        tracing::error!(target: "hotswap", switch = shared.core.label, %error, "the store cannot be written");
    }
}

impl Command<'_> {
    /// Whether its id was used before, or another command runs.
    fn known<M: Machine>(&self, shared: &Shared<M>, control: &Control) -> Result<(), Stop> {
        if let Some(id) = self.id
            && let Some(was) = control.was_asked(id)
        {
            if *was != self.asked {
                return Err(Halt::Refused(AdminError::IdReused { id: id.to_owned(), was: was.what.to_string() }).into());
            }
            let outcome = control.outcome(id, &shared.core.ledger.census());
            return outcome.map_or(Ok(()), |outcome| Err(Stop::Known(Box::new(outcome))));
        }
        match control.pending().filter(|_| self.asked.kind != Kind::Rollback) {
            Some(pending) => Err(Halt::Refused(AdminError::Pending { id: pending.to_string() }).into()),
            None => Ok(()),
        }
    }

    /// The release that it asks for, after `last`.
    fn next(&self, core: &Core, last: &Release, version: u32) -> Next<'_> {
        let kind = self.asked.kind;
        let id = match (self.id, kind) {
            (Some(id), _) => Arc::from(id),
            (None, Kind::Retry) => Arc::clone(&last.id),
            (None, _) => core.id(last.epoch + 1),
        };
        let terms = match kind {
            Kind::Retry => last.terms,
            Kind::Promote => {
                Terms { accept_loss: last.terms.accept_loss || self.terms.accept_loss, canary: None, ..last.terms }
            }
            _ => self.terms,
        };
        Next { kind, version, id, reason: self.reason, by: self.by, terms }
    }

    fn waits(&self) -> bool {
        self.wait != Wait::No && !sync::inside()
    }
}

/// A command that waits; it ends when this is dropped, whatever happens.
struct Running<'a, M: Machine> {
    shared: &'a Shared<M>,
    id: &'a str,
}

impl<M: Machine> Drop for Running<'_, M> {
    fn drop(&mut self) {
        self.shared.core.control().end(self.id);
    }
}

/// Waits for a command as told, and gives its outcome as it stands then.
fn attach<M: Machine>(shared: &Shared<M>, known: Outcome, wait: Wait) -> Outcome {
    let end = match wait {
        Wait::No => return known,
        _ if sync::inside() => return known,
        Wait::Reached => None,
        Wait::For(limit) => Instant::now().checked_add(limit),
    };
    if !known.settled && known.superseded_by.is_none() {
        sweep::to_the_end(shared, end);
    }
    let control = shared.core.control();
    // it may be kept no longer, when thousands of commands have come since
    control.outcome(&known.id, &shared.core.ledger.census()).unwrap_or(known)
}

fn nothing_done(release: &Release, command: &Command<'_>) -> Outcome {
    Outcome {
        id: command.id.map_or_else(|| release.id.to_string(), str::to_owned),
        kind: command.asked.kind,
        from: release.version,
        to: release.version,
        epoch: release.epoch,
        reason: command.reason.to_owned(),
        done: false,
        live: 0,
        moved: 0,
        stayed: 0,
        held_back: 0,
        gone: 0,
        not_reached: 0,
        settled: true,
        superseded_by: None,
        held: Vec::new(),
    }
}
