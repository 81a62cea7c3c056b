//! `hotswap versions`: the versions of a switch, and where each stands.

use hotswap::remote::wire::{VersionStatus, Versions};
use serde_json::json;

use super::at::AtSwitch;
use super::error::RemoteError;
use super::show;
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: AtSwitch,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let (client, switch) = args.at.open()?;
    let Versions { versions } = client.get(&["v1", "switches", &switch, "versions"]).map_err(RemoteError::from)?;
    let head = ["version", "standing", "live", "state", "takes", "from", ""];
    let text = show::table(head, versions.iter().map(row).collect());
    Ok(Found { text, json: json!({ "switch": switch, "versions": versions }) })
}

fn row(version: &VersionStatus) -> [String; 7] {
    let takes = if version.takes.is_empty() { "nothing: decode-only".to_owned() } else { version.takes.join(", ") };
    [
        version.number.to_string(),
        show::standing(version.standing).to_owned(),
        version.live.to_string(),
        version.state.clone(),
        takes,
        version.image.as_ref().map_or_else(|| "the program".to_owned(), |image| format!("image {image}")),
        if version.can_retire { "can retire".to_owned() } else { String::new() },
    ]
}
