//! Live upgrades for stateful Rust programs.

mod machine;
#[doc(hidden)]
pub mod __private;

pub use machine::{Accepts, Edge, How, Identity, Loaded, Machine, NameOf, Stepped, VersionInfo};
