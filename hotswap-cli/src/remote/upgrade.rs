//! `hotswap upgrade`: to another version, on probation.

use hotswap::remote::wire::UpgradeBody;
use serde_json::json;

use super::at::AtSwitch;
use super::order::Order;
use super::{outcome, plan};
use crate::report::{Failure, Found, with};

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Args {
    /// The version to go to
    to: u32,
    /// Only say what it would do, as `plan` does
    #[arg(long, conflicts_with_all = ["wait", "keep_previous", "rollback_after", "canary", "id"])]
    dry_run: bool,
    /// Wait until every instance that can be reached has been
    #[arg(long)]
    wait: bool,
    /// Keep each state from before until the probation ends, for a rollback where no way down is declared
    #[arg(long)]
    keep_previous: bool,
    /// Accept what the way loses, and what an automatic rollback would
    #[arg(long)]
    accept_loss: bool,
    /// Roll back by itself at this many failures in probation
    #[arg(long, value_name = "N")]
    rollback_after: Option<u64>,
    /// Take that share of a fleet's keys first; the others stay until `promote`
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=99))]
    canary: Option<u8>,
    #[command(flatten)]
    order: Order,
    #[command(flatten)]
    at: AtSwitch,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let (client, switch) = args.at.open()?;
    if args.dry_run {
        return Ok(plan::found(&client, &switch, args.to)?);
    }
    let body = UpgradeBody {
        to: args.to,
        reason: args.order.reason.clone(),
        expect: args.order.expect.clone(),
        keep_previous: args.keep_previous,
        accept_loss: args.accept_loss,
        rollback_after: args.rollback_after,
        canary: args.canary,
        wait_ms: None,
    };
    let answer = args.order.give(&client, &["v1", "switches", &switch, "upgrades"], &body, None)?;
    let mut found = outcome::found(&client, &switch, answer, args.wait, false)?;
    let outcome = &found.json["outcome"];
    // how many stayed is known when it has settled
    let says_so = outcome["done"] != true || outcome["stayed"] != 0;
    if let Some(percent) = args.canary.filter(|_| !says_so) {
        found.text.insert_str(0, &format!("a canary of {percent} percent: the others stay until `promote`\n"));
        found.json = with(found.json, json!({ "canary": percent }));
    }
    Ok(found)
}
