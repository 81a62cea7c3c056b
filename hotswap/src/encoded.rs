//! Inputs and outputs as bytes, for callers that lack the types: those of a version that was loaded, or of another
//! program.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Serialize, Serializer};

use crate::error::{StepError, Why};
use crate::frame::exactly;
use crate::loaded::{Format, Ran, panicked};
use crate::machine::Machine;
use crate::room::Room;
use crate::roster::Shared;
use crate::slot::{Home, Slot};
use crate::way::contain;

/// An input or an output under its name, encoded: the pair `[name, value]`.
///
/// # Examples
///
/// With the counter of the [front page](crate):
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use counter::{Cell, Tick, V1};
/// use hotswap::Encoded;
///
/// let visits = Cell::new(V1 { count: 41 });
/// visits.step(Tick)?;
/// // `Get` is a unit struct, and `()` is written in the same way
/// let count = visits.step_encoded(Encoded::json("Get", &())?)?;
/// assert_eq!(count.to_string(), r#"["Get",42]"#);
/// assert_eq!(count.value::<i64>()?, 42);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    format: Format,
    bytes: Vec<u8>,
}

/// Bytes that are not what they were read as, or a value that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotEncoded(String);

/// An encoded input that was not stepped, or whose output is lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodedError {
    /// As an input with a type is not taken. It is given back.
    #[error("input `{name}` was not taken: {why}", name = .0.input.name().unwrap_or_default(), why = .0.why)]
    NotTaken(StepError<Encoded>),
    /// The bytes are no input of the machine's. Nothing ran.
    #[error("this is no input of the machine's: {reason}")]
    Undecodable {
        /// The input, as it was given.
        input: Encoded,
        /// What is wrong with it.
        reason: String,
    },
    /// The step ran, and what it gave back cannot be written.
    #[error("the step ran, and its output cannot be encoded: {reason}")]
    Unencodable {
        /// Why not.
        reason: String,
    },
}

impl Encoded {
    /// A value under the name of an input, as JSON.
    ///
    /// # Errors
    ///
    /// When the value cannot be written as JSON.
    pub fn json(name: &str, value: &impl Serialize) -> Result<Self, NotEncoded> {
        write(Format::Json, &(name, value))
    }

    /// A value under the name of an input, in postcard. It must have the shape of the input's own type.
    ///
    /// # Errors
    ///
    /// When the value cannot be written.
    pub fn postcard(name: &str, value: &impl Serialize) -> Result<Self, NotEncoded> {
        write(Format::Postcard, &(name, value))
    }

    /// A pair that is encoded already. Whether it is one shows when it is stepped.
    #[must_use]
    pub fn from_bytes(format: Format, bytes: Vec<u8>) -> Self {
        Self { format, bytes }
    }

    /// How it is encoded.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The encoded pair.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The name of the input: of the one it is, or of the one that it answers.
    ///
    /// # Errors
    ///
    /// When the bytes do not begin with a name.
    pub fn name(&self) -> Result<String, NotEncoded> {
        match self.format {
            Format::Json => read::<(String, IgnoredAny)>(self.format, &self.bytes).map(|(name, _)| name),
            Format::Postcard => {
                let name = postcard::take_from_bytes::<String>(&self.bytes);
                name.map(|(name, _)| name).map_err(|error| NotEncoded(error.to_string()))
            }
        }
    }

    /// The value.
    ///
    /// # Errors
    ///
    /// When it is not a `T`.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T, NotEncoded> {
        read::<(String, T)>(self.format, &self.bytes).map(|(_, value)| value)
    }
}

/// JSON as it is; postcard in hexadecimal, for it does not say what it holds.
impl std::fmt::Display for Encoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.format {
            Format::Json => f.write_str(&String::from_utf8_lossy(&self.bytes)),
            Format::Postcard => self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

/// As text, once somebody wants it.
struct Shown<'a>(&'a Encoded);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

fn write(format: Format, value: &impl Serialize) -> Result<Encoded, NotEncoded> {
    let bytes = contain(|| match format {
        Format::Json => serde_json::to_vec(value).map_err(|error| error.to_string()),
        Format::Postcard => postcard::to_allocvec(value).map_err(|error| error.to_string()),
    });
    bytes.and_then(|bytes| bytes).map(|bytes| Encoded { format, bytes }).map_err(NotEncoded)
}

fn read<T: DeserializeOwned>(format: Format, bytes: &[u8]) -> Result<T, NotEncoded> {
    contain(|| decode(format, bytes)).and_then(|value| value).map_err(NotEncoded)
}

