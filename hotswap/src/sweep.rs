//! Bringing everyone who can be reached to the present release, in slices that let the steps in between.

use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::convoy::Convoy;
use crate::ledger::Place;
use crate::line::Hop;
use crate::machine::Machine;
use crate::roster::{Patience, Roster, Shared, Task, Visit, Visitor, Work};
use crate::slot::{Alike, Home, Slot};
use crate::way::{Stuck, contain, drop_contained};

/// How long a lock is held before the steps that wait for it get their turn.
const TURN: Duration = Duration::from_micros(2);
/// How long one sweeper keeps a task at most before it looks whether everything is done, or it is to stop.
const STRETCH: Duration = Duration::from_micros(100);
/// How long one instance that is in use is waited for before the next.
const MOMENT: Duration = Duration::from_millis(1);
/// How many instances are visited one by one at most between two looks at the clock.
const BETWEEN_LOOKS: usize = 64;
/// How many go side by side at most, where nothing of the user's runs.
const SIDE_BY_SIDE: usize = 1024;
/// How many do, where something is dropped: however quick those before were, one state may take longer.
const BETWEEN_LOOKS_AT_DROPPED: usize = 128;
/// How many do, where each runs what the user wrote: the next one may take as long as a thousand before it.
const BETWEEN_LOOKS_AT_WRITTEN: usize = 8;

/// Whether a sweep has something left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// Everything that can be reached is at the present release, or held back.
    Idle,
    /// There is more, or other threads are still at it.
    More,
}

/// Sweeps a switch in slices, for hosts whose serving threads do it between requests.
///
/// Several may sweep at once; they share the work. A sweep ends by itself when the next release supersedes it.
///
/// # Examples
///
/// With the counter of the [front page](crate):
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use counter::{Switch, V1, Version};
/// use hotswap::{Swept, UpgradeOptions, Wait};
///
/// let switch = Switch::builder().starting_at(Version::V1).build()?;
/// let visits = switch.fleet::<u32>();
/// for key in 0..1000 {
///     visits.insert(key, V1 { count: 0 })?;
/// }
/// let options = UpgradeOptions::default().wait(Wait::No);
/// let outcome = switch.admin().upgrade_with(Version::V2, "count ticks too", &options)?;
/// assert!(!outcome.settled); // flipped; nothing has moved yet
///
/// let sweeper = switch.sweeper();
/// while sweeper.slice(Duration::from_micros(15)) == Swept::More {
///     // serve the requests that have come
/// }
/// assert_eq!(switch.admin().outcome(&outcome.id).map(|outcome| outcome.moved), Some(1000));
/// # Ok(())
/// # }
/// ```
pub struct Sweeper<M: Machine>(Arc<Shared<M>>);

impl<M: Machine> Sweeper<M> {
    pub(crate) fn new(shared: Arc<Shared<M>>) -> Self {
        Self(shared)
    }

    /// Whether there may be something to sweep: two loads.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.0.roster.swept.load(Ordering::Acquire) != self.0.core.epoch()
    }

    /// Sweeps for about so long, passing over instances that are in use. Inside a step it does nothing.
    #[must_use]
    pub fn slice(&self, budget: Duration) -> Swept {
        if !self.pending() {
            return Swept::Idle;
        }
        if crate::sync::inside() {
            return Swept::More;
        }
        let end = Instant::now() + budget;
        let mut mover = Mover::new(&self.0);
        while work(&self.0, &mut mover, Patience::None, end) == Worked::On && Instant::now() < end {}
        if self.pending() { Swept::More } else { Swept::Idle }
    }
}

impl<M: Machine> Clone for Sweeper<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Machine> fmt::Debug for Sweeper<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweeper").field("switch", &self.0.core.label).field("pending", &self.pending()).finish()
    }
}

