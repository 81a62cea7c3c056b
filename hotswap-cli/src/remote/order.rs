//! What calls that change something have in common: an id, so that each is done once; and commands, a reason, and what they
//! expect to find.

use std::fmt::Write;

use hotswap::remote::wire::{Expect, Outcome};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::client::{Answer, Client, ClientError, Sent};
use super::error::RemoteError;

#[derive(Debug, clap::Args)]
pub(crate) struct Order {
    /// Why, for the audit
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) reason: String,
    /// The release that has to be the present one, as `status` shows it, or its epoch alone
    #[arg(long, value_name = "RELEASE", value_parser = expect)]
    pub(super) expect: Option<Expect>,
    #[command(flatten)]
    pub(super) once: Once,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Once {
    /// Names the call: the same again under this id is done once, and its answer told again [default: a new one]
    #[arg(long, value_name = "ID", value_parser = id)]
    id: Option<String>,
}

impl Once {
    /// The id, which is known before anything is sent: so it can be asked about whatever happens.
    pub(super) fn id(&self) -> Result<String, RemoteError> {
        if let Some(id) = &self.id {
            return Ok(id.clone());
        }
        fresh_id("cli-")
    }

    /// A call that is done once; when nobody knows what became of it, the error says its id.
    pub(super) fn call<T: DeserializeOwned>(
        &self,
        client: &Client,
        method: Method,
        path: &[&str],
        body: Sent,
    ) -> Result<Answer<T>, RemoteError> {
        let id = self.id()?;
        client.call(method, path, body, Some(&id)).map_err(|source| unanswered(source, id, None))
    }
}

impl Order {
    /// Gives a command. What came of it can be asked by the id `ask`, which is its own unless another is given.
    pub(super) fn give(
        &self,
        client: &Client,
        path: &[&str],
        body: &impl Serialize,
        ask: Option<&str>,
    ) -> Result<Answer<Outcome>, RemoteError> {
        let id = self.once.id()?;
        client.call(Method::POST, path, Sent::json(body), Some(&id)).map_err(|source| {
            let ask = ask.unwrap_or(&id).to_owned();
            unanswered(source, id, Some(ask))
        })
    }
}

/// An id that nobody has used, and that begins like this.
pub(super) fn fresh_id(begin: &str) -> Result<String, RemoteError> {
    let mut bits = [0; 8];
    getrandom::fill(&mut bits).map_err(|error| RemoteError::Random(error.to_string()))?;
    let mut id = begin.to_owned();
    for byte in bits {
        let _ = write!(id, "{byte:02x}");
    }
    Ok(id)
}

/// When nobody knows what became of a call, the error says its id.
pub(super) fn unanswered(source: ClientError, id: String, ask: Option<String>) -> RemoteError {
    if source.leaves_open() { RemoteError::Unanswered { ask, id, source } } else { source.into() }
}

fn id(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 255 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("an id is 1 to 255 visible ASCII characters".to_owned());
    }
    Ok(text.to_owned())
}

/// `boot-epoch`, with or without quotes, or the epoch alone.
fn expect(text: &str) -> Result<Expect, String> {
    let text = text.trim_matches('"');
    let (boot, epoch) = match text.rsplit_once('-') {
        Some((boot, epoch)) => (Some(boot), epoch),
        None => (None, text),
    };
    let is_boot = |boot: &str| boot.len() == 16 && boot.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match epoch.parse() {
        Ok(epoch) if boot.is_none_or(is_boot) => Ok(Expect { boot: boot.map(str::to_owned), epoch }),
        _ => Err("a release is `boot-epoch`, as `hotswap status` shows it, or an epoch".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_read_as_status_shows_it_or_as_an_epoch() {
        let of = |boot: Option<&str>, epoch| Ok(Expect { boot: boot.map(str::to_owned), epoch });
        assert_eq!(expect("00c0ffee00c0ffee-7"), of(Some("00c0ffee00c0ffee"), 7));
        assert_eq!(expect("\"00c0ffee00c0ffee-7\""), of(Some("00c0ffee00c0ffee"), 7));
        assert_eq!(expect("12"), of(None, 12));
        for wrong in
            ["", "-", "-7", "7-", "c0ffee-7", "00C0FFEE00C0FFEE-7", "00c0ffee00c0ffee-x", "00c0ffee00c0ffee--7"]
        {
            assert!(expect(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_id_is_what_a_header_can_carry() {
        assert_eq!(id("release-7/eu"), Ok("release-7/eu".to_owned()));
        for wrong in ["", "two words", "é", "line\n", &"x".repeat(256)] {
            assert!(id(wrong).is_err(), "{wrong}");
        }
    }
}
