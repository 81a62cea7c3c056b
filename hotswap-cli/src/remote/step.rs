//! `hotswap step`: one input for one instance.

use hotswap::remote::wire::{StepAnswer, StepBody};
use reqwest::Method;
use serde_json::{Value, json};

use super::at::AtSwitch;
use super::client::{Answer, Sent};
use super::error::RemoteError;
use super::order::Once;
use super::read;
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The instance's key in a fleet, or its cell's name
    key: String,
    /// The input's name
    input: String,
    /// The input itself as JSON, or `-` to read it from standard input; a unit struct is `null`
    #[arg(default_value = "null")]
    value: String,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    at: AtSwitch,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let value: Value = match &*args.value {
        "-" => read::stdin()?,
        text => read::json("the input", text.as_bytes())?,
    };
    let (client, switch) = args.at.open()?;
    let path = ["v1", "switches", &switch, "instances", &args.key, "step"];
    let body = Sent::json(&StepBody { input: args.input.clone(), value });
    let Answer { body, replayed } = args.once.call::<StepAnswer>(&client, Method::POST, &path, body)?;
    let StepAnswer { output, value } = body;
    let text = format!("{}\n", serde_json::to_string_pretty(&value).map_err(RemoteError::unshown)?);
    Ok(Found { text, json: json!({ "output": output, "value": value, "replayed": replayed }) })
}
