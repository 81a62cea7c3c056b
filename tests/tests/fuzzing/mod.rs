//! What the fuzz targets share.

pub(crate) mod counting;
pub(crate) mod elf;
pub(crate) mod mutate;
pub(crate) mod run;
pub(crate) mod states;
pub(crate) mod wire;
