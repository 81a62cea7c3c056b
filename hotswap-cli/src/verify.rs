//! `hotswap verify`: would a program with these keys take the file?

use std::path::{Path, PathBuf};

use hotswap::load::{KeyError, PublicKey, Trust};
use serde_json::json;

use crate::facts;
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The signed image
    file: PathBuf,
    /// A public key that is trusted: its file, or the line itself; may be given several times
    #[arg(long, value_name = "KEY", required = true)]
    key: Vec<String>,
    /// The id of the application that it must be for
    #[arg(long, value_name = "ID")]
    application: String,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let mut trust = Trust::new(&args.application);
    for key in &args.key {
        trust = trust.key(public(key)?);
    }
    let verified = trust.verify(&trust.read(&args.file)?)?;
    let text = format!("{:<12} {}\n{}", "verified", args.file.display(), facts::text(verified.head()));
    Ok(Found { text, json: json!({ "file": args.file, "envelope": facts::json(verified.head()) }) })
}

fn public(key: &str) -> Result<PublicKey, KeyError> {
    let path = Path::new(key);
    if key.starts_with("hotswap-public-key:") && !path.exists() {
        return key.parse().map_err(|error| KeyError::Parse { path: path.to_owned(), error });
    }
    PublicKey::read(path)
}
