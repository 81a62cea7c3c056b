//! How a verb ends: what it prints, for people or for programs, and the exit code.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hotswap::load::{KeyError, SignError, TrustError};
use serde_json::{Value, json};

use crate::build::BuildError;

/// The number of the layout of what `--json` prints; it rises if a field goes or changes its meaning.
const SCHEMA: u32 = 1;
const FAILED: u8 = 1;
const REFUSED: u8 = 3;

/// What a verb found: lines for people, an object for programs.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) text: String,
    pub(crate) json: Value,
}

/// Why a verb did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl Failure {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// A name that stays, for programs.
    fn reason(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::Key(_) => "key",
            Self::Sign(_) => "not-signed",
            Self::Trust(error) => error.code(),
            Self::Build(error) => error.code(),
        }
    }

    fn exit(&self) -> u8 {
        match self {
            // it was not read, so nothing is known of it
            Self::Trust(TrustError::Io { .. }) => FAILED,
            Self::Trust(_) => REFUSED,
            _ => FAILED,
        }
    }
}

/// Prints how it went.
pub(crate) fn report(command: &str, as_json: bool, result: Result<Found, Failure>) -> ExitCode {
    let (text, json, exit) = match result {
        Ok(Found { text, json }) => (text, with(json!({ "ok": true }), json), 0),
        Err(failure) => {
            eprintln!("error: {failure}");
            let exit = failure.exit();
            let (reason, message) = (failure.reason(), failure.to_string());
            (String::new(), json!({ "ok": false, "exit": exit, "reason": reason, "message": message }), exit)
        }
    };
    let out = if as_json { format!("{}\n", with(json!({ "schema": SCHEMA, "command": command }), json)) } else { text };
    // whoever closed the pipe wants no more of it
    let _ = io::stdout().write_all(out.as_bytes());
    ExitCode::from(exit)
}

/// Both objects in one.
fn with(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}
