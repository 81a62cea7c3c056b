//! `hotswap status`: what a program's switches run, and who lives on them; or what came of one command.

use hotswap::remote::wire::{
    CanaryReport, CanarySide, Latency, Outcome, Population, Since, Status, SwitchView, Switches,
};
use serde_json::json;

use super::at::AtSwitch;
use super::client::{Client, ClientError};
use super::error::RemoteError;
use super::{outcome, show};
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What came of the command with this id
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    at: AtSwitch,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    if let Some(id) = &args.id {
        return one_command(args, id);
    }
    let client = args.at.at.client()?;
    let views = match &args.at.switch {
        Some(label) => vec![view(&client, label).map_err(RemoteError::from)?],
        None => all(&client)?,
    };
    let text = match &views[..] {
        [] => "no switch is live\n".to_owned(),
        [view] => one(view),
        views => list(views),
    };
    Ok(Found { text, json: json!({ "switches": views }) })
}

fn one_command(args: &Args, id: &str) -> Result<Found, Failure> {
    let (client, switch) = args.at.open()?;
    let outcome: Outcome = client.get(&["v1", "switches", &switch, "upgrades", id]).map_err(RemoteError::from)?;
    Ok(Found { text: outcome::text(&outcome), json: json!({ "outcome": outcome }) })
}

pub(super) fn view(client: &Client, label: &str) -> Result<SwitchView, ClientError> {
    client.get(&["v1", "switches", label])
}

pub(super) fn all(client: &Client) -> Result<Vec<SwitchView>, RemoteError> {
    let Switches { switches } = client.get(&["v1", "switches"])?;
    let mut views = Vec::with_capacity(switches.len());
    for Status { label, .. } in switches {
        match view(client, &label) {
            Ok(view) => views.push(view),
            // it went in the meantime
            Err(ClientError::Refused(problem)) if problem.status == 404 => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(views)
}

fn list(views: &[SwitchView]) -> String {
    let rows = views.iter().map(|SwitchView { status, pending, canary, .. }| {
        [
            status.label.clone(),
            version(status, canary.as_ref()),
            show::phase(status.phase, status.permanent),
            status.live.to_string(),
            status.held_back.to_string(),
            status.not_reached.to_string(),
            pending.clone().unwrap_or_default(),
        ]
    });
    show::table(["switch", "version", "phase", "live", "held back", "not reached", "pending"], rows.collect())
}

fn one(view: &SwitchView) -> String {
    let SwitchView { status, held, pending, since, canary } = view;
    let mut facts = vec![
        ("switch", status.label.clone()),
        ("machine", status.machine.clone()),
        ("version", format!("{}, {}", version(status, canary.as_ref()), show::phase(status.phase, status.permanent))),
        ("release", status.tag().trim_matches('"').to_owned()),
        ("command", status.id.clone()),
        ("live", format!("{}{}", status.live, by_version(&status.by_version))),
        ("held back", status.held_back.to_string()),
        ("not reached", status.not_reached.to_string()),
    ];
    if let Some(pending) = pending {
        facts.push(("pending", pending.clone()));
    }
    let mut text = show::facts(&facts);
    if let Some(canary) = canary {
        text += "\ncanary\n";
        text += &show::table(
            ["version", "side", "live", "steps", "failed", "panicked", "p50", "p99", "longest"],
            [side("before", &canary.before), side("canary", &canary.canary)].into(),
        );
    }
    if since.len() > 1 {
        text += "\nsince when\n";
        text += &show::table(
            ["version", "place", "live", "held back", "epoch", "since"],
            since.iter().map(since_row).collect(),
        );
    }
    text + &show::held(held, status.held_back)
}

/// The version that runs; of a canary, for how many.
fn version(status: &Status, canary: Option<&CanaryReport>) -> String {
    let share = canary.map_or_else(String::new, |canary| format!(" for {} % of the keys", canary.percent));
    format!("{}{share}", status.version)
}

fn side(name: &str, side: &CanarySide) -> [String; 9] {
    let took = |of: fn(&Latency) -> u64| side.latency.as_ref().map_or_else(String::new, |it| show::nanos(of(it)));
    [
        side.version.to_string(),
        name.to_owned(),
        side.live.to_string(),
        side.steps.to_string(),
        side.failures.to_string(),
        side.panics.to_string(),
        took(|it| it.p50_ns),
        took(|it| it.p99_ns),
        took(|it| it.max_ns),
    ]
}

fn since_row(since: &Since) -> [String; 6] {
    [
        since.version.to_string(),
        show::place(since.place).to_owned(),
        since.live.to_string(),
        since.held_back.to_string(),
        since.epoch.to_string(),
        since.since_ms.map_or_else(|| "unknown".to_owned(), show::time),
    ]
}

/// `: 2 in cells at version 1, …`
fn by_version(populations: &[Population]) -> String {
    let each = |it: &Population| {
        let place = show::place(it.place);
        match it.version {
            0 => format!("{} {place} lost to a panic", it.live),
            version => format!("{} {place} at version {version}", it.live),
        }
    };
    if populations.is_empty() {
        return String::new();
    }
    format!(": {}", populations.iter().map(each).collect::<Vec<_>>().join(", "))
}
