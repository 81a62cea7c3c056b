//! What came of a command: awaited, and shown.

use std::thread;
use std::time::Duration;

use hotswap::remote::wire::{Kind, Outcome};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::client::{Answer, Client, ClientError};
use super::error::RemoteError;
use super::show;
use crate::facts::shown;
use crate::report::Found;

/// How often it is asked how far a sweep is.
const OFTEN: Duration = Duration::from_millis(100);

/// The outcome as the answer has it, or once all that can be reached has been; held back instances are not passed over.
pub(super) fn found(
    client: &Client,
    switch: &str,
    answer: Answer<Outcome>,
    wait: bool,
    leave_held_back: bool,
) -> Result<Found, RemoteError> {
    let Answer { body: mut outcome, replayed } = answer;
    // what was not done has no record
    if replayed && outcome.done {
        // the answer is of that time
        outcome = asked(client, switch, outcome.id)?;
    }
    if wait && outcome.done {
        outcome = awaited(client, switch, outcome)?;
        if !outcome.settled {
            return Err(RemoteError::Superseded(Box::new(outcome)));
        }
    }
    if outcome.held_back > 0 && !leave_held_back {
        return Err(RemoteError::HeldBack(Box::new(outcome)));
    }
    let again = if replayed { "this id was used before: what follows is that command's outcome\n" } else { "" };
    Ok(Found { text: format!("{again}{}", text(&outcome)), json: json!({ "outcome": outcome, "replayed": replayed }) })
}

/// What came of a command, as it stands now.
fn asked(client: &Client, switch: &str, id: String) -> Result<Outcome, RemoteError> {
    client.get(&["v1", "switches", switch, "upgrades", &id]).map_err(|source| match source {
        ClientError::Refused(_) | ClientError::Strange { .. } => source.into(),
        // it may be there again
        source => RemoteError::Unanswered { ask: Some(id.clone()), id, source },
    })
}

/// Asks until the sweep is at its end, and shows on standard error how far it is, where that is a terminal.
fn awaited(client: &Client, switch: &str, mut outcome: Outcome) -> Result<Outcome, RemoteError> {
    let bar = ProgressBar::new(outcome.live).with_style(style()).with_prefix(shown(&outcome.id));
    while !outcome.settled && outcome.superseded_by.is_none() {
        bar.set_position(outcome.live.saturating_sub(outcome.not_reached));
        bar.set_message(format!("{} held back", outcome.held_back));
        thread::sleep(OFTEN);
        outcome = asked(client, switch, outcome.id)?;
    }
    bar.finish_and_clear();
    Ok(outcome)
}

fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} moved, {msg}, {per_sec}, {eta}");
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}

pub(super) fn text(outcome: &Outcome) -> String {
    let Outcome { from, to, .. } = outcome;
    let what = match outcome.kind {
        Kind::Start => format!("started at version {to}"),
        _ if !outcome.done => format!("nothing to do: version {to} runs"),
        Kind::Upgrade if outcome.stayed > 0 => {
            format!("version {to} runs as a canary, on probation, and the others stay at version {from}")
        }
        Kind::Upgrade => format!("upgraded from version {from} to version {to}, on probation"),
        Kind::Promote => format!("took everybody from version {from} to version {to}"),
        Kind::Commit => format!("committed version {to}"),
        Kind::Rollback => format!("rolled back from version {from} to version {to}"),
        Kind::Retry => format!("tried again at version {to}"),
    };
    let mut facts = vec![("id", outcome.id.clone()), ("epoch", outcome.epoch.to_string())];
    if !outcome.reason.is_empty() {
        facts.push(("reason", outcome.reason.clone()));
    }
    let mut counts = vec![
        ("live", outcome.live),
        ("moved", outcome.moved),
        ("held back", outcome.held_back),
        ("gone", outcome.gone),
        ("not reached", outcome.not_reached),
    ];
    if outcome.stayed > 0 {
        counts.insert(2, ("stayed", outcome.stayed));
    }
    facts.extend(counts.into_iter().map(|(name, count)| (name, count.to_string())));
    if let Some(by) = &outcome.superseded_by {
        facts.push(("ended by", by.clone()));
    } else if !outcome.settled {
        let ask = format!("the instances move on; `hotswap status --id {}` says how far they are", outcome.id);
        facts.push(("not settled", ask));
    }
    format!("{what}\n{}{}", show::facts(&facts), show::held(&outcome.held, outcome.held_back))
}
