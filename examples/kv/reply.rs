//! What a command is answered with.

use std::borrow::Cow;
use std::fmt::Display;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

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
    pub fn error(text: impl Display) -> Self {
        Self::Error(text.to_string().replace(['\r', '\n'], " "))
    }

    /// The error for a command that lacks arguments, or has too many.
    pub fn arity(name: &str) -> Self {
        Self::error(format_args!("ERR wrong number of arguments for '{}' command", name.to_lowercase()))
    }

    /// The error for options that do not go together or are not known.
    pub fn syntax() -> Self {
        Self::error("ERR syntax error")
    }

    /// Bytes; a copy, so that the state is not shared with what is sent.
    pub fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(Bytes::copy_from_slice(bytes.as_ref()))
    }

    /// How many there are of something.
    pub fn count(n: usize) -> Self {
        Self::Integer(i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// What Redis clients can show of a report: objects are maps, and truth is 1.
    pub fn from_json(json: Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(truth) => Self::Integer(truth.into()),
            Json::Number(n) => n.as_i64().map_or_else(|| Self::bulk(n.to_string()), Self::Integer),
            Json::String(text) => Self::bulk(text),
            Json::Array(items) => Self::Array(items.into_iter().map(Self::from_json).collect()),
            Json::Object(pairs) => {
                Self::Map(pairs.into_iter().map(|(key, value)| (Self::bulk(key), Self::from_json(value))).collect())
            }
        }
    }

    /// About how many bytes it takes on the wire.
    pub(crate) fn size(&self) -> usize {
        16 + match self {
            Self::Status(text) => text.len(),
            Self::Error(text) => text.len(),
            Self::Bulk(bytes) => bytes.len(),
            Self::Integer(_) | Self::Null | Self::NullArray => 0,
            Self::Array(items) | Self::Set(items) => items.iter().map(Self::size).sum(),
            Self::Map(pairs) => pairs.iter().map(|(key, value)| key.size() + value.size()).sum(),
        }
    }
}
