//! What the fuzz targets share.

pub(crate) mod counting;
pub(crate) mod mutate;
pub(crate) mod parts;
pub(crate) mod run;
pub(crate) mod wire;
