//! What stands in for mapping where it is not supported.

#![expect(unsafe_code, reason = "the same signature as where it is")]

use std::io;
use std::sync::Arc;

use crate::load::error::MapError;
use crate::load::inspect::Manifest;
use crate::loaded::Guest;

/// Never made.
pub(crate) struct Arrived {
    pub(crate) image: Arc<Mapped>,
    pub(crate) guests: Vec<Arc<dyn Guest>>,
}

/// Never made.
#[derive(Debug)]
pub(crate) enum Mapped {}

impl Mapped {
    pub(crate) fn manifest(&self) -> &Manifest {
        match *self {}
    }

    pub(crate) fn name(&self) -> &str {
        match *self {}
    }
}

/// Refuses.
///
/// # Errors
///
/// [`MapError::NotSupported`].
///
/// # Safety
///
/// Nothing is asked for here.
pub(crate) unsafe fn load(_: &[u8]) -> Result<Arrived, MapError> {
    Err(MapError::NotSupported)
}

/// An image that was closed and is still mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pinned {
    pub(crate) image: String,
    pub(crate) reason: String,
}

/// There is nothing to wait for.
pub(crate) fn reap() {}

/// There are none.
pub(crate) fn pinned() -> Vec<Pinned> {
    Vec::new()
}

/// Nothing is.
///
/// # Errors
///
/// None.
#[expect(clippy::unnecessary_wraps, reason = "as where it is supported")]
pub(crate) fn is_mapped(_: &str) -> io::Result<bool> {
    Ok(false)
}
