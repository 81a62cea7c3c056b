//! `hotswap snapshot convert`: the file of a fleet at another version, by a program that has both and in its folder.

use hotswap::remote::wire::{ConvertBody, Converted};
use reqwest::Method;
use serde_json::json;

use super::at::AtSwitch;
use super::client::{Answer, Sent};
use super::order::Once;
use super::show;
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plain name of a file there
    file: String,
    /// The version that its states are to have
    #[arg(long, value_name = "VERSION")]
    to: u32,
    /// The plain name of the new file; it may be the same
    #[arg(long, value_name = "NAME")]
    out: String,
    /// Accept what the ways lose
    #[arg(long)]
    accept_loss: bool,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    at: AtSwitch,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let (client, switch) = args.at.open()?;
    let Args { file, to, out, accept_loss, .. } = args;
    let body = ConvertBody { name: file.clone(), to: *to, out: out.clone(), accept_loss: *accept_loss };
    let path = ["v1", "switches", &switch, "snapshots", "convert"];
    let Answer { body, replayed } = args.once.call::<Converted>(&client, Method::POST, &path, Sent::json(&body))?;
    let mut facts = vec![
        ("file", body.file.clone()),
        ("version", to.to_string()),
        ("instances", body.instances.to_string()),
        ("moved", body.moved.to_string()),
        ("bytes", body.bytes.to_string()),
    ];
    facts.extend(body.losses.iter().map(|loss| ("lost", format!("{} (instances: {})", loss.what, loss.instances))));
    Ok(Found { text: show::facts(&facts), json: json!({ "converted": body, "replayed": replayed }) })
}
