//! The wire: finds where a command ends, within bounds, before anything decodes it; and writes replies.

use bytes::{Bytes, BytesMut};
use redis_protocol::error::RedisProtocolError;
use redis_protocol::resp2::{self, types::BytesFrame as Frame2};
use redis_protocol::resp3::{self, types::BytesFrame as Frame3};

use crate::reply::Reply;

/// The longest line: an inline command, and far more than any length needs.
const MAX_LINE: usize = 64 * 1024;
/// The most arguments of one command, as in Redis.
const MAX_ARGUMENTS: usize = 1024 * 1024;

/// What a client sent is not a command. It is told so, and the connection ends.
pub(crate) type ProtocolError = String;

/// How much of a command arrives before it is whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The longest argument in bytes.
    pub(crate) argument: usize,
    /// The longest command in bytes, lengths included.
    pub(crate) command: usize,
}

/// The bytes that a client sent, and how far they have been looked at.
///
/// No byte is looked at twice before its command is whole, however small the pieces it comes in.
#[derive(Debug)]
pub(crate) struct Reader {
    /// Where the connection reads to.
    pub(crate) buffer: BytesMut,
    limits: Limits,
    /// Everything before it belongs to whole parts of the command.
    at: usize,
    /// Up to where no end of line was found.
    seen: usize,
    /// Arguments still to come, once the command's first line has been read.
    left: Option<usize>,
    /// The length of the argument that is on its way.
    awaited: Option<usize>,
}

impl Reader {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { buffer: BytesMut::new(), limits, at: 0, seen: 0, left: None, awaited: None }
    }

    /// The next whole command: its name and arguments.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        loop {
            if self.left.is_none() {
                match self.buffer.first() {
                    None => return Ok(None),
                    Some(b'*') => {}
                    Some(_) => match self.inline()? {
                        Some(words) if words.is_empty() => continue,
                        words => return Ok(words),
                    },
                }
            }
            if !self.scan()? {
                return Ok(None);
            }
            let words = self.decode()?;
            if !words.is_empty() {
                return Ok(Some(words));
            }
        }
    }

    /// Whether an array of bulk strings is whole. Nothing is allocated on the word of a length.
    fn scan(&mut self) -> Result<bool, ProtocolError> {
        let left = match self.left {
            Some(left) => left,
            None => match self.length(b'*', "invalid multibulk length")? {
                None => return Ok(false),
                Some(-1..=0) => 0,
                Some(count) => usize::try_from(count)
                    .ok()
                    .filter(|count| *count <= MAX_ARGUMENTS)
                    .ok_or("Protocol error: invalid multibulk length")?,
            },
        };
        for left in (0..left).rev() {
            self.left = Some(left + 1);
            let length = match self.awaited {
                Some(length) => length,
                None => match self.length(b'$', "invalid bulk length")? {
                    None => return Ok(false),
                    Some(length) => usize::try_from(length)
                        .ok()
                        .filter(|length| *length <= self.limits.argument)
                        .ok_or("Protocol error: invalid bulk length")?,
                },
            };
            self.awaited = Some(length);
            if self.at + length > self.limits.command {
                return Err("Protocol error: too big command".into());
            }
            match self.buffer.get(self.at + length..self.at + length + 2) {
                None => return Ok(false),
                Some(b"\r\n") => {}
                Some(_) => return Err("Protocol error: expected CRLF after a bulk string".into()),
            }
            self.at += length + 2;
            self.seen = self.at;
            self.awaited = None;
        }
        self.left = Some(0);
        Ok(true)
    }

    /// Decodes the command that `scan` found whole.
    fn decode(&mut self) -> Result<Vec<Bytes>, ProtocolError> {
        let whole = self.buffer.split_to(self.at).freeze();
        self.restart();
        match resp2::decode::decode_bytes(&whole) {
            Ok(Some((Frame2::Array(words), _))) => words
                .into_iter()
                .map(|word| match word {
                    Frame2::BulkString(word) => Ok(word),
                    _ => Err("Protocol error: expected a bulk string".into()),
                })
                .collect(),
            Ok(Some((Frame2::Null, _))) => Ok(Vec::new()),
            _ => Err("Protocol error: not an array of bulk strings".into()),
        }
    }

    /// A line that is a kind and a number, once it is there.
    fn length(&mut self, kind: u8, invalid: &str) -> Result<Option<i64>, ProtocolError> {
        match self.buffer.get(self.at) {
            None => return Ok(None),
            Some(found) if *found != kind => {
                let (kind, found) = (char::from(kind), found.escape_ascii());
                return Err(format!("Protocol error: expected '{kind}', got '{found}'"));
            }
            Some(_) => {}
        }
        let Some(end) = self.line_end("too big count string")? else {
            return Ok(None);
        };
        // as strict as the decoder that comes after: digits, perhaps a sign, and CRLF
        let number = self.buffer[self.at + 1..end]
            .strip_suffix(b"\r")
            .and_then(|line| std::str::from_utf8(line).ok())
            .filter(|line| !line.starts_with('+'))
            .and_then(|line| line.parse().ok())
            .ok_or_else(|| format!("Protocol error: {invalid}"))?;
        self.at = end + 1;
        self.seen = self.at;
        Ok(Some(number))
    }

    /// A command typed as a line.
    fn inline(&mut self) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        let Some(end) = self.line_end("too big inline request")? else {
            return Ok(None);
        };
        let line = self.buffer.split_to(end + 1);
        self.restart();
        words(&line).map(Some).ok_or_else(|| "Protocol error: unbalanced quotes in request".into())
    }

    /// Where the line's `\n` is.
    fn line_end(&mut self, too_long: &str) -> Result<Option<usize>, ProtocolError> {
        let found = self.buffer[self.seen..].iter().position(|byte| *byte == b'\n').map(|at| self.seen + at);
        self.seen = self.buffer.len();
        if found.unwrap_or(self.seen) - self.at > MAX_LINE {
            return Err(format!("Protocol error: {too_long}"));
        }
        Ok(found)
    }

    fn restart(&mut self) {
        (self.at, self.seen, self.left, self.awaited) = (0, 0, None, None);
    }
}

