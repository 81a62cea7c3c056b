//! JSON that the user gives: on the command line, in a file, or on standard input.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::error::RemoteError;
use crate::report::Failure;

pub(super) fn json<T: DeserializeOwned>(from: &str, bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|why| RemoteError::Json { from: from.to_owned(), why }.into())
}

pub(super) fn stdin<T: DeserializeOwned>() -> Result<T, Failure> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes).map_err(|error| Failure::io(Path::new("standard input"), error))?;
    json("standard input", &bytes)
}

/// `-` is standard input.
pub(super) fn file<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    if path == Path::new("-") {
        return stdin();
    }
    json(&path.display().to_string(), &fs::read(path).map_err(|error| Failure::io(path, error))?)
}
