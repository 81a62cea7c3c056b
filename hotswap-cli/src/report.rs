//! How a verb ends: what it prints, for people or for programs, and the exit code.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hotswap::load::{KeyError, SignError, TrustError};
use hotswap::snapshot::{SnapshotError, SurveyError};
use serde_json::{Value, json};

use crate::build::BuildError;
use crate::remote::RemoteError;

/// The number of the layout of what `--json` prints; it rises if a field goes or changes its meaning.
pub(crate) const SCHEMA: u32 = 1;
/// It could not be done.
pub(crate) const FAILED: u8 = 1;
/// The command line lacks something that could not be known before.
pub(crate) const USAGE: u8 = 2;
/// It was read, or asked for, and is not accepted.
pub(crate) const REFUSED: u8 = 3;
/// The program is not there, or did not answer.
pub(crate) const UNREACHABLE: u8 = 4;
/// It was done, and not all instances came along.
pub(crate) const HELD_BACK: u8 = 5;
/// A rollout was stopped, and all that it had upgraded have gone back.
pub(crate) const ROLLED_BACK: u8 = 6;
/// A rollout was stopped, or could not be ended, and programs are where it left them.
pub(crate) const STOPPED: u8 = 7;

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
    #[error(transparent)]
    Snapshot(#[from] SurveyError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

impl Failure {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// A name that stays, for programs.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Io { .. } | Self::Snapshot(SurveyError::Io { .. }) => "io",
            Self::Key(_) => "key",
            Self::Sign(_) => "not-signed",
            Self::Trust(error) => error.code(),
            Self::Build(error) => error.code(),
            Self::Snapshot(SurveyError::Snapshot { source, .. }) => damage(source),
            Self::Snapshot(_) => "undecodable",
            Self::Remote(error) => error.code(),
        }
    }

    pub(crate) fn exit(&self) -> u8 {
        match self {
            // it was not read, so nothing is known of it
            Self::Trust(TrustError::Io { .. }) => FAILED,
            Self::Trust(_) | Self::Snapshot(SurveyError::Snapshot { .. }) => REFUSED,
            Self::Remote(error) => error.exit(),
            _ => FAILED,
        }
    }

    /// What was found all the same.
    pub(crate) fn found(&self) -> Found {
        match self {
            Self::Remote(error) => Found { text: error.text(), json: error.json() },
            _ => Found { text: String::new(), json: json!({}) },
        }
    }
}

/// A name that stays, for programs.
fn damage(error: &SnapshotError) -> &'static str {
    match error {
        SnapshotError::NotOurs => "not-a-snapshot",
        SnapshotError::Format { .. } => "format",
        SnapshotError::Codec { .. } => "codec",
        SnapshotError::Truncated => "truncated",
        SnapshotError::TooLong { .. } => "too-long",
        SnapshotError::Damaged { .. } => "damaged",
        _ => "undecodable",
    }
}

/// Prints how it went.
pub(crate) fn report(command: &str, as_json: bool, result: Result<Found, Failure>) -> ExitCode {
    let (text, json, exit) = match result {
        Ok(Found { text, json }) => (text, with(json!({ "ok": true }), json), 0),
        Err(failure) => {
            eprintln!("error: {failure}");
            let exit = failure.exit();
            let Found { text, json } = failure.found();
            let why = json!({ "ok": false, "exit": exit, "reason": failure.reason(), "message": failure.to_string() });
            (text, with(why, json), exit)
        }
    };
    let out = if as_json { format!("{}\n", with(json!({ "schema": SCHEMA, "command": command }), json)) } else { text };
    match io::stdout().write_all(out.as_bytes()).and_then(|()| io::stdout().flush()) {
        // whoever closed the pipe wants no more of it
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("error: what was to be said cannot be written: {error}");
            ExitCode::from(exit.max(FAILED))
        }
        _ => ExitCode::from(exit),
    }
}

/// Both objects in one.
pub(crate) fn with(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}
