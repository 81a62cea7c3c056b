//! Commands on a key's time to live: what version 2 adds.

use bytes::Bytes;

use super::{Answer, Command, Value, integer, strings};
use crate::reply::Reply;

/// When a key ends, in milliseconds since 1970, if it does.
pub(crate) type Expires = Option<u64>;

/// Runs a command of this group or on text; `None` if it is of neither.
pub(crate) fn run(value: &mut impl Value, expires: &mut Expires, command: &Command) -> Option<Answer> {
    if expired(*expires, command.now) {
        value.clear();
        *expires = None;
    }
    let answer = match command.verb().as_str() {
        "SET" => set(value, expires, command),
        "SETEX" => command.rest().and_then(|[seconds, text]| {
            let ends = ends(command, seconds, 1000, true)?;
            value.set(text);
            *expires = ends;
            Ok(Reply::OK)
        }),
        "EXPIRE" => command.rest().and_then(|[time]| expire(value, expires, command, time, 1000)),
        "PEXPIRE" => command.rest().and_then(|[time]| expire(value, expires, command, time, 1)),
        "TTL" => command.rest().map(|[]| left(value, *expires, command.now, 1000)),
        "PTTL" => command.rest().map(|[]| left(value, *expires, command.now, 1)),
        "PERSIST" => command.rest().map(|[]| Reply::Integer(expires.take().is_some().into())),
        verb => {
            let answer = strings::run(value, command)?;
            if verb == "MSET" && answer.is_ok() {
                *expires = None;
            }
            answer
        }
    };
    if !value.exists() {
        *expires = None;
    }
    Some(answer)
}

/// Whether a key has ended by `now`.
pub(crate) fn expired(expires: Expires, now: u64) -> bool {
    expires.is_some_and(|at| at <= now)
}

fn set(value: &mut impl Value, expires: &mut Expires, command: &Command) -> Answer {
    let [text, options @ ..] = command.at_least(1)? else {
        return Err(Reply::arity(&command.name));
    };
    let (mut only_if, mut until, mut keep) = (None, None, false);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match (option.to_ascii_uppercase().as_slice(), only_if, until, keep) {
            (b"NX", None, _, _) => only_if = Some(false),
            (b"XX", None, _, _) => only_if = Some(true),
            (b"KEEPTTL", _, None, false) => keep = true,
            (unit @ (b"EX" | b"PX"), _, None, false) => {
                let time = options.next().ok_or_else(Reply::syntax)?;
                until = ends(command, time, if unit == b"EX" { 1000 } else { 1 }, true)?;
            }
            _ => return Err(Reply::syntax()),
        }
    }
    if only_if.is_some_and(|there| there != value.exists()) {
        return Ok(Reply::Null);
    }
    value.set(text);
    if !keep {
        *expires = until;
    }
    Ok(Reply::OK)
}

fn expire(value: &mut impl Value, expires: &mut Expires, command: &Command, time: &Bytes, unit: i64) -> Answer {
    let ends = ends(command, time, unit, false)?;
    if !value.exists() {
        return Ok(Reply::Integer(0));
    }
    *expires = ends;
    if expired(*expires, command.now) {
        value.clear();
    }
    Ok(Reply::Integer(1))
}

/// When a time from now is over; in the past for one below 0, unless it must be `positive`.
fn ends(command: &Command, time: &[u8], unit: i64, positive: bool) -> Result<Expires, Reply> {
    let time = integer(time)?;
    time.checked_mul(unit)
        .and_then(|time| command.now.checked_add_signed(time).or((time < 0).then_some(0)))
        .filter(|at| i64::try_from(*at).is_ok() && (time > 0 || !positive))
        .map(Some)
        .ok_or_else(|| {
            let name = command.name.to_lowercase();
            Reply::error(format_args!("ERR invalid expire time in '{name}' command"))
        })
}

/// What is left; -1 for ever, -2 for a key that is not there.
fn left(value: &impl Value, expires: Expires, now: u64, unit: u64) -> Reply {
    Reply::Integer(match expires {
        _ if !value.exists() => -2,
        None => -1,
        Some(at) => i64::try_from((at - now + unit / 2) / unit).unwrap_or(i64::MAX),
    })
}
