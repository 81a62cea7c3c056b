//! Commands on text: all that version 1 knows.

use super::{Answer, Command, Value, integer};
use crate::reply::Reply;

/// Runs a command; `None` if it is not of this group.
pub(crate) fn run(value: &mut impl Value, command: &Command) -> Option<Answer> {
    Some(match command.verb().as_str() {
        "GET" => get(value, command),
        // one key of many: a key of another type is as good as absent
        "MGET" => command.rest().map(|[]| value.text().ok().flatten().map_or(Reply::Null, Reply::bulk)),
        "SET" => match command.rest() {
            Ok([text]) => {
                value.set(text);
                Ok(Reply::OK)
            }
            Err(arity) => Err(if command.args.len() > 2 { Reply::syntax() } else { arity }),
        },
        "MSET" => command.rest().map(|[text]| {
            value.set(text);
            Reply::OK
        }),
        "DEL" => command.rest().map(|[]| {
            let there = value.exists();
            value.clear();
            Reply::Integer(there.into())
        }),
        "EXISTS" => command.rest().map(|[]| Reply::Integer(value.exists().into())),
        "INCR" => command.rest().and_then(|[]| add(value, 1)),
        "DECR" => command.rest().and_then(|[]| add(value, -1)),
        "INCRBY" => command.rest().and_then(|[n]| add(value, integer(n)?)),
        "DECRBY" => command.rest().and_then(|[n]| {
            let n = integer(n)?.checked_neg().ok_or_else(|| Reply::error("ERR decrement would overflow"))?;
            add(value, n)
        }),
        "APPEND" => command.rest().and_then(|[more]| {
            let text = value.text_mut()?;
            text.extend_from_slice(more);
            Ok(Reply::count(text.len()))
        }),
        "STRLEN" => command.rest().and_then(|[]| Ok(Reply::count(value.text()?.map_or(0, Vec::len)))),
        _ => return None,
    })
}

fn get(value: &impl Value, command: &Command) -> Answer {
    let [] = command.rest()?;
    Ok(value.text()?.map_or(Reply::Null, Reply::bulk))
}

fn add(value: &mut impl Value, n: i64) -> Answer {
    let now = value.text()?.map_or(Ok(0), |text| integer(text))?;
    let sum = now.checked_add(n).ok_or_else(|| Reply::error("ERR increment or decrement would overflow"))?;
    value.set(sum.to_string().as_bytes());
    Ok(Reply::Integer(sum))
}
