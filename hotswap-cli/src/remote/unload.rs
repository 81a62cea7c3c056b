//! `hotswap unload`: lets an image go.

use hotswap::remote::wire::{Fate, LetGo};
use reqwest::Method;
use serde_json::json;

use super::at::At;
use super::client::{Answer, Sent};
use super::order::Once;
use super::show;
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image, as `images` calls it
    image: String,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    at: At,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let client = args.at.client()?;
    let path = ["v1", "images", &args.image];
    let Answer { body, replayed } = args.once.call::<LetGo>(&client, Method::DELETE, &path, Sent::Nothing)?;
    Ok(Found { text: text(&body), json: json!({ "let_go": body, "replayed": replayed }) })
}

pub(super) fn text(LetGo { image, fate, reason }: &LetGo) -> String {
    let reason = reason.as_deref().unwrap_or("it cannot be told why");
    let fate = match fate {
        Fate::Gone => format!("{image}: out of memory"),
        Fate::Held => format!("{image}: a state still uses it, and it goes with the last of them"),
        Fate::Pinned => format!("{image}: nothing uses it, and it stays in memory: {reason}"),
    };
    show::facts(&[("let go", fate)])
}
