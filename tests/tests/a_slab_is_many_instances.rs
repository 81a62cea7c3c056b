//! A slab is a `Vec` of instances that costs less: whatever is done to it, each of its instances answers, moves, is held back, poisoned and
//! counted as one by itself would be.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use hotswap::{
    Accepts, AdminError, CommitOptions, Encoded, Machine as _, Outcome, Phase, RollbackOptions, StepError,
    UpgradeOptions, Wait, Why, machine,
};
use hotswap_tests::quietly;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// What a state does where its way runs what the user wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mood {
    Willing,
    Unwilling,
    Explosive,
}

#[machine(derive(Debug, Clone, PartialEq))]
mod herd {
    use serde::{Deserialize, Serialize};

    use super::Mood;

    /// Adds, and gives the sum; 13 panics when it has been added.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Add(pub u64);
    /// Adds what is odd, and fails for the others.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Odd(pub u64);
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Prepare(pub Mood);
    /// Only versions 2 and 3 take it.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Twice(pub u64);
    /// What version 4 adds by.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Sum(pub u64);

    fn added(sum: &mut u64, by: u64) -> u64 {
        *sum += by;
        assert!(by != 13, "unlucky");
        *sum
    }

    fn odd(sum: &mut u64, by: u64) -> Result<u64, String> {
        if by.is_multiple_of(2) { Err("even".to_owned()) } else { Ok(added(sum, by)) }
    }

    fn checked(mood: Mood) -> Result<(), String> {
        assert!(mood != Mood::Explosive, "explosive");
        if mood == Mood::Willing { Ok(()) } else { Err("unwilling".to_owned()) }
    }

    #[machine(version = 1)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V1 {
        pub sum: u64,
        pub mood: Mood,
    }

    #[machine(version = 1)]
    fn add_1(state: &mut V1, input: Add) -> u64 {
        added(&mut state.sum, input.0)
    }
    #[machine(version = 1)]
    fn odd_1(state: &mut V1, input: Odd) -> Result<u64, String> {
        odd(&mut state.sum, input.0)
    }
    #[machine(version = 1)]
    fn prepare_1(state: &mut V1, input: Prepare) {
        state.mood = input.0;
    }

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V2 {
        pub sum: u64,
        pub mood: Mood,
        #[machine(added = 0)]
        pub steps: u64,
    }

    #[machine(version = 2)]
    fn add_2(state: &mut V2, input: Add) -> u64 {
        state.steps += 1;
        added(&mut state.sum, input.0)
    }
    #[machine(version = 2)]
    fn odd_2(state: &mut V2, input: Odd) -> Result<u64, String> {
        odd(&mut state.sum, input.0)
    }
    #[machine(version = 2)]
    fn prepare_2(state: &mut V2, input: Prepare) {
        state.mood = input.0;
    }
    #[machine(version = 2)]
    fn twice_2(state: &mut V2, input: Twice) -> u64 {
        added(&mut state.sum, 2 * input.0)
    }

    // the same state
    #[machine(version = 3, migrates_from = 2)]
    fn add_3(state: &mut V2, input: Add) -> u64 {
        state.steps += 10;
        added(&mut state.sum, input.0)
    }

    /// In a box, with no way down.
    #[machine(version = 4, migrates_from = 3, boxed, drops(Twice))]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V4 {
        pub all: Vec<u64>,
        pub mood: Mood,
    }

    #[machine(migrate)]
    fn up_4(old: &V2) -> Result<V4, String> {
        checked(old.mood)?;
        Ok(V4 { all: vec![old.sum], mood: old.mood })
    }

    #[machine(adapt)]
    fn as_sum(old: Add) -> Sum {
        Sum(old.0)
    }
    #[machine(version = 4)]
    fn sum_4(state: &mut V4, input: Sum) -> u64 {
        state.all.push(input.0);
        added(&mut 0, input.0);
        state.all.iter().sum()
    }
    #[machine(version = 4)]
    fn odd_4(state: &mut V4, input: Odd) -> Result<u64, String> {
        state.all.push(0);
        odd(state.all.last_mut().expect("just pushed"), input.0)
    }
    #[machine(version = 4)]
    fn prepare_4(state: &mut V4, input: Prepare) {
        state.mood = input.0;
    }

    /// It consumes the state: who panics with it is lost.
    #[machine(version = 5, migrates_from = 4)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V5 {
        pub sum: u64,
        pub mood: Mood,
    }

    #[machine(migrate, moves)]
    fn up_5(old: V4) -> Result<V5, (V4, String)> {
        match checked(old.mood) {
            Ok(()) => Ok(V5 { sum: old.all.iter().sum(), mood: old.mood }),
            Err(why) => Err((old, why)),
        }
    }

    #[machine(version = 5)]
    fn sum_5(state: &mut V5, input: Sum) -> u64 {
        added(&mut state.sum, input.0)
    }
    #[machine(version = 5)]
    fn odd_5(state: &mut V5, input: Odd) -> Result<u64, String> {
        odd(&mut state.sum, input.0)
    }
    #[machine(version = 5)]
    fn prepare_5(state: &mut V5, input: Prepare) {
        state.mood = input.0;
    }
}

