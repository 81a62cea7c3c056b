//! Lists, sets and hashes: what version 3 adds.

use std::collections::VecDeque;

use indexmap::{IndexMap, IndexSet};
use serde::{Deserialize, Serialize};

use super::{Command, Done, Value, integer, strings};
use crate::{Bytes, Reply};

type List = VecDeque<Bytes>;
type Set = IndexSet<Bytes>;
type Hash = IndexMap<Bytes, Bytes>;

/// What a key holds from version 3 on. Collections are boxed: most keys hold a text, and none should be larger for the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Data {
    /// All that earlier versions know.
    Text(Bytes),
    /// A list; never empty between steps, and neither are the others.
    List(Box<VecDeque<Bytes>>),
    /// A set.
    Set(Box<IndexSet<Bytes>>),
    /// A hash.
    Hash(Box<IndexMap<Bytes, Bytes>>),
}

/// One kind of collection among the kinds of data.
trait Collection: Default {
    fn wrap(self) -> Data;
    fn of(data: &Data) -> Option<&Self>;
    fn of_mut(data: &mut Data) -> Option<&mut Self>;
    fn is_empty(&self) -> bool;
}

macro_rules! collection {
    ($($kind:ident)*) => {$(
        impl Collection for $kind {
            fn wrap(self) -> Data {
                Data::$kind(Box::new(self))
            }
            fn of(data: &Data) -> Option<&Self> {
                if let Data::$kind(it) = data { Some(it) } else { None }
            }
            fn of_mut(data: &mut Data) -> Option<&mut Self> {
                if let Data::$kind(it) = data { Some(it) } else { None }
            }
            fn is_empty(&self) -> bool {
                self.is_empty()
            }
        }
    )*};
}

collection!(List Set Hash);

/// Runs a command of this group or on text; `None` if it is of neither.
pub(crate) fn run(data: &mut Option<Data>, verb: &[u8], command: &Command) -> Option<Done> {
    Some(match verb {
        b"LPUSH" => push(data, command, List::push_front),
        b"RPUSH" => push(data, command, List::push_back),
        b"LPOP" => pop(data, command, List::pop_front),
        b"RPOP" => pop(data, command, List::pop_back),
        b"LRANGE" => range(data.as_ref(), command),
        b"LLEN" => command.rest().and_then(|[]| look(data.as_ref(), |list: &List| Reply::count(list.len()))),
        b"SADD" => command.at_least(1).and_then(|members| {
            change(data, |set: &mut Set| {
                Reply::count(members.iter().filter(|member| set.insert((*member).clone())).count())
            })
        }),
        b"SREM" => command.at_least(1).and_then(|members| {
            change(data, |set: &mut Set| Reply::count(members.iter().filter(|member| set.swap_remove(*member)).count()))
        }),
        b"SPOP" => spop(data, command),
        b"SCARD" => command.rest().and_then(|[]| look(data.as_ref(), |set: &Set| Reply::count(set.len()))),
        b"SMEMBERS" => command
            .rest()
            .and_then(|[]| look(data.as_ref(), |set: &Set| Reply::Set(set.iter().cloned().map(Reply::Bulk).collect()))),
        b"SISMEMBER" => command
            .rest()
            .and_then(|[member]| look(data.as_ref(), |set: &Set| Reply::Integer(set.contains(member).into()))),
        b"HSET" => hset(data, command),
        b"HGET" => command.rest().and_then(|[field]| {
            look(data.as_ref(), |hash: &Hash| hash.get(field).cloned().map_or(Reply::Null, Reply::Bulk))
        }),
        b"HDEL" => command.at_least(1).and_then(|fields| {
            change(data, |hash: &mut Hash| {
                Reply::count(fields.iter().filter(|field| hash.swap_remove(*field).is_some()).count())
            })
        }),
        b"HGETALL" => command.rest().and_then(|[]| {
            look(data.as_ref(), |hash: &Hash| {
                let pair = |(field, value): (&Bytes, &Bytes)| (Reply::Bulk(field.clone()), Reply::Bulk(value.clone()));
                Reply::Map(hash.iter().map(pair).collect())
            })
        }),
        b"HLEN" => command.rest().and_then(|[]| look(data.as_ref(), |hash: &Hash| Reply::count(hash.len()))),
        b"TYPE" => command.rest().map(|[]| Reply::Status(kind(data.as_ref()).into())),
        _ => return strings::run(data, verb, command),
    })
}

/// The name of what a key holds.
pub(crate) fn kind(data: Option<&Data>) -> &'static str {
    match data {
        None => "none",
        Some(Data::Text(_)) => "string",
        Some(Data::List(_)) => "list",
        Some(Data::Set(_)) => "set",
        Some(Data::Hash(_)) => "hash",
    }
}

/// The error for a command on a key of another type.
fn wrong_type() -> Reply {
    Reply::error("WRONGTYPE Operation against a key holding the wrong kind of value")
}

