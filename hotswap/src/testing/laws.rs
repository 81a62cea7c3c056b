//! What should be so of every machine, over generated states and inputs.

use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::slice;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde::Serialize;
use serde_json::Value;

use super::json::json;
use crate::line::{Hop, Line};
use crate::machine::Machine;
use crate::snapshot::{Codec, Postcard};
use crate::way::{contain, decode, encode, rehearse};

/// What should be so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// A state, an input and an output are decoded to what was encoded.
    Encoding,
    /// A migration up and the one down again give the state as it was. `removes(…)` and written ways down may intend otherwise.
    UpAndDown,
    /// Migrations in one go give what they give one by one.
    OneByOne,
    /// A step and then the migration up give the state that the migration and then the step give.
    StepThenMigrate,
    /// The same input gets the same output before the migration up and after it, by adapters where need be.
    SameOutput,
}

/// Where a law does not hold.
#[derive(Debug)]
#[non_exhaustive]
pub struct Difference<'a, M: Machine> {
    /// Which law.
    pub law: Law,
    /// The version that the state was of.
    pub from: u32,
    /// The version it went to.
    pub to: u32,
    /// The state to begin with.
    pub state: &'a M::AnyState,
    /// The input, for the laws about steps.
    pub input: Option<&'a M::AnyInput>,
    /// What one way gave, as JSON, or why it gave nothing.
    pub one: Value,
    /// What the other way gave.
    pub other: Value,
}

impl<M: Machine> fmt::Display for Difference<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} from version {} to version {}: {} and {}", self.law, self.from, self.to, self.one, self.other)
    }
}

/// The laws of a machine, and the differences that its author intends.
///
/// What breaks a law is shown, so what the strategies give is `Debug`: states and inputs of one type as they are, of several
/// types as `AnyState` and `AnyInput`, which `#[machine(derive(Debug))]` makes so.
///
/// # Examples
///
/// With the counter of the [front page](crate):
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
/// # fn main() {
/// use counter::{Machine, Tick, V1};
/// use hotswap::testing::{Law, Laws};
/// use proptest::prelude::*;
///
/// // in a test
/// Laws::<Machine>::new()
///     // version 2 counts ticks from the upgrade on: one that came before it is not among them
///     .intended(|difference| difference.law == Law::StepThenMigrate && difference.to == 2)
///     .check((0..1000_i64).prop_map(|count| V1 { count }), Just(Tick));
/// # }
/// ```
pub struct Laws<M: Machine> {
    intended: Vec<Box<Intended<M>>>,
    cases: u32,
    machine: PhantomData<fn() -> M>,
}

