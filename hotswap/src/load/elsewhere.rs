//! What stands in for mapping where it is not supported.

#![expect(unsafe_code, reason = "the same signature as where it is")]

use std::io;
use std::sync::Arc;

use crate::load::envelope::Digest;
use crate::load::error::{MapError, Pinned};
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

/// Refuses, before anything is asked of an image that another platform's program would take.
///
/// # Errors
///
/// [`MapError::NotSupported`].
pub(crate) fn supported() -> Result<(), MapError> {
    Err(MapError::NotSupported)
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
pub(crate) unsafe fn load(_: &[u8], _: &Digest) -> Result<Arrived, MapError> {
    Err(MapError::NotSupported)
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
