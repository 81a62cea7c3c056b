//! Commands on text: all that version 1 knows.

use super::{Command, Done, Value, integer};
use crate::{Bytes, Reply};

/// The longest text, as Redis' `proto-max-bulk-len` is by default: an argument is no longer either.
const MAX_TEXT: usize = 512 << 20;

/// Runs a command; `None` if it is not of this group.
pub(crate) fn run(value: &mut impl Value, verb: &[u8], command: &Command) -> Option<Done> {
    Some(match verb {
        b"GET" => get(value, command),
        // one key of many: a key of another type is as good as absent
        b"MGET" => command.rest().map(|[]| bulk(value.text().ok().flatten())),
        b"SET" => match command.rest() {
            Ok([text]) => {
                value.set(text.clone());
                Ok(Reply::OK)
            }
            Err(arity) => Err(if command.words.len() > 3 { Reply::syntax() } else { arity }),
        },
        b"MSET" => command.rest().map(|[text]| {
            value.set(text.clone());
            Reply::OK
        }),
        b"DEL" => command.rest().map(|[]| {
            let there = value.exists();
            value.clear();
            Reply::Integer(there.into())
        }),
        b"EXISTS" => command.rest().map(|[]| Reply::Integer(value.exists().into())),
        b"INCR" => command.rest().and_then(|[]| add(value, 1)),
        b"DECR" => command.rest().and_then(|[]| add(value, -1)),
        b"INCRBY" => command.rest().and_then(|[n]| add(value, integer(n)?)),
        b"DECRBY" => command.rest().and_then(|[n]| {
            let n = integer(n)?.checked_neg().ok_or_else(|| Reply::error("ERR decrement would overflow"))?;
            add(value, n)
        }),
        b"APPEND" => command.rest().and_then(|[more]| append(value, more)),
        b"STRLEN" => command.rest().and_then(|[]| Ok(Reply::count(value.text()?.map_or(0, Bytes::len)))),
        _ => return None,
    })
}

fn get(value: &impl Value, command: &Command) -> Done {
    let [] = command.rest()?;
    Ok(bulk(value.text()?))
}

fn bulk(text: Option<&Bytes>) -> Reply {
    text.map_or(Reply::Null, |text| Reply::Bulk(text.clone()))
}

fn add(value: &mut impl Value, n: i64) -> Done {
    let now = value.text()?.map_or(Ok(0), |text| integer(text))?;
    let sum = now.checked_add(n).ok_or_else(|| Reply::error("ERR increment or decrement would overflow"))?;
    value.set(itoa::Buffer::new().format(sum).as_bytes().into());
    Ok(Reply::Integer(sum))
}

fn append(value: &mut impl Value, more: &[u8]) -> Done {
    if value.text()?.map_or(0, Bytes::len) + more.len() > MAX_TEXT {
        return Err(Reply::error("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    }
    let text = value.text_mut()?;
    // in place, unless a reply that shares it is still on its way
    text.push_slice(more);
    Ok(Reply::count(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_grows_up_to_a_limit_and_what_was_sent_stays_as_it_was() {
        let mut value = Some(Bytes::borrowed(b"a"));
        let sent = value.clone();
        assert_eq!(append(&mut value, b"b"), Ok(Reply::Integer(2)));
        assert_eq!((sent, value), (Some(Bytes::borrowed(b"a")), Some(Bytes::borrowed(b"ab"))));
        // zeros that nobody touches take no memory
        let mut full = Some(Bytes::from(vec![0; MAX_TEXT]));
        let refused = append(&mut full, b"x").unwrap_err();
        assert_eq!(refused, Reply::error("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
        assert_eq!(append(&mut full, b""), Ok(Reply::count(MAX_TEXT)));
    }
}
