//! What can be said on the command line.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use hotswap_examples::admin::AdminOptions;

use crate::images::Incoming;
use crate::resp::Limits;

/// How many clients may be connected at once, unless it is said.
pub(crate) const MAX_CLIENTS: u32 = 10_000;

/// A store that Redis clients can talk to, and that changes its version while they do.
#[derive(Debug, Clone, Parser)]
#[command(name = "kv")]
pub(crate) struct Options {
    /// Load a server of its own, take it from version 1 to 3 and back, and report
    #[arg(long)]
    pub(crate) demo: bool,
    /// The port of the loopback interface to serve; 0 for a free one
    #[arg(long, default_value_t = 6390)]
    pub(crate) port: u16,
    /// How many threads serve
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: u16,
    /// Keep the keys in this folder, and the version that was committed; SAVE writes them, and so does the end
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Take versions in from this folder when HOTSWAP LOAD says so, and at the start the one that was committed
    #[arg(long, value_name = "FOLDER", requires = "key")]
    pub(crate) images: Option<PathBuf>,
    /// The public key that they must be signed with, as `hotswap key new` made it
    #[arg(long, value_name = "FILE", requires = "images")]
    pub(crate) key: Option<PathBuf>,
    /// The version to start at, where no folder says another
    #[arg(long, default_value_t = 1)]
    pub(crate) at: u32,
    /// How many clients may be connected at once
    #[arg(long, default_value_t = MAX_CLIENTS, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_clients: u32,
    /// The longest argument of a command, in MiB
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) max_argument: u32,
    /// Seconds after which a client that does not read its replies is let go
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) stalled_after: u64,
    #[command(flatten)]
    pub(crate) admin: AdminOptions,
}

impl Options {
    /// Where versions come from, if they may.
    pub(crate) fn incoming(&self) -> Result<Option<Incoming>, Box<dyn Error + Send + Sync>> {
        match (&self.images, &self.key) {
            (Some(folder), Some(key)) => Incoming::new(folder, key, self.dir.as_deref()).map(Some),
            _ => Ok(None),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        let argument = (self.max_argument as usize) << 20;
        Limits { argument, command: 2 * argument }
    }

    pub(crate) fn stalled_after(&self) -> Duration {
        Duration::from_secs(self.stalled_after)
    }
}
