//! What the tests of the page share: a program under load that serves one, and a browser that shows it.

#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

mod browser;
mod program;

pub(crate) use browser::{Page, browse, missing};
pub(crate) use program::{Metrics, Program, TILLS, till};
