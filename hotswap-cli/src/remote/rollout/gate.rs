//! The gate between waves: what of a program is counted, and when that is too much.

use hotswap::remote::wire::SwitchView;
use serde::{Deserialize, Serialize};

/// What is counted of one switch of a program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// When, in milliseconds since 1970.
    pub(super) at_ms: u64,
    /// Instances that suffer from a panic.
    pub(super) poisoned: u64,
    /// Steps that panicked since the program began, if it offers metrics.
    pub(super) panics: Option<u64>,
    /// Steps that returned an error since then.
    pub(super) failures: Option<u64>,
}

impl Counts {
    /// Reads them from what it shows, and from its metrics as Prometheus reads them.
    pub(super) fn read(view: &SwitchView, metrics: Option<&str>, at_ms: u64) -> Self {
        let switch = &view.status.label;
        // a program may render metrics of its own, and none of hotswap's
        let all = |text: &str, name: &str| -> Vec<u64> {
            text.lines().filter_map(|line| value(line, name, switch)).collect()
        };
        let metrics = metrics.filter(|text| !all(text, "hotswap_current_version").is_empty());
        let of = |name: &str| metrics.map(|text| all(text, name).iter().sum());
        Self {
            at_ms,
            poisoned: view.since.iter().map(|it| it.poisoned).sum(),
            panics: of("hotswap_step_panics_total"),
            failures: of("hotswap_step_failures_total"),
        }
    }

    /// Steps that panicked since then. Without metrics, those of which instances still suffer.
    pub(super) fn panics_since(&self, before: &Self) -> u64 {
        let counted = self.panics.unwrap_or_default().saturating_sub(before.panics.unwrap_or_default());
        counted.max(self.poisoned.saturating_sub(before.poisoned))
    }
}

/// The value of a line `name{switch="…",…} value`, if it is of this switch.
fn value(line: &str, name: &str, switch: &str) -> Option<u64> {
    let mut rest = line.strip_prefix(name)?.strip_prefix('{')?;
    let mut is_its = false;
    loop {
        let (label, quoted) = rest.split_once("=\"")?;
        let (text, after) = unquoted(quoted)?;
        is_its |= label == "switch" && text == switch;
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => break rest = after,
        }
    }
    let number: f64 = rest.strip_prefix('}')?.split_ascii_whitespace().next()?.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count, which Prometheus writes as it likes"
    )]
    let count = number as u64;
    is_its.then_some(count)
}

/// The text up to the quote that ends it, and what comes after.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => text.push(match letters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => text.push(other),
        }
    }
    None
}

/// What a program may show and be let through all the same.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_field_names, reason = "they are options by these names")]
pub(super) struct Gate {
    /// How many instances of a program may be held back
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = super::GATE)]
    max_held_back: u64,
    /// How many steps of a program may panic after its upgrade
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = super::GATE)]
    max_panics: u64,
    /// How many steps of a program may return an error in a second, on average since its upgrade [default: any number]
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = super::GATE)]
    max_error_rate: Option<f64>,
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate: &f64| rate.is_finite() && *rate >= 0.0)
        .ok_or_else(|| "a rate is a number".to_owned())
}

