//! The commands of one key, by group. Each version takes the groups that it knows.

#[cfg(feature = "three")]
pub mod collections;
pub mod expiry;
pub mod strings;

use std::borrow::Cow;
use std::iter;

use hipstr::HipStr;
use serde::{Deserialize, Serialize, Serializer};

use crate::{Answer, Bytes, Reply};

/// A command for one key: the one input of every version, those to come included.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Written<'static>")]
pub struct Command {
    /// Milliseconds since 1970 when it arrived: a step does not look at clocks.
    pub now: u64,
    /// Its name as the client spelled it, the key, and what comes after it. They stay together as they came: to move a word is to
    /// load at once what several smaller stores have only just written, and the processor waits until all of those are done.
    pub words: Vec<Bytes>,
}

/// A command as it is written down, and as files of versions know it: its name apart, as text. Bytes that are no text are replaced; no
/// version has a command of such a name.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Command")]
struct Written<'a> {
    now: u64,
    name: HipStr<'a>,
    /// The key, and what comes after it.
    args: Cow<'a, [Bytes]>,
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let args = Cow::Borrowed(self.words.get(1..).unwrap_or_default());
        Written { now: self.now, name: String::from_utf8_lossy(self.name()).into(), args }.serialize(serializer)
    }
}

impl From<Written<'static>> for Command {
    fn from(Written { now, name, args }: Written<'static>) -> Self {
        Self { now, words: iter::once(name.into_bytes()).chain(args.into_owned()).collect() }
    }
}

/// A command's reply; the error is one that Redis would give.
pub(crate) type Done = Result<Reply, Reply>;

impl Command {
    /// The name as versions match it.
    #[must_use]
    pub fn verb(&self) -> Cow<'_, Bytes> {
        self.words.first().map_or_else(Cow::default, capitals)
    }

    /// The key, if there is one.
    #[must_use]
    pub fn key(&self) -> Option<&Bytes> {
        self.words.get(1)
    }

    /// What comes after the key, if it is so many.
    pub(crate) fn rest<const N: usize>(&self) -> Result<[&Bytes; N], Reply> {
        let [_, _, rest @ ..] = &*self.words else {
            return Err(self.arity());
        };
        let rest: &[Bytes; N] = rest.try_into().map_err(|_| self.arity())?;
        Ok(rest.each_ref())
    }

    /// What comes after the key, if it is at least so many.
    pub(crate) fn at_least(&self, n: usize) -> Result<&[Bytes], Reply> {
        self.words.get(2..).filter(|rest| rest.len() >= n).ok_or_else(|| self.arity())
    }

    /// The error for one that lacks arguments, or has too many.
    pub(crate) fn arity(&self) -> Reply {
        Reply::arity(self.name())
    }

    fn name(&self) -> &[u8] {
        self.words.first().map_or(&[], |name| name)
    }

    /// What the one who runs it hears; `None` if the version does not know it.
    pub(crate) fn answer(&self, done: Option<Done>, value: &impl Value) -> Answer {
        let reply = match done {
            Some(Ok(reply) | Err(reply)) => reply,
            None => self.unknown(),
        };
        Answer { reply, holds: value.exists() }
    }

    /// Redis' own words for a name that the version does not know.
    #[must_use]
    pub fn unknown(&self) -> Reply {
        // of a name that is no text as of one that was written down
        let name = String::from_utf8_lossy(self.name());
        let mut text = format!("ERR unknown command '{}', with args beginning with: ", shown(name.as_bytes()));
        for arg in self.words.iter().skip(1).take(20) {
            if text.len() > 256 {
                break;
            }
            text.extend(["'", &shown(arg), "' "]);
        }
        Reply::error(text)
    }
}

/// A name as commands match it; most clients spell it so.
#[must_use]
pub fn capitals(name: &Bytes) -> Cow<'_, Bytes> {
    if name.iter().any(u8::is_ascii_lowercase) { Cow::Owned(name.to_ascii_uppercase()) } else { Cow::Borrowed(name) }
}

