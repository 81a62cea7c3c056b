//! What a machine's author tests it with: bytes of released versions, and laws.
//!
//! Of feature `testing`, for `[dev-dependencies]`:
//!
//! ```toml
//! hotswap = { path = "…", features = ["testing"] }
//! ```
//!
//! [`Golden`] keeps a state and inputs of each released version as files in the repository, and says when today's code no
//! longer reads them as it did. [`Laws`] checks what should be so of every machine over generated states and inputs, and
//! names what is not.

mod golden;
mod json;
mod laws;

pub use golden::Golden;
pub use laws::{Difference, Law, Laws};
