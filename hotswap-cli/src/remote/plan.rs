//! `hotswap plan`: what an upgrade would do. Every migration runs, nothing is installed.

use hotswap::remote::wire::{Plan, PlanBody};
use reqwest::Method;
use serde_json::json;

use super::at::AtSwitch;
use super::client::{Answer, Client, Sent};
use super::error::RemoteError;
use super::show;
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The version to go to
    to: u32,
    #[command(flatten)]
    at: AtSwitch,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let (client, switch) = args.at.open()?;
    Ok(found(&client, &switch, args.to)?)
}

/// Instances that would be held back are not passed over.
pub(super) fn found(client: &Client, switch: &str, to: u32) -> Result<Found, RemoteError> {
    let path = ["v1", "switches", switch, "plans"];
    let Answer { body: plan, .. } = client.call::<Plan>(Method::POST, &path, Sent::json(&PlanBody { to }), None)?;
    if plan.failed > 0 {
        return Err(RemoteError::WouldHoldBack(Box::new(plan)));
    }
    Ok(Found { text: text(&plan), json: json!({ "plan": plan }) })
}

pub(super) fn text(plan: &Plan) -> String {
    let path = plan.path.iter().map(u32::to_string).collect::<Vec<_>>().join(" → ");
    let mut facts = vec![
        ("path", path),
        ("live", plan.live.to_string()),
        ("would move", plan.examined.saturating_sub(plan.failed).to_string()),
        ("would fail", plan.failed.to_string()),
        ("not tried", plan.not_examined.to_string()),
        ("states", format!("{} bytes before, {} after", plan.bytes_before, plan.bytes_after)),
    ];
    for loss in &plan.loses {
        facts.push(("loses", format!("{} (instances: {}); it takes `--accept-loss`", loss.what, loss.instances)));
    }
    facts.push(("took", format!("{:.1} ms", plan.took_ms)));
    let mut text = format!("from version {} to version {}; nothing was changed\n", plan.from, plan.to);
    text += &show::facts(&facts);
    if !plan.failures.is_empty() {
        text += "\nwould be held back\n";
        let rows = plan.failures.iter().map(|it| [it.who.clone(), it.reason.clone()]);
        text += &show::table(["who", "reason"], rows.collect());
    }
    text
}
