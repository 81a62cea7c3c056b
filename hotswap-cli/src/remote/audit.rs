//! `hotswap audit`: what was done and what was refused, by whom, from where and why.

use hotswap::remote::wire::{AuditView, Call, Entry};
use serde_json::json;

use super::at::AtSwitch;
use super::error::RemoteError;
use super::show;
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Of one switch, if `--switch` names one, else of all
    #[command(flatten)]
    at: AtSwitch,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let client = args.at.at.client()?;
    let view: AuditView = client.get_of(&["v1", "audit"], args.at.switch.as_deref()).map_err(RemoteError::from)?;
    Ok(Found { text: text(&view), json: json!(view) })
}

fn text(AuditView { switches, remote, remote_lost }: &AuditView) -> String {
    let mut text = String::new();
    for (label, audit) in switches {
        let titles =
            [("changes", &audit.changes, audit.changes_lost), ("refused", &audit.refusals, audit.refusals_lost)];
        for (title, entries, lost) in titles {
            section(
                &mut text,
                &format!("{}: {title}", crate::facts::shown(label)),
                lost,
                &show::table(["when", "epoch", "what", "by", "why"], entries.iter().map(entry).collect()),
            );
        }
    }
    let head = ["when", "who", "from", "call", "answer", "why"];
    section(&mut text, "calls", *remote_lost, &show::table(head, remote.iter().map(call).collect()));
    text
}

fn section(text: &mut String, title: &str, lost: u64, table: &str) {
    if table.is_empty() && lost == 0 {
        return;
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let lost = if lost > 0 { format!(" ({lost} older ones are no longer kept)") } else { String::new() };
    for part in [title, &lost, "\n", table] {
        text.push_str(part);
    }
}

fn entry(entry: &Entry) -> [String; 5] {
    let by = if entry.by.is_empty() { "the program".to_owned() } else { entry.by.clone() };
    [show::time(entry.at_ms), entry.epoch.to_string(), entry.what.clone(), by, entry.why.clone()]
}

fn call(call: &Call) -> [String; 6] {
    let who = if call.who.is_empty() { "nobody known".to_owned() } else { call.who.clone() };
    let problem = call.problem.as_deref().map_or_else(String::new, |problem| {
        format!(" {}", problem.strip_prefix(hotswap::remote::wire::Problem::PREFIX).unwrap_or(problem))
    });
    [
        show::time(call.at_ms),
        who,
        call.from.clone(),
        format!("{} {}", call.method, call.path),
        format!("{}{problem}", call.status),
        call.why.clone(),
    ]
}
