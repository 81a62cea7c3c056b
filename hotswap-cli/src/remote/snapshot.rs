//! `hotswap snapshot save`: a switch's fleets in files, on the machine of the program.

use clap::Subcommand;
use hotswap::remote::wire::{SnapshotBody, Snapshots};
use reqwest::Method;
use serde_json::json;

use super::at::AtSwitch;
use super::client::{Answer, Sent};
use super::order::Once;
use super::show;
use crate::report::{Failure, Found};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Have the program save the fleets of a switch in its folder of snapshots
    Save {
        /// A plain file name
        name: String,
        #[command(flatten)]
        once: Once,
        #[command(flatten)]
        at: AtSwitch,
    },
}

impl Verb {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Save { .. } => "snapshot save",
        }
    }
}

pub(crate) fn run(verb: &Verb) -> Result<Found, Failure> {
    match verb {
        Verb::Save { name, once, at } => save(name, once, at),
    }
}

fn save(name: &str, once: &Once, at: &AtSwitch) -> Result<Found, Failure> {
    let (client, switch) = at.open()?;
    let body = Sent::json(&SnapshotBody { name: name.to_owned() });
    let path = ["v1", "switches", &switch, "snapshots"];
    let Answer { body, replayed } = once.call::<Snapshots>(&client, Method::POST, &path, body)?;
    let rows = body
        .files
        .iter()
        .map(|it| [it.file.clone(), it.instances.to_string(), it.left_out.to_string(), it.bytes.to_string()]);
    let text = show::table(["file", "instances", "left out", "bytes"], rows.collect());
    Ok(Found { text, json: json!({ "files": body.files, "replayed": replayed }) })
}
