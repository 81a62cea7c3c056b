//! The door for other machines: a TCP port, which is refused where it would let in whoever comes by.

use std::net::{SocketAddr, TcpListener};

use crate::remote::serve::ServeError;

/// What stands between a port and those who can reach it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guarded {
    pub(crate) tls: bool,
    /// Callers are known, by a token or a certificate.
    pub(crate) known: bool,
    /// Whoever is on this machine was said to be welcome.
    pub(crate) loopback: bool,
}

/// Listens, if this address may be listened at.
pub(crate) fn bind(address: SocketAddr, guarded: Guarded) -> Result<TcpListener, ServeError> {
    may(address, guarded)?;
    let failed = |source| ServeError::Tcp { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Other machines can read and change what is not under TLS; and a port, unlike a socket, does not say which user calls.
fn may(address: SocketAddr, Guarded { tls, known, loopback }: Guarded) -> Result<(), ServeError> {
    let lacks = match (address.ip().to_canonical().is_loopback(), tls, known) {
        (true, _, true) | (false, true, true) => return Ok(()),
        (true, _, false) if loopback => return Ok(()),
        (true, _, false) => return Err(ServeError::OpenLoopback { address }),
        (false, true, false) => "neither tokens nor a client CA say who may come in",
        (false, false, true) => "there is no TLS: tokens and states could be read on the way",
        (false, false, false) => "there is no TLS, and neither tokens nor a client CA say who may come in",
    };
    Err(ServeError::Exposed { address, lacks })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str, tls: bool, known: bool, loopback: bool) -> Option<String> {
        let address = address.parse().expect("an address");
        may(address, Guarded { tls, known, loopback }).err().map(|error| error.to_string())
    }

    #[test]
    fn a_port_is_open_only_where_those_who_reach_it_are_known() {
        for other in ["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[::ffff:10.0.0.1]:1"] {
            for loopback in [false, true] {
                assert!(refused(other, false, false, loopback).is_some_and(|why| why.contains("no TLS, and neither")));
                assert!(refused(other, false, true, loopback).is_some_and(|why| why.contains("no TLS: tokens")));
                assert!(refused(other, true, false, loopback).is_some_and(|why| why.contains("neither tokens nor")));
                assert_eq!(refused(other, true, true, loopback), None);
            }
        }
        for here in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            for tls in [false, true] {
                assert!(refused(here, tls, false, false).is_some_and(|why| why.contains("every user of this machine")));
                assert_eq!((refused(here, tls, true, false), refused(here, tls, false, true)), (None, None));
            }
        }
    }
}
