//! `hotswap key new`: a pair of keys.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use hotswap::load::{KeyError, SecretKey};
use serde_json::json;

use crate::report::{Failure, Found};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a pair: the secret key in FILE, which only you may read, and the public one in FILE.pub
    New {
        /// Where the secret key goes; there must be no such file yet
        file: PathBuf,
    },
}

pub(crate) fn run(verb: &Verb) -> Result<Found, Failure> {
    let Verb::New { file } = verb;
    let public_file = public_of(file);
    if public_file.exists() {
        // asked before anything is written: half a pair is of no use
        return Err(KeyError::Exists { path: public_file }.into());
    }
    let key = SecretKey::generate()?;
    key.write(file)?;
    let public = key.public();
    public.write(&public_file)?;
    let text = format!(
        "secret key {}\n\
         public key {}\n\
         {public}\n\
         The secret key signs images: keep it out of the repository. Give programs the public one.\n",
        file.display(),
        public_file.display(),
    );
    let json = json!({
        "secret_key": file,
        "public_key": public_file,
        "id": public.id().to_string(),
        "public": public.to_string(),
    });
    Ok(Found { text, json })
}

fn public_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}
