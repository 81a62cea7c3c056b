//! What the tests that build hotswap otherwise have in common with the others.

#[path = "../../src/folder.rs"]
pub mod folder;

use hotswap::machine;

include!("../../src/tally.rs");
