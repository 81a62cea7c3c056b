//! `hotswap retry`: the held back of a command, once more.

use hotswap::remote::wire::RetryBody;

use super::at::AtSwitch;
use super::error::RemoteError;
use super::order::Order;
use super::{outcome, status};
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The command whose held back are tried again [default: the one that made the present release]
    command: Option<String>,
    /// Wait until every instance that can be reached has been
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    order: Order,
    #[command(flatten)]
    at: AtSwitch,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let (client, switch) = args.at.open()?;
    let command = match &args.command {
        Some(command) => command.clone(),
        None => status::view(&client, &switch).map_err(RemoteError::from)?.status.id,
    };
    let body = RetryBody { reason: args.order.reason.clone(), expect: args.order.expect.clone(), wait_ms: None };
    let path = ["v1", "switches", &switch, "upgrades", &command, "retry"];
    // the outcome is the command's, under its id; the id of this one is for its answer only
    let answer = args.order.give(&client, &path, &body, Some(&command))?;
    Ok(outcome::found(&client, &switch, answer, args.wait, false)?)
}