/// The words of a line; quotes and escapes as in `redis-cli`. `None` if a quote is left open.
fn words(line: &[u8]) -> Option<Vec<Bytes>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii();
    while let Some(first) = rest.first() {
        let mut word = Vec::new();
        if matches!(first, b'"' | b'\'') {
            let quote = *first;
            rest = unescape(&rest[1..], quote, &mut word)?;
            if rest.first().is_some_and(|next| !next.is_ascii_whitespace()) {
                return None;
            }
        } else {
            let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
            word.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
        }
        words.push(Bytes::from(word));
        rest = rest.trim_ascii_start();
    }
    Some(words)
}

/// Reads up to the closing quote and gives what comes after it.
fn unescape<'a>(mut from: &'a [u8], quote: u8, to: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        from = match from {
            [byte, rest @ ..] if *byte == quote => return Some(rest),
            [b'\\', b'\'', rest @ ..] if quote == b'\'' => {
                to.push(b'\'');
                rest
            }
            [b'\\', rest @ ..] if quote == b'"' => escaped(rest, to)?,
            [byte, rest @ ..] => {
                to.push(*byte);
                rest
            }
            [] => return None,
        };
    }
}

/// Reads what stands after a backslash.
pub(crate) fn escaped<'a>(from: &'a [u8], to: &mut Vec<u8>) -> Option<&'a [u8]> {
    if let [b'x', high, low, rest @ ..] = from
        && let (Some(high), Some(low)) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16))
    {
        to.push(u8::try_from(high * 16 + low).ok()?);
        return Some(rest);
    }
    let (byte, rest) = from.split_first()?;
    to.push(match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => *other,
    });
    Some(rest)
}

/// Which replies a client understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

impl Protocol {
    /// Writes a reply at the end of `out`.
    pub(crate) fn write(self, reply: Reply, out: &mut BytesMut) -> Result<(), RedisProtocolError> {
        match self {
            Self::Resp2 => resp2::encode::extend_encode(out, &frame2(reply), false)?,
            Self::Resp3 => resp3::encode::complete::extend_encode(out, &frame3(reply), false)?,
        };
        Ok(())
    }
}

fn frame2(reply: Reply) -> Frame2 {
    match reply {
        Reply::Status(text) => Frame2::SimpleString(text.into_owned().into()),
        Reply::Error(text) => Frame2::Error(text.into()),
        Reply::Integer(n) => Frame2::Integer(n),
        Reply::Bulk(bytes) => Frame2::BulkString(bytes),
        Reply::Null => Frame2::Null,
        Reply::Array(items) | Reply::Set(items) => Frame2::Array(items.into_iter().map(frame2).collect()),
        Reply::Map(pairs) => {
            Frame2::Array(pairs.into_iter().flat_map(|(key, value)| [frame2(key), frame2(value)]).collect())
        }
    }
}

