//! A key: any bytes, which a person can read and type.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use kv_store::Bytes;
use serde::{Deserialize, Serialize};

use crate::line;

/// The name of an instance in the keyspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Key(Bytes);

impl From<Bytes> for Key {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

/// It is hashed and compared as its bytes are.
impl Borrow<Bytes> for Key {
    fn borrow(&self) -> &Bytes {
        &self.0
    }
}

impl Key {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Bytes that are no printable ASCII are escaped.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

/// A key that ends inside an escape.
#[derive(Debug)]
pub(crate) struct OpenEscape;

impl FromStr for Key {
    type Err = OpenEscape;

    fn from_str(text: &str) -> Result<Self, OpenEscape> {
        let (mut from, mut bytes) = (text.as_bytes(), Vec::new());
        while let Some((byte, rest)) = from.split_first() {
            from = if *byte == b'\\' {
                line::escaped(rest, &mut bytes).ok_or(OpenEscape)?
            } else {
                bytes.push(*byte);
                rest
            };
        }
        Ok(Self(bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_shown_can_be_typed(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let key = Key::from(Bytes::from(bytes));
            prop_assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        }
    }
}
