//! `hotswap push`: a signed image to a running program, whose versions become available there.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use hotswap::remote::wire::{Arrived, Brought, LetGo};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::json;

use super::at::At;
use super::client::{Answer, Sent};
use super::order::Once;
use super::{show, unload};
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The signed image, as `hotswap sign` made it
    file: PathBuf,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    at: At,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let failed = |error| Failure::io(&args.file, error);
    let file = File::open(&args.file).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if about.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let length = about.len();
    let client = args.at.client()?;
    let bar = ProgressBar::new(length).with_style(style());
    let body = Sent::Bytes(Box::new(bar.wrap_read(file)), length);
    let answer = args.once.call::<Arrived>(&client, Method::POST, &["v1", "images"], body);
    bar.finish_and_clear();
    let Answer { body: arrived, replayed } = answer?;
    Ok(Found { text: text(&arrived), json: json!({ "arrived": arrived, "replayed": replayed }) })
}

fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta}");
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn text(Arrived { id, brought, let_go }: &Arrived) -> String {
    let mut facts = vec![("image", id.clone())];
    for Brought { switch, versions } in brought {
        let versions = versions.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        facts.push(("available", format!("version {versions} of switch {switch}")));
    }
    let mut text = show::facts(&facts);
    text.extend(let_go.iter().map(|it: &LetGo| unload::text(it)));
    text
}
