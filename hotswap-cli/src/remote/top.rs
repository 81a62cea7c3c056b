//! `hotswap top`: what a program's switches run and how far a sweep is, as it changes.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::{Duration, Instant};

use hotswap::remote::wire::{Outcome, SwitchView};
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, Gauge, Paragraph, Row, Table};
use serde_json::json;

use super::at::AtSwitch;
use super::client::{Client, ClientError};
use super::error::RemoteError;
use super::status;
use crate::facts::shown;
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How often the program is asked
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = humantime::parse_duration)]
    every: Duration,
    #[command(flatten)]
    at: AtSwitch,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let client = args.at.at.client()?;
    // asked before the screen is taken: whatever is wrong is then said as ever
    let mut seen = Seen::ask(&client, args.at.switch.as_deref(), None)?;
    if !io::stdout().is_terminal() {
        return Err(RemoteError::NoTerminal.into());
    }
    let screen = |error| Failure::io(Path::new("the terminal"), error);
    let mut terminal = ratatui::try_init().map_err(screen)?;
    let watched = loop {
        if let Err(error) = terminal.draw(|frame| draw(frame, &seen, &client.name)) {
            break Err(screen(error));
        }
        match is_told_to_end(args.every) {
            Ok(true) => break Ok(()),
            Ok(false) => {}
            Err(error) => break Err(screen(error)),
        }
        match Seen::ask(&client, args.at.switch.as_deref(), Some(&seen)) {
            Ok(now) => seen = now,
            Err(error) => break Err(error.into()),
        }
    };
    ratatui::restore();
    watched.map(|()| Found { text: String::new(), json: json!({ "switches": seen.views }) })
}

/// Waits for so long, unless a key that ends it is pressed.
fn is_told_to_end(wait: Duration) -> io::Result<bool> {
    let until = Instant::now() + wait;
    while event::poll(until.saturating_duration_since(Instant::now()))? {
        let Event::Key(key) = event::read()? else { continue };
        let by_control = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
        if key.kind == KeyEventKind::Press && (by_control || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What was seen at one moment.
struct Seen {
    at: Instant,
    views: Vec<SwitchView>,
    sweep: Option<Sweep>,
}

/// How far the instances of one switch are that follow its last command.
struct Sweep {
    switch: String,
    outcome: Outcome,
    /// How many come along in a second, since the time before.
    rate: Option<f64>,
}

impl Seen {
    fn ask(client: &Client, label: Option<&str>, before: Option<&Self>) -> Result<Self, RemoteError> {
        let views = match label {
            Some(label) => vec![status::view(client, label)?],
            None => status::all(client)?,
        };
        let at = Instant::now();
        // of the one that has most before it
        let busy = views.iter().filter(|view| view.status.not_reached > 0).max_by_key(|view| view.status.not_reached);
        let sweep = match busy {
            None => None,
            Some(view) => {
                let path = ["v1", "switches", &view.status.label, "upgrades", &view.status.id];
                match client.get::<Outcome>(&path) {
                    Ok(outcome) => {
                        let rate = before.and_then(|before| before.rate(&view.status.label, &outcome, at));
                        Some(Sweep { switch: view.status.label.clone(), outcome, rate })
                    }
                    // the program began with this release: there was no command
                    Err(ClientError::Refused(_)) => None,
                    Err(error) => return Err(error.into()),
                }
            }
        };
        Ok(Self { at, views, sweep })
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate that people read")]
    fn rate(&self, switch: &str, now: &Outcome, at: Instant) -> Option<f64> {
        let before = self.sweep.as_ref().filter(|sweep| sweep.switch == switch && sweep.outcome.id == now.id)?;
        let moved = now.moved.saturating_sub(before.outcome.moved);
        Some(moved as f64 / at.duration_since(self.at).as_secs_f64().max(f64::EPSILON))
    }
}

fn draw(frame: &mut Frame<'_>, seen: &Seen, program: &str) {
    let rows = u16::try_from(seen.views.len()).unwrap_or(u16::MAX).saturating_add(3);
    let sweep = if seen.sweep.is_some() { 3 } else { 0 };
    let [title, switches, sweeping, versions, help] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(rows),
        Constraint::Length(sweep),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Line::from(shown(program)).bold(), title);
    frame.render_widget(table(&seen.views), switches);
    if let Some(sweep) = &seen.sweep {
        frame.render_widget(gauge(sweep), sweeping);
    }
    populations(frame, &seen.views, versions);
    frame.render_widget(Line::from("q ends").dim(), help);
}

fn table(views: &[SwitchView]) -> Table<'_> {
    let head = Row::new(["switch", "version", "permanent", "live", "held back", "not reached"]).dim();
    let rows = views.iter().map(|SwitchView { status, .. }| {
        Row::new([
            shown(&status.label),
            status.version.to_string(),
            status.permanent.to_string(),
            status.live.to_string(),
            status.held_back.to_string(),
            status.not_reached.to_string(),
        ])
    });
    let widths = [
        Constraint::Min(10),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(12),
        Constraint::Length(12),
        Constraint::Length(12),
    ];
    Table::new(rows, widths).header(head).block(Block::bordered().title("switches"))
}

fn gauge(sweep: &Sweep) -> Gauge<'_> {
    let Outcome { live, moved, held_back, not_reached, id, .. } = &sweep.outcome;
    let rate = sweep.rate.map_or_else(String::new, |rate| format!(", {rate:.0} a second"));
    let title = format!("{}: {}", shown(&sweep.switch), shown(id));
    Gauge::default()
        .block(Block::bordered().title(title))
        .ratio(share(live.saturating_sub(*not_reached), *live))
        .label(format!("{moved} of {live} moved, {held_back} held back{rate}"))
}

#[expect(clippy::cast_precision_loss, reason = "the length of a bar")]
fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 1.0 } else { (part as f64 / of as f64).clamp(0.0, 1.0) }
}