/// Sweeps until everything that can be reached at the present epoch has been, or the end.
///
/// What is in use is passed over until nothing else is left; only then is it waited for, a moment each.
pub(crate) fn to_the_end<M: Machine>(shared: &Shared<M>, end: Option<Instant>) {
    let over = || shared.roster.swept.load(Ordering::Acquire) == shared.core.epoch();
    let mut mover = Mover::new(shared);
    let mut passed = 0;
    while !over() && end.is_none_or(|end| Instant::now() < end) {
        let moment = Instant::now() + MOMENT;
        let patience = if passed < shared.roster.tasks_left() {
            Patience::None
        } else {
            Patience::Until(end.map_or(moment, |end| end.min(moment)))
        };
        let stretch = Instant::now() + STRETCH;
        match work(shared, &mut mover, patience, end.map_or(stretch, |end| end.min(stretch))) {
            Worked::On => passed = 0,
            Worked::Passed => passed += 1,
            Worked::OthersAtIt => {
                let ready = |work: &mut Work<M>| over() || !work.tasks.is_empty() || work.epoch < shared.core.epoch();
                shared.roster.done.wait(&shared.roster.work, ready, end);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worked {
    On,
    /// It came to what is in use.
    Passed,
    OthersAtIt,
}

/// Moves whom it visits, until its turn is over.
struct Mover<'a, M: Machine> {
    convoy: Convoy<'a, M>,
    turn: Turn,
}

impl<'a, M: Machine> Mover<'a, M> {
    fn new(shared: &'a Shared<M>) -> Self {
        Self { convoy: Convoy::new(shared), turn: Turn::new(Instant::now()) }
    }
}

/// When a turn is over, at few looks at the clock.
struct Turn {
    /// When it last looked at the clock.
    looked: Instant,
    /// So many visits there were, one by one.
    visits: usize,
    /// So many have gone side by side since, and so many are left before the next look.
    since_look: usize,
    left: usize,
    /// So many at most go side by side between two looks.
    pace: usize,
    end: Instant,
}

impl Turn {
    fn new(now: Instant) -> Self {
        Self { looked: now, visits: 0, since_look: 0, left: 1, pace: 1, end: now }
    }

    /// Another turn. Those who go side by side do so at the pace of the last; of the others it says nothing.
    fn begin(&mut self, now: Instant, end: Instant) {
        (self.visits, self.end) = (0, end);
        self.looked_at(now);
    }

    /// The pace was that of others, on another way.
    fn of_others(&mut self) {
        self.pace = self.pace.min(BETWEEN_LOOKS_AT_DROPPED);
        self.left = self.left.min(self.pace);
    }

    /// After a visit: whether the turn is over. After the first few it is known whether they are quick.
    fn visited(&mut self, clock: impl FnOnce() -> Instant) -> ControlFlow<()> {
        self.visits += 1;
        let looks = self.visits.is_power_of_two() || self.visits.is_multiple_of(BETWEEN_LOOKS);
        if looks { self.look(clock()) } else { ControlFlow::Continue(()) }
    }

    /// How many may go side by side before the next look, where it may be no more than so many.
    fn together(&mut self, at_most: usize) -> usize {
        self.left = self.left.min(at_most);
        self.left
    }

    /// After so many who went side by side: whether the turn is over. It ends a little early where no more than a few would
    /// still fit, who are not worth another look.
    fn went(&mut self, places: usize, clock: impl FnOnce() -> Instant) -> ControlFlow<()> {
        self.since_look += places;
        self.left = self.left.saturating_sub(places);
        if self.left > 0 {
            return ControlFlow::Continue(());
        }
        let now = clock();
        let took = now.saturating_duration_since(self.looked);
        let fit = |time: Duration| how_many(self.since_look, took, time);
        // at most twice as many as before: of those it is known how quick they are
        let pace = fit(TURN / 2).clamp(1, SIDE_BY_SIDE.min(2 * self.pace));
        let left = fit(self.end.saturating_duration_since(now)).min(pace);
        self.pace = pace;
        self.look(now)?;
        self.left = left;
        if left < (pace / 4).max(1) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn looked_at(&mut self, now: Instant) {
        // a pace is what fits in half a turn, and there may be less
        let left = how_many(self.pace, TURN / 2, self.end.saturating_duration_since(now));
        (self.looked, self.since_look, self.left) = (now, 0, left.clamp(1, self.pace));
    }

    fn look(&mut self, now: Instant) -> ControlFlow<()> {
        self.looked_at(now);
        if now >= self.end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// How many may go such a way side by side between two looks, however quick they seem to be.
fn between_looks<M: Machine>(way: &[Hop<M>]) -> usize {
    if way.iter().any(Hop::can_fail) {
        BETWEEN_LOOKS_AT_WRITTEN
    } else if way.iter().any(Hop::can_linger) {
        BETWEEN_LOOKS_AT_DROPPED
    } else {
        SIDE_BY_SIDE
    }
}

/// How many fit in a time of no more than a turn, if so many took so long.
fn how_many(many: usize, took: Duration, time: Duration) -> usize {
    let took = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX).max(1);
    many * time.subsec_nanos() as usize / took as usize
}

impl<M: Machine> Visitor<M> for Mover<'_, M> {
    fn visit(&mut self, slot: &mut Slot<M>, home: &mut dyn Home) -> ControlFlow<()> {
        if self.convoy.bring(slot, home) {
            self.turn.of_others();
        }
        self.turn.visited(Instant::now)
    }

    fn alike(&mut self, place: Place) -> Option<(Alike<'_, M>, usize)> {
        let alike = self.convoy.alike(place)?;
        let at_most = self.turn.together(between_looks(alike.way));
        Some((alike, at_most))
    }

    fn went(&mut self, places: usize, moved: i64) -> ControlFlow<()> {
        self.convoy.went(moved);
        self.turn.went(places, Instant::now)
    }

    fn hold_back(&mut self, slot: &mut Slot<M>, home: &mut dyn Home, stuck: &Stuck) {
        self.convoy.hold_back(slot, home, stuck);
    }

    fn leave(&mut self) {
        self.convoy.count();
    }
}

/// Takes one task of the present sweep and works on it, turn by turn until the end, and for one at least.
fn work<M: Machine>(shared: &Shared<M>, mover: &mut Mover<'_, M>, patience: Patience, end: Instant) -> Worked {
    let Some((epoch, mut task)) = take(shared) else { return Worked::OthersAtIt };
    let (mut busy, mut now) = (None, Instant::now());
    loop {
        mover.turn.begin(now, end.min(now + TURN));
        // the last handle of what is visited may go meanwhile, and its states are dropped here
        let visit = contain(|| match task.reach.upgrade() {
            Some(reach) => reach.visit(task.part, task.cursor, patience, mover),
            None => Visit::Done,
        });
        match visit {
            Ok(Visit::More(cursor)) => task.cursor = cursor,
            Ok(Visit::Busy(cursor)) => busy = Some(task.split_off(cursor)),
            Ok(Visit::Done) => task.go_on(),
            Err(panic) => {
                mover.convoy.count();
                tracing::warn!(target: "hotswap", panic, "dropping a state panicked");
                task.go_on();
            }
        }
        now = Instant::now();
        if busy.is_some() || task.is_done() || now >= end || shared.core.epoch() != epoch {
            break;
        }
    }
    let passed = busy.is_some();
    bring_back(shared, epoch, task, busy);
    if passed { Worked::Passed } else { Worked::On }
}

/// The next task at the present epoch; an epoch's first call lists them.
fn take<M: Machine>(shared: &Shared<M>) -> Option<(u64, Task<M>)> {
    let epoch = shared.core.epoch();
    let mut work = shared.roster.work.lock();
    if work.epoch < epoch {
        drop(work);
        let tasks = list(shared);
        work = shared.roster.work.lock();
        if work.epoch < epoch {
            work.epoch = epoch;
            work.tasks = tasks;
            work.taken = 0;
        }
    }
    let epoch = work.epoch;
    if let Some(task) = work.tasks.pop_front() {
        work.taken += 1;
        return Some((epoch, task));
    }
    let nothing_left = work.taken == 0;
    drop(work);
    if nothing_left {
        finish(shared, epoch);
    }
    None
}

/// Everything there is to do now. Handles that may be the last ones are let go under no lock: the user's `Drop` may come back
/// here.
#[cold]
fn list<M: Machine>(shared: &Shared<M>) -> VecDeque<Task<M>> {
    let all = shared.roster.all();
    let tasks = Roster::tasks(&all);
    drop_contained(all);
    tasks
}

/// Ends a turn at a task; what is left of it comes next, what was in use last.
fn bring_back<M: Machine>(shared: &Shared<M>, epoch: u64, rest: Task<M>, busy: Option<Task<M>>) {
    let mut work = shared.roster.work.lock();
    if work.epoch != epoch {
        return;
    }
    work.taken -= 1;
    if !rest.is_done() {
        work.tasks.push_front(rest);
    }
    work.tasks.extend(busy);
    let over = work.tasks.is_empty() && work.taken == 0;
    drop(work);
    if over {
        finish(shared, epoch);
    }
    // whoever looked before the change is asleep by now
    shared.roster.done.ring_after();
}

fn finish<M: Machine>(shared: &Shared<M>, epoch: u64) {
    let mut control = shared.core.control();
    let mut settled = None;
    if shared.roster.swept.load(Ordering::Acquire) < epoch {
        let census = shared.core.ledger.census();
        settled = control.settle(epoch, &census);
        if let Some(outcome) = &settled {
            shared.core.meter.settled(outcome.held_back);
        }
        // last, so that who sees it also sees the settled outcome
        shared.roster.swept.store(epoch, Ordering::Release);
    }
    drop(control);
    if let Some(outcome) = settled {
        shared.end_span(&outcome);
        #[cfg(feature = "metrics")]
        shared.tell_metrics_outside();
    }
    shared.roster.ring();
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_nanos(4);
    /// So many quick ones fit in half a turn.
    const HALF: usize = 250;
    const SLOW: Duration = Duration::from_millis(1);

    /// A sweeper that took many turns at those who go side by side, and begins the next one at this time.
    fn after_quick_ones() -> (Turn, Instant) {
        let mut now = Instant::now();
        let mut turn = Turn::new(now);
        for _ in 0..10 {
            turn.begin(now, now + TURN);
            while {
                now += QUICK;
                turn.went(1, || now).is_continue()
            } {}
        }
        turn.begin(now, now + TURN);
        (turn, now)
    }

    /// How many are visited one by one before the turn is over, at so much each.
    fn visits(turn: &mut Turn, now: &mut Instant, each: Duration) -> usize {
        let mut visits = 1;
        while {
            *now += each;
            turn.visited(|| *now).is_continue()
        } {
            visits += 1;
        }
        visits
    }

    #[test]
    fn a_turn_after_quick_ones_is_over_after_one_slow_visit() {
        let (mut turn, mut now) = after_quick_ones();
        assert_eq!(turn.left, HALF);
        assert_eq!(visits(&mut turn, &mut now, SLOW), 1);
    }

    #[test]
    fn quick_ones_in_the_same_turn_say_nothing_of_visits() {
        let (mut turn, mut now) = after_quick_ones();
        now += QUICK;
        assert!(turn.went(1, || now).is_continue());
        assert_eq!(visits(&mut turn, &mut now, SLOW), 1);
    }

    #[test]
    fn few_of_those_who_run_what_the_user_wrote_go_before_a_look() {
        let (mut turn, mut now) = after_quick_ones();
        assert_eq!(turn.together(SIDE_BY_SIDE), HALF);
        let few = turn.together(BETWEEN_LOOKS_AT_WRITTEN);
        assert_eq!(few, BETWEEN_LOOKS_AT_WRITTEN);
        now += SLOW;
        assert!(turn.went(few, || now).is_break());
    }

    /// How many go side by side before the turn is over, so many at most between two looks, at so much each; and at how many looks.
    fn went(turn: &mut Turn, now: &mut Instant, at_most: usize, each: Duration) -> (usize, usize) {
        let (mut went, mut looks) = (0, 0);
        loop {
            let places = turn.together(at_most);
            *now += each * u32::try_from(places).expect("few");
            (went, looks) = (went + places, looks + 1);
            if turn.went(places, || *now).is_break() {
                return (went, looks);
            }
        }
    }

    #[test]
    fn quick_ones_side_by_side_fill_a_turn_and_no_more() {
        let (mut turn, mut now) = after_quick_ones();
        assert_eq!(went(&mut turn, &mut now, SIDE_BY_SIDE, QUICK), (500, 2));
        turn.begin(now, now + TURN);
        assert_eq!(went(&mut turn, &mut now, BETWEEN_LOOKS_AT_DROPPED, QUICK), (500, 4));
    }

    #[test]
    fn slow_ones_side_by_side_are_few_in_the_turn_after() {
        let (mut turn, mut now) = after_quick_ones();
        assert_eq!(went(&mut turn, &mut now, BETWEEN_LOOKS_AT_DROPPED, TURN / 5), (BETWEEN_LOOKS_AT_DROPPED, 1));
        turn.begin(now, now + TURN);
        assert_eq!(went(&mut turn, &mut now, BETWEEN_LOOKS_AT_DROPPED, TURN / 5), (5, 3));
    }

    #[test]
    fn few_go_side_by_side_in_what_is_left_of_a_slice() {
        let (mut turn, mut now) = after_quick_ones();
        turn.begin(now, now + TURN / 20);
        assert_eq!(went(&mut turn, &mut now, SIDE_BY_SIDE, QUICK), (HALF / 10, 1));
    }

    #[test]
    fn few_go_side_by_side_after_one_by_itself_at_the_end_of_a_turn() {
        let (mut turn, begun) = after_quick_ones();
        let at = |places: u32| begun + QUICK * places;
        assert!(turn.went(250, || at(250)).is_continue());
        assert!(turn.went(230, || at(480)).is_continue());
        assert!(turn.visited(|| at(480)).is_continue());
        assert_eq!(turn.together(SIDE_BY_SIDE), 20);
    }

    #[test]
    fn no_more_than_before_go_side_by_side_on_another_way() {
        let (mut turn, _) = after_quick_ones();
        turn.of_others();
        assert_eq!(turn.together(SIDE_BY_SIDE), BETWEEN_LOOKS_AT_DROPPED);
    }

    #[test]
    fn a_clock_that_stands_still_is_looked_at_again() {
        let mut turn = Turn::new(Instant::now());
        let now = Instant::now();
        turn.begin(now, now + TURN);
        for _ in 0..20 {
            let places = turn.together(SIDE_BY_SIDE);
            assert!(turn.went(places, || now).is_continue());
        }
        assert_eq!(turn.together(SIDE_BY_SIDE), SIDE_BY_SIDE);
    }

    #[crate::machine(crate = crate, name = "swept")]
    #[allow(unreachable_pub, unused_imports, reason = "a machine as it is written elsewhere")]
    mod swept {
        use serde::{Deserialize, Serialize};

        #[derive(Serialize, Deserialize)]
        pub struct Ask;

        #[machine(version = 1)]
        #[derive(Serialize, Deserialize)]
        pub struct V1 {
            pub number: u64,
            pub legacy: u64,
        }
        #[machine(version = 1)]
        pub fn ask_1(state: &V1, _: Ask) -> u64 {
            state.number
        }

        #[machine(version = 2, migrates_from = 1, removes(legacy))]
        #[derive(Serialize, Deserialize)]
        pub struct V2 {
            pub number: u64,
        }
        #[machine(version = 2)]
        pub fn ask_2(state: &V2, _: Ask) -> u64 {
            state.number
        }

        #[machine(version = 3, migrates_from = 2)]
        #[derive(Serialize, Deserialize)]
        pub struct V3 {
            pub number: u64,
            pub text: String,
        }
        #[machine(migrate)]
        fn up_3(old: &V2) -> V3 {
            V3 { number: old.number, text: String::new() }
        }
        #[machine(version = 3)]
        pub fn ask_3(state: &V3, _: Ask) -> u64 {
            state.number
        }

        #[machine(version = 4, migrates_from = 3, removes(text), boxed)]
        #[derive(Serialize, Deserialize)]
        pub struct V4 {
            pub number: u64,
        }
        #[machine(version = 4)]
        pub fn ask_4(state: &V4, _: Ask) -> u64 {
            state.number
        }

        #[machine(version = 5, migrates_from = 4, boxed)]
        #[derive(Serialize, Deserialize)]
        pub struct V5 {
            #[machine(from = number)]
            pub sum: u64,
        }
        #[machine(version = 5)]
        pub fn ask_5(state: &V5, _: Ask) -> u64 {
            state.sum
        }
    }

    #[test]
    fn how_many_go_between_two_looks_is_by_what_runs_on_their_way() {
        let up = |from: u32| {
            let edge = swept::Machine::EDGES.iter().find(|edge| edge.from == from && edge.to == from + 1);
            Hop::<swept::Machine>::Edge(edge.expect("there is a way up"))
        };
        let [plain, written, dropped, freed] = [1, 2, 3, 4].map(|from| between_looks(&[up(from)]));
        assert_eq!((plain, written), (SIDE_BY_SIDE, BETWEEN_LOOKS_AT_WRITTEN));
        assert_eq!((dropped, freed), (BETWEEN_LOOKS_AT_DROPPED, BETWEEN_LOOKS_AT_DROPPED));
        assert_eq!(between_looks(&[up(1), up(2)]), BETWEEN_LOOKS_AT_WRITTEN);
        assert_eq!(between_looks::<swept::Machine>(&[]), SIDE_BY_SIDE);
    }

    #[test]
    fn a_turn_ends_a_little_early_rather_than_at_one_more_look() {
        let (mut turn, begun) = after_quick_ones();
        let now = begun + TURN * 9 / 10;
        assert!(turn.went(HALF, || now).is_break());
    }

    #[test]
    fn quick_visits_are_many_in_a_turn() {
        let (mut turn, mut now) = after_quick_ones();
        // 2 µs are over after 500; the next look is at a multiple of 64
        assert_eq!(visits(&mut turn, &mut now, QUICK), 512);
        turn.begin(now, now + TURN);
        assert_eq!(visits(&mut turn, &mut now, TURN / 3), 4);
    }
}
