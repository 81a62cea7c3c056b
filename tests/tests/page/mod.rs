//! What the tests of the page share: programs under load that serve one, and a browser that shows it.

#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

mod browser;
#[path = "../kv/mod.rs"]
mod kv;
mod shop;
mod store;
mod tokens;

pub(crate) use browser::{Page, browse, missing};
pub(crate) use shop::{Shop, TILLS, till};
pub(crate) use store::{KEYS, Store, key};
pub(crate) use tokens::Tokens;
