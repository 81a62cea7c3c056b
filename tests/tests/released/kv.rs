//! `kv`: 2 adds what expires, 3 lists, sets and hashes.

use hotswap::Machine as _;
use hotswap::testing::{Difference, Golden, Law, Laws};
use kv_store::commands::collections::Data;
use kv_store::commands::expiry::expired;
use kv_store::key::{AnyInput, AnyState, Expiring, Machine, Switch, Text, Typed};
use kv_store::{Answer, Bytes, Command, Reply};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

const NOW: u64 = 1_700_000_000_000;

fn command(line: &str) -> Command {
    let mut words: Vec<Bytes> = line.split(' ').map(|word| word.as_bytes().into()).collect();
    words.insert(1, Bytes::borrowed(b"key"));
    Command { now: NOW, words }
}

#[test]
fn states_and_inputs_of_kv_are_read_as_they_were() {
    let (a, b) = (Bytes::borrowed(b"a\xff"), Bytes::borrowed(b"b"));
    let typed = |data| Typed { data: Some(data), expires: Some(NOW) };
    Golden::<Machine>::in_folder("golden/kv")
        .state(Text { value: Some(a.clone()) })
        .state_named("empty", Text { value: None })
        .state(Expiring { value: Some(a.clone()), expires: Some(NOW) })
        .state_named("for_ever", Expiring { value: Some(a.clone()), expires: None })
        .state_named("text", typed(Data::Text(a.clone())))
        .state_named("list", typed(Data::List(Box::new([b.clone(), a.clone(), b.clone()].into()))))
        .state_named("set", typed(Data::Set(Box::new([b.clone(), a.clone()].into()))))
        .state_named("hash", typed(Data::Hash(Box::new([(b.clone(), a.clone()), (a, b)].into()))))
        .state_named("empty", Typed { data: None, expires: None })
        .input(1, command("SET value"))
        .input(2, command("SET value PX 1500"))
        .input(3, command("HSET field value"))
        .check();
}

fn text() -> impl Strategy<Value = Bytes> {
    select(vec!["", "a", "b", "07", "7", "-1", "9223372036854775807"])
        .prop_map(|text| Bytes::borrowed(text.as_bytes()))
        .boxed()
        .prop_union(prop::collection::vec(any::<u8>(), 0..3).prop_map(Bytes::from).boxed())
}

fn expires() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(select(vec![1, NOW - 1, NOW, NOW + 1, NOW + 1500, i64::MAX.unsigned_abs()]))
}

fn data() -> impl Strategy<Value = Data> {
    prop_oneof![
        text().prop_map(Data::Text),
        prop::collection::vec(text(), 1..4).prop_map(|list| Data::List(Box::new(list.into()))),
        prop::collection::vec(text(), 1..4).prop_map(|set| Data::Set(Box::new(set.into_iter().collect()))),
        prop::collection::vec((text(), text()), 1..4).prop_map(|hash| Data::Hash(Box::new(hash.into_iter().collect()))),
    ]
}

/// As steps leave them: nothing that is not there expires, and no collection is empty.
fn states() -> impl Strategy<Value = AnyState> {
    let there = prop::bool::weighted(0.8);
    (1..=3, text(), data(), expires(), there).prop_map(|(version, value, data, expires, there)| {
        let (value, data, expires) = (there.then_some(value), there.then_some(data), expires.filter(|_| there));
        match version {
            1 => Text { value }.into(),
            2 => Expiring { value, expires }.into(),
            _ => Typed { data, expires }.into(),
        }
    })
}

