//! `hotswap images`: which images a program has, and who uses them.

use hotswap::remote::wire::{Holder, ImageMachine, ImageStatus, Images};
use serde_json::json;

use super::at::At;
use super::error::RemoteError;
use super::show;
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let Images { images, pinned } = args.at.client()?.get(&["v1", "images"]).map_err(RemoteError::from)?;
    let mut text = show::table(["image", "serial", "has", "used by", "from"], images.iter().map(row).collect());
    if images.is_empty() {
        text += "no images\n";
    }
    if !pinned.is_empty() {
        text += "\nlet go of, and still in memory\n";
        let rows = pinned.iter().map(|it| [it.image.clone(), it.reason.clone()]);
        text += &show::table(["image", "why"], rows.collect());
    }
    Ok(Found { text, json: json!({ "images": images, "pinned": pinned }) })
}

fn row(image: &ImageStatus) -> [String; 5] {
    let has = image.machines.iter().map(|ImageMachine { machine, versions }| {
        let versions = versions.iter().map(u32::to_string).collect::<Vec<_>>();
        format!("{machine} {}", versions.join(", "))
    });
    [
        image.id.clone(),
        image.serial.map_or_else(String::new, |serial| serial.to_string()),
        has.collect::<Vec<_>>().join("; "),
        image.holders.iter().map(holder).collect::<Vec<_>>().join("; "),
        image.from.clone().unwrap_or_default(),
    ]
}

/// `counter 3 (current, permanent, 12 live)`
fn holder(Holder { switch, version, current, permanent, live }: &Holder) -> String {
    let mut why = Vec::new();
    if *current {
        why.push("current".to_owned());
    }
    if *permanent {
        why.push("permanent".to_owned());
    }
    if *live > 0 {
        why.push(format!("{live} live"));
    }
    format!("{switch} {version} ({})", why.join(", "))
}
