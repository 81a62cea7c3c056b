//! How callers get in: each door accepts connections within its bounds, says who is behind each, and hands their requests to
//! the guard.
//!
//! HTTP/1.1 by hyper, one request at a time on each connection.

pub(crate) mod guard;
pub(crate) mod journal;
mod places;
pub(crate) mod tcp;
pub(crate) mod tls;
pub(crate) mod unix;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::Error as TlsFailure;
use tokio_rustls::server::TlsStream;

use self::guard::{Guard, Life, Peer, Unwelcome};
use self::places::{Place, Places};
use self::tls::Tls;
use self::unix::Socket;
use super::problem::{Refused, Sort, UNKNOWN};
use super::who::Role;

/// No request has more headers, nor more bytes of them.
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 32 * 1024;
const CROWDED: Sort = ("too-many-connections", StatusCode::SERVICE_UNAVAILABLE, "the door has no place left");
/// How long a client may take to read why it was refused, when it has not sent all.
const LINGER: Duration = Duration::from_secs(2);

/// Where callers knock.
pub(crate) enum Way {
    Unix {
        listener: UnixListener,
        /// Who may come in, and as what.
        uids: Arc<[(u32, Role)]>,
        /// Removed when the door closes.
        _socket: Socket,
    },
    Tcp {
        listener: TcpListener,
        tls: Option<Arc<Tls>>,
        /// What those may who say nothing of themselves.
        open: Option<Role>,
    },
}

/// A door that is open until the server stops.
pub(crate) struct Door {
    pub(crate) way: Way,
    pub(crate) guard: Arc<Guard>,
    pub(crate) connections: usize,
    pub(crate) header_timeout: Duration,
}

