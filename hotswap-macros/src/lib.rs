//! The `#[machine]` attribute of hotswap; see the `hotswap` crate.
