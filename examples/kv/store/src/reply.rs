//! What a command is answered with.

use std::borrow::Cow;
use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::Bytes;
use crate::commands::shown;

/// A reply, before it is known which protocol the client speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// A short word: `OK`.
    Status(Cow<'static, str>),
    /// An error; its first word tells the kind.
    Error(String),
    /// A number.
    Integer(i64),
    /// Bytes.
    Bulk(Bytes),
    /// Nothing.
    Null,
    /// Nothing, where there might have been several: spelled differently in RESP2.
    NullArray,
    /// Several replies.
    Array(Vec<Reply>),
    /// Several replies without an order.
    Set(Vec<Reply>),
    /// Pairs.
    Map(Vec<(Reply, Reply)>),
}

impl Reply {
    /// `OK`.
    pub const OK: Self = Self::Status(Cow::Borrowed("OK"));

    /// An error; what a client sent may be part of it, so its line ends are taken out.
    #[must_use]
    pub fn error(text: impl Display) -> Self {
        Self::Error(text.to_string().replace(['\r', '\n'], " "))
    }

    /// The error for a command that lacks arguments, or has too many.
    #[must_use]
    pub fn arity(name: &[u8]) -> Self {
        Self::error(format_args!("ERR wrong number of arguments for '{}' command", shown(name).to_lowercase()))
    }

    /// The error for options that do not go together or are not known.
    #[must_use]
    pub fn syntax() -> Self {
        Self::error("ERR syntax error")
    }

    /// Bytes; a copy, so that the state is not shared with what is sent.
    #[must_use]
    pub fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(bytes.as_ref().into())
    }

    /// How many there are of something.
    #[must_use]
    pub fn count(n: usize) -> Self {
        Self::Integer(i64::try_from(n).unwrap_or(i64::MAX))
    }
}
