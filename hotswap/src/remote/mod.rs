//! Commands from outside the program: every switch of the process, looked at and driven over HTTP.
//!
//! [`wire`] is what goes over it, for clients as for the server.

pub mod wire;

mod drive;
mod who;

pub(crate) use self::drive::Drive;
pub use self::who::{Caller, NoRole, Role};
