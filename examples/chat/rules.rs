//! What holds in a room of any version: who may come in, and how what happens there is worded.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Display};

use crate::machine::room::{Delivery, Emote, Line, Member, Session, Topic};

/// How many may be in one room.
pub(crate) const MEMBERS: usize = 64;
/// How many lines a room keeps for those who come.
pub(crate) const HISTORY: usize = 20;
/// How many characters a nickname or a room's name may have.
pub(crate) const NAME: usize = 24;

/// Whoever has a nickname.
pub(crate) trait Named {
    fn nick(&self) -> &str;
}

impl Named for String {
    fn nick(&self) -> &str {
        self
    }
}

impl Named for Member {
    fn nick(&self) -> &str {
        &self.nick
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.at {
            write!(f, "{:02}:{:02} ", at / 3600 % 24, at / 60 % 60)?;
        }
        f.write_str(&self.text)
    }
}

/// Whether a nickname, or a room, may be called so.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
    if (1..=NAME).contains(&name.len()) && name.bytes().all(fits) {
        Ok(())
    } else {
        Err(format!("`{name}` is no name: it has 1 to {NAME} letters, digits, `-` or `_`"))
    }
}

/// Somebody comes in, and is shown what the room is about and what was last said.
pub(crate) fn admit<M: Named>(
    members: &mut BTreeMap<Session, M>,
    by: Session,
    member: M,
    topic: &str,
    history: &VecDeque<impl Display>,
) -> Vec<Delivery> {
    let nick = member.nick().to_owned();
    if let Err(why) = check_name(&nick) {
        return refuse(by, &why);
    }
    if named(members, &nick).is_some() {
        return refuse(by, "somebody here has that nickname");
    }
    if members.len() >= MEMBERS {
        return refuse(by, "the room is full");
    }
    members.insert(by, member);
    let topic = (!topic.is_empty()).then(|| format!("# the topic is: {topic}"));
    let shown = topic.into_iter().chain(history.iter().map(|line| format!("- {line}")));
    let shown = shown.map(|line| Delivery { to: vec![by], line });
    shown.chain(to_all(members, format!("* {nick} is here"))).collect()
}

/// Somebody goes; who was not here is gone already.
pub(crate) fn part(members: &mut BTreeMap<Session, impl Named>, by: Session) -> Vec<Delivery> {
    let Some(member) = members.remove(&by) else { return Vec::new() };
    let mut answer = to_all(members, format!("* {} has left", member.nick()));
    answer.extend(tell(by, "# you have left".to_owned()));
    answer
}

/// Keeps a line for those who come.
pub(crate) fn remember<L>(history: &mut VecDeque<L>, line: L) {
    if history.len() == HISTORY {
        history.pop_front();
    }
    history.push_back(line);
}

/// Says something to one, whom the others do not hear of.
pub(crate) fn whisper(members: &BTreeMap<Session, impl Named>, by: Session, to: &str, text: &str) -> Vec<Delivery> {
    let Some(from) = members.get(&by) else { return not_here(by) };
    let Some(to) = named(members, to) else { return refuse(by, "nobody here has that nickname") };
    vec![Delivery { to: vec![to], line: format!("{} whispers: {text}", from.nick()) }]
}

/// Shows all what somebody does.
pub(crate) fn emote(members: &BTreeMap<Session, impl Named>, emote: &Emote) -> Vec<Delivery> {
    let Some(member) = members.get(&emote.by) else { return not_here(emote.by) };
    to_all(members, format!("* {} {}", member.nick(), emote.text))
}

/// Changes what the room is about.
pub(crate) fn retitle(members: &BTreeMap<Session, impl Named>, topic: &mut String, new: Topic) -> Vec<Delivery> {
    let Some(member) = members.get(&new.by) else { return not_here(new.by) };
    let line = format!("* {} sets the topic: {}", member.nick(), new.text);
    *topic = new.text;
    to_all(members, line)
}

/// A line for everybody in the room.
pub(crate) fn to_all<M>(members: &BTreeMap<Session, M>, line: String) -> Vec<Delivery> {
    vec![Delivery { to: members.keys().copied().collect(), line }]
}

/// A line for one.
pub(crate) fn tell(to: Session, line: String) -> Vec<Delivery> {
    vec![Delivery { to: vec![to], line }]
}

/// Tells one why not.
pub(crate) fn refuse(to: Session, why: &str) -> Vec<Delivery> {
    tell(to, format!("! {why}"))
}

/// Tells one that the room does not know them.
pub(crate) fn not_here(to: Session) -> Vec<Delivery> {
    refuse(to, "you are not in this room")
}

fn named(members: &BTreeMap<Session, impl Named>, nick: &str) -> Option<Session> {
    members.iter().find(|(_, member)| member.nick() == nick).map(|(session, _)| *session)
}
