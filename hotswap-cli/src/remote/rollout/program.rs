//! One program of a rollout: looked at, and commanded under ids of the rollout's own, so that whatever is asked again is done
//! once.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hotswap::remote::wire::{Outcome, SwitchView, Versions};
use reqwest::Method;
use serde::Serialize;

use super::gate::Counts;
use crate::remote::at::{Place, Who, only_switch};
use crate::remote::client::{Client, ClientError, Sent};
use crate::remote::error::RemoteError;
use crate::remote::order::unanswered;
use crate::remote::status;
use crate::report::Failure;

/// So often is a call made that nobody answers.
const TRIES: u32 = 3;
/// So long is waited between them.
const BETWEEN: Duration = Duration::from_secs(1);
/// How often it is asked how far a sweep is.
const OFTEN: Duration = Duration::from_millis(50);

/// A switch of a running program.
#[derive(Debug)]
pub(super) struct Program {
    client: Client,
    pub(super) switch: String,
}

impl Program {
    /// The switch of this label, or the only one, of the program at this socket or address.
    pub(super) fn open(name: &str, who: &Who, switch: Option<&str>) -> Result<Self, Failure> {
        let is_url = ["http://", "https://"].iter().any(|scheme| name.starts_with(scheme));
        let place = if is_url { Place::Url(name.to_owned()) } else { Place::Socket(name.into()) };
        let client = who.client(place)?;
        let switch = match switch {
            Some(switch) => switch.to_owned(),
            None => only_switch(&client)?,
        };
        Ok(Self { client, switch })
    }

    /// What it shows, and what is counted of it.
    pub(super) fn look(&self) -> Result<(SwitchView, Counts), RemoteError> {
        let view = patiently(|| status::view(&self.client, &self.switch))?;
        let metrics = match patiently(|| self.client.text(&["metrics"])) {
            Ok(text) => Some(text),
            // it has none to offer
            Err(ClientError::Failed(problem)) if problem.name() == "absent" => None,
            Err(error) => return Err(error.into()),
        };
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        let counts = Counts::read(&view, metrics.as_deref(), now);
        Ok((view, counts))
    }

    pub(super) fn versions(&self) -> Result<Versions, RemoteError> {
        Ok(patiently(|| self.client.get(&["v1", "switches", &self.switch, "versions"]))?)
    }

    /// What came of a command, if it ever came here.
    pub(super) fn outcome(&self, id: &str) -> Result<Option<Outcome>, RemoteError> {
        match patiently(|| self.client.get(&["v1", "switches", &self.switch, "upgrades", id])) {
            Ok(outcome) => Ok(Some(outcome)),
            Err(ClientError::Refused(problem)) if problem.name() == "no-command" => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a command, and waits until all who can be reached have been, another command came, or the time is over.
    pub(super) fn command(
        &self,
        what: &str,
        body: &impl Serialize,
        id: &str,
        patience: Duration,
    ) -> Result<Outcome, RemoteError> {
        let path = ["v1", "switches", &self.switch, what];
        let give = || self.client.call::<Outcome>(Method::POST, &path, Sent::json(body), Some(id));
        let answer = patiently(give).map_err(|source| unanswered(source, id.to_owned(), Some(id.to_owned())))?;
        let mut outcome = answer.body;
        let until = Instant::now() + patience;
        // an answer that was kept is of its time
        let mut is_of_now = !answer.replayed;
        while outcome.done && !(is_of_now && (outcome.settled || outcome.superseded_by.is_some())) {
            if is_of_now && Instant::now() > until {
                break;
            }
            if is_of_now {
                thread::sleep(OFTEN);
            }
            outcome = self.outcome(id)?.unwrap_or(outcome);
            is_of_now = true;
        }
        Ok(outcome)
    }
}

/// Makes a call again that nobody answers. Each changes nothing, or is done once under its id.
fn patiently<T>(call: impl Fn() -> Result<T, ClientError>) -> Result<T, ClientError> {
    for _ in 1..TRIES {
        match call() {
            Err(error) if error.leaves_open() || matches!(error, ClientError::Unreachable { .. }) => {
                thread::sleep(BETWEEN);
            }
            done => return done,
        }
    }
    call()
}
