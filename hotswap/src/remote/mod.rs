//! Commands from outside the program: every switch of the process, looked at and driven over HTTP.
//!
//! [`serve`] opens the program: by default at a Unix socket that only its own user can reach, and where [`Options`] say so at
//! TCP ports, for those who have a token ([`NewToken`]) or, over TLS, a certificate. What each may is their [`Role`]. Every call
//! that would change something is accounted for with who, from where and why, and so is everybody who was not let in.
//!
//! It is for Linux only as yet.
//!
//! ```no_run
//! let _remote = hotswap::remote::serve(hotswap::remote::Options::default())?;
//! // the program goes on; it is open until this is dropped
//! # Ok::<(), hotswap::remote::ServeError>(())
//! ```
//!
//! At each TCP port there is a page for browsers, at `/`: it asks for a token, and does what its owner may.
//!
//! A refusal is an [`application/problem+json`](wire::Problem), whatever was wrong with the call. What is no call at all gets a
//! bare status from the HTTP library: 400 for what is no HTTP, 431 where there are more than 64 headers or more than 32 KiB of
//! them. Nobody is known to have sent that, and it is not accounted for.
//!
//! [`wire`] is what goes over it, for clients as for the server. [`router`] makes the routes, for a program that has a server
//! of its own to put them into.

pub mod wire;

mod api;
mod door;
mod drive;
mod page;
mod problem;
mod rendered;
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
