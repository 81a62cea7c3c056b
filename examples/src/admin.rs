//! How a program says on its command line whom it takes commands from: the `hotswap` command, scripts, and browsers.

use std::path::PathBuf;

use hotswap::remote::{self, Options, Remote, ServeError};

/// Where a program is open to commands from outside. Nowhere, if nothing is said.
#[derive(Debug, Clone, clap::Args)]
pub struct AdminOptions {
    /// Take commands of the `hotswap` command, over a socket of this user's alone: at this path, or where the command looks
    #[arg(long, value_name = "SOCKET", num_args = 0..=1, require_equals = true)]
    pub admin: Option<Option<PathBuf>>,
    /// And over this port of the loopback interface, where a browser finds a page; 0 for a free one
    #[arg(long, value_name = "PORT", requires = "admin_tokens")]
    pub admin_port: Option<u16>,
    /// Whom the port lets in: tokens, as `hotswap token new` writes them
    #[arg(long, value_name = "FILE", requires = "admin_port")]
    pub admin_tokens: Option<PathBuf>,
    /// Append to this file who changed what, and who was not let in
    #[arg(long, value_name = "FILE")]
    pub admin_journal: Option<PathBuf>,
}

impl AdminOptions {
    /// Opens the program to commands if it was said to be, and prints where; `more` adds what else it has to offer. It is open
    /// until what is given is dropped.
    ///
    /// # Errors
    ///
    /// When a socket or port is taken, or the tokens cannot be read.
    pub fn serve(&self, more: impl FnOnce(Options) -> Options) -> Result<Option<Remote>, ServeError> {
        let mut options = match &self.admin {
            Some(Some(path)) => Options::default().socket(path),
            Some(None) => Options::default(),
            None if self.admin_port.is_some() => Options::default().without_socket(),
            None => return Ok(None),
        };
        if let Some((port, tokens)) = self.admin_port.zip(self.admin_tokens.as_ref()) {
            options = options.tcp(([127, 0, 0, 1], port).into()).tokens(tokens);
        }
        if let Some(journal) = &self.admin_journal {
            options = options.journal(journal);
        }
        let remote = remote::serve(more(options))?;
        for address in remote.addresses() {
            println!("commands are taken at {address}");
        }
        Ok(Some(remote))
    }
}
