//! Invariant 1: a step runs on one version, whole. An input is run once, or returned; only a panic may consume it, and
//! the caller sees it. And invariant 3: the reply is the one to the caller's input, whatever version answered. Over
//! generated sequences of steps and flips, the flips from inside steps among them.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier};
use std::thread;

use hotswap::{RollbackOptions, StepError, UpgradeOptions, Wait, Why, machine};
use hotswap_tests::tally;
use proptest::prelude::*;

thread_local! {
    /// What the next step of this thread does half-way through.
    static MEANWHILE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

fn meanwhile() {
    if let Some(run) = MEANWHILE.take() {
        run();
    }
}

/// A log of what ran, and where: each step writes a line before and after something happens in the middle of it.
#[machine(derive(Debug, Clone, PartialEq))]
pub mod log {
    use serde::{Deserialize, Serialize};

    use super::meanwhile;

    /// Which version ran which input.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Line {
        pub version: u32,
        pub input: u64,
        pub whole: bool,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Note(pub u64);
    /// Versions from 2 on take it; version 1 if it is an even one.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Bold(pub u64);
    /// Version 3 alone takes it.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Late(pub u64);
    /// Panics half-way.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Trip(pub u64);

    fn write(lines: &mut Vec<Line>, version: u32, input: u64) -> usize {
        let at = lines.len();
        lines.push(Line { version, input, whole: false });
        meanwhile();
        lines[at].whole = true;
        at
    }

    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    pub struct V1 {
        pub lines: Vec<Line>,
    }
    #[machine(version = 1)]
    fn note_1(state: &mut V1, input: Note) -> usize {
        write(&mut state.lines, 1, input.0)
    }
    #[machine(version = 1)]
    fn trip_1(state: &mut V1, input: Trip) {
        state.lines.push(Line { version: 1, input: input.0, whole: false });
        panic!("tripped");
    }

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    pub struct V2 {
        pub lines: Vec<Line>,
        #[machine(added)]
        pub bold: u64,
    }
    #[machine(version = 2)]
    fn note_2(state: &mut V2, input: Note) -> usize {
        write(&mut state.lines, 2, input.0)
    }
    #[machine(version = 2)]
    fn bold_2(state: &mut V2, input: Bold) -> usize {
        state.bold += 1;
        write(&mut state.lines, 2, input.0)
    }
    #[machine(version = 2)]
    fn trip_2(state: &mut V2, input: Trip) {
        state.lines.push(Line { version: 2, input: input.0, whole: false });
        panic!("tripped");
    }
    #[machine(adapt(input))]
    fn plain(bold: &Bold) -> Option<Note> {
        bold.0.is_multiple_of(2).then_some(Note(bold.0))
    }

    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    pub struct V3 {
        pub book: Vec<Line>,
        pub late: u64,
    }
    #[machine(migrate)]
    fn up(old: &V2) -> V3 {
        V3 { book: old.lines.clone(), late: 0 }
    }
    #[machine(migrate)]
    fn down(old: &V3) -> V2 {
        V2 { lines: old.book.clone(), bold: 0 }
    }
    #[machine(version = 3)]
    fn note_3(state: &mut V3, input: Note) -> usize {
        write(&mut state.book, 3, input.0)
    }
    #[machine(version = 3)]
    fn bold_3(state: &mut V3, input: Bold) -> usize {
        write(&mut state.book, 3, input.0)
    }
    #[machine(version = 3)]
    fn late_3(state: &mut V3, input: Late) -> usize {
        state.late += 1;
        write(&mut state.book, 3, input.0)
    }
    #[machine(version = 3)]
    fn trip_3(state: &mut V3, input: Trip) {
        state.book.push(Line { version: 3, input: input.0, whole: false });
        panic!("tripped");
    }

    /// The lines of a state of any version.
    pub fn lines(state: &AnyState) -> &[Line] {
        match state {
            AnyState::V1(state) => &state.lines,
            AnyState::V2(state) => &state.lines,
            AnyState::V3(state) => &state.book,
            AnyState::Loaded(_) => unreachable!("nothing is loaded"),
        }
    }
}

use log::{AnyInput, AnyOutput, Bold, Late, Line, Note, Switch, Trip, V1};

#[derive(Debug, Clone, Copy)]
enum Flip {
    To(u32),
    Back,
    Commit,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Note,
    Bold,
    Late,
    Trip,
}

#[derive(Debug, Clone)]
enum Op {
    /// An input to one of the holders, typed or as a tagged one, and what flips half-way through.
    Step {
        holder: usize,
        kind: Kind,
        tagged: bool,
        meanwhile: Option<Flip>,
    },
    Flip(Flip),
    /// Gives a poisoned holder what it had before it tripped.
    Heal(usize),
}

fn flip() -> impl Strategy<Value = Flip> {
    prop_oneof![4 => (1..=3_u32).prop_map(Flip::To), 1 => Just(Flip::Back), 1 => Just(Flip::Commit)]
}

fn op() -> impl Strategy<Value = Op> {
    let kind = prop_oneof![4 => Just(Kind::Note), 3 => Just(Kind::Bold), 2 => Just(Kind::Late), 1 => Just(Kind::Trip)];
    let step = (0..5_usize, kind, any::<bool>(), prop::option::of(flip()));
    prop_oneof![
        6 => step.prop_map(|(holder, kind, tagged, meanwhile)| Op::Step { holder, kind, tagged, meanwhile }),
        2 => flip().prop_map(Op::Flip),
        1 => (0..5_usize).prop_map(Op::Heal),
    ]
}

/// Flips without waiting for others: it may be called where one of them is held.
fn run_flip(switch: &Switch, flip: Flip) {
    let admin = switch.admin();
    let _ = match flip {
        Flip::To(to) => admin.upgrade_with(to, "", &UpgradeOptions::default().accept_loss(true).wait(Wait::No)),
        Flip::Back => admin.rollback_with("", &RollbackOptions::default().accept_loss(true).wait(Wait::No)),
        Flip::Commit => admin.commit_with("", &hotswap::CommitOptions::default().leave_held_back(true).wait(Wait::No)),
    };
}

/// A switch with an instance, a cell and a fleet, and what each must have written.
struct World {
    switch: Switch,
    owned: log::Instance,
    cell: log::Cell,
    fleet: log::Fleet<usize>,
    /// By holder: 0 is the instance, 1 the cell, the others are keys.
    written: [Vec<Line>; 5],
    poisoned: [bool; 5],
    next: u64,
}

impl World {
    fn new() -> Self {
        let switch = Switch::builder().starting_at(1).build().expect("one to run");
        let owned = switch.instance(V1::default()).expect("enters");
        let cell = switch.named_cell("cell", V1::default()).expect("enters");
        let fleet = switch.fleet();
        for key in 2..5 {
            fleet.insert(key, V1::default()).expect("enters");
        }
        Self { switch, owned, cell, fleet, written: Default::default(), poisoned: [false; 5], next: 0 }
    }

    fn typed<I>(
        &mut self,
        holder: usize,
        input: I,
    ) -> Result<<log::Machine as hotswap::Accepts<I>>::Output, StepError<I>>
    where
        I: serde::Serialize,
        log::Machine: hotswap::Accepts<I>,
    {
        match holder {
            0 => self.owned.step(input),
            1 => self.cell.step(input),
            key => self.fleet.step(&key, input),
        }
    }

    fn tagged(&mut self, holder: usize, input: AnyInput) -> Result<AnyOutput, StepError<AnyInput>> {
        match holder {
            0 => self.owned.step_any(input),
            1 => self.cell.step_any(input),
            key => self.fleet.step_any(&key, input),
        }
    }

    fn lines(&self, holder: usize) -> Option<Vec<Line>> {
        let lines = |state: &log::AnyState| log::lines(state).to_vec();
        match holder {
            0 => self.owned.state().map(lines),
            1 => self.cell.inspect(lines),
            key => self.fleet.inspect(&key, lines).expect("outside a step"),
        }
    }

    /// What it said: the number of its line, or the input that came back and why. A panic is the outer error.
    fn step(&mut self, holder: usize, kind: Kind, id: u64, tagged: bool) -> Result<Result<usize, (u64, Why)>, ()> {
        let step = || {
            if tagged {
                let input = match kind {
                    Kind::Note => AnyInput::Note(Note(id)),
                    Kind::Bold => AnyInput::Bold(Bold(id)),
                    Kind::Late => AnyInput::Late(Late(id)),
                    Kind::Trip => AnyInput::Trip(Trip(id)),
                };
                return match self.tagged(holder, input) {
                    Ok(output) => Ok(line_in(kind, &output)),
                    Err(returned) => Err((id_of(returned.input), returned.why)),
                };
            }
            match kind {
                Kind::Note => self.typed(holder, Note(id)).map_err(|back| (back.input.0, back.why)),
                Kind::Bold => self.typed(holder, Bold(id)).map_err(|back| (back.input.0, back.why)),
                Kind::Late => self.typed(holder, Late(id)).map_err(|back| (back.input.0, back.why)),
                Kind::Trip => self
                    .typed(holder, Trip(id))
                    .map(|()| unreachable!("it panics"))
                    .map_err(|back| (back.input.0, back.why)),
            }
        };
        catch_unwind(AssertUnwindSafe(step)).map_err(drop)
    }

    fn run(&mut self, op: Op) -> Result<(), TestCaseError> {
        match op {
            Op::Flip(flip) => run_flip(&self.switch, flip),
            Op::Heal(holder) if self.poisoned[holder] => self.heal(holder),
            Op::Heal(_) => {}
            Op::Step { holder, kind, tagged, meanwhile } => {
                self.next += 1;
                let (id, version) = (self.next, self.switch.version());
                if let Some(flip) = meanwhile {
                    let switch = self.switch.clone();
                    MEANWHILE.set(Some(Box::new(move || run_flip(&switch, flip))));
                }
                let said = self.step(holder, kind, id, tagged);
                MEANWHILE.set(None);
                let taken = match kind {
                    Kind::Note | Kind::Trip => true,
                    Kind::Bold => version > 1 || id % 2 == 0,
                    Kind::Late => version == 3,
                };
                let expected = match kind {
                    _ if self.poisoned[holder] => Ok(Err((id, Why::Poisoned))),
                    _ if !taken => Ok(Err((id, Why::Refused { at: version }))),
                    Kind::Trip => Err(()),
                    _ => Ok(Ok(self.written[holder].len())),
                };
                match expected {
                    Ok(Ok(_)) => self.written[holder].push(Line { version, input: id, whole: true }),
                    Err(()) => self.poisoned[holder] = true,
                    Ok(Err(_)) => {}
                }
                prop_assert_eq!(said, expected);
            }
        }
        for holder in (0..5).filter(|&holder| !self.poisoned[holder]) {
            prop_assert_eq!(self.lines(holder), Some(self.written[holder].clone()), "holder {}", holder);
        }
        Ok(())
    }

    fn heal(&mut self, holder: usize) {
        let state = V1 { lines: self.written[holder].clone() };
        self.poisoned[holder] = false;
        match holder {
            0 => self.owned = self.switch.instance(state).expect("enters"),
            1 => self.switch.admin().replace_state("cell", |_| Ok::<_, String>(state)).expect("heals"),
            key => drop(self.fleet.insert(key, state).expect("enters")),
        }
    }
}

/// Invariant 3: the reply is the one to the caller's input, also where a version took another in its place.
fn line_in(kind: Kind, output: &AnyOutput) -> usize {
    match (kind, output) {
        (Kind::Note, AnyOutput::Note(at)) | (Kind::Bold, AnyOutput::Bold(at)) | (Kind::Late, AnyOutput::Late(at)) => {
            *at
        }
        _ => panic!("{output:?} is the reply to another input than {kind:?}"),
    }
}

fn id_of(input: AnyInput) -> u64 {
    match input {
        AnyInput::Note(Note(id)) | AnyInput::Bold(Bold(id)) | AnyInput::Late(Late(id)) | AnyInput::Trip(Trip(id)) => id,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn over_any_sequence_of_steps_and_flips(ops in prop::collection::vec(op(), 1..60)) {
        hotswap_tests::quietly(|| {
            let mut world = World::new();
            ops.into_iter().try_for_each(|op| world.run(op))
        })?;
    }
}

#[test]
fn scenario_21_a_thousand_waiting_inputs_are_answered_once_in_order_by_the_version_that_then_runs() {
    const CALLERS: u64 = 1000;
    let cell = log::Cell::new(V1::default());
    let (holder, waiting) = (cell.clone(), Arc::new(Barrier::new(1001)));
    let all_wait = waiting.clone();
    MEANWHILE.set(Some(Box::new(move || {
        // this step holds the lock: nobody who comes now is served before it is over
        all_wait.wait();
        holder.admin().upgrade(2, "").expect("not refused");
    })));
    thread::scope(|scope| {
        let callers: Vec<_> = (1..=CALLERS)
            .map(|caller| {
                let (cell, waiting) = (&cell, waiting.clone());
                let run = move || {
                    waiting.wait();
                    [0, 1, 2].map(|i| (caller * 10 + i, cell.step(Note(caller * 10 + i)).expect("taken by all")))
                };
                thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, run).expect("a thread")
            })
            .collect();
        assert_eq!(cell.step(Note(0)).expect("taken"), 0);
        let answers: Vec<_> = callers.into_iter().flat_map(|caller| caller.join().expect("no panic")).collect();

        let written = cell.inspect(|state| log::lines(state).to_vec()).expect("whole");
        assert_eq!(written[0], Line { version: 1, input: 0, whole: true }, "what began at version 1 ended there");
        assert_eq!(written.len() as u64, 1 + 3 * CALLERS);
        for (input, at) in &answers {
            assert_eq!(written[*at], Line { version: 2, input: *input, whole: true });
        }
        assert!(answers.chunks(3).all(|caller| caller.is_sorted_by_key(|(_, at)| at)), "each caller's in order");
    });
}

#[test]
fn scenario_24_an_input_that_the_new_version_drops_comes_back() {
    let cell = tally::Cell::new_at(4, tally::V1 { sum: 7, ..tally::V1::default() }).expect("there is a way");
    assert_eq!(cell.step(tally::Seen).expect("version 4 takes it"), 0);
    cell.admin().upgrade(5, "").expect("not refused");
    let before = cell.inspect(Clone::clone);
    let refused = cell.step(tally::Seen).expect_err("version 5 drops it");
    assert_eq!((refused.input, refused.why), (tally::Seen, Why::Refused { at: 5 }));
    let refused = cell.step_any(tally::AnyInput::Seen(tally::Seen)).expect_err("version 5 drops it");
    assert_eq!((refused.input, refused.why), (tally::AnyInput::Seen(tally::Seen), Why::Refused { at: 5 }));
    assert_eq!(cell.inspect(Clone::clone), before);
}
