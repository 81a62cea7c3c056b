//! Whom a port lets in: somebody who looks, and somebody who commands.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use hotswap::remote::{NewToken, Role};
use hotswap_tests::folder::Folder;

/// Their tokens, and the file that a program knows them by, which goes when this is dropped.
pub(crate) struct Tokens {
    pub(crate) viewer: String,
    pub(crate) operator: String,
    folder: Folder,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let tokens = [Role::Viewer, Role::Operator].map(|role| NewToken::generate(&role.to_string(), role).unwrap());
        let mut file = fs::OpenOptions::new();
        let mut file = file.write(true).create_new(true).mode(0o600).open(folder.path("tokens")).unwrap();
        for token in &tokens {
            writeln!(file, "{}", token.line()).unwrap();
        }
        let [viewer, operator] = tokens.map(|token| token.text().to_owned());
        Self { viewer, operator, folder }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path("tokens")
    }
}
