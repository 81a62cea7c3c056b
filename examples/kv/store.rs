//! The machine: what one key holds, in three versions.

use hotswap::machine;

/// One key. A command on an absent key runs on an empty one, which stays only if it then holds something.
#[machine(name = "kv", derive(Debug))]
pub(crate) mod key {
    use crate::commands::collections::{self, Data};
    use crate::commands::{Command, expiry, strings};
    use crate::reply::Reply;
    use bytes::Bytes;
    use serde::{Deserialize, Serialize};

    /// Version 1: text.
    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Text {
        /// What it holds.
        pub value: Option<Bytes>,
    }

    #[machine(version = 1)]
    fn run_text(state: &mut Text, command: Command) -> Reply {
        let answer = strings::run(&mut state.value, &command.verb(), &command);
        answer.unwrap_or_else(|| Err(command.unknown())).unwrap_or_else(|error| error)
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
    fn run_expiring(state: &mut Expiring, command: Command) -> Reply {
        let answer = expiry::run(&mut state.value, &mut state.expires, &command, strings::run);
        answer.unwrap_or_else(|| Err(command.unknown())).unwrap_or_else(|error| error)
    }

    /// Version 3: text, a list, a set or a hash, that may expire.
    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Typed {
        /// What it holds.
        pub data: Option<Data>,
        /// When it ends, in milliseconds since 1970.
        pub expires: Option<u64>,
    }

    #[machine(migrate)]
    fn typed(old: &Expiring) -> Typed {
        Typed { data: old.value.clone().map(Data::Text), expires: old.expires }
    }

    /// A key that holds a collection stays at version 3, and goes on serving there.
    #[machine(migrate)]
    fn untyped(old: &Typed) -> Result<Expiring, String> {
        let value = match &old.data {
            None => None,
            Some(Data::Text(text)) => Some(text.clone()),
            data => return Err(format!("version 2 cannot hold a {}", collections::kind(data.as_ref()))),
        };
        Ok(Expiring { value, expires: old.expires })
    }

    #[machine(version = 3)]
    fn run_typed(state: &mut Typed, command: Command) -> Reply {
        let answer = expiry::run(&mut state.data, &mut state.expires, &command, collections::run);
        answer.unwrap_or_else(|| Err(command.unknown())).unwrap_or_else(|error| error)
    }
}

use key::AnyState;

/// Whether keys of a version may expire.
pub(crate) fn knows_expiry(version: u32) -> bool {
    version >= 2
}

impl AnyState {
    /// An empty key of `version`, or of the newest that is known.
    pub(crate) fn empty(version: u32) -> Self {
        match version {
            1 => key::Text::default().into(),
            2 => key::Expiring::default().into(),
            _ => key::Typed::default().into(),
        }
    }

    /// Whether it holds nothing, or nothing any more.
    pub(crate) fn gone(&self, now: u64) -> bool {
        match self {
            Self::V1(state) => state.value.is_none(),
            Self::V2(state) => state.value.is_none() || crate::commands::expiry::expired(state.expires, now),
            Self::V3(state) => state.data.is_none() || crate::commands::expiry::expired(state.expires, now),
            Self::Loaded(_) => false,
        }
    }
}
