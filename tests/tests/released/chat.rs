//! `chat`: 2 whispers and emotes, 3 counts what members say and keeps times.

use hotswap::testing::{Difference, Golden, Law, Laws};
use proptest::prelude::*;
use serde_json::json;

use crate::machine::room::{
    AnyInput, AnyState, Delivery, Emote, Join, Leave, Line, Machine, Member, Room, Say, Session, Speak, Timed, Topic,
    Who,
};
use crate::rules::{HISTORY, MEMBERS};

#[test]
fn states_and_inputs_of_chat_are_read_as_they_were() {
    let (ann, bob) = (Session(1), Session(300));
    let room = Room {
        topic: "tea".into(),
        members: [(ann, "ann".into()), (bob, "bob".into())].into(),
        history: ["ann: hello".into()].into(),
    };
    let line = Line { text: "ann: hello".into(), at: Some(1_700_000_000) };
    let members = [(ann, Member { nick: "ann".into(), lines: 1 })].into();
    Golden::<Machine>::in_folder("golden/chat")
        .state(room.clone())
        .state(AnyState::V2(room))
        .state(Timed { topic: "tea".into(), members, history: [line].into() })
        .input(1, Join { by: bob, nick: "bob".into() })
        .input(1, Leave { by: bob })
        .input(1, Say { by: bob, text: "hello".into() })
        .input(1, Topic { by: bob, text: "cake".into() })
        .input(1, Who { by: bob })
        .input(2, Speak { by: bob, text: "hello".into(), to: Some("ann".into()), at: None })
        .input(2, Emote { by: bob, text: "waves".into() })
        .check();
}

fn nick(session: u64) -> String {
    format!("nick{session}")
}

/// Rooms from empty to full, in every version.
fn states() -> impl Strategy<Value = AnyState> {
    let many = MEMBERS as u64;
    let members = prop_oneof![prop::collection::btree_set(0..6_u64, 0..6), Just((0..many).collect())];
    let history = prop_oneof![0..4_usize, Just(HISTORY - 1), Just(HISTORY)];
    let topic = prop_oneof![Just(""), Just("tea")];
    (1..=3, topic, members, history, 0..9_u64).prop_map(|(version, topic, members, history, n)| {
        let topic = topic.to_owned();
        let texts = (0..history).map(|line| format!("nick1: {line}"));
        if version == 3 {
            let member = |session| (Session(session), Member { nick: nick(session), lines: n });
            let history = texts.map(|text| Line { text, at: (n > 4).then_some(n * 3600) }).collect();
            return Timed { topic, members: members.into_iter().map(member).collect(), history }.into();
        }
        let members = members.into_iter().map(|session| (Session(session), nick(session))).collect();
        let room = Room { topic, members, history: texts.collect() };
        if version == 1 { AnyState::V1(room) } else { AnyState::V2(room) }
    })
}

/// By who is there and who is not, to who is there and who is not.
fn inputs() -> impl Strategy<Value = AnyInput> {
    let by = prop_oneof![4 => 0..7_u64, 1 => Just(1000)].prop_map(Session);
    let name = prop_oneof![(0..7_u64).prop_map(nick), Just("zoe".to_owned()), Just("no name".to_owned())];
    let text = prop_oneof![Just("hello".to_owned()), Just(String::new())];
    let at = prop::option::of(0..100_000_u64);
    (0..7, by, name.clone(), text, prop::option::of(name), at).prop_map(|(which, by, nick, text, to, at)| match which {
        0 => Join { by, nick }.into(),
        1 => Leave { by }.into(),
        2 => Say { by, text }.into(),
        3 => Topic { by, text }.into(),
        4 => Who { by }.into(),
        5 => Emote { by, text }.into(),
        _ => Speak { by, text, to, at }.into(),
    })
}

/// Version 3 counts the line of the one who says it, and notes when that was.
fn counts_and_dates(difference: &Difference<'_, Machine>) -> bool {
    let (by, at) = match difference.input {
        Some(AnyInput::Say(say)) => (say.by, None),
        Some(AnyInput::Speak(Speak { by, to: None, at, .. })) => (*by, *at),
        _ => return false,
    };
    let mut one = difference.one.clone();
    one[1]["members"][by.0.to_string()]["lines"] = 1.into();
    if let Some(said) = one[1]["history"].as_array_mut().and_then(|history| history.last_mut()) {
        said["at"] = json!(at);
    }
    (difference.law, difference.to) == (Law::StepThenMigrate, 3) && difference.other == one
}

/// And shows the counts, which begin at the upgrade, to whoever asks who is here.
fn shows_counts(difference: &Difference<'_, Machine>) -> bool {
    let (AnyState::V2(room), Some(AnyInput::Who(who))) = (difference.state, difference.input) else { return false };
    let told = |line| json!(["Who", [Delivery { to: vec![who.by], line }]]);
    let before: Vec<_> = room.members.values().cloned().collect();
    let after: Vec<_> = before.iter().map(|nick| format!("{nick} (0)")).collect();
    difference.law == Law::SameOutput
        && difference.one == told(format!("# here: {}", before.join(", ")))
        && difference.other == told(format!("# here, and lines said: {}", after.join(", ")))
}

#[test]
fn chat_keeps_the_laws_but_that_lines_are_counted_and_dated() {
    Laws::<Machine>::new().intended(counts_and_dates).intended(shows_counts).check(states(), inputs());
}
