//! The machine: what one key holds, in three versions. All that an upgrade of `kv` changes is in this crate.

pub mod commands;
mod reply;

pub use commands::Command;
pub use key::AnyState;
pub use reply::Reply;

use commands::expiry::expired;
use hotswap::machine;
use serde::{Deserialize, Serialize};

/// Bytes of a text, a key or an argument: up to 23 of them stand where they are held, more are shared by all who hold them.
pub type Bytes = hipstr::HipByt<'static>;

/// What a command gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What its client is told.
    pub reply: Reply,
    /// Whether the key holds anything now. Whoever runs the command cannot see that in a version that came as a file.
    pub holds: bool,
}

/// One key. A command on an absent key runs on an empty one, which stays only if it then holds something.
#[machine(name = "kv", derive(Debug))]
pub mod key {
    #[cfg(feature = "three")]
    use crate::commands::collections::{self, Data};
    use crate::commands::{Command, expiry, strings};
    use crate::{Answer, Bytes};
    use serde::{Deserialize, Serialize};

    /// Version 1: text.
    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Text {
        /// What it holds.
        pub value: Option<Bytes>,
    }

    #[machine(version = 1)]
    fn run_text(state: &mut Text, command: Command) -> Answer {
        let done = strings::run(&mut state.value, &command.verb(), &command);
        command.answer(done, &state.value)
    }

    /// Version 2: text that may expire.
    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Expiring {
        /// What it holds.
        pub value: Option<Bytes>,
        /// When it ends, in milliseconds since 1970.
        #[machine(added)]
        pub expires: Option<u64>,
    }

    /// What should have ended stays for ever.
    #[machine(migrate, loses = "expiry")]
    fn forget_expiry(old: &Expiring) -> Text {
        Text { value: old.value.clone() }
    }

    #[machine(version = 2)]
    fn run_expiring(state: &mut Expiring, command: Command) -> Answer {
        let done = expiry::run(&mut state.value, &mut state.expires, &command, strings::run);
        command.answer(done, &state.value)
    }

    /// Version 3: text, a list, a set or a hash, that may expire.
    #[cfg(feature = "three")]
    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Typed {
        /// What it holds.
        pub data: Option<Data>,
        /// When it ends, in milliseconds since 1970.
        pub expires: Option<u64>,
    }

    #[cfg(feature = "three")]
    // nothing in it can panic, and a clone would leave each value on the heap with a count of its own
    #[machine(migrate, moves)]
    fn typed(old: Expiring) -> Typed {
        Typed { data: old.value.map(Data::Text), expires: old.expires }
    }

    /// A key that holds a collection stays at version 3, and goes on serving there.
    #[cfg(feature = "three")]
    #[machine(migrate)]
    fn untyped(old: &Typed) -> Result<Expiring, String> {
        let value = match &old.data {
            None => None,
            Some(Data::Text(text)) => Some(text.clone()),
            data => return Err(format!("version 2 cannot hold a {}", collections::kind(data.as_ref()))),
        };
        Ok(Expiring { value, expires: old.expires })
    }

    #[cfg(feature = "three")]
    #[machine(version = 3)]
    fn run_typed(state: &mut Typed, command: Command) -> Answer {
        let done = expiry::run(&mut state.data, &mut state.expires, &command, collections::run);
        command.answer(done, &state.data)
    }
}

/// Whether keys of a version may expire.
#[must_use]
pub fn knows_expiry(version: u32) -> bool {
    version >= 2
}

impl AnyState {
    /// An empty key of `version`, or of the newest that is compiled in, from which there is a way to those that came as files.
    #[must_use]
    pub fn empty(version: u32) -> Self {
        match version {
            1 => key::Text::default().into(),
            #[cfg(feature = "three")]
            3.. => key::Typed::default().into(),
            _ => key::Expiring::default().into(),
        }
    }

    /// Whether it holds nothing, or nothing any more. `None`: only the file that its version came in can say; ask it with a
    /// command, as EXISTS.
    #[must_use]
    pub fn gone(&self, now: u64) -> Option<bool> {
        Some(match self {
            Self::V1(state) => state.value.is_none(),
            Self::V2(state) => state.value.is_none() || expired(state.expires, now),
            #[cfg(feature = "three")]
            Self::V3(state) => state.data.is_none() || expired(state.expires, now),
            Self::Loaded(_) => return None,
        })
    }
}
