//! Lists, sets and hashes: what version 3 adds.

use std::collections::VecDeque;

use bytes::Bytes;
use indexmap::{IndexMap, IndexSet};
use serde::{Deserialize, Serialize};

use super::{Answer, Command, Value, integer, wrong_type};
use crate::reply::Reply;

/// What a key holds from version 3 on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Data {
    /// All that earlier versions know.
    Text(Vec<u8>),
    /// A list; never empty between steps, and neither are the others.
    List(VecDeque<Vec<u8>>),
    /// A set.
    Set(IndexSet<Vec<u8>>),
    /// A hash.
    Hash(IndexMap<Vec<u8>, Vec<u8>>),
}

/// One kind of collection among the kinds of data.
trait Collection: Default {
    fn wrap(self) -> Data;
    fn of(data: &Data) -> Option<&Self>;
    fn of_mut(data: &mut Data) -> Option<&mut Self>;
    fn is_empty(&self) -> bool;
}

macro_rules! collection {
    ($($kind:ident: $type:ty;)*) => {$(
        impl Collection for $type {
            fn wrap(self) -> Data {
                Data::$kind(self)
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

collection! {
    List: VecDeque<Vec<u8>>;
    Set: IndexSet<Vec<u8>>;
    Hash: IndexMap<Vec<u8>, Vec<u8>>;
}

/// Runs a command of this group; `None` if it is of another.
pub(crate) fn run(data: &mut Option<Data>, command: &Command) -> Option<Answer> {
    Some(match command.verb().as_str() {
        "LPUSH" => push(data, command, VecDeque::push_front),
        "RPUSH" => push(data, command, VecDeque::push_back),
        "LPOP" => pop(data, command, VecDeque::pop_front),
        "RPOP" => pop(data, command, VecDeque::pop_back),
        "LRANGE" => range(data.as_ref(), command),
        "LLEN" => command.rest().and_then(|[]| look(data.as_ref(), |list: &VecDeque<_>| Reply::count(list.len()))),
        "SADD" => members(command).and_then(|members| {
            change(data, |set: &mut IndexSet<Vec<u8>>| {
                Reply::count(members.iter().filter(|member| set.insert(member.to_vec())).count())
            })
        }),
        "SREM" => members(command).and_then(|members| {
            change(data, |set: &mut IndexSet<Vec<u8>>| {
                Reply::count(members.iter().filter(|member| set.swap_remove(&***member)).count())
            })
        }),
        "SPOP" => spop(data, command),
        "SCARD" => command.rest().and_then(|[]| look(data.as_ref(), |set: &IndexSet<_>| Reply::count(set.len()))),
        "SMEMBERS" => command.rest().and_then(|[]| {
            look(data.as_ref(), |set: &IndexSet<Vec<u8>>| Reply::Set(set.iter().map(Reply::bulk).collect()))
        }),
        "SISMEMBER" => command.rest().and_then(|[member]| {
            look(data.as_ref(), |set: &IndexSet<Vec<u8>>| Reply::Integer(set.contains(&**member).into()))
        }),
        "HSET" => hset(data, command),
        "HGET" => command.rest().and_then(|[field]| {
            look(data.as_ref(), |hash: &IndexMap<Vec<u8>, Vec<u8>>| hash.get(&**field).map_or(Reply::Null, Reply::bulk))
        }),
        "HDEL" => members(command).and_then(|fields| {
            change(data, |hash: &mut IndexMap<Vec<u8>, Vec<u8>>| {
                Reply::count(fields.iter().filter(|field| hash.swap_remove(&***field).is_some()).count())
            })
        }),
        "HGETALL" => command.rest().and_then(|[]| {
            look(data.as_ref(), |hash: &IndexMap<Vec<u8>, Vec<u8>>| {
                Reply::Map(hash.iter().map(|(field, value)| (Reply::bulk(field), Reply::bulk(value))).collect())
            })
        }),
        "HLEN" => command.rest().and_then(|[]| look(data.as_ref(), |hash: &IndexMap<_, _>| Reply::count(hash.len()))),
        "TYPE" => command.rest().map(|[]| Reply::Status(kind(data.as_ref()).into())),
        _ => return None,
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

/// Looks at a collection; a key that holds nothing holds an empty one.
fn look<C: Collection>(data: Option<&Data>, look: impl FnOnce(&C) -> Reply) -> Answer {
    match data {
        None => Ok(look(&C::default())),
        Some(data) => C::of(data).map(look).ok_or_else(wrong_type),
    }
}

/// Changes a collection, and ends it if nothing is left in it.
fn change<C: Collection>(data: &mut Option<Data>, change: impl FnOnce(&mut C) -> Reply) -> Answer {
    let collection = C::of_mut(data.get_or_insert_with(|| C::default().wrap())).ok_or_else(wrong_type)?;
    let reply = change(collection);
    if collection.is_empty() {
        *data = None;
    }
    Ok(reply)
}

fn members(command: &Command) -> Result<&[Bytes], Reply> {
    command.at_least(1)
}

type List = VecDeque<Vec<u8>>;

fn push(data: &mut Option<Data>, command: &Command, push: fn(&mut List, Vec<u8>)) -> Answer {
    let items = command.at_least(1)?;
    change(data, |list: &mut List| {
        for item in items {
            push(list, item.to_vec());
        }
        Reply::count(list.len())
    })
}

fn pop(data: &mut Option<Data>, command: &Command, pop: fn(&mut List) -> Option<Vec<u8>>) -> Answer {
    let count = count(command)?;
    let there = data.is_some();
    change(data, |list: &mut List| match count {
        None => pop(list).map_or(Reply::Null, Reply::bulk),
        Some(_) if !there => Reply::Null,
        Some(count) => Reply::Array((0..count).map_while(|_| pop(list)).map(Reply::bulk).collect()),
    })
}

/// Which members go is decided by the time of the command: a step draws no lots.
fn spop(data: &mut Option<Data>, command: &Command) -> Answer {
    let count = count(command)?;
    let mut lots = command.now;
    let mut draw = |set: &mut IndexSet<Vec<u8>>| {
        // the multiplier of Knuth's MMIX generator; its upper bits are the good ones
        lots = lots.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (lots >> 33) as usize % set.len().max(1);
        set.swap_remove_index(at)
    };
    change(data, |set: &mut IndexSet<Vec<u8>>| match count {
        None => draw(set).map_or(Reply::Null, Reply::bulk),
        Some(count) => Reply::Set((0..count).map_while(|_| draw(set)).map(Reply::bulk).collect()),
    })
}

/// How many to take: one, if it is not said.
fn count(command: &Command) -> Result<Option<usize>, Reply> {
    match command.at_least(0)? {
        [] => Ok(None),
        [count] => usize::try_from(integer(count)?)
            .map(Some)
            .map_err(|_| Reply::error("ERR value is out of range, must be positive")),
        _ => Err(Reply::arity(&command.name)),
    }
}

fn range(data: Option<&Data>, command: &Command) -> Answer {
    let [start, stop] = command.rest()?;
    let (start, stop) = (integer(start)?, integer(stop)?);
    look(data, |list: &List| {
        let len = i64::try_from(list.len()).unwrap_or(i64::MAX);
        let from_end = |at: i64| usize::try_from(if at < 0 { at.saturating_add(len) } else { at });
        let start = from_end(start).unwrap_or(0);
        // a stop before the first item leaves nothing
        let end = from_end(stop).map_or(0, |stop| stop.saturating_add(1));
        Reply::Array(list.iter().take(end).skip(start).map(Reply::bulk).collect())
    })
}

fn hset(data: &mut Option<Data>, command: &Command) -> Answer {
    let (pairs, []) = command.at_least(2)?.as_chunks() else {
        return Err(Reply::arity(&command.name));
    };
    change(data, |hash: &mut IndexMap<Vec<u8>, Vec<u8>>| {
        let is_new = |[field, value]: &&[Bytes; 2]| hash.insert(field.to_vec(), value.to_vec()).is_none();
        Reply::count(pairs.iter().filter(is_new).count())
    })
}

impl Value for Option<Data> {
    fn text(&self) -> Result<Option<&Vec<u8>>, Reply> {
        match self {
            None => Ok(None),
            Some(Data::Text(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type()),
        }
    }
    fn text_mut(&mut self) -> Result<&mut Vec<u8>, Reply> {
        match self.get_or_insert_with(|| Data::Text(Vec::new())) {
            Data::Text(text) => Ok(text),
            _ => Err(wrong_type()),
        }
    }
    fn set(&mut self, text: &[u8]) {
        *self = Some(Data::Text(text.to_vec()));
    }
    fn clear(&mut self) {
        *self = None;
    }
    fn exists(&self) -> bool {
        self.is_some()
    }
}
