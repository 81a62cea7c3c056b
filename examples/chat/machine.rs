//! The machine: one room, in three versions. It does no I/O: a step says who is to get what line, and the host sends it.

use hotswap::machine;

/// One room. It lives while somebody is in it.
#[machine(name = "chat", derive(Debug))]
pub(crate) mod room {
    use std::collections::{BTreeMap, VecDeque};

    use crate::rules::{self, Named};
    use serde::{Deserialize, Serialize};

    /// A client's connection; the host knows its socket.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    pub struct Session(pub u64);

    /// What every step answers with: a line, and who is to get it.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Delivery {
        /// Who gets it.
        pub to: Vec<Session>,
        /// The line, without its end.
        pub line: String,
    }

    // Version 1: five inputs, each a type of its own.

    /// Comes in under a nickname.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Join {
        /// Who.
        pub by: Session,
        /// As the others will see it.
        pub nick: String,
    }

    /// Goes, or is gone.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Leave {
        /// Who.
        pub by: Session,
    }

    /// Says something to all.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Say {
        /// Who.
        pub by: Session,
        /// What.
        pub text: String,
    }

    /// Sets what the room is about.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Topic {
        /// Who.
        pub by: Session,
        /// What.
        pub text: String,
    }

    /// Asks who is here.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Who {
        /// Who asks.
        pub by: Session,
    }

    /// Version 1: who is here under which nickname, and the last lines for those who come.
    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct Room {
        /// What the room is about.
        pub topic: String,
        /// Nicknames.
        pub members: BTreeMap<Session, String>,
        /// The last lines, oldest first.
        pub history: VecDeque<String>,
    }

    #[machine(version = 1)]
    fn join(room: &mut Room, join: Join) -> Vec<Delivery> {
        rules::admit(&mut room.members, join.by, join.nick, &room.topic, &room.history)
    }

    #[machine(version = 1)]
    fn leave(room: &mut Room, leave: Leave) -> Vec<Delivery> {
        rules::part(&mut room.members, leave.by)
    }

    #[machine(version = 1)]
    fn say(room: &mut Room, say: Say) -> Vec<Delivery> {
        let Some(nick) = room.members.get(&say.by) else { return rules::not_here(say.by) };
        let line = format!("{nick}: {}", say.text);
        rules::remember(&mut room.history, line.clone());
        rules::to_all(&room.members, line)
    }

    #[machine(version = 1)]
    fn topic(room: &mut Room, topic: Topic) -> Vec<Delivery> {
        rules::retitle(&room.members, &mut room.topic, topic)
    }

    #[machine(version = 1)]
    fn who(room: &Room, who: Who) -> Vec<Delivery> {
        let here: Vec<&str> = room.members.values().map(Named::nick).collect();
        rules::tell(who.by, format!("# here: {}", here.join(", ")))
    }

    // Version 2: behaviour only, on version 1's state. `Say` becomes `Speak`, which may be for one person alone; `Emote` is new.
    // What version 1 takes besides is inherited.

    /// Says something to all, or whispers it to one.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Speak {
        /// Who.
        pub by: Session,
        /// What.
        pub text: String,
        /// The nickname that it is for, if not for all.
        pub to: Option<String>,
        /// When, in seconds since 1970, if it is known.
        pub at: Option<u64>,
    }

    /// Is seen to do something.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Emote {
        /// Who.
        pub by: Session,
        /// What.
        pub text: String,
    }

    /// What still says `Say` is understood by every version.
    #[machine(adapt)]
    fn for_all(old: Say) -> Speak {
        Speak { by: old.by, text: old.text, to: None, at: None }
    }

    /// Version 1 takes a `Speak` that is for all, and has no whispers: those come back to who sent them.
    #[machine(adapt)]
    fn unless_whispered(new: &Speak) -> Option<Say> {
        new.to.is_none().then(|| Say { by: new.by, text: new.text.clone() })
    }

    #[machine(version = 2, migrates_from = 1)]
    fn speak(room: &mut Room, speak: Speak) -> Vec<Delivery> {
        match &speak.to {
            Some(to) => rules::whisper(&room.members, speak.by, to, &speak.text),
            None => say(room, Say { by: speak.by, text: speak.text }),
        }
    }

    #[machine(version = 2)]
    fn emote(room: &mut Room, emote: Emote) -> Vec<Delivery> {
        rules::emote(&room.members, &emote)
    }

    // Version 3: a member is more than a nickname, and the history has times. Going back forgets both: version 2 has no use
    // for them, so nothing of worth is lost.

    /// Version 3: who is here and how much they say, and the last lines with their times.
    #[machine(version = 3, migrates_from = 2, reversible)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Timed {
        /// What the room is about.
        pub topic: String,
        /// Who is here.
        #[machine(with = silent_so_far, back = nicknames)]
        pub members: BTreeMap<Session, Member>,
        /// The last lines, oldest first.
        #[machine(with = undated, back = texts)]
        pub history: VecDeque<Line>,
    }

    /// Somebody in the room.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Member {
        /// As the others see it.
        pub nick: String,
        /// How many lines for all since version 3.
        pub lines: u64,
    }

    /// A line of the history.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Line {
        /// What all saw.
        pub text: String,
        /// When, in seconds since 1970, if it is known.
        pub at: Option<u64>,
    }

    impl Member {
        fn new(nick: String) -> Self {
            Self { nick, lines: 0 }
        }
    }

    fn silent_so_far(members: &BTreeMap<Session, String>) -> BTreeMap<Session, Member> {
        members.iter().map(|(session, nick)| (*session, Member::new(nick.clone()))).collect()
    }

    fn nicknames(members: &BTreeMap<Session, Member>) -> BTreeMap<Session, String> {
        members.iter().map(|(session, member)| (*session, member.nick.clone())).collect()
    }

    fn undated(history: &VecDeque<String>) -> VecDeque<Line> {
        history.iter().map(|text| Line { text: text.clone(), at: None }).collect()
    }

    fn texts(history: &VecDeque<Line>) -> VecDeque<String> {
        history.iter().map(|line| line.text.clone()).collect()
    }

    #[machine(version = 3)]
    fn join_timed(room: &mut Timed, join: Join) -> Vec<Delivery> {
        rules::admit(&mut room.members, join.by, Member::new(join.nick), &room.topic, &room.history)
    }

    #[machine(version = 3)]
    fn leave_timed(room: &mut Timed, leave: Leave) -> Vec<Delivery> {
        rules::part(&mut room.members, leave.by)
    }

    #[machine(version = 3)]
    fn speak_timed(room: &mut Timed, speak: Speak) -> Vec<Delivery> {
        if let Some(to) = &speak.to {
            return rules::whisper(&room.members, speak.by, to, &speak.text);
        }
        let Some(member) = room.members.get_mut(&speak.by) else { return rules::not_here(speak.by) };
        member.lines += 1;
        let text = format!("{}: {}", member.nick, speak.text);
        rules::remember(&mut room.history, Line { text: text.clone(), at: speak.at });
        rules::to_all(&room.members, text)
    }

    #[machine(version = 3)]
    fn emote_timed(room: &mut Timed, emote: Emote) -> Vec<Delivery> {
        rules::emote(&room.members, &emote)
    }

    #[machine(version = 3)]
    fn topic_timed(room: &mut Timed, topic: Topic) -> Vec<Delivery> {
        rules::retitle(&room.members, &mut room.topic, topic)
    }

    #[machine(version = 3)]
    fn who_timed(room: &Timed, who: Who) -> Vec<Delivery> {
        let here: Vec<_> = room.members.values().map(|member| format!("{} ({})", member.nick, member.lines)).collect();
        rules::tell(who.by, format!("# here, and lines said: {}", here.join(", ")))
    }
}

use room::AnyState;

impl AnyState {
    /// Whether nobody is in the room.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::V1(room) | Self::V2(room) => room.members.is_empty(),
            Self::V3(room) => room.members.is_empty(),
            Self::Loaded(_) => false,
        }
    }
}