/// The beginning of what a client sent, for an error.
#[must_use]
pub fn shown(word: &[u8]) -> String {
    String::from_utf8_lossy(&word[..word.len().min(128)]).into_owned()
}

/// A whole number, spelled the one way that Redis takes.
///
/// # Errors
///
/// What Redis says of one that is not.
pub fn integer(bytes: &[u8]) -> Result<i64, Reply> {
    let spelled = matches!(bytes, b"0" | [b'1'..=b'9', ..] | [b'-', b'1'..=b'9', ..]);
    let (sign, digits) = bytes.strip_prefix(b"-").map_or((1, bytes), |digits| (-1, digits));
    let number = digits.iter().try_fold(0_i64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| sign * i64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    number.filter(|_| spelled).ok_or_else(|| Reply::error("ERR value is not an integer or out of range"))
}

/// What a key may hold, as far as commands on text need to know: text, nothing, or something else.
pub(crate) trait Value {
    /// Its text, if it holds anything.
    fn text(&self) -> Result<Option<&Bytes>, Reply>;
    /// Its text; a key that holds nothing then holds empty text.
    fn text_mut(&mut self) -> Result<&mut Bytes, Reply>;
    /// Replaces what it holds.
    fn set(&mut self, text: Bytes);
    /// Ends what it holds.
    fn clear(&mut self);
    /// Whether it holds anything.
    fn exists(&self) -> bool;
}

impl Value for Option<Bytes> {
    fn text(&self) -> Result<Option<&Bytes>, Reply> {
        Ok(self.as_ref())
    }
    fn text_mut(&mut self) -> Result<&mut Bytes, Reply> {
        Ok(self.get_or_insert_default())
    }
    fn set(&mut self, text: Bytes) {
        *self = Some(text);
    }
    fn clear(&mut self) {
        *self = None;
    }
    fn exists(&self) -> bool {
        self.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn command(words: &[&[u8]]) -> Command {
        Command { now: 7, words: words.iter().copied().map(Bytes::from).collect() }
    }

    #[test]
    fn a_command_is_written_down_with_its_name_apart_as_text() {
        let written = serde_json::to_value(command(&[b"sEt", b"k", b"v"])).unwrap();
        assert_eq!(written, json!({"now": 7, "name": "sEt", "args": [[107], [118]]}));
        let long = b"a name of more than twenty-three bytes".as_slice();
        for (words, read) in [
            (&[b"sEt".as_slice(), b"k", b"\xff"][..], &[b"sEt".as_slice(), b"k", b"\xff"][..]),
            (&[long], &[long]),
            (&[b"no\xfftext", b"k"], &["no\u{fffd}text".as_bytes(), b"k"]),
            (&[], &[b""]),
        ] {
            let bytes = postcard::to_allocvec(&command(words)).unwrap();
            let again: Command = postcard::from_bytes(&bytes).unwrap();
            assert_eq!((again.now, again.words), (7, command(read).words));
        }
    }

    #[test]
    fn a_name_that_is_no_text_is_unknown_alike_before_and_after_it_was_written_down() {
        for name in [&b"\xff".repeat(50)[..], &b"\xff".repeat(200), b"x\xffy", b""] {
            let command = command(&[name, b"k"]);
            let bytes = postcard::to_allocvec(&command).unwrap();
            let again: Command = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(command.unknown(), again.unknown());
        }
    }

    proptest! {
        #[test]
        fn a_number_is_taken_as_it_would_be_shown(n in prop_oneof![any::<i64>(), -99..=99_i64], text in "-?[0-9+x]{0,3}") {
            prop_assert_eq!(integer(n.to_string().as_bytes()), Ok(n));
            let shown = text.parse::<i64>().ok().filter(|n| n.to_string() == text);
            prop_assert_eq!(integer(text.as_bytes()).ok(), shown);
        }
    }

    #[test]
    fn numbers_end_where_they_have_no_room() {
        for (text, number) in [
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("92233720368547758070", None),
            ("9999999999999999999", None),
            ("-9999999999999999999", None),
            ("18446744073709551617", None),
        ] {
            assert_eq!(integer(text.as_bytes()).ok(), number, "{text}");
        }
    }
}