/// Every command, `v` for some text and `n` for some number; and what is wrong with them.
const COMMANDS: [&[&str]; 3] = [
    &[
        "GET",
        "MGET",
        "SET v",
        "MSET v",
        "DEL",
        "EXISTS",
        "INCR",
        "DECR",
        "INCRBY n",
        "DECRBY n",
        "APPEND v",
        "STRLEN",
        "SET",
        "SET v junk",
        "GET v",
        "INCRBY v",
        "NO-SUCH v n",
        "",
    ],
    &[
        "SET v EX n",
        "SET v PX n",
        "SET v NX",
        "SET v XX",
        "SET v KEEPTTL",
        "SET v xx px n",
        "SET v EX",
        "SET v NX XX",
        "SETEX n v",
        "EXPIRE n",
        "PEXPIRE n",
        "EXPIRE n NX",
        "EXPIRE n XX",
        "PEXPIRE n GT",
        "PEXPIRE n LT",
        "EXPIRE v",
        "EXPIRE n junk",
        "TTL",
        "PTTL",
        "PERSIST",
        "TTL v",
    ],
    &[
        "LPUSH v v",
        "RPUSH v",
        "LPOP",
        "RPOP",
        "LPOP n",
        "RPOP n",
        "LRANGE n n",
        "LLEN",
        "SADD v v",
        "SREM v",
        "SPOP",
        "SPOP n",
        "SCARD",
        "SMEMBERS",
        "SISMEMBER v",
        "HSET v v",
        "HSET v v v v",
        "HGET v",
        "HDEL v v",
        "HGETALL",
        "HLEN",
        "TYPE",
        "LPUSH",
        "HSET v",
        "LRANGE v v",
        "TYPE v",
    ],
];

fn inputs() -> impl Strategy<Value = Command> {
    let number = select(vec!["0", "1", "2", "-1", "1500", "9223372036854775807", "-9223372036854775808"]);
    let words = (prop::collection::vec(text(), 4), prop::collection::vec(number, 4));
    (select(COMMANDS.concat()), words, any::<bool>()).prop_map(|(line, (mut texts, mut numbers), small)| {
        let line = if small { line.to_lowercase() } else { line.to_owned() };
        let mut command = command(&line);
        for arg in &mut command.words[2..] {
            match &**arg {
                b"v" | b"V" => *arg = texts.pop().unwrap_or_default(),
                b"n" | b"N" => *arg = numbers.pop().unwrap_or_default().as_bytes().into(),
                _ => {}
            }
        }
        command
    })
}

/// A version differs from the one below in commands of its own, which that one refused and which changed nothing there.
fn is_new(difference: &Difference<'_, Machine>) -> bool {
    let Some(AnyInput::Command(command)) = difference.input else { return false };
    let verb = command.verb();
    let is_of = |version: u32| {
        COMMANDS[version as usize - 1].iter().any(|line| line.split(' ').next().map(str::as_bytes) == Some(&**verb))
    };
    // version 2 has more to say of SET, whose options were a mistake before
    let refused = if **verb == *b"SET" && difference.to == 2 { Reply::syntax() } else { command.unknown() };
    let one = match (difference.law, difference.state) {
        (Law::SameOutput, state) => {
            json!(["Command", Answer { reply: refused, holds: state.gone(NOW) == Some(false) }])
        }
        (Law::StepThenMigrate, AnyState::V1(Text { value })) => {
            json!([2, Expiring { value: value.clone(), expires: None }])
        }
        (Law::StepThenMigrate, AnyState::V2(Expiring { value, expires })) if !expired(*expires, NOW) => {
            json!([3, Typed { data: value.clone().map(Data::Text), expires: *expires }])
        }
        (Law::StepThenMigrate, AnyState::V2(_)) => json!([3, Typed::default()]),
        _ => return false,
    };
    is_of(difference.to) && (**verb == *b"SET" || !is_of(difference.from)) && difference.one == one
}

/// The server lets go of a key when it is told that nothing is held: of a loaded version it sees no more than that.
#[test]
fn an_answer_tells_whether_the_key_holds_anything() {
    let switch = |version| Switch::builder().starting_at(version).build().expect("a version to run");
    let fleets = [1, 2, 3].map(|version| switch(version).fleet::<u8>());
    proptest!(|(state in states(), input in inputs())| {
        let version = Machine::version_of(&state);
        let fleet = &fleets[version as usize - 1];
        let mut told = None;
        let stays = |state: &AnyState, answer: Option<&Answer>| {
            told = answer.map(|answer| (!answer.holds, state.gone(NOW)));
            false
        };
        fleet.step_while(0, || state, input, stays).expect("every version takes every command");
        let (told, seen) = told.expect("it answers");
        prop_assert_eq!(Some(told), seen);
        prop_assert!(fleet.is_empty(), "it does not stay");
    });
}

#[test]
fn kv_keeps_the_laws_but_for_the_commands_that_a_version_adds() {
    Laws::<Machine>::new().intended(is_new).cases(1500).check(states(), inputs());
}
