//! What the examples share.

pub mod admin;