fn frame3(reply: Reply) -> Frame3 {
    let attributes = None;
    match reply {
        Reply::Status(text) => Frame3::SimpleString { data: text.into_owned().into(), attributes },
        Reply::Error(text) => Frame3::SimpleError { data: text.into(), attributes },
        Reply::Integer(data) => Frame3::Number { data, attributes },
        Reply::Bulk(data) => Frame3::BlobString { data, attributes },
        Reply::Null => Frame3::Null,
        Reply::Array(items) => Frame3::Array { data: items.into_iter().map(frame3).collect(), attributes },
        Reply::Set(items) => Frame3::Set { data: items.into_iter().map(frame3).collect(), attributes },
        Reply::Map(pairs) => {
            let data = pairs.into_iter().map(|(key, value)| (frame3(key), frame3(value))).collect();
            Frame3::Map { data, attributes }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { argument: 1024, command: 4096 };

    /// Everything that a stream says when it comes in these pieces, and the error that ended it.
    fn read(pieces: &[&[u8]]) -> (Vec<Vec<Bytes>>, Option<ProtocolError>) {
        let mut reader = Reader::new(LIMITS);
        let mut commands = Vec::new();
        for piece in pieces {
            reader.buffer.extend_from_slice(piece);
            loop {
                match reader.next() {
                    Ok(Some(command)) => commands.push(command),
                    Ok(None) => break,
                    Err(error) => return (commands, Some(error)),
                }
            }
        }
        (commands, None)
    }

    fn error_of(stream: &[u8]) -> String {
        read(&[stream]).1.unwrap_or_else(|| panic!("{} was taken", stream.escape_ascii()))
    }

    #[test]
    fn arrays_of_bulks_and_lines_are_commands() {
        let (commands, error) =
            read(&[b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n", b"\r\nset a \"x \\x41\\n\" 'it\\'s'\r\n*0\r\n*-1\r\nPING\n"]);
        assert_eq!(error, None);
        let expected: [&[&[u8]]; 3] = [&[b"GET", b"a"], &[b"set", b"a", b"x A\n", b"it's"], &[b"PING"]];
        assert_eq!(commands, expected);
    }

    #[test]
    fn what_is_no_command_is_named() {
        assert_eq!(error_of(b"*1\r\n*1\r\n"), "Protocol error: expected '$', got '*'");
        assert_eq!(error_of(b"*1\r\n:1\r\n"), "Protocol error: expected '$', got ':'");
        assert_eq!(error_of(b"*9999999999\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(error_of(b"*-2\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(error_of(b"*x\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(error_of(b"*1\r\n$1025\r\n"), "Protocol error: invalid bulk length");
        assert_eq!(error_of(b"*1\r\n$-1\r\n"), "Protocol error: invalid bulk length");
        assert_eq!(error_of(b"*1\r\n$1\r\nabc"), "Protocol error: expected CRLF after a bulk string");
        assert_eq!(error_of(b"set \"a\r\n"), "Protocol error: unbalanced quotes in request");
        assert_eq!(error_of(&vec![b'a'; MAX_LINE + 1]), "Protocol error: too big inline request");
        assert_eq!(error_of(&vec![b'*'; MAX_LINE + 2]), "Protocol error: too big count string");
        let many = [b"*9\r\n".to_vec(), [b"$1000\r\n".to_vec(), vec![b'x'; 1000], b"\r\n".to_vec()].concat().repeat(9)];
        assert_eq!(error_of(&many.concat()), "Protocol error: too big command");
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let word = prop::collection::vec(any::<u8>(), 0..40);
        let array = prop::collection::vec(word, 0..5).prop_map(|words| {
            let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
            for word in words {
                bytes.extend(format!("${}\r\n", word.len()).into_bytes());
                bytes.extend(word);
                bytes.extend(b"\r\n");
            }
            bytes
        });
        let line = "[a-z ]{0,30}\r?\n".prop_map(String::into_bytes);
        let noise = prop::collection::vec(prop::sample::select(b"*$:-12\r\n\"a".to_vec()), 0..12);
        let part = prop_oneof![8 => array, 2 => line, 1 => noise];
        prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn pieces_say_what_the_whole_says(stream in stream()) {
            let whole = read(&[&stream]);
            for cut in 0..=stream.len() {
                prop_assert_eq!(&read(&[&stream[..cut], &stream[cut..]]), &whole);
            }
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            prop_assert_eq!(&read(&bytes), &whole);
        }
    }
}