/// A bar for each version of each switch: how many of its instances run it.
fn populations(frame: &mut Frame<'_>, views: &[SwitchView], area: Rect) {
    let mut bars = Vec::new();
    for SwitchView { status, .. } in views {
        let mut versions: Vec<u32> = status.by_version.iter().map(|it| it.version).collect();
        versions.sort_unstable();
        versions.dedup();
        for version in versions {
            let live = status.by_version.iter().filter(|it| it.version == version).map(|it| it.live).sum::<u64>();
            let name = if version == 0 { "lost".to_owned() } else { format!("version {version}") };
            bars.push((format!("{} {name}", shown(&status.label)), live, share(live, status.live)));
        }
    }
    let lines = Layout::vertical(bars.iter().map(|_| Constraint::Length(1))).split(area);
    for ((name, live, share), line) in bars.into_iter().zip(lines.iter()) {
        let [left, right] = Layout::horizontal([Constraint::Length(32), Constraint::Min(10)]).areas(*line);
        frame.render_widget(Paragraph::new(name), left);
        let bar = Gauge::default().ratio(share).label(live.to_string()).gauge_style(Style::new().cyan());
        frame.render_widget(bar, right);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::buffer::Cell;
    use serde_json::Value;

    use super::*;

    fn view(label: &str, old: u64, new: u64) -> SwitchView {
        let population = |version: u32, live: u64| json!({ "version": version, "place": "fleet", "live": live });
        let view: Value = json!({
            "label": label, "machine": "counter", "boot": "00c0ffee00c0ffee", "epoch": 3, "version": 2, "permanent": 1,
            "phase": "probation", "id": "x", "live": old + new, "by_version": [population(1, old), population(2, new)],
            "held_back": 0, "not_reached": old, "held": [], "pending": "x", "since": [],
        });
        serde_json::from_value(view).expect("a view")
    }

    fn outcome(moved: u64) -> Outcome {
        let outcome: Value = json!({
            "id": "x", "kind": "upgrade", "from": 1, "to": 2, "epoch": 3, "reason": "", "done": true, "live": 100,
            "moved": moved, "held_back": 0, "gone": 0, "not_reached": 100 - moved, "settled": false, "superseded_by": null,
            "held": [],
        });
        serde_json::from_value(outcome).expect("an outcome")
    }

    #[test]
    fn it_shows_who_runs_what_and_how_far_the_sweep_is() {
        let at = Instant::now();
        let sweep = |moved, rate| Some(Sweep { switch: "cart\x1b".to_owned(), outcome: outcome(moved), rate });
        let before = Seen { at, views: Vec::new(), sweep: sweep(10, None) };
        let rate = before.rate("cart\x1b", &outcome(25), at + Duration::from_secs(2));
        assert_eq!(rate, Some(7.5));
        assert_eq!(before.rate("other", &outcome(25), at + Duration::from_secs(2)), None);
        let seen = Seen { at, views: vec![view("cart\x1b", 75, 25), view("till", 0, 4)], sweep: sweep(25, rate) };

        let mut terminal = Terminal::new(TestBackend::new(100, 20)).expect("a screen");
        terminal.draw(|frame| draw(frame, &seen, "shop-1.sock")).expect("it draws");
        let cells = terminal.backend().buffer().content().chunks(100);
        let lines: Vec<String> = cells.map(|line| line.iter().map(Cell::symbol).collect()).collect();
        let has = |words: &[&str]| lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(has(&["shop-1.sock"]) && has(&["q ends"]), "{lines:#?}");
        assert!(has(&["cart\\u{1b}", "2         1         100", "75"]), "{lines:#?}");
        assert!(has(&["25 of 100 moved, 0 held back, 8 a second"]), "{lines:#?}");
        assert!(has(&["cart\\u{1b} version 1", "75"]) && has(&["till version 2", "4"]), "{lines:#?}");
    }
}
