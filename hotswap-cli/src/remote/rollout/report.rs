//! What a rollout tells: each fact as it is known, how far it is, and in the end how every program stands.

use std::io::{self, Write};
use std::ops::Range;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::course::{Known, State};
use super::journal::{Fact, Fault, Intent};
use super::{Ended, of};
use crate::facts::shown;
use crate::remote::show;
use crate::report::{Found, SCHEMA, with};

/// How far it is, on standard error where that is a terminal.
#[derive(Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(programs: usize) -> Self {
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} programs upgraded, {msg}");
        let bar = ProgressBar::new(programs as u64);
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    pub(super) fn say(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    pub(super) fn at(&self, upgraded: usize) {
        self.0.set_position(upgraded as u64);
    }

    /// Lets something be printed that does not mix with it.
    pub(super) fn beside(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}

/// Tells of a fact: people on standard error, programs by an object on a line of its own.
pub(super) fn event(fact: &Fact, as_json: bool) {
    // whoever closed the pipe wants no more of it, and the rollout goes on
    let _ = if as_json {
        let line = with(json!({ "schema": SCHEMA, "command": "rollout" }), json!(fact)).to_string();
        writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush())
    } else {
        writeln!(io::stderr(), "{}", text(fact))
    };
}

fn text(fact: &Fact) -> String {
    match fact {
        Fact::Begun { rollout, intent } => {
            let waves = intent.waves.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
            format!("{rollout}: to version {} in waves of {waves}", intent.to)
        }
        Fact::Seen { program, switch, from, .. } => shown(&format!("{program}: {switch} runs version {from}")),
        Fact::Upgraded { program, live, moved, held_back, .. } => {
            shown(&format!("{program}: upgraded, {moved} of {live} instances moved, {held_back} held back"))
        }
        Fact::Passed { wave } => format!("wave {wave} has passed"),
        Fact::Failed { wave, faults } => faults.iter().fold(format!("wave {wave} has not passed"), |text, fault| {
            let Fault { program, message, .. } = fault;
            format!("{text}\n  {}", shown(&of(program, message)))
        }),
        Fact::RolledBack { program, held_back } => {
            shown(&format!("{program}: back at the version before, {held_back} held back"))
        }
        Fact::Committed { program } => shown(&format!("{program}: committed")),
        Fact::Ended { how } => said(Some(*how)).to_owned(),
    }
}

fn said(how: Option<Ended>) -> &'static str {
    match how {
        Some(Ended::OnProbation) => "every program runs the version, on probation",
        Some(Ended::Committed) => "every program runs the version for good",
        Some(Ended::Stopped) => "stopped, and the programs were left as they are",
        Some(Ended::RolledBack) => "stopped, and all that were upgraded have gone back",
        None => "not finished",
    }
}

/// How every program stands.
pub(super) fn found(id: &str, intent: &Intent, waves: &[Range<usize>], state: &State, how: Option<Ended>) -> Found {
    let wave = |at: usize| waves.iter().position(|wave| wave.contains(&at)).map_or(0, |wave| wave + 1);
    let all = || intent.programs.iter().zip(&state.programs).enumerate();
    let rows = all().map(|(at, (program, known))| {
        let counts = known.upgraded.as_ref();
        let count = |of: Option<u64>| of.map_or_else(String::new, |count| count.to_string());
        [
            wave(at).to_string(),
            program.clone(),
            known.seen.as_ref().map_or_else(String::new, |seen| seen.from.to_string()),
            stands(known, intent.to).to_owned(),
            count(counts.map(|it| it.moved)),
            count(counts.map(|it| it.held_back)),
        ]
    });
    let table = show::table(["wave", "program", "from", "stands", "moved", "held back"], rows.collect());
    let programs: Vec<Value> = all()
        .map(|(at, (program, known))| {
            json!({
                "program": program,
                "wave": wave(at),
                "switch": known.seen.as_ref().map(|seen| &seen.switch),
                "from": known.seen.as_ref().map(|seen| seen.from),
                "stands": stands(known, intent.to),
                "live": known.upgraded.as_ref().map(|it| it.live),
                "moved": known.upgraded.as_ref().map(|it| it.moved),
                "held_back": known.upgraded.as_ref().map(|it| it.held_back),
            })
        })
        .collect();
    let text = format!("{id} to version {}: {}\n{table}", intent.to, said(how));
    Found { text, json: json!({ "rollout": id, "to": intent.to, "how": how, "programs": programs }) }
}

fn stands(known: &Known, to: u32) -> &'static str {
    match known {
        Known { seen: Some(seen), .. } if seen.from == to => "was-there",
        Known { rolled_back: Some(_), .. } => "rolled-back",
        Known { committed: true, .. } => "committed",
        Known { upgraded: Some(_), .. } => "on-probation",
        Known { unanswered: true, .. } => "unknown",
        _ => "untouched",
    }
}
