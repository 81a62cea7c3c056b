//! The items of the module, which the attribute does not get to see.

pub struct V1;
