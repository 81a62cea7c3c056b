//! Replies as the bytes that a client reads, in the protocol that it speaks.

use std::collections::VecDeque;
use std::mem;

use kv_store::{Bytes, Reply};

/// Bulks from this length on are sent from where they are; shorter ones are copied, to go out in one write.
const LONG: usize = 64 * 1024;

/// Which replies a client understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

/// Bytes on their way to a client.
#[derive(Debug, Default)]
pub(crate) struct Out {
    /// What goes before the rest: long bulks, and what stands between them.
    pub(crate) parts: VecDeque<bytes::Bytes>,
    pub(crate) rest: Vec<u8>,
}

impl Protocol {
    /// Writes a reply at the end of `out`.
    pub(crate) fn write(self, reply: &Reply, out: &mut Out) {
        match reply {
            Reply::Status(text) => out.line(b'+', text.as_bytes()),
            Reply::Error(text) => out.line(b'-', text.as_bytes()),
            Reply::Integer(n) => out.number(b':', *n),
            Reply::Bulk(bytes) => out.bulk(bytes),
            Reply::Null | Reply::NullArray if self == Self::Resp3 => out.line(b'_', b""),
            Reply::Null => out.number(b'$', -1),
            Reply::NullArray => out.number(b'*', -1),
            Reply::Array(items) => self.all(b'*', items, out),
            Reply::Set(items) => self.all(if self == Self::Resp3 { b'~' } else { b'*' }, items, out),
            Reply::Map(pairs) => {
                match self {
                    Self::Resp2 => out.number(b'*', 2 * pairs.len()),
                    Self::Resp3 => out.number(b'%', pairs.len()),
                }
                for (key, value) in pairs {
                    self.write(key, out);
                    self.write(value, out);
                }
            }
        }
    }

    fn all(self, kind: u8, items: &[Reply], out: &mut Out) {
        out.number(kind, items.len());
        for item in items {
            self.write(item, out);
        }
    }
}

/// About how many bytes a reply takes on the wire.
pub(crate) fn size(reply: &Reply) -> usize {
    16 + match reply {
        Reply::Status(text) => text.len(),
        Reply::Error(text) => text.len(),
        Reply::Bulk(bytes) => bytes.len(),
        Reply::Integer(_) | Reply::Null | Reply::NullArray => 0,
        Reply::Array(items) | Reply::Set(items) => items.iter().map(size).sum(),
        Reply::Map(pairs) => pairs.iter().map(|(key, value)| size(key) + size(value)).sum(),
    }
}

impl Out {
    fn line(&mut self, kind: u8, what: &[u8]) {
        self.rest.push(kind);
        self.rest.extend_from_slice(what);
        self.rest.extend_from_slice(b"\r\n");
    }

    fn number(&mut self, kind: u8, n: impl itoa::Integer) {
        self.line(kind, itoa::Buffer::new().format(n).as_bytes());
    }

    fn bulk(&mut self, bytes: &Bytes) {
        self.number(b'$', bytes.len());
        if bytes.len() >= LONG {
            self.parts.extend([mem::take(&mut self.rest).into(), bytes::Bytes::from_owner(bytes.clone())]);
        } else {
            self.rest.extend_from_slice(bytes);
        }
        self.rest.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(protocol: Protocol, reply: &Reply) -> String {
        let mut out = Out::default();
        protocol.write(reply, &mut out);
        out.parts.push_back(out.rest.into());
        String::from_utf8(Vec::from(out.parts).concat()).unwrap()
    }

    #[test]
    fn each_protocol_has_its_spelling() {
        let pairs = vec![
            (Reply::bulk("z"), Reply::Null),
            (Reply::bulk("a"), Reply::NullArray),
            (Reply::bulk("m"), Reply::Set(vec![Reply::Integer(-1)])),
        ];
        let reply = Reply::Array(vec![Reply::OK, Reply::error("ERR x\r\ny"), Reply::Map(pairs)]);
        let start = "*3\r\n+OK\r\n-ERR x  y\r\n";
        assert_eq!(
            written(Protocol::Resp2, &reply),
            format!("{start}*6\r\n$1\r\nz\r\n$-1\r\n$1\r\na\r\n*-1\r\n$1\r\nm\r\n*1\r\n:-1\r\n")
        );
        assert_eq!(
            written(Protocol::Resp3, &reply),
            format!("{start}%3\r\n$1\r\nz\r\n_\r\n$1\r\na\r\n_\r\n$1\r\nm\r\n~1\r\n:-1\r\n")
        );
    }

    #[test]
    fn long_bulks_are_not_copied() {
        let long = Bytes::from(vec![b'x'; LONG]);
        let reply = Reply::Array(vec![Reply::Bulk(long.clone()), Reply::bulk("y")]);
        let mut out = Out::default();
        Protocol::Resp2.write(&reply, &mut out);
        assert_eq!(out.parts[1].as_ptr(), long.as_ptr());
        assert_eq!(written(Protocol::Resp2, &reply), format!("*2\r\n${LONG}\r\n{}\r\n$1\r\ny\r\n", "x".repeat(LONG)));
    }
}
