//! The `#[machine]` attribute of hotswap; see the `hotswap` crate.

#[expect(dead_code, reason = "being built")]
mod model;
