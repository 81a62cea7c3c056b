//! `hotswap state get|set`: the state of one instance as JSON.

use std::path::PathBuf;

use clap::Subcommand;
use hotswap::remote::wire::State;
use reqwest::Method;
use serde_json::json;

use super::at::AtSwitch;
use super::client::{Answer, Sent};
use super::error::RemoteError;
use super::order::Once;
use super::read;
use crate::report::{Failure, Found};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show a state with its version, in the form that `state set` takes
    Get {
        /// The instance's key in a fleet, or its cell's name
        key: String,
        #[command(flatten)]
        at: AtSwitch,
    },
    /// Replace a state; what a panic poisoned is healed by it
    Set {
        /// The instance's key in a fleet, or its cell's name
        key: String,
        /// The file with `{"version": …, "state": …}`, or `-` for standard input
        #[arg(default_value = "-")]
        file: PathBuf,
        #[command(flatten)]
        once: Once,
        #[command(flatten)]
        at: AtSwitch,
    },
}

impl Verb {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Get { .. } => "state get",
            Self::Set { .. } => "state set",
        }
    }
}

pub(crate) fn run(verb: &Verb) -> Result<Found, Failure> {
    match verb {
        Verb::Get { key, at } => {
            let (client, switch) = at.open()?;
            let path = ["v1", "switches", &switch, "instances", key, "state"];
            found(&client.get(&path).map_err(RemoteError::from)?, false)
        }
        Verb::Set { key, file, once, at } => {
            let state: State = read::file(file)?;
            let (client, switch) = at.open()?;
            let path = ["v1", "switches", &switch, "instances", key, "state"];
            let Answer { body, replayed } = once.call(&client, Method::PUT, &path, Sent::json(&state))?;
            found(&body, replayed)
        }
    }
}

fn found(state: &State, replayed: bool) -> Result<Found, Failure> {
    let text = format!("{}\n", serde_json::to_string_pretty(state).map_err(RemoteError::unshown)?);
    Ok(Found { text, json: json!({ "version": state.version, "state": state.state, "replayed": replayed }) })
}