impl Door {
    /// Lets callers in until the server stops.
    pub(crate) async fn keep(self, life: Life) {
        let places = Places::new(self.connections);
        let mut stopped = pin!(life.clone().stopped());
        loop {
            let accepted = tokio::select! {
                () = &mut stopped => break,
                accepted = self.accept(&places, &life) => accepted,
            };
            if let Err(error) = accepted {
                // out of descriptors, most likely: those who are here go on, and may leave
                tracing::warn!(target: "hotswap", %error, "a remote caller could not be accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
        places.clear();
    }

    async fn accept(&self, places: &Arc<Places>, life: &Life) -> io::Result<()> {
        match &self.way {
            Way::Unix { listener, uids, .. } => {
                let (stream, _) = listener.accept().await?;
                let Some(place) = places.enter() else {
                    turn_away(|farewell| stream.try_write(farewell));
                    return Ok(());
                };
                let peer = of_socket(&stream, uids)?;
                self.serve(stream, peer, place, life);
            }
            Way::Tcp { listener, tls, open } => {
                let (stream, address) = listener.accept().await?;
                let Some(place) = places.enter() else {
                    if tls.is_none() {
                        turn_away(|farewell| stream.try_write(farewell));
                    }
                    return Ok(());
                };
                // a caller that has gone already is no trouble of the door's
                let Ok(local) = stream.set_nodelay(true).and_then(|()| stream.local_addr()) else { return Ok(()) };
                match tls {
                    None => {
                        let known = open.map(|role| Ok(("anybody here".to_owned(), role)));
                        let from = format!("tcp {address}");
                        let peer = Peer { from, local: Some(local.ip()), tls: false, tokens: true, known };
                        self.serve(stream, peer, place, life);
                    }
                    Some(tls) => self.serve_tls(Secured { stream, address, local, open: *open }, tls, place, life),
                }
            }
        }
        Ok(())
    }

    fn serve<S>(&self, stream: S, peer: Peer, place: Arc<Place>, life: &Life)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        tokio::spawn(serve(stream, Arc::new(peer), place, Arc::clone(&self.guard), life.clone(), self.header_timeout));
    }

    fn serve_tls(&self, secured: Secured, tls: &Arc<Tls>, place: Arc<Place>, life: &Life) {
        let (guard, life, header_timeout) = (Arc::clone(&self.guard), life.clone(), self.header_timeout);
        let acceptor = TlsAcceptor::from(tls.config());
        tokio::spawn(async move {
            let Secured { stream, address, local, open } = secured;
            let from = format!("tls {address}");
            let shaken = tokio::select! {
                shaken = timeout(header_timeout, acceptor.accept(stream)) => shaken,
                () = place.sent_away() => return,
            };
            match shaken {
                Ok(Ok(stream)) => {
                    let known = of_certificate(&stream).or(open.map(|role| Ok(("anybody here".to_owned(), role))));
                    let peer = Peer { from, local: Some(local.ip()), tls: true, tokens: true, known };
                    serve(stream, Arc::new(peer), place, guard, life, header_timeout).await;
                }
                Ok(Err(error)) => {
                    if let Some(why) = wrong_certificate(&error) {
                        let peer = Peer { from, local: None, tls: true, tokens: false, known: None };
                        guard.refuse(&peer, String::new(), None, Refused::new(UNKNOWN, why));
                    }
                }
                Err(_) => {}
            }
        });
    }
}

/// A connection that TLS has yet to be agreed on.
struct Secured {
    stream: TcpStream,
    address: SocketAddr,
    local: SocketAddr,
    open: Option<Role>,
}

/// Serves one connection until its client leaves, it is sent away, or the server stops and it has its answer.
async fn serve<S>(
    stream: S,
    peer: Arc<Peer>,
    place: Arc<Place>,
    guard: Arc<Guard>,
    life: Life,
    header_timeout: Duration,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request: Request<Incoming>| {
        let answer =
            place.work().map(|working| Arc::clone(&guard).answer(Arc::clone(&peer), life.clone(), working, request));
        Box::pin(async move {
            match answer {
                Some(answer) => Ok(answer.await),
                None => Err(SentAway),
            }
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = poll_fn(|cx| connection.poll_without_shutdown(cx)) => {}
        () = place.sent_away() => return,
        () = life.clone().stopped() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            tokio::select! {
                _ = poll_fn(|cx| connection.poll_without_shutdown(cx)) => {}
                () = place.sent_away() => return,
            }
        }
    }
    let stream = connection.into_parts().io.into_inner();
    // a stop need not wait for those who have their answer
    drop(life);
    tokio::select! {
        () = linger(stream) => {}
        () = place.sent_away() => {}
    }
}

/// The connection was sent away before its request was looked at.
#[derive(Debug, thiserror::Error)]
#[error("sent away for another")]
struct SentAway;

/// Closes the sending side first: a connection that is closed while its client still sends may take the answer with it.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut rest = vec![0; 16 * 1024];
    let _ = timeout(LINGER, async { while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {} }).await;
}

/// Tells a caller that all others are at work. What cannot be told at once is not told.
fn turn_away(write: impl FnOnce(&[u8]) -> io::Result<usize>) {
    let why = "as many calls as may be are being answered on this door";
    let body = serde_json::to_vec(&Refused::new(CROWDED, why).problem).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\
         Retry-After: 1\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = write(&[head.as_bytes(), &body].concat());
}

/// Who the kernel says it is.
fn of_socket(stream: &UnixStream, uids: &[(u32, Role)]) -> io::Result<Peer> {
    let credentials = stream.peer_cred()?;
    let uid = credentials.uid();
    let from = credentials.pid().map_or_else(|| "unix".to_owned(), |pid| format!("unix pid {pid}"));
    let who = format!("uid {uid}");
    let known = match uids.iter().find(|(welcome, _)| *welcome == uid) {
        Some((_, role)) => Ok((who, *role)),
        None => Err(Unwelcome { why: format!("{who} may not come in here: the program allows others"), who }),
    };
    Ok(Peer { from, local: None, tls: false, tokens: false, known: Some(known) })
}

/// Whose certificate it is, if there is one. It has been verified.
fn of_certificate(stream: &TlsStream<TcpStream>) -> Option<Result<(String, Role), Unwelcome>> {
    let (_, session) = stream.get_ref();
    let (who, role) = tls::owner(session.peer_certificates()?.first()?);
    Some(role.map(|role| (who.clone(), role)).ok_or_else(|| {
        let why = format!(
            "the certificate of `{who}` names no role: it has no `OU=hotswap-viewer`, or `-operator`, or `-admin`"
        );
        Unwelcome { who, why }
    }))
}

/// What is the matter with the certificate, where that is why TLS was not agreed on.
fn wrong_certificate(error: &io::Error) -> Option<String> {
    match error.get_ref()?.downcast_ref::<TlsFailure>()? {
        TlsFailure::InvalidCertificate(error) => Some(format!("the client's certificate is not good: {error}")),
        TlsFailure::NoCertificatesPresented => Some("the client showed no certificate".to_owned()),
        _ => None,
    }
}
