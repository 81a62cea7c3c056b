//! `hotswap events`: flips and outcomes as they happen.

use std::io::{self, BufRead, BufReader, Write};

use hotswap::remote::wire::{Event, Flip, Happened, Lost};
use serde_json::json;

use super::at::AtSwitch;
use super::error::RemoteError;
use super::show;
use crate::facts::shown;
use crate::report::{Failure, Found, SCHEMA, with};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// End after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    at: AtSwitch,
}

/// Each event is a line as soon as it comes; with `--json` each is an object.
pub(crate) fn run(args: &Args, as_json: bool) -> Result<Found, Failure> {
    let client = args.at.at.client()?;
    let stream = client.stream(&["v1", "events"], args.at.switch.as_deref()).map_err(RemoteError::from)?;
    let mut told = 0;
    let mut events = Parser::default();
    // a stream that breaks has ended
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let Some(data) = events.line(&line) else { continue };
        let event: Event = super::read::json("an event", data.as_bytes())?;
        let line = if as_json { json_line(&event) } else { text(&event) };
        if writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush()).is_err() {
            // whoever closed the pipe wants no more of it
            return Ok(found(told));
        }
        told += 1;
        if args.count == Some(told) {
            return Ok(found(told));
        }
    }
    Err(RemoteError::Ended { name: client.name.clone() }.into())
}

fn found(told: u64) -> Found {
    Found { text: String::new(), json: json!({ "events": told }) }
}

/// What of server-sent events is read here: the data of each, whole.
#[derive(Default)]
struct Parser {
    data: Option<String>,
}

impl Parser {
    /// Takes a line, and gives the data of the event that it ends.
    fn line(&mut self, line: &str) -> Option<String> {
        let line = line.trim_end_matches('\r');
        if line.is_empty() {
            return self.data.take();
        }
        if let Some(more) = line.strip_prefix("data:") {
            let more = more.strip_prefix(' ').unwrap_or(more);
            match &mut self.data {
                Some(data) => data.extend(["\n", more]),
                None => self.data = Some(more.to_owned()),
            }
        }
        None
    }
}

fn json_line(event: &Event) -> String {
    with(json!({ "schema": SCHEMA, "command": "events" }), json!(event)).to_string()
}

fn text(Event { switch, what }: &Event) -> String {
    match what {
        Happened::Flip(Flip { epoch, kind, from, to, phase, id }) => shown(&format!(
            "{switch}: {kind} from version {from} to version {to}, {}, epoch {epoch}, id {id}",
            show::phase(*phase, *from)
        )),
        Happened::Outcome(it) => shown(&format!(
            "{switch}: {} `{}` {}: {} of {} moved, {} stayed, {} held back, {} gone, {} not reached",
            it.kind,
            it.id,
            it.superseded_by.as_ref().map_or_else(|| "settled".to_owned(), |by| format!("ended by `{by}`")),
            it.moved,
            it.live,
            it.stayed,
            it.held_back,
            it.gone,
            it.not_reached
        )),
        Happened::Lost(Lost { events }) => format!("{events} events were lost: they came faster than they were read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_whole_and_comments_passed_over() {
        let mut parser = Parser::default();
        let lines = [": hello", "", "event: flip", "data: {\"a\":", "data:1}", "id: 7", "\r", "", "data: x", ""];
        let events: Vec<_> = lines.iter().filter_map(|line| parser.line(line)).collect();
        assert_eq!(events, ["{\"a\":\n1}", "x"]);
    }
}
