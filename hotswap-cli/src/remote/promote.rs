//! `hotswap promote`: everybody to the version of the canary that runs.

use hotswap::remote::wire::PromoteBody;

use super::at::AtSwitch;
use super::order::Order;
use super::outcome;
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Accept what the way loses, for those who go now
    #[arg(long)]
    accept_loss: bool,
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
    let body = PromoteBody {
        reason: args.order.reason.clone(),
        expect: args.order.expect.clone(),
        accept_loss: args.accept_loss,
        wait_ms: None,
    };
    let answer = args.order.give(&client, &["v1", "switches", &switch, "promote"], &body, None)?;
    Ok(outcome::found(&client, &switch, answer, args.wait, false)?)
}
