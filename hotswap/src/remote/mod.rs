//! Commands from outside the program: every switch of the process, looked at and driven over HTTP.
//!
//! [`wire`] is what goes over it, for clients as for the server. [`router`] makes the routes, for a program that has a server
//! of its own to put them into.

pub mod wire;

mod api;
mod drive;
mod problem;
mod who;

pub use self::api::{Api, Calls, Journal, Metrics, openapi, router};
pub(crate) use self::drive::Drive;
pub use self::who::{Caller, NoRole, Role};
