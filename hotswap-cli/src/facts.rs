//! What is known of a file, a line for each fact; and what the head of an envelope says, for people and for programs.

use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use hotswap::load::Head;
use serde_json::{Value, json};

/// The last second of the year 9999; later ones are not written as dates.
pub(crate) const LAST_DATE: u64 = 253_402_300_799;

/// A line for each fact, whatever it says.
pub(crate) fn lines(facts: &[(&str, String)]) -> String {
    facts.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name:<12} {}", shown(value));
        text
    })
}

/// A line for each.
pub(crate) fn text(head: &Head) -> String {
    let claims = &head.claims;
    let mut facts = vec![
        ("application", claims.application.clone()),
        ("serial", claims.serial.to_string()),
        ("created", date(claims.created)),
        ("expires", date(claims.expires)),
        ("key", head.key.to_string()),
        ("image", format!("{} bytes", head.length)),
        ("sha256", head.digest.to_string()),
    ];
    if !claims.note.is_empty() {
        facts.push(("note", claims.note.clone()));
    }
    lines(&facts)
}

/// Times in Unix seconds.
pub(crate) fn json(head: &Head) -> Value {
    let claims = &head.claims;
    json!({
        "application": claims.application,
        "serial": claims.serial,
        "created": claims.created,
        "expires": claims.expires,
        "note": claims.note,
        "key": head.key.to_string(),
        "bytes": head.length,
        "sha256": head.digest.to_string(),
    })
}

/// In UTC.
fn date(seconds: u64) -> String {
    if seconds > LAST_DATE {
        return "never".to_owned();
    }
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

/// What a stranger wrote, without what a terminal would obey.
pub(crate) fn shown(text: &str) -> String {
    let steers = |char: char| char.is_control() || turns(char);
    text.chars().flat_map(|char| if steers(char) { char.escape_default().collect() } else { vec![char] }).collect()
}

/// Whether a character has what follows written the other way round: a name could be made to look like another.
fn turns(char: char) -> bool {
    matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
