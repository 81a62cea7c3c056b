//! What clients send: the words of each command, within bounds.
//!
//! A library's parser takes a command that is whole, and looks at it from its beginning each time that more of it arrives; that the
//! bounds hold before it is whole has to be found out here, and then its words are known.

use std::mem;

use bytes::{Buf, BytesMut};
use kv_store::Bytes;
use kv_store::commands::integer;

use crate::line;

/// How much is read at a time.
const READ: usize = 16 * 1024;

/// The longest line: an inline command, and far more than any length needs.
const MAX_LINE: usize = 64 * 1024;
/// The most words of one command: far more than a client sends. It also bounds what they take until the command is whole, beyond
/// the bytes that were sent.
const MAX_WORDS: usize = 1024 * 1024;
/// Most commands have no more words.
const FEW_WORDS: usize = 8;

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
/// What has been taken of a command that comes in pieces stays taken: no byte is looked at again with each further piece, but for the
/// few of its first line.
#[derive(Debug)]
pub(crate) struct Reader {
    buffer: BytesMut,
    /// Whether the buffer is larger than small commands need.
    grown: bool,
    limits: Limits,
    /// Everything before it belongs to parts of the command that have been taken.
    at: usize,
    /// Up to where no end of line was found.
    seen: usize,
    /// So many bytes of the command have left the buffer.
    gone: usize,
    /// The words that have been taken.
    words: Vec<Bytes>,
    /// Words still to come, once the command's first line has been read.
    left: Option<usize>,
    /// The length of the argument that is on its way.
    awaited: Option<usize>,
}

impl Reader {
    pub(crate) fn new(limits: Limits) -> Self {
        let (buffer, words) = (BytesMut::new(), Vec::new());
        Self { buffer, grown: false, limits, at: 0, seen: 0, gone: 0, words, left: None, awaited: None }
    }

    /// Where the connection reads to, with room for more. What a large command took is given back after it.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        if self.grown && self.buffer.is_empty() {
            (self.buffer, self.grown) = (BytesMut::new(), false);
        }
        // an empty one begins again as soon as there is less: in memory that is still in the cache
        if self.buffer.is_empty() || self.buffer.capacity() - self.buffer.len() < READ / 4 {
            self.buffer.reserve(READ);
            self.grown |= self.buffer.capacity() > 2 * READ;
        }
        &mut self.buffer
    }

    /// The next whole command: its name and arguments.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        if self.left.is_none()
            && let Some((words, length)) = whole(&self.buffer, self.limits)
        {
            self.buffer.advance(length);
            self.seen = 0;
            return Ok(Some(words));
        }
        while self.left.is_none() {
            match self.buffer.first() {
                None => return Ok(None),
                Some(b'*') => match self.length(b'*', "invalid multibulk length")? {
                    None => return Ok(None),
                    // a command without words is none
                    Some(..=0) => self.restart(),
                    Some(count) => {
                        let count = usize::try_from(count).ok().filter(|count| *count <= MAX_WORDS);
                        let count = count.ok_or("Protocol error: invalid multibulk length")?;
                        // more are made room for as they come, not on the word of a length
                        self.words = Vec::with_capacity(count.min(FEW_WORDS));
                        self.left = Some(count);
                    }
                },
                Some(_) => match self.inline()? {
                    Some(words) if words.is_empty() => {}
                    words => return Ok(words),
                },
            }
        }
        if self.take()? {
            self.restart();
            return Ok(Some(mem::take(&mut self.words)));
        }
        self.let_go();
        Ok(None)
    }

    /// Takes the words that are there; whether they are all.
    fn take(&mut self) -> Result<bool, ProtocolError> {
        while let Some(left @ 1..) = self.left {
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
            if self.gone + self.at + length > self.limits.command {
                return Err("Protocol error: too big command".into());
            }
            let Some(word) = self.buffer.get(self.at..self.at + length + 2) else { return Ok(false) };
            let Some(word) = word.strip_suffix(b"\r\n") else {
                return Err("Protocol error: expected CRLF after a bulk string".into());
            };
            self.words.push(Bytes::from(word));
            self.at += length + 2;
            self.seen = self.at;
            (self.left, self.awaited) = (Some(left - 1), None);
        }
        Ok(true)
    }

    /// A line that is a kind and a number, once it is there.
    fn length(&mut self, kind: u8, invalid: &str) -> Result<Option<i64>, ProtocolError> {
        let (number, end) = match &self.buffer[self.at..] {
            [] => return Ok(None),
            [found, ..] if *found != kind => {
                let (kind, found) = (char::from(kind), found.escape_ascii());
                return Err(format!("Protocol error: expected '{kind}', got '{found}'"));
            }
            _ => {
                let Some(end) = self.line_end("too big count string")? else {
                    return Ok(None);
                };
                let line = self.buffer[self.at + 1..end].strip_suffix(b"\r");
                let number = line.and_then(|line| integer(line).ok());
                (number.ok_or_else(|| format!("Protocol error: {invalid}"))?, end)
            }
        };
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
        self.seen = 0;
        line::words(&line).map(Some).ok_or_else(|| "Protocol error: unbalanced quotes in request".into())
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

    /// Lets go of the bytes that have been taken.
    fn let_go(&mut self) {
        self.buffer.advance(self.at);
        self.seen -= self.at;
        self.gone += self.at;
        self.at = 0;
    }

    /// Begins with the next command, where the last one ended.
    fn restart(&mut self) {
        self.let_go();
        (self.gone, self.left, self.awaited) = (0, None, None);
    }
}