/// Why a program is not let through: a name that stays, and the same for people.
pub(super) type Verdict = Result<(), (&'static str, String)>;

impl Gate {
    /// By what the outcome of its upgrade says.
    pub(super) fn held_back(&self, held_back: u64, live: u64) -> Verdict {
        if held_back <= self.max_held_back {
            return Ok(());
        }
        Err(("held-back", format!("{held_back} of {live} instances are held back")))
    }

    /// By what it shows now, against what it showed before its upgrade.
    pub(super) fn judge(&self, view: &SwitchView, before: &Counts, now: &Counts) -> Verdict {
        let panics = now.panics_since(before);
        if panics > self.max_panics {
            let steps = if panics == 1 { "a step".to_owned() } else { format!("{panics} steps") };
            return Err(("panics", format!("{steps} panicked")));
        }
        // those that a panic poisoned have been judged
        let poisoned = now.poisoned.saturating_sub(before.poisoned);
        self.held_back(view.status.held_back.saturating_sub(poisoned), view.status.live)?;
        let Some(most) = self.max_error_rate else { return Ok(()) };
        match rate_between(before, now) {
            None => Err(("no-metrics", "it offers no metrics, by which its errors could be counted".to_owned())),
            Some(rate) if rate > most => {
                Err(("errors", format!("{rate:.1} steps a second returned an error, and {most} may")))
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether a commit leaves those that are held back.
    pub(super) fn lets_some_be_held_back(&self) -> bool {
        // who was poisoned by a panic is held back as well
        self.max_held_back > 0 || self.max_panics > 0
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn rate_between(before: &Counts, now: &Counts) -> Option<f64> {
    let failures = now.failures?.saturating_sub(before.failures?) as f64;
    // over less than a second a rate says nothing
    let seconds = now.at_ms.saturating_sub(before.at_ms).max(1000) as f64 / 1000.0;
    Some(failures / seconds)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_are_those_of_one_switch_over_all_versions() {
        let text = "hotswap_current_version{switch=\"a\"} 2\n\
            hotswap_current_version{switch=\"a\\\"}{,\\\\\"} 1\n\
            # TYPE hotswap_step_panics_total counter\n\
            hotswap_step_panics_total{switch=\"a\",version=\"1\"} 2\n\
            hotswap_step_panics_total{version=\"2\",switch=\"a\"} 3 1700000000000\n\
            hotswap_step_panics_total{switch=\"b\",version=\"1\"} 50\n\
            hotswap_step_failures_total{switch=\"a\",version=\"1\"} 7.0\n\
            hotswap_step_failures_total{switch=\"a\\\"}{,\\\\\",version=\"1\"} 9\n\
            hotswap_step_failures_total{switch=\"a\",version=\"1\" 100\n\
            hotswap_step_failures_total_else{switch=\"a\"} 1000\n";
        let read = |label: &str| {
            let mut view = view(3, 2);
            view.status.label = label.to_owned();
            Counts::read(&view, Some(text), 5)
        };
        let counts = |panics, failures| Counts { at_ms: 5, poisoned: 2, panics, failures };
        assert_eq!(read("a"), counts(Some(5), Some(7)));
        assert_eq!(read("a\"}{,\\"), counts(Some(0), Some(9)));
        assert_eq!(Counts::read(&view(3, 2), None, 5), counts(None, None));
        assert_eq!(read("b"), counts(None, None), "which nothing is told of but by others");
    }

    fn view(held_back: u64, poisoned: u64) -> SwitchView {
        let since = json!({ "version": 2, "place": "fleet", "epoch": 3, "since_ms": null, "live": 100,
            "held_back": held_back, "poisoned": poisoned });
        let view = json!({
            "label": "a", "machine": "a", "boot": "00c0ffee00c0ffee", "epoch": 3, "version": 2, "permanent": 1,
            "phase": "probation", "id": "x", "live": 100, "by_version": [], "held_back": held_back, "not_reached": 0,
            "held": [], "pending": null, "since": [since],
        });
        serde_json::from_value(view).expect("a view")
    }

    #[test]
    fn whoever_is_held_back_or_panics_is_too_much_unless_it_was_said_otherwise() {
        let gate = Gate { max_held_back: 0, max_panics: 0, max_error_rate: None };
        let before = Counts { at_ms: 1000, poisoned: 1, panics: Some(4), failures: Some(10) };
        let now = |poisoned, panics, failures| Counts {
            at_ms: 3000,
            poisoned,
            panics: Some(panics),
            failures: Some(failures),
        };
        let name = |gate: &Gate, held_back, now: Counts| {
            gate.judge(&view(held_back, now.poisoned), &before, &now).err().map_or("", |(name, _)| name)
        };
        assert_eq!(name(&gate, 0, now(1, 4, 10_000)), "");
        assert_eq!(name(&gate, 1, now(1, 4, 10)), "held-back");
        assert_eq!(name(&gate, 0, now(1, 5, 10)), "panics", "healed since");
        assert_eq!(name(&gate, 1, Counts { panics: None, failures: None, ..now(2, 0, 0) }), "panics");

        let gate = Gate { max_held_back: 1, max_panics: 1, max_error_rate: Some(2.5) };
        assert_eq!(name(&gate, 2, now(2, 5, 15)), "", "5 in 2 seconds");
        assert_eq!(name(&gate, 2, now(2, 5, 16)), "errors");
        assert_eq!(name(&gate, 2, now(1, 5, 10)), "held-back");
        assert_eq!(name(&gate, 3, now(3, 5, 10)), "panics");
        assert_eq!(name(&gate, 0, Counts { failures: None, ..now(1, 4, 0) }), "no-metrics");
    }

    #[test]
    fn a_rate_is_a_number_from_zero() {
        assert_eq!(rate("0.5"), Ok(0.5));
        for wrong in ["", "-1", "nan", "inf", "x"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
