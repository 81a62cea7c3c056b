//! What the head of an envelope says, for people and for programs.

use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use hotswap::load::Head;
use serde_json::{Value, json};

/// The last second of the year 9999; later ones are not written as dates.
pub(crate) const LAST_DATE: u64 = 253_402_300_799;

/// A line for each.
pub(crate) fn text(head: &Head) -> String {
    let claims = &head.claims;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12} {value}");
    };
    line("application", &shown(&claims.application));
    line("serial", &claims.serial.to_string());
    line("created", &date(claims.created));
    line("expires", &date(claims.expires));
    line("key", &head.key.to_string());
    line("image", &format!("{} bytes", head.length));
    line("sha256", &head.digest.to_string());
    if !claims.note.is_empty() {
        line("note", &shown(&claims.note));
    }
    text
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
    text.chars().flat_map(|char| if char.is_control() { char.escape_default().collect() } else { vec![char] }).collect()
}