/// The words of a command that is there from its first byte to its last, and how many bytes it takes. Nearly all come so, with few
/// words of less than a thousand bytes; the others, and what is no command, are for [`Reader::next`] to find out.
fn whole(bytes: &[u8], limits: Limits) -> Option<(Vec<Bytes>, usize)> {
    let (count, mut rest) = small(b'*', bytes)?;
    let mut words = Vec::with_capacity(Some(count).filter(|count| (1..=FEW_WORDS).contains(count))?);
    for _ in 0..count {
        let (length, from) = small(b'$', rest)?;
        let (word, after) = from.split_at_checked(length).filter(|_| length <= limits.argument)?;
        rest = after.strip_prefix(b"\r\n")?;
        // a short one is written where it will stand, and not moved there: see `Command::words`
        words.push_mut(Bytes::new()).push_slice(word);
    }
    let length = bytes.len() - rest.len();
    (length <= limits.command).then_some((words, length))
}

/// A line that is a kind and a number below a thousand, and what comes after it.
fn small(kind: u8, bytes: &[u8]) -> Option<(usize, &[u8])> {
    let digit = |byte: &u8| usize::from(byte - b'0');
    match bytes {
        [found, ones @ b'0'..=b'9', b'\r', b'\n', rest @ ..] if *found == kind => Some((digit(ones), rest)),
        [found, tens @ b'1'..=b'9', ones @ b'0'..=b'9', b'\r', b'\n', rest @ ..] if *found == kind => {
            Some((10 * digit(tens) + digit(ones), rest))
        }
        [found, hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9', b'\r', b'\n', rest @ ..]
            if *found == kind =>
        {
            Some((100 * digit(hundreds) + 10 * digit(tens) + digit(ones), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redis_protocol::resp2::decode::decode_range;
    use redis_protocol::resp2::types::RangeFrame;

    use super::*;

    const LIMITS: Limits = Limits { argument: 1024, command: 4096 };

    /// Everything that a stream says when it comes in these pieces, and the error that ended it.
    fn read(pieces: &[&[u8]]) -> (Vec<Vec<Bytes>>, Option<ProtocolError>) {
        let mut reader = Reader::new(LIMITS);
        let mut commands = Vec::new();
        for piece in pieces {
            reader.room().extend_from_slice(piece);
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
        let (commands, error) = read(&[
            b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
            b"\r\nset a \"x \\x41\\n\" 'it\\'s'\r\n*0\r\n*-1\r\n*-5\r\nPING\n",
        ]);
        assert_eq!(error, None);
        let expected: [&[&[u8]]; 3] = [&[b"GET", b"a"], &[b"set", b"a", b"x A\n", b"it's"], &[b"PING"]];
        assert_eq!(commands, expected);
    }

    #[test]
    fn what_is_no_command_is_named() {
        assert_eq!(error_of(b"*1\r\n*1\r\n"), "Protocol error: expected '$', got '*'");
        assert_eq!(error_of(b"*1\r\n:1\r\n"), "Protocol error: expected '$', got ':'");
        assert_eq!(error_of(b"*9999999999\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(error_of(b"*03\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(error_of(b"*-0\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(error_of(b"*+1\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(error_of(b"*1\r\n$04\r\n"), "Protocol error: invalid bulk length");
        assert_eq!(error_of(b"*x\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(error_of(b"*1\r\n$1025\r\n"), "Protocol error: invalid bulk length");
        assert_eq!(error_of(b"*1\r\n$-1\r\n"), "Protocol error: invalid bulk length");
        assert_eq!(error_of(b"*1\r\n$1\r\nabc"), "Protocol error: expected CRLF after a bulk string");
        assert_eq!(error_of(b"set \"a\r\n"), "Protocol error: unbalanced quotes in request");
        assert_eq!(error_of(&vec![b'a'; MAX_LINE + 1]), "Protocol error: too big inline request");
        assert_eq!(error_of(&vec![b'*'; MAX_LINE + 2]), "Protocol error: too big count string");
        let many = [b"*9\r\n".to_vec(), [b"$1000\r\n".to_vec(), vec![b'x'; 1000], b"\r\n".to_vec()].concat().repeat(9)];
        let many = many.concat();
        assert_eq!(error_of(&many), "Protocol error: too big command");
        // what has left the buffer counts too
        let pieces: Vec<&[u8]> = many.chunks(1000).collect();
        assert_eq!(read(&pieces).1.as_deref(), Some("Protocol error: too big command"));
    }

    #[test]
    fn lengths_of_one_digit_to_four_are_read_alike() {
        for (length, count) in (0..=120).chain(990..=1010).flat_map(|length| [(length, 3), (length, length.max(1))]) {
            let command = vec![Bytes::from(vec![b'x'; length]); count];
            let mut stream = format!("*{}\r\n", command.len()).into_bytes();
            for word in &command {
                stream.extend(format!("${length}\r\n").into_bytes());
                stream.extend_from_slice(word);
                stream.extend(b"\r\n");
            }
            let limits = Limits { argument: 1010, command: stream.len() };
            for size in [1, stream.len()] {
                let mut reader = Reader::new(limits);
                let mut commands = stream.chunks(size).filter_map(|piece| {
                    reader.room().extend_from_slice(piece);
                    reader.next().expect("it is a command")
                });
                assert_eq!((commands.next(), commands.next()), (Some(command.clone()), None), "{length} by {size}");
            }
        }
    }

    #[test]
    fn limits_hold_for_a_command_that_is_there_in_one_piece() {
        let limits = Limits { argument: 5, command: 20 };
        let next = |stream: &[u8]| {
            let mut reader = Reader::new(limits);
            reader.room().extend_from_slice(stream);
            reader.next().map(|command| command.map(|words| words.len()))
        };
        assert_eq!(next(b"*2\r\n$1\r\na\r\n$2\r\nbc\r\n"), Ok(Some(2)));
        // the end of its last line is not counted
        assert_eq!(next(b"*2\r\n$2\r\nab\r\n$3\r\ncde\r\n"), Ok(Some(2)));
        assert_eq!(next(b"*2\r\n$3\r\nabc\r\n$4\r\ndefg\r\n"), Err("Protocol error: too big command".into()));
        assert_eq!(next(b"*1\r\n$6\r\nabcdef\r\n"), Err("Protocol error: invalid bulk length".into()));
    }

    #[test]
    fn what_a_large_command_took_is_given_back() {
        let mut reader = Reader::new(Limits { argument: 8 << 20, command: 16 << 20 });
        for round in 0..3 {
            for piece in [&b"*2\r\n$4\r\nECHO\r\n$4194304\r\n"[..], &vec![b'x'; 4 << 20], b"\r\nPI", b"NG\r\n"] {
                reader.room().extend_from_slice(piece);
                while reader.next().unwrap().is_some() {}
            }
            assert!(reader.room().capacity() <= 2 * READ, "{round}: {}", reader.buffer.capacity());
        }
    }

    #[test]
    fn what_comes_next_is_read_to_where_the_last_command_was() {
        let mut reader = Reader::new(LIMITS);
        let place = reader.room().as_ptr();
        for _ in 0..3 {
            reader.room().extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
            assert_eq!(reader.next(), Ok(Some(vec![Bytes::from(b"PING")])));
            assert_eq!(reader.room().as_ptr(), place);
        }
    }

    #[test]
    fn a_command_is_whole_whose_large_word_ends_with_a_piece() {
        let mut reader = Reader::new(Limits { argument: 8 << 20, command: 16 << 20 });
        let large = vec![b'x'; 4 << 20];
        for piece in [&b"*3\r\n$3\r\nSET\r\n$4194304\r\n"[..], &large, b"\r\n"] {
            reader.room().extend_from_slice(piece);
            assert_eq!(reader.next(), Ok(None));
        }
        assert!(reader.room().capacity() <= 2 * READ, "the buffer has gone, and two words wait");
        reader.room().extend_from_slice(b"$1\r\ny\r\n");
        assert_eq!(reader.next(), Ok(Some(vec![Bytes::from(b"SET"), Bytes::from(large), Bytes::from(b"y")])));
    }

    /// The words of the commands in a stream, as a library reads it that knows the protocol.
    fn read_by_the_library(mut stream: &[u8]) -> Vec<Vec<Bytes>> {
        let mut commands = Vec::new();
        while let Some((RangeFrame::Array(words), read)) = decode_range(stream).unwrap() {
            let word = |word| match word {
                RangeFrame::BulkString((from, to)) => Bytes::from(&stream[from..to]),
                other => panic!("{other:?}"),
            };
            commands.push(words.into_iter().map(word).collect());
            stream = &stream[read..];
        }
        commands
    }

    fn array(words: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
        let word = prop::collection::vec(any::<u8>(), 0..40);
        prop::collection::vec(word, words).prop_map(|words| {
            let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
            for word in words {
                bytes.extend(format!("${}\r\n", word.len()).into_bytes());
                bytes.extend(word);
                bytes.extend(b"\r\n");
            }
            bytes
        })
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let line = "[a-z ]{0,30}\r?\n".prop_map(String::into_bytes);
        let noise = prop::collection::vec(prop::sample::select(b"*$:-12\r\n\"a".to_vec()), 0..12);
        let part = prop_oneof![8 => array(0..5), 2 => line, 1 => noise];
        prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn commands_are_what_the_library_reads(commands in prop::collection::vec(array(1..12), 0..8), rest in any::<prop::sample::Index>()) {
            let stream = commands.concat();
            prop_assert_eq!(read(&[&stream]), (read_by_the_library(&stream), None));
            // and of a stream that breaks off, those that are whole
            let broken = &stream[..rest.index(stream.len() + 1)];
            prop_assert_eq!(read(&[broken]), (read_by_the_library(broken), None));
        }

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