type Intended<M> = dyn Fn(&Difference<'_, M>) -> bool;

impl<M: Machine> Laws<M> {
    /// All of them, without exceptions.
    #[must_use]
    pub fn new() -> Self {
        Self { intended: Vec::new(), cases: Config::default().cases, machine: PhantomData }
    }

    /// A difference that is meant to be: `true` lets it pass.
    #[must_use]
    pub fn intended(mut self, intended: impl Fn(&Difference<'_, M>) -> bool + 'static) -> Self {
        self.intended.push(Box::new(intended));
        self
    }

    /// How many states and inputs are tried; proptest's own number unless given.
    #[must_use]
    pub fn cases(mut self, cases: u32) -> Self {
        self.cases = cases;
        self
    }

    /// Tries states, of any version, with inputs. Neighbouring versions are compared, each with the one above; a state
    /// whose migration fails, and an input that one of the two refuses, say nothing.
    ///
    /// # Panics
    ///
    /// If a law is broken, with the smallest state and input found.
    #[track_caller]
    pub fn check(
        &self,
        states: impl Strategy<Value = impl Into<M::AnyState> + Debug>,
        inputs: impl Strategy<Value = impl Into<M::AnyInput> + Debug>,
    ) {
        let config = Config { cases: self.cases, failure_persistence: None, ..Config::default() };
        let tried =
            TestRunner::new(config).run(&(states, inputs), |(state, input)| self.hold(&state.into(), &input.into()));
        if let Err(error) = tried {
            #[expect(clippy::panic, reason = "a test's way to say that it failed")]
            {
                panic!("machine `{}`: {error}", M::IDENTITY.name);
            }
        }
    }

    fn hold(&self, state: &M::AnyState, input: &M::AnyInput) -> Result<(), TestCaseError> {
        let line = Line::<M>::new();
        let from = M::version_of(state);
        let differs = |law, to, input, one: Value, other: Value| {
            let difference = Difference { law, from, to, state, input, one, other };
            if difference.one == difference.other || self.intended.iter().any(|intended| intended(&difference)) {
                Ok(())
            } else {
                Err(TestCaseError::fail(difference.to_string()))
            }
        };
        differs(
            Law::Encoding,
            from,
            None,
            shown(state),
            said(encode::<M>(state).and_then(|bytes| decode::<M>(&bytes))),
        )?;
        differs(Law::Encoding, from, Some(input), shown(input), said(copy::<M>(input)))?;
        if let Some(output) = stepped::<M>(state, input).and_then(|(_, output)| output.ok()) {
            let again = Postcard::encode(&output).and_then(|bytes| Postcard::decode::<M::AnyOutput>(&bytes));
            differs(Law::Encoding, from, Some(input), shown(&output), said(again))?;
        }

        for above in M::VERSIONS.iter().map(|info| info.number).filter(|number| *number > from) {
            let Ok(edges) = line.way(from, above) else { break };
            let Ok(new) = rehearse::<M>(state, &edges) else { break };
            if let Ok(one_by_one) = one_by_one::<M>(state, &edges) {
                differs(Law::OneByOne, above, None, shown(&new), shown(&one_by_one))?;
            }
            if edges.len() > 1 {
                continue;
            }
            if let Ok(back) = line.way(above, from) {
                differs(Law::UpAndDown, above, None, shown(state), said(rehearse::<M>(&new, &back)))?;
            }
            let (Some(before), Some(after)) = (stepped::<M>(state, input), stepped::<M>(&new, input)) else { continue };
            if let Ok(moved) = rehearse::<M>(&before.0, &edges) {
                differs(Law::StepThenMigrate, above, Some(input), shown(&moved), shown(&after.0))?;
            }
            differs(Law::SameOutput, above, Some(input), said(before.1), said(after.1))?;
        }
        Ok(())
    }
}

impl<M: Machine> Default for Laws<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Machine> fmt::Debug for Laws<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Laws").field("intended", &self.intended.len()).field("cases", &self.cases).finish()
    }
}

type Stepped<M> = (<M as Machine>::AnyState, Result<<M as Machine>::AnyOutput, String>);

/// The state after a step of a copy, and its output, or the panic's text; `None` where the version does not take it.
fn stepped<M: Machine>(state: &M::AnyState, input: &M::AnyInput) -> Option<Stepped<M>> {
    let mut state = encode::<M>(state).and_then(|bytes| decode::<M>(&bytes)).ok()?;
    let input = copy::<M>(input).ok()?;
    match contain(|| M::step_any(&mut state, input)) {
        Ok(Ok(stepped)) => Some((state, Ok(stepped.output))),
        Ok(Err(_)) => None,
        Err(panic) => Some((state, Err(panic))),
    }
}

fn one_by_one<M: Machine>(state: &M::AnyState, way: &[Hop<M>]) -> Result<M::AnyState, String> {
    let first = rehearse::<M>(state, &[])?;
    way.iter().try_fold(first, |state, hop| rehearse::<M>(&state, slice::from_ref(hop)))
}

fn copy<M: Machine>(input: &M::AnyInput) -> Result<M::AnyInput, String> {
    contain(|| Postcard::encode(input).and_then(|bytes| Postcard::decode(&bytes)))?
}

/// As JSON, in which maps have an order. What cannot be shown equals nothing that can.
fn shown(value: &impl Serialize) -> Value {
    contain(|| json(value).map_err(|error| error.to_string()))
        .and_then(|value| value)
        .unwrap_or_else(|reason| failed("cannot be shown", reason))
}

fn said(value: Result<impl Serialize, String>) -> Value {
    match value {
        Ok(value) => shown(&value),
        Err(reason) => failed("failed", reason),
    }
}

fn failed(what: &str, reason: String) -> Value {
    Value::Object([(what.to_owned(), Value::String(reason))].into_iter().collect())
}