/// Looks at a collection; a key that holds nothing holds an empty one.
fn look<C: Collection>(data: Option<&Data>, look: impl FnOnce(&C) -> Reply) -> Done {
    match data {
        None => Ok(look(&C::default())),
        Some(data) => C::of(data).map(look).ok_or_else(wrong_type),
    }
}

/// Changes a collection, and ends it if nothing is left in it.
fn change<C: Collection>(data: &mut Option<Data>, change: impl FnOnce(&mut C) -> Reply) -> Done {
    let collection = C::of_mut(data.get_or_insert_with(|| C::default().wrap())).ok_or_else(wrong_type)?;
    let reply = change(collection);
    if collection.is_empty() {
        *data = None;
    }
    Ok(reply)
}

fn push(data: &mut Option<Data>, command: &Command, push: fn(&mut List, Bytes)) -> Done {
    let items = command.at_least(1)?;
    change(data, |list: &mut List| {
        for item in items {
            push(list, item.clone());
        }
        Reply::count(list.len())
    })
}

fn pop(data: &mut Option<Data>, command: &Command, pop: fn(&mut List) -> Option<Bytes>) -> Done {
    let count = match command.at_least(0)? {
        [] => None,
        [count] => Some(positive(count)?),
        _ => return Err(command.arity()),
    };
    let there = data.is_some();
    change(data, |list: &mut List| match count {
        None => pop(list).map_or(Reply::Null, Reply::Bulk),
        Some(_) if !there => Reply::NullArray,
        Some(count) => Reply::Array((0..count).map_while(|_| pop(list)).map(Reply::Bulk).collect()),
    })
}

/// Which members go is decided by the key and the time of the command: a step draws no lots.
fn spop(data: &mut Option<Data>, command: &Command) -> Done {
    let count = match command.at_least(0)? {
        [] => None,
        [count] => Some(positive(count)?),
        _ => return Err(Reply::syntax()),
    };
    // the multiplier of Knuth's MMIX generator; its upper bits are the good ones
    let next = |lots: u64| lots.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let key = command.key().into_iter().flat_map(|key| key.iter());
    let mut lots = key.fold(command.now, |lots, byte| next(lots ^ u64::from(*byte)));
    let mut draw = |set: &mut Set| {
        lots = next(lots);
        let at = (lots >> 33) as usize % set.len().max(1);
        set.swap_remove_index(at)
    };
    change(data, |set: &mut Set| match count {
        None => draw(set).map_or(Reply::Null, Reply::Bulk),
        Some(count) => Reply::Set((0..count).map_while(|_| draw(set)).map(Reply::Bulk).collect()),
    })
}

/// How many to take.
fn positive(count: &[u8]) -> Result<usize, Reply> {
    let count = integer(count).ok().and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| Reply::error("ERR value is out of range, must be positive"))
}

fn range(data: Option<&Data>, command: &Command) -> Done {
    let [start, stop] = command.rest()?;
    let (start, stop) = (integer(start)?, integer(stop)?);
    look(data, |list: &List| {
        let len = i64::try_from(list.len()).unwrap_or(i64::MAX);
        let from_end = |at: i64| usize::try_from(if at < 0 { at.saturating_add(len) } else { at });
        let start = from_end(start).unwrap_or(0);
        // a stop before the first item leaves nothing
        let end = from_end(stop).map_or(0, |stop| stop.saturating_add(1));
        Reply::Array(list.iter().take(end).skip(start).cloned().map(Reply::Bulk).collect())
    })
}

fn hset(data: &mut Option<Data>, command: &Command) -> Done {
    let (pairs, []) = command.at_least(2)?.as_chunks() else {
        return Err(command.arity());
    };
    change(data, |hash: &mut Hash| {
        let is_new = |[field, value]: &&[Bytes; 2]| hash.insert(field.clone(), value.clone()).is_none();
        Reply::count(pairs.iter().filter(is_new).count())
    })
}

impl Value for Option<Data> {
    fn text(&self) -> Result<Option<&Bytes>, Reply> {
        match self {
            None => Ok(None),
            Some(Data::Text(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type()),
        }
    }
    fn text_mut(&mut self) -> Result<&mut Bytes, Reply> {
        match self.get_or_insert_with(|| Data::Text(Bytes::new())) {
            Data::Text(text) => Ok(text),
            _ => Err(wrong_type()),
        }
    }
    fn set(&mut self, text: Bytes) {
        *self = Some(Data::Text(text));
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
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_of_one_moment_draw_lots_of_their_own() {
        let drawn = |key: &str| {
            let mut data = Some((0..100).map(|n| Bytes::from(n.to_string().into_bytes())).collect::<Set>().wrap());
            let command = Command { now: 1, words: vec![Bytes::borrowed(b"SPOP"), key.as_bytes().into()] };
            format!("{:?}", run(&mut data, b"SPOP", &command))
        };
        let all: BTreeSet<_> = (0..20).map(|n| drawn(&format!("key:{n}"))).collect();
        assert!(all.len() > 10, "{all:?}");
        assert_eq!(drawn("key"), drawn("key"), "a step that runs again draws the same");
    }
}
