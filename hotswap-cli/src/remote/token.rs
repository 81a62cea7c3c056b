//! `hotswap token new`: a token, for whom it is to be told to, and the line that makes a program take it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use hotswap::remote::{NewToken, Role};
use serde_json::json;
use zeroize::Zeroizing;

use super::error::RemoteError;
use crate::report::{Failure, Found};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a token; programs know it by a line in their file of tokens, in which it is not told
    New {
        /// Whom the audit is to name
        name: String,
        /// What they may: `viewer`, `operator` or `admin`
        #[arg(long, value_name = "ROLE")]
        role: Role,
        /// The program's file of tokens, which gets the line; it is made if it is not there [default: the line is printed]
        #[arg(long, value_name = "FILE")]
        tokens: Option<PathBuf>,
        /// Where the token goes, for your eyes only; there must be no such file yet [default: it is printed]
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// What the verb is called, and how it went.
pub(crate) fn run(verb: &Verb) -> (&'static str, Result<Found, Failure>) {
    let Verb::New { name, role, tokens, out } = verb;
    ("token new", new(name, *role, tokens.as_deref(), out.as_deref()))
}

fn new(name: &str, role: Role, tokens: Option<&Path>, out: Option<&Path>) -> Result<Found, Failure> {
    let token = NewToken::generate(name, role).map_err(RemoteError::from)?;
    // the token first: a line for one that nobody has is a way in that nobody knows of
    if let Some(out) = out {
        write(out, &token).map_err(|error| Failure::io(out, error))?;
    }
    if let Some(tokens) = tokens {
        append(tokens, token.line()).map_err(|error| Failure::io(tokens, error))?;
    }
    let (text, shown) = (token.text(), |path: &Path| path.display().to_string());
    let mut lines = vec![("token", out.map_or_else(|| text.to_owned(), shown))];
    lines.push(("line", tokens.map_or_else(|| token.line().to_owned(), |path| format!("added to {}", path.display()))));
    let json = json!({
        "name": name,
        "role": role,
        "token": out.is_none().then_some(text),
        "token_file": out,
        "line": token.line(),
        "tokens": tokens,
    });
    Ok(Found { text: super::show::facts(&lines), json })
}

fn write(path: &Path, token: &NewToken) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(Zeroizing::new(format!("{}\n", token.text())).as_bytes())?;
    file.sync_all()
}

/// As a line of its own, also behind one that does not end.
fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let begin = if ends_in_the_middle(&mut file)? { "\n" } else { "" };
    // at once: the program may read it at any moment
    file.write_all(format!("{begin}{line}\n").as_bytes())?;
    file.sync_all()
}

fn ends_in_the_middle(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(io::SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
