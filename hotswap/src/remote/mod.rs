//! Commands from outside the program: every switch of the process, looked at and driven over HTTP.
//!
//! [`wire`] is what goes over it, for clients as for the server. [`router`] makes the routes, for a program that has a server
//! of its own to put them into.

pub mod wire;

mod api;
mod door;
mod drive;
mod problem;
mod serve;
mod token;
mod who;

pub use self::api::{Api, Calls, Journal, Metrics, openapi, router};
pub use self::door::tls::TlsError;
pub use self::door::unix::socket_folder;
pub(crate) use self::drive::Drive;
pub use self::serve::{Address, Options, Remote, ServeError, serve};
pub use self::token::{NewToken, TokenError};
pub use self::who::{Caller, NoRole, Role};
