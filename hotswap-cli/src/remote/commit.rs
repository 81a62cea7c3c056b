//! `hotswap commit`: the version that runs becomes permanent.

use hotswap::remote::wire::CommitBody;

use super::at::AtSwitch;
use super::order::Order;
use super::outcome;
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Commit although instances are held back; they go on at their versions
    #[arg(long)]
    leave_held_back: bool,
    #[command(flatten)]
    order: Order,
    #[command(flatten)]
    at: AtSwitch,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let (client, switch) = args.at.open()?;
    let body = CommitBody {
        reason: args.order.reason.clone(),
        expect: args.order.expect.clone(),
        leave_held_back: args.leave_held_back,
        wait_ms: None,
    };
    let answer = args.order.give(&client, &["v1", "switches", &switch, "commit"], &body, None)?;
    Ok(outcome::found(&client, &switch, answer, false, args.leave_held_back)?)
}
