//! Commands on a key's time to live: what version 2 adds.

use super::{Command, Done, Value, integer, shown};
use crate::{Bytes, Reply};

/// When a key ends, in milliseconds since 1970, if it does.
pub type Expires = Option<u64>;

/// Runs a command of this group, or of the `others` that the version knows; `None` if it is of neither.
pub(crate) fn run<V: Value>(
    value: &mut V,
    expires: &mut Expires,
    command: &Command,
    others: impl FnOnce(&mut V, &[u8], &Command) -> Option<Done>,
) -> Option<Done> {
    if expired(*expires, command.now) {
        value.clear();
        *expires = None;
    }
    let answer = match &**command.verb() {
        b"SET" => set(value, expires, command),
        b"SETEX" => command.rest().and_then(|[seconds, text]| {
            let ends = ends(command, seconds, 1000, true)?;
            value.set(text.clone());
            *expires = ends;
            Ok(Reply::OK)
        }),
        b"EXPIRE" => expire(value, expires, command, 1000),
        b"PEXPIRE" => expire(value, expires, command, 1),
        b"TTL" => command.rest().map(|[]| left(value, *expires, command.now, 1000)),
        b"PTTL" => command.rest().map(|[]| left(value, *expires, command.now, 1)),
        b"PERSIST" => command.rest().map(|[]| Reply::Integer(expires.take().is_some().into())),
        verb => {
            let answer = others(value, verb, command)?;
            if verb == b"MSET" && answer.is_ok() {
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
#[must_use]
pub fn expired(expires: Expires, now: u64) -> bool {
    expires.is_some_and(|at| at <= now)
}

fn set(value: &mut impl Value, expires: &mut Expires, command: &Command) -> Done {
    let [text, options @ ..] = command.at_least(1)? else {
        return Err(command.arity());
    };
    let (mut only_if, mut lives, mut keep) = (None, None, false);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match option.to_ascii_uppercase().as_slice() {
            b"NX" if only_if != Some(true) => only_if = Some(false),
            b"XX" if only_if != Some(false) => only_if = Some(true),
            b"KEEPTTL" if lives.is_none() => keep = true,
            b"EX" if !keep && !matches!(lives, Some((_, 1))) => lives = Some((time(options.next())?, 1000)),
            b"PX" if !keep && !matches!(lives, Some((_, 1000))) => lives = Some((time(options.next())?, 1)),
            _ => return Err(Reply::syntax()),
        }
    }
    // looked at only now: an option that is wrong comes before a time that is
    let until = match lives {
        Some((time, unit)) => ends(command, time, unit, true)?,
        None => None,
    };
    if only_if.is_some_and(|there| there != value.exists()) {
        return Ok(Reply::Null);
    }
    value.set(text.clone());
    if !keep {
        *expires = until;
    }
    Ok(Reply::OK)
}

fn time(time: Option<&Bytes>) -> Result<&Bytes, Reply> {
    time.ok_or_else(Reply::syntax)
}

fn expire(value: &mut impl Value, expires: &mut Expires, command: &Command, unit: i64) -> Done {
    let [time, options @ ..] = command.at_least(1)? else {
        return Err(command.arity());
    };
    let [mut nx, mut xx, mut gt, mut lt] = [false; 4];
    for option in options {
        match option.to_ascii_uppercase().as_slice() {
            b"NX" => nx = true,
            b"XX" => xx = true,
            b"GT" => gt = true,
            b"LT" => lt = true,
            _ => {
                let option = String::from_utf8_lossy(option);
                return Err(Reply::error(format_args!("ERR Unsupported option {option}")));
            }
        }
    }
    if nx && (xx || gt || lt) {
        return Err(Reply::error("ERR NX and XX, GT or LT options at the same time are not compatible"));
    }
    if gt && lt {
        return Err(Reply::error("ERR GT and LT options at the same time are not compatible"));
    }
    let ends = ends(command, time, unit, false)?;
    // a key that does not end lives longer than any other
    let (now, then) = (expires.unwrap_or(u64::MAX), ends.unwrap_or(u64::MAX));
    let unmet = nx && expires.is_some() || xx && expires.is_none() || gt && then <= now || lt && then >= now;
    if unmet || !value.exists() {
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
            let name = shown(command.name()).to_lowercase();
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