/// It goes off when it is dropped while it is lit.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fuse(pub bool);

impl Drop for Fuse {
    fn drop(&mut self) {
        assert!(!self.0 || std::thread::panicking(), "it goes off");
    }
}

#[machine]
mod fuses {
    use serde::{Deserialize, Serialize};

    use super::Fuse;

    #[derive(Debug, Serialize, Deserialize)]
    pub struct Lit;

    #[machine(version = 1)]
    #[derive(Debug, Serialize, Deserialize)]
    pub struct V1 {
        pub fuse: Fuse,
    }

    #[machine(version = 1)]
    fn lit(state: &V1, _: Lit) -> bool {
        state.fuse.0
    }
}

/// A machine whose states own nothing and are of so many words, those of version 2 of one more; or of other fields, by a migration.
macro_rules! plain {
    ($name:ident, $words:literal) => {
        plain!($name, $words, { pub words: [u64; $words], #[machine(added = 0)] pub more: u64 });
    };
    ($name:ident, $words:literal, { $($fields:tt)* } $($migrate:tt)*) => {
        #[machine]
        mod $name {
            use serde::{Deserialize, Serialize};

            #[derive(Debug, Serialize, Deserialize)]
            pub struct First;

            #[machine(version = 1)]
            #[derive(Debug, Serialize, Deserialize)]
            pub struct V1 {
                pub words: [u64; $words],
            }

            #[machine(version = 1)]
            fn first(state: &V1, _: First) -> u64 {
                state.words[0]
            }

            #[machine(version = 2, migrates_from = 1)]
            #[derive(Debug, Serialize, Deserialize)]
            pub struct V2 {
                $($fields)*
            }

            $($migrate)*

            #[machine(version = 2)]
            fn first_2(state: &V2, _: First) -> u64 {
                state.words[0]
            }
        }
    };
}

plain!(small, 3);
plain!(larger, 4);
plain!(middling, 7);
plain!(large, 8);
// as small as the smallest, and what it does for that may take any time
plain!(written, 1, { pub words: [u64; 1] }
    #[machine(migrate)]
    fn up(old: &V1) -> V2 {
        V2 { words: old.words }
    }
);

use herd::{Add, AnyInput, AnyOutput, AnyState, Instance, Machine, Odd, Prepare, Slab, Switch, Twice, V1};

/// So many of these look at the switch together: version 4's own something.
const NEIGHBOURS: usize = 1024;

#[derive(Debug, Clone)]
enum Op {
    Push(u64),
    Pop,
    SwapRemove(usize),
    Add(usize, u64),
    AddAll(u64),
    AddAllBut { at: usize, odd_one: u64 },
    OddAll(u64),
    TwiceAll,
    Prepare(usize, Mood),
    Refresh,
    Upgrade { to: u32, keep: bool, failures: Option<u64> },
    Commit,
    Rollback,
    Retry,
    Canary { to: u32 },
    Promote,
    Count(bool),
    Trace(bool),
    States,
    HeldBack(usize),
}

fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![2 => Just(Mood::Willing), 1 => Just(Mood::Unwilling), 1 => Just(Mood::Explosive)]
}

fn op() -> impl Strategy<Value = Op> {
    let upgrade = (1..=5u32, any::<bool>(), prop::option::of(1..4u64));
    prop_oneof![
        3 => (0..9u64).prop_map(Op::Push),
        2 => Just(Op::Pop),
        3 => any::<usize>().prop_map(Op::SwapRemove),
        3 => (any::<usize>(), 12..15u64).prop_map(|(at, by)| Op::Add(at, by)),
        4 => (0..9u64).prop_map(Op::AddAll),
        2 => (any::<usize>(), 12..15u64).prop_map(|(at, odd_one)| Op::AddAllBut { at, odd_one }),
        2 => (0..9u64).prop_map(Op::OddAll),
        1 => Just(Op::TwiceAll),
        2 => (any::<usize>(), mood()).prop_map(|(at, mood)| Op::Prepare(at, mood)),
        1 => Just(Op::Refresh),
        6 => upgrade.prop_map(|(to, keep, failures)| Op::Upgrade { to, keep, failures }),
        2 => Just(Op::Commit),
        2 => Just(Op::Rollback),
        1 => Just(Op::Retry),
        1 => (1..=5u32).prop_map(|to| Op::Canary { to }),
        1 => Just(Op::Promote),
        1 => any::<bool>().prop_map(Op::Count),
        1 => any::<bool>().prop_map(Op::Trace),
        2 => Just(Op::States),
        2 => any::<usize>().prop_map(Op::HeldBack),
    ]
}

/// What is seen of one thing that was done.
type Seen = Vec<(usize, Result<String, Why>)>;

fn seen<O: std::fmt::Debug, I>(answer: Result<O, StepError<I>>) -> Result<String, Why> {
    answer.map(|output| format!("{output:?}")).map_err(|refused| refused.why)
}

/// Many instances of one owner, with a switch of their own.
trait Many {
    fn switch(&self) -> &Switch;
    fn len(&self) -> usize;
    fn push(&mut self, state: V1);
    fn pop(&mut self) -> Option<Instance>;
    fn swap_remove(&mut self, at: usize) -> Option<Instance>;
    fn add(&mut self, at: usize, by: u64) -> Result<String, Why>;
    fn prepare(&mut self, at: usize, mood: Mood) -> Result<String, Why>;
    fn add_all(&mut self, by: impl FnMut(usize) -> u64, seen: &mut Seen);
    fn odd_all(&mut self, by: impl FnMut(usize) -> u64, seen: &mut Seen);
    fn twice_all(&mut self, seen: &mut Seen);
    fn refresh(&mut self);
    /// As they are, with the version of each.
    fn states(&mut self) -> Vec<(u32, Option<AnyState>)>;
    fn held_back(&mut self, at: usize) -> Option<String>;

    fn run(&mut self, op: &Op) -> Seen {
        let admin = self.switch().admin();
        let mut all = Vec::new();
        let some = |at: usize, len: usize| at.checked_rem(len);
        match *op {
            Op::Push(sum) => self.push(V1 { sum, mood: Mood::Willing }),
            Op::Pop => all.extend(self.pop().map(|gone| (0, Ok(format!("{:?}", gone.into_state()))))),
            Op::SwapRemove(at) => {
                let gone = some(at, self.len()).and_then(|at| self.swap_remove(at));
                all.extend(gone.map(|gone| (0, Ok(format!("{:?}", gone.into_state())))));
            }
            Op::Add(at, by) => {
                if let Some(at) = some(at, self.len()) {
                    let answer = catch_unwind(AssertUnwindSafe(|| self.add(at, by)));
                    all.push((at, answer.unwrap_or_else(|_| Ok("it panicked".to_owned()))));
                }
            }
            Op::AddAll(by) => self.add_all(|_| by, &mut all),
            Op::AddAllBut { at, odd_one } => {
                let at = some(at, self.len());
                let by = |index| if Some(index) == at { odd_one } else { 1 };
                let ended = catch_unwind(AssertUnwindSafe(|| self.add_all(by, &mut all)));
                all.push((0, Ok(format!("{:?}", ended.is_err()))));
            }
            Op::OddAll(by) => self.odd_all(|index| (by + index as u64) % 11, &mut all),
            Op::TwiceAll => self.twice_all(&mut all),
            Op::Prepare(at, mood) => all.extend(some(at, self.len()).map(|at| (at, self.prepare(at, mood)))),
            Op::Refresh => self.refresh(),
            Op::Upgrade { to, keep, failures } => {
                let options = UpgradeOptions::default().keep_previous(keep).accept_loss(true);
                let options = failures.map_or(options.clone(), |n| options.rollback_after(n));
                all.push((0, told(admin.upgrade_with(to, "", &options))));
            }
            Op::Commit => {
                all.push((0, told(admin.commit_with("", &CommitOptions::default().leave_held_back(true)))));
            }
            Op::Rollback => all.push((0, told(admin.rollback_with("", &RollbackOptions::default().accept_loss(true))))),
            Op::Retry => all.push((0, told(admin.retry()))),
            Op::Canary { to } => {
                let options = UpgradeOptions::default().canary(50).accept_loss(true);
                all.push((0, told(admin.upgrade_with(to, "", &options))));
            }
            Op::Promote => all.push((0, told(admin.promote("")))),
            Op::Count(on) => admin.count_steps(on),
            Op::Trace(on) => admin.trace(on),
            Op::States => all.extend((0..).zip(self.states()).map(|(at, state)| (at, Ok(format!("{state:?}"))))),
            Op::HeldBack(at) => {
                let held = some(at, self.len()).map(|at| (at, Ok(format!("{:?}", self.held_back(at)))));
                all.extend(held);
            }
        }
        all
    }
}

fn told(done: Result<Outcome, AdminError>) -> Result<String, Why> {
    Ok(done.map_or_else(|refused| format!("{refused}"), |outcome| format!("{} -> {}", outcome.from, outcome.to)))
}

struct SlabOf(Switch, Slab);

impl Many for SlabOf {
    fn switch(&self) -> &Switch {
        &self.0
    }
    fn len(&self) -> usize {
        self.1.len()
    }
    fn push(&mut self, state: V1) {
        // nobody is held back who can go up from version 1
        self.1.push(state).expect("enters");
    }
    fn pop(&mut self) -> Option<Instance> {
        self.1.pop()
    }
    fn swap_remove(&mut self, at: usize) -> Option<Instance> {
        self.1.swap_remove(at)
    }
    fn add(&mut self, at: usize, by: u64) -> Result<String, Why> {
        seen(self.1.step(at, Add(by)))
    }
    fn prepare(&mut self, at: usize, mood: Mood) -> Result<String, Why> {
        seen(self.1.step(at, Prepare(mood)))
    }
    fn add_all(&mut self, mut by: impl FnMut(usize) -> u64, all: &mut Seen) {
        self.1.step_all(|at| Add(by(at)), |at, answer| all.push((at, seen(answer))));
    }
    fn odd_all(&mut self, mut by: impl FnMut(usize) -> u64, all: &mut Seen) {
        self.1.step_all(|at| Odd(by(at)), |at, answer| all.push((at, seen(answer))));
    }
    fn twice_all(&mut self, all: &mut Seen) {
        self.1.step_all(|_| Twice(1), |at, answer| all.push((at, seen(answer))));
    }
    fn refresh(&mut self) {
        self.1.refresh();
    }
    fn states(&mut self) -> Vec<(u32, Option<AnyState>)> {
        let mut all = Vec::new();
        self.1.for_each(|_, state| all.push((state.map_or(0, Machine::version_of), state.cloned())));
        assert!((0..).zip(&all).all(|(at, (version, _))| self.1.version(at) == Some(*version)));
        assert_eq!((self.1.version(all.len()), self.1.held_back(all.len())), (None, None));
        all
    }
    fn held_back(&mut self, at: usize) -> Option<String> {
        self.1.held_back(at)
    }
}

/// The model: instances, each for itself, whose neighbours come along when one is stepped.
struct VecOf(Switch, Vec<Instance>);

impl VecOf {
    fn come_along(&mut self, at: usize) {
        let first = at / NEIGHBOURS * NEIGHBOURS;
        self.1.iter_mut().skip(first).take(NEIGHBOURS).for_each(Instance::refresh);
    }

    fn all<I: Serialize>(&mut self, mut input: impl FnMut(usize) -> I, all: &mut Seen)
    where
        Machine: Accepts<I>,
        <Machine as Accepts<I>>::Output: std::fmt::Debug,
    {
        let mut flipped = false;
        for at in 0..self.1.len() {
            if flipped || at.is_multiple_of(NEIGHBOURS) {
                self.come_along(at);
            }
            let answer = seen(self.1[at].step(input(at)));
            // a step that fails may be the one at which it goes back by itself
            flipped = answer.as_ref().is_ok_and(|output| output.starts_with("Err"));
            all.push((at, answer));
        }
    }
}

impl Many for VecOf {
    fn switch(&self) -> &Switch {
        &self.0
    }
    fn len(&self) -> usize {
        self.1.len()
    }
    fn push(&mut self, state: V1) {
        self.1.push(self.0.instance(state).expect("enters"));
    }
    fn pop(&mut self) -> Option<Instance> {
        self.1.pop()
    }
    fn swap_remove(&mut self, at: usize) -> Option<Instance> {
        Some(self.1.swap_remove(at))
    }
    fn add(&mut self, at: usize, by: u64) -> Result<String, Why> {
        self.come_along(at);
        seen(self.1[at].step(Add(by)))
    }
    fn prepare(&mut self, at: usize, mood: Mood) -> Result<String, Why> {
        self.come_along(at);
        seen(self.1[at].step(Prepare(mood)))
    }
    fn add_all(&mut self, mut by: impl FnMut(usize) -> u64, all: &mut Seen) {
        self.all(|at| Add(by(at)), all);
    }
    fn odd_all(&mut self, mut by: impl FnMut(usize) -> u64, all: &mut Seen) {
        self.all(|at| Odd(by(at)), all);
    }
    fn twice_all(&mut self, all: &mut Seen) {
        self.all(|_| Twice(1), all);
    }
    fn refresh(&mut self) {
        self.1.iter_mut().for_each(Instance::refresh);
    }
    fn states(&mut self) -> Vec<(u32, Option<AnyState>)> {
        self.1.iter().map(|one| (one.version(), one.state().cloned())).collect()
    }
    fn held_back(&mut self, at: usize) -> Option<String> {
        self.come_along(at);
        self.1[at].held_back()
    }
}

fn switch() -> Switch {
    Switch::builder().starting_at(1).build().expect("version 1 is one to run")
}

/// What an operator sees: who is live where, and what became of them at each command.
fn accounts(switch: &Switch) -> String {
    let admin = switch.admin();
    let status = admin.status();
    let seen = (status.version, status.phase, status.live, &status.by_version, status.held_back, status.not_reached);
    let outcome = |it: &Outcome| (it.to, it.live, it.moved, it.held_back, it.gone, it.not_reached);
    let outcomes: Vec<_> = admin.outcomes().iter().map(outcome).collect();
    format!("{seen:?} {outcomes:?} {:?}", admin.statistics())
}

fn behaves(size: usize, ops: &[Op]) -> Result<(), TestCaseError> {
    let (one, other) = (switch(), switch());
    let mut slab = SlabOf(one.clone(), one.slab());
    let mut model = VecOf(other, Vec::new());
    for sum in 0..size as u64 {
        slab.run(&Op::Push(sum));
        model.run(&Op::Push(sum));
    }
    for op in ops {
        prop_assert_eq!(slab.run(op), model.run(op), "{:?}", op);
        prop_assert_eq!(accounts(slab.switch()), accounts(model.switch()), "after {:?}", op);
    }
    for at in 0..slab.len() {
        prop_assert_eq!(slab.held_back(at), model.held_back(at), "of {}", at);
    }
    prop_assert_eq!(slab.states(), model.states());
    prop_assert_eq!(accounts(slab.switch()), accounts(model.switch()));
    for many in [slab.switch(), model.switch()] {
        let admin = many.admin();
        let leaves = CommitOptions::default().leave_held_back(true);
        let nothing_on_probation = admin.promote("").is_err() && admin.status().phase == Phase::Permanent;
        prop_assert!(nothing_on_probation || admin.commit_with("", &leaves).is_ok());
    }
    slab.refresh();
    model.refresh();
    // no state is kept any longer: who stands apart is held back, or is beside one who is
    let odd: BTreeSet<_> =
        (0..slab.len()).filter(|at| slab.held_back(*at).is_some()).map(|at| at / NEIGHBOURS).collect();
    let apart = odd.iter().map(|chunk| slab.len().min((chunk + 1) * NEIGHBOURS) - chunk * NEIGHBOURS).sum::<usize>();
    prop_assert_eq!(slab.1.apart(), apart);
    drop((slab.1, model.1));
    prop_assert_eq!(one.admin().status().live, 0);
    prop_assert_eq!(accounts(&one), accounts(&model.0));
    Ok(())
}

/// A slab of so many at version 1, each with its index for a sum.
fn numbered(switch: &Switch, len: u64) -> Slab {
    let mut slab = switch.slab();
    (0..len).for_each(|sum| slab.push(V1 { sum, mood: Mood::Willing }).expect("enters"));
    slab
}

/// What each adds 1 to gives; in the order in which they are told.
fn sums(slab: &mut Slab) -> Vec<(usize, Result<u64, Why>)> {
    let mut all = Vec::new();
    slab.step_all(|_| Add(1), |at, answer| all.push((at, answer.map_err(|refused| refused.why))));
    all
}

#[test]
fn who_stand_alike_stand_together_and_again_when_an_odd_one_has_gone() {
    let switch = switch();
    let mut slab = numbered(&switch, 2500);
    assert_eq!(slab.apart(), 0);
    let panicked = quietly(|| catch_unwind(AssertUnwindSafe(|| slab.step(2400, Add(13)))));
    assert!(panicked.is_err());
    assert_eq!(slab.apart(), 2500 - 2 * NEIGHBOURS, "only its neighbours");
    assert_eq!(slab.held_back(2400).as_deref(), Some("a step panicked"));

    // to the others' side, in the place of one of them
    while slab.len() > 2401 {
        drop(slab.pop().expect("there are more"));
    }
    assert_eq!(slab.swap_remove(7).map(|gone| gone.version()), Some(1));
    assert_eq!((slab.held_back(7).as_deref(), slab.held_back(2399)), (Some("a step panicked"), None));
    let sums = sums(&mut slab);
    assert_eq!(sums[7], (7, Err(Why::Poisoned)));
    assert!((0..2400).zip(&sums).all(|(at, sum)| at == 7 || *sum == (at, Ok(at as u64 + 1))), "{sums:?}");
    assert_eq!(slab.apart(), NEIGHBOURS, "the last chunk is settled again, and the first one has it");

    let mut gone = slab.swap_remove(7).expect("it is there");
    assert_eq!(gone.held_back().as_deref(), Some("a step panicked"));
    assert_eq!(slab.step(7, Add(1)).expect("it was the last one"), 2401);
    assert_eq!((slab.len(), slab.apart()), (2399, 0));
    assert_eq!(switch.admin().status().live, 2400, "and the one that is out");
}

#[test]
fn kept_states_are_each_ones_own_for_as_long_as_they_are_kept() {
    let switch = switch();
    let (admin, mut slab) = (switch.admin(), numbered(&switch, 1500));
    admin.upgrade_with(4, "", &UpgradeOptions::default().keep_previous(true)).expect("not refused");
    slab.refresh();
    assert_eq!((slab.version(1499), slab.apart()), (Some(4), 1500));
    assert!(sums(&mut slab).iter().all(|(at, sum)| *sum == Ok(*at as u64 + 1)));
    admin.rollback_with("", &RollbackOptions::default().accept_loss(true)).expect("each has its own");
    assert!(sums(&mut slab).iter().all(|(at, sum)| *sum == Ok(*at as u64 + 1)), "what was added since is gone");
    assert_eq!((slab.version(1499), slab.apart()), (Some(1), 0));
}

#[test]
fn a_flip_in_the_middle_is_seen_by_the_next_who_look_and_holds_up_nobody() {
    let switch = switch();
    let mut slab = numbered(&switch, 1500);
    slab.step_all(
        |at| {
            if at == 5 {
                let outcome = switch.admin().upgrade(2, "from within").expect("not refused");
                assert_eq!((outcome.live, outcome.not_reached), (1500, 1500), "nobody is reached who has an owner");
            }
            Add(1)
        },
        |at, answer| assert_eq!(answer.expect("every version adds"), at as u64 + 1),
    );
    let versions = [0, 1023, 1024, 1499].map(|at| slab.version(at).expect("it is there"));
    assert_eq!(versions, [1, 1, 2, 2], "the first ones as if they had been stepped at once");
    slab.step_all(|_| Twice(1), |at, answer| assert_eq!(answer.expect("all are at version 2"), at as u64 + 3));
    assert_eq!(switch.admin().outcomes().last().map(|outcome| (outcome.moved, outcome.not_reached)), Some((1500, 0)));
}

#[test]
fn small_states_that_own_nothing_have_more_neighbours() {
    /// How many still run version 1 if a step of the first one flips, of a slab of 5,000.
    macro_rules! neighbours {
        ($name:ident) => {{
            let switch = $name::Switch::builder().starting_at(1).build().expect("version 1 can run");
            let mut slab = switch.slab();
            (0..5000).for_each(|at| slab.push($name::V1 { words: [at; _] }).expect("it is at the version that runs"));
            slab.step_all(
                |at| {
                    if at == 0 {
                        switch.admin().upgrade(2, "from within").expect("not refused");
                    }
                    $name::First
                },
                |at, answer| assert_eq!(answer.expect("both versions tell"), at as u64),
            );
            (0..slab.len()).filter(|at| slab.version(*at) == Some(1)).count()
        }};
    }
    assert_eq!(neighbours!(small), 4096);
    assert_eq!(neighbours!(larger), 2048);
    assert_eq!(neighbours!(middling), 2048);
    assert_eq!(neighbours!(large), 1024);
    assert_eq!(neighbours!(written), 1024, "how long it takes, their size does not tell");
}

#[test]
fn neighbours_are_found_and_leave_by_index_however_many_they_are() {
    let switch = small::Switch::builder().starting_at(1).build().expect("version 1 can run");
    let mut slab = switch.slab();
    (0..9000).for_each(|at| slab.push(small::V1 { words: [at; _] }).expect("it is at the version that runs"));
    switch.admin().upgrade(2, "").expect("not refused");
    for at in [4096, 8191] {
        assert_eq!(slab.step(at, small::First).expect("both versions tell"), at as u64);
    }
    let came = |slab: &small::Slab| (0..9000).filter(|at| slab.version(*at) == Some(2)).collect::<Vec<_>>();
    assert_eq!(came(&slab), (4096..8192).collect::<Vec<_>>());
    let told =
        |gone: Option<small::Instance>| gone.map(|mut gone| gone.step(small::First).expect("both versions tell"));
    assert_eq!(told(slab.swap_remove(4095)), Some(4095));
    assert_eq!(told(slab.swap_remove(4096)), Some(4096));
    assert_eq!((told(slab.pop()), slab.len()), (Some(8997), 8997));
    let all: Vec<u64> = slab.into_instances().map(|instance| told(Some(instance)).expect("it is there")).collect();
    let moved = |at: u64| match at {
        4095 => 8999,
        4096 => 8998,
        at => at,
    };
    assert_eq!(all, (0..8997).map(moved).collect::<Vec<_>>());
    assert_eq!(switch.admin().status().not_reached, 0);
}

#[test]
fn a_panic_of_the_callers_poisons_nobody() {
    let switch = switch();
    let mut slab = numbered(&switch, 10);
    let give = |at: usize| if at == 3 { panic!("in what is given") } else { Add(1) };
    assert!(quietly(|| catch_unwind(AssertUnwindSafe(|| slab.step_all(give, |_, _| ())))).is_err());
    let told = |at: usize| assert!(at != 3, "in what is told");
    assert!(quietly(|| catch_unwind(AssertUnwindSafe(|| slab.step_all(|_| Add(1), |at, _| told(at))))).is_err());
    let shown = |at: usize, _: Option<&AnyState>| assert!(at != 3, "in what is shown");
    assert!(quietly(|| catch_unwind(AssertUnwindSafe(|| slab.for_each(shown)))).is_err());
    // the first three were stepped in both, and the fourth in the second
    let steps = [2, 2, 2, 1, 0, 0, 0, 0, 0, 0];
    let expected: Vec<_> = steps.iter().enumerate().map(|(at, steps)| (at, Ok(at as u64 + steps + 1))).collect();
    assert_eq!(sums(&mut slab), expected);
    assert_eq!((slab.apart(), switch.admin().status().held_back), (0, 0));
}

#[test]
fn an_index_of_nobody_is_said_to_be_nobodys() {
    let switch = switch();
    let mut slab = numbered(&switch, 3);
    for index in [3, NEIGHBOURS, usize::MAX] {
        let refused = slab.step(index, Add(5)).expect_err("there are three");
        assert_eq!((refused.why, refused.input), (Why::NoKey, Add(5)));
        let refused = slab.step_any(index, Add(5).into()).expect_err("there are three");
        assert_eq!((refused.why, refused.input), (Why::NoKey, AnyInput::Add(Add(5))));
        assert!(slab.swap_remove(index).is_none());
        assert_eq!((slab.version(index), slab.held_back(index)), (None, None));
    }
    assert_eq!(slab.step_any(2, Add(5).into()).expect("it is there"), AnyOutput::Add(7));
    let encoded = Encoded::json("Add", &Add(1)).expect("it is JSON");
    assert_eq!(slab.step_encoded(2, encoded).expect("it is there").value::<u64>().expect("a number"), 8);
    assert_eq!((slab.len(), slab.apart()), (3, 0));
    assert!((0..3).all(|_| slab.pop().is_some()) && slab.pop().is_none() && slab.is_empty());
    assert_eq!(switch.admin().status().live, 0);
}

#[test]
fn who_is_poisoned_is_healed_by_what_was_kept_whoever_looks_first() {
    let switch = switch();
    let (admin, mut slab) = (switch.admin(), numbered(&switch, 1));
    admin.upgrade_with(2, "", &UpgradeOptions::default().keep_previous(true)).expect("not refused");
    assert!(quietly(|| catch_unwind(AssertUnwindSafe(|| slab.step(0, Add(13))))).is_err());
    admin.rollback_with("", &RollbackOptions::default().accept_loss(true)).expect("not refused");
    slab.for_each(|_, state| assert_eq!(state.map(Machine::version_of), Some(2), "nobody is brought who is looked at"));
    assert_eq!((slab.held_back(0), slab.version(0), slab.apart()), (None, Some(1), 0));
    assert_eq!(admin.status().held_back, 0);
}

/// It was held back with what it had before a probation that was undone, and then a step of it panicked: nothing has flipped since, and
/// still it can go now, from what was kept.
#[test]
fn who_is_poisoned_while_held_back_is_healed_by_whoever_looks_next() {
    let step = |slab: &mut Slab| slab.step(0, Add(13)).is_ok();
    let step_any = |slab: &mut Slab| slab.step_any(0, Add(13).into()).is_ok();
    for panics in [step, step_any] {
        let switch = switch();
        let (admin, mut slab) = (switch.admin(), numbered(&switch, 2));
        let keep = UpgradeOptions::default().keep_previous(true);
        admin.upgrade_with(2, "", &keep).expect("not refused");
        slab.step(0, Prepare(Mood::Unwilling)).expect("every version prepares");
        admin.rollback_with("", &RollbackOptions::default().accept_loss(true)).expect("not refused");
        admin.upgrade_with(4, "", &keep).expect("not refused");
        assert_eq!(
            slab.held_back(0).as_deref(),
            Some("it carries what going back to version 1 could not undo: unwilling")
        );
        assert!(quietly(|| catch_unwind(AssertUnwindSafe(|| panics(&mut slab)))).is_err());
        assert_eq!((slab.held_back(0), slab.version(0)), (None, Some(4)));
        assert_eq!(admin.status().held_back, 0);
    }
}

#[test]
fn to_take_one_out_or_put_one_in_moves_nobody() {
    let switch = switch();
    let mut slab = numbered(&switch, 1500);
    switch.admin().upgrade(2, "").expect("not refused");
    assert_eq!(slab.step(1400, Add(0)).expect("every version adds"), 1400);
    assert_eq!(slab.swap_remove(3).map(|gone| gone.version()), Some(1));
    slab.push(V1 { sum: 7, mood: Mood::Willing }).expect("enters");
    let versions = [0, 3, 1023, 1024, 1499].map(|at| slab.version(at).expect("it is there"));
    assert_eq!(versions, [1, 2, 1, 2, 2], "the last one took the place of the one that went");
    assert_eq!(slab.apart(), NEIGHBOURS);
    assert_eq!(sums(&mut slab).len(), 1500);
    assert_eq!((slab.version(0), slab.apart()), (Some(2), 0));
}

#[test]
fn a_state_that_goes_off_when_it_is_dropped_leaves_no_other_counted() {
    let switch = fuses::Switch::builder().build().expect("it can run");
    let mut slab = switch.slab();
    for lit in (0..1500).map(|at| at == 3 || at == 1400) {
        slab.push(fuses::V1 { fuse: Fuse(lit) }).expect("enters");
    }
    let dropped = quietly(|| catch_unwind(AssertUnwindSafe(|| drop(slab))));
    assert!(dropped.is_err(), "the first one that goes off is heard");
    assert_eq!(switch.admin().status().live, 0);
}

/// Inputs run once, and everybody is counted, while other threads command.
#[test]
fn others_may_flip_while_it_is_stepped() {
    let switch = switch();
    let (admin, mut slab) = (switch.admin(), numbered(&switch, 3000));
    let over = AtomicBool::new(false);
    let mut rounds = 0;
    std::thread::scope(|scope| {
        let flipping = scope.spawn(|| {
            for flip in 0..2000 {
                let to = [2, 3, 1][flip % 3];
                let options = UpgradeOptions::default().keep_previous(flip.is_multiple_of(2)).accept_loss(true);
                let _ = admin.upgrade_with(to, "", &options);
                let _ = admin.commit_with("", &CommitOptions::default().leave_held_back(true).wait(Wait::No));
                let status = admin.status();
                assert_eq!(status.by_version.iter().map(|some| some.live).sum::<u64>(), status.live);
            }
            over.store(true, Ordering::Release);
        });
        while !over.load(Ordering::Acquire) {
            rounds += 1;
            assert!(sums(&mut slab).iter().all(|(at, sum)| *sum == Ok(*at as u64 + rounds)), "round {rounds}");
        }
        flipping.join().expect("the counts add up");
    });
    slab.refresh();
    let status = admin.status();
    assert_eq!((status.live, status.not_reached, status.held_back, slab.apart()), (3000, 0, 0, 0));
    for outcome in admin.outcomes() {
        assert_eq!(outcome.moved + outcome.held_back + outcome.gone + outcome.not_reached, outcome.live, "{outcome:?}");
    }
}

#[test]
fn each_goes_on_by_itself_when_the_slab_ends() {
    let switch = switch();
    let slab = numbered(&switch, 1500);
    let all: Vec<_> = slab.into_instances().collect();
    assert_eq!(switch.admin().status().live, 1500);
    assert!(
        (0..1500).zip(all).all(|(sum, instance)| instance.into_state() == Some(V1 { sum, mood: Mood::Willing }.into()))
    );
    assert_eq!(switch.admin().status().live, 0);
}

#[test]
fn it_goes_to_the_thread_of_its_owner() {
    let switch = switch();
    let mut slab = numbered(&switch, 1500);
    switch.admin().upgrade(2, "").expect("not refused");
    let slab = std::thread::spawn(move || {
        assert_eq!(sums(&mut slab).len(), 1500);
        slab
    });
    let slab = slab.join().expect("no step panics");
    assert_eq!((slab.version(0), slab.version(1499), slab.version(1500)), (Some(2), Some(2), None));
    drop(slab);
    assert_eq!(switch.admin().status().live, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 96 } else { 512 }))]

    #[test]
    fn whatever_is_done_to_few(size in 0..6usize, ops in prop::collection::vec(op(), 0..60)) {
        quietly(|| behaves(size, &ops))?;
    }

    #[test]
    fn whatever_is_done_to_more_than_look_at_the_switch_together(size in 1020..1030usize, ops in prop::collection::vec(op(), 0..20)) {
        quietly(|| behaves(size, &ops))?;
    }
}