/// Decodes all of `bytes`; panics if the type's `Deserialize` does.
pub(crate) fn decode<T: DeserializeOwned>(format: Format, bytes: &[u8]) -> Result<T, String> {
    match format {
        Format::Postcard => exactly(bytes),
        Format::Json => serde_json::from_slice(bytes).map_err(|error| said(&error)),
    }
}

/// What is wrong with a value is said without where that is: the text around it is hotswap's own, on one line.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).filter(|_| error.is_data()).unwrap_or(&text).to_owned()
}

fn known_here<M: Machine>(input: &str) -> bool {
    M::INPUTS.iter().any(|known| known.name == input)
}

impl<M: Machine> Slot<M> {
    /// Runs one step of an input that comes as bytes, and gives its output in the same format.
    pub(crate) fn step_encoded(
        &mut self,
        shared: &Shared<M>,
        home: &mut dyn Home,
        input: Encoded,
    ) -> Result<Encoded, EncodedError> {
        let format = input.format;
        let not_taken = |input, why| EncodedError::NotTaken(StepError { input, why });
        if self.stale(shared) && !self.arrive(shared, home) {
            return Err(not_taken(input, Why::Poisoned));
        }
        let at = self.version();
        if self.state().and_then(M::as_loaded).is_some() {
            return self.step_in_image(shared, home, input);
        }
        let decoded = match read::<M::AnyInput>(format, &input.bytes) {
            Ok(decoded) => decoded,
            // a later version may know what this one does not
            Err(_) if input.name().is_ok_and(|name| !known_here::<M>(&name) && shared.line.knows_input(&name)) => {
                return Err(not_taken(input, Why::Refused { at }));
            }
            Err(NotEncoded(reason)) => return Err(EncodedError::Undecodable { input, reason }),
        };
        match self.step_any(shared, home, decoded) {
            Ok(output) => write(format, &output).map_err(|NotEncoded(reason)| EncodedError::Unencodable { reason }),
            Err(StepError { why, .. }) => Err(not_taken(input, why)),
        }
    }
    /// The same where the state is an image's: the bytes go there as they are.
    fn step_in_image(
        &mut self,
        shared: &Shared<M>,
        home: &mut dyn Home,
        input: Encoded,
    ) -> Result<Encoded, EncodedError> {
        let (format, at) = (input.format, self.version());
        let see = || shared.watch(at, self.stamp(), "Encoded", &Shown(&input));
        let watch = shared.core.observed().then(see);
        let step = |state: &mut M::AnyState, input: Encoded| {
            let mut output = Room::new();
            let ran = match M::as_loaded_mut(state).map(|state| state.step(format, &input.bytes, &mut output)) {
                Some(Ran::Panicked(text)) => panicked(text),
                ran => ran.unwrap_or(Ran::Refused),
            };
            (input, output.into_vec(), ran)
        };
        let not_taken = |input, why| Err(EncodedError::NotTaken(StepError { input, why }));
        let result = match self.guarded(shared, home, input, step) {
            Ok((input, bytes, Ran::Done { failed })) => {
                self.count_if(failed, shared);
                Ok(Encoded { bytes, ..input })
            }
            Ok((_, _, Ran::Unencodable(reason) | Ran::Panicked(reason))) => Err(EncodedError::Unencodable { reason }),
            Ok((input, _, Ran::Undecodable(_))) if self.only_others_know(shared, &input) => {
                not_taken(input, Why::Refused { at })
            }
            Ok((input, _, Ran::Undecodable(reason))) => Err(EncodedError::Undecodable { input, reason }),
            Ok((input, _, Ran::Refused)) => not_taken(input, Why::Refused { at }),
            Err(input) => not_taken(input, Why::Poisoned),
        };
        if let Some(watch) = watch {
            match &result {
                Ok(output) => watch.output(&Shown(output)),
                Err(EncodedError::Unencodable { reason }) => watch.output(reason),
                Err(EncodedError::NotTaken(error)) => watch.refused(error.why),
                Err(EncodedError::Undecodable { .. }) => watch.refused(Why::Refused { at }),
            }
        }
        result
    }

    /// Whether the program or another image has an input that the image of this state lacks: all that took it are retired
    /// there, or it is a later one's.
    #[cold]
    fn only_others_know(&self, shared: &Shared<M>, input: &Encoded) -> bool {
        let Ok(name) = input.name() else { return false };
        let own = self.state().and_then(M::as_loaded).is_none_or(|state| state.guest().line().knows_input(&name));
        !own && (known_here::<M>(&name) || shared.line.knows_input(&name))
    }
}
