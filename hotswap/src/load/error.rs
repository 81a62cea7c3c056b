//! Why an image was not loaded, or has not left.

use std::io;

use serde::Serialize;

use crate::load::inspect::InspectError;

/// An image was not mapped, or was let go again at once. Nothing of it is used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// It does not fit this program, by what it says of itself. Nothing of it ran.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// Images are loaded under Linux only, as yet.
    #[error("loading versions is not supported on this platform\n\nhelp: compile the version in, and restart")]
    NotSupported,
    /// There is no file in memory to be had for it.
    #[error("there is no memory for the image\n\nhelp: it needs `memfd_create` and `/proc`")]
    Memory(#[source] io::Error),
    /// The thread that unmaps images cannot be started.
    #[error("the thread that unmaps images cannot be started")]
    Reaper(#[source] io::Error),
    /// The system's loader refuses it.
    #[error(
        "the system's loader refuses the image: {what}\n\nhelp: `hotswap inspect` lists the libraries that it needs"
    )]
    Refused {
        /// In its words.
        what: String,
    },
    /// The system's loader gave back another image that is mapped already.
    #[error(
        "the system's loader took the image for an older one\n\nhelp: say so to the authors of hotswap: it is meant to be impossible"
    )]
    NotNew,
    /// What is in it is not what its notes say.
    #[error("the image is not what it says: {what}\n\nhelp: build it again, with one release of hotswap in it")]
    Differs {
        /// What is not.
        what: String,
    },
}

/// An image that was let go of and is still in the process's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pinned {
    /// Its name, as it stands in the process's list of mappings.
    pub image: String,
    /// Why, as far as can be told.
    pub reason: String,
}
