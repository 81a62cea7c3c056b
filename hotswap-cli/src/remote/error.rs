//! Why a running program did not do what it was asked, or not all of it.

use hotswap::remote::TokenError;
use hotswap::remote::wire::{Blocker, Outcome, Plan, Problem};
use serde_json::{Value, json};

use super::at::AtError;
use super::client::ClientError;
use super::rollout::RolloutError;
use super::{outcome, plan};
use crate::facts::shown;
use crate::report::{FAILED, HELD_BACK, REFUSED, UNREACHABLE, USAGE};

/// Problems of something that was done all the same.
const DONE: [&str; 2] = ["step-panicked", "output-lost"];

#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    #[error(transparent)]
    At(#[from] AtError),
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Something was sent, and nobody knows what became of it.
    #[error("{source}\n\nhelp: {}", open_end(.id, .ask.as_deref()))]
    Unanswered { ask: Option<String>, id: String, source: ClientError },
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the system gives no random bytes to make an id of: {0}; name one with `--id`")]
    Random(String),
    #[error("{}", held_back(.0))]
    HeldBack(Box<Outcome>),
    #[error("{} of {} examined instances would be held back", .0.failed, .0.examined)]
    WouldHoldBack(Box<Plan>),
    #[error("standard output is no terminal: `hotswap status --json` is for programs")]
    NoTerminal,
    #[error(transparent)]
    Rollout(#[from] RolloutError),
    /// The program sent no more events.
    #[error("{name} ended the stream of events")]
    Ended { name: String },
    #[error("{from} is not JSON: {why}")]
    Json { from: String, why: serde_json::Error },
    #[error("command `{}` was superseded by command `{}` before all instances had arrived", shown(&.0.id), shown(by(.0)))]
    Superseded(Box<Outcome>),
}

fn open_end(id: &str, ask: Option<&str>) -> String {
    let ask = ask.map_or_else(String::new, |ask| format!(" `hotswap status --id {ask}` says what came of it;"));
    format!("it may be done.{ask} the same again with `--id {id}` does it if it did not arrive, and only then")
}

fn held_back(outcome: &Outcome) -> String {
    format!("done, but {} of {} instances are held back", outcome.held_back, outcome.live)
}

fn by(outcome: &Outcome) -> &str {
    outcome.superseded_by.as_deref().unwrap_or_default()
}

impl RemoteError {
    /// What was read as JSON could not be written as JSON.
    pub(super) fn unshown(why: serde_json::Error) -> Self {
        Self::Json { from: "the answer".to_owned(), why }
    }

    /// A name that stays, for programs.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::At(error) => error.code(),
            Self::Client(error) | Self::Unanswered { source: error, .. } => error.code(),
            Self::Token(_) => "token",
            Self::Random(_) => "random",
            Self::NoTerminal => "no-terminal",
            Self::Ended { .. } => "ended",
            Self::Json { .. } => "json",
            Self::HeldBack(_) | Self::WouldHoldBack(_) => "held-back",
            Self::Superseded(_) => "superseded",
            Self::Rollout(error) => error.code(),
        }
    }

    pub(crate) fn exit(&self) -> u8 {
        match self {
            Self::At(AtError::NoProgram { .. }) | Self::Ended { .. } => UNREACHABLE,
            Self::At(AtError::SeveralPrograms { .. } | AtError::SeveralSwitches { .. } | AtError::Both) => USAGE,
            Self::At(_)
            | Self::Token(_)
            | Self::Random(_)
            | Self::NoTerminal
            | Self::Json { .. }
            | Self::Superseded(_) => FAILED,
            Self::Client(error) | Self::Unanswered { source: error, .. } => match error {
                // the step ran, and something changed
                ClientError::Refused(problem) if DONE.contains(&problem.name()) => FAILED,
                ClientError::Refused(_) => REFUSED,
                ClientError::Unreachable { .. } | ClientError::Broken { .. } | ClientError::NoAnswer { .. } => {
                    UNREACHABLE
                }
                _ => FAILED,
            },
            Self::HeldBack(_) | Self::WouldHoldBack(_) => HELD_BACK,
            Self::Rollout(error) => error.exit(),
        }
    }

    /// What programs are told beside the message.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::At(AtError::SeveralPrograms { sockets, .. }) => json!({ "sockets": sockets }),
            Self::At(AtError::SeveralSwitches { labels }) => json!({ "switches": labels }),
            Self::Client(ClientError::Refused(problem) | ClientError::Failed(problem)) => json!({ "problem": problem }),
            Self::Unanswered { ask, id, source: ClientError::Failed(problem) } => {
                json!({ "id": id, "ask": ask, "problem": problem })
            }
            Self::Unanswered { ask, id, .. } => json!({ "id": id, "ask": ask }),
            Self::HeldBack(outcome) | Self::Superseded(outcome) => json!({ "outcome": outcome }),
            Self::WouldHoldBack(plan) => json!({ "plan": plan }),
            Self::Rollout(error) => error.json(),
            _ => json!({}),
        }
    }

    /// What people are told on standard output: what was done although not all of it was.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::HeldBack(outcome) | Self::Superseded(outcome) => outcome::text(outcome),
            Self::WouldHoldBack(plan) => plan::text(plan),
            Self::Rollout(error) => error.text(),
            _ => String::new(),
        }
    }
}

/// The problem as the server tells it, and what to do about it here.
pub(super) fn told(problem: &Problem) -> String {
    let detail = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    // a help of the library's own speaks of Rust
    let fact = detail.split_once("\n\nhelp: ").map_or(&**detail, |(fact, _)| fact);
    advice(problem).map_or_else(|| shown(fact), |advice| format!("{}\n\nhelp: {advice}", shown(fact)))
}

fn advice(problem: &Problem) -> Option<String> {
    Some(match &problem.blocker {
        Some(Blocker::Pending { id }) => format!("`hotswap status --id {}` says how far it is", shown(id)),
        Some(Blocker::Superseded { by }) => format!("`hotswap status --id {}` says what that one did", shown(by)),
        Some(Blocker::IdReused { .. }) => "leave `--id` away for a command that is new".to_owned(),
        Some(Blocker::Stale { .. }) => "`hotswap status` tells the present release".to_owned(),
        Some(Blocker::Losses { .. }) => "`--accept-loss` goes on all the same".to_owned(),
        Some(Blocker::HeldBack { .. }) => "`hotswap retry` tries them again, `hotswap rollback` goes back, and \
            `hotswap commit --leave-held-back` goes on without them"
            .to_owned(),
        Some(Blocker::Canary { .. }) => {
            "`hotswap promote` takes everybody there, and `hotswap rollback` brings back those who went".to_owned()
        }
        Some(Blocker::Version { .. }) => "`hotswap versions` lists them, and `hotswap push` brings one".to_owned(),
        Some(Blocker::Holders { .. }) => "`hotswap images` shows who uses it".to_owned(),
        _ if problem.status == 401 => {
            "`--token-file`, or `--client-cert` with `--client-key`, says who you are".to_owned()
        }
        _ => return None,
    })
}
