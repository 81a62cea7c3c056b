//! `hotswap snapshot save`: a switch's fleets in files, on the machine of the program.

use hotswap::remote::wire::{SnapshotBody, Snapshots};
use reqwest::Method;
use serde_json::json;

use super::at::AtSwitch;
use super::client::{Answer, Sent};
use super::order::Once;
use super::show;
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A plain file name
    name: String,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    at: AtSwitch,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let (client, switch) = args.at.open()?;
    let body = Sent::json(&SnapshotBody { name: args.name.clone() });
    let path = ["v1", "switches", &switch, "snapshots"];
    let Answer { body, replayed } = args.once.call::<Snapshots>(&client, Method::POST, &path, body)?;
    let rows = body
        .files
        .iter()
        .map(|it| [it.file.clone(), it.instances.to_string(), it.left_out.to_string(), it.bytes.to_string()]);
    let text = show::table(["file", "instances", "left out", "bytes"], rows.collect());
    Ok(Found { text, json: json!({ "files": body.files, "replayed": replayed }) })
}
