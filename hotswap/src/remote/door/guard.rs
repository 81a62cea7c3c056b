//! What stands between a request and its handler: whether it comes from where it says, who sent it, what they may, and how much
//! and how long it may take.

use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::{BoxError, Router};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Sleep, sleep, timeout};
use tower::ServiceExt;

use super::places::Working;
use crate::remote::api::Calls;
use crate::remote::problem::{BROKEN, FORBIDDEN, Refused, Sort, UNKNOWN};
use crate::remote::token::{TokenError, Tokens};
use crate::remote::who::{Caller, Role};
use crate::remote::wire::Call;

/// What all doors of one server go by.
pub(crate) struct Guard {
    pub(crate) routes: Router,
    pub(crate) tokens: Option<Tokens>,
    /// What the server is called, beside its addresses.
    pub(crate) hosts: Vec<String>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) request_timeout: Duration,
}

const MISDIRECTED: Sort = ("misdirected", StatusCode::MISDIRECTED_REQUEST, "the server is not called that");
const FOREIGN: Sort = ("foreign-origin", StatusCode::FORBIDDEN, "a page from elsewhere asks");
const TIMED_OUT: Sort = ("timed-out", StatusCode::GATEWAY_TIMEOUT, "the answer is not found in time");

/// The other end of a connection.
pub(super) struct Peer {
    /// The door, and what it knows.
    pub(super) from: String,
    /// The address it called; none for a socket.
    pub(super) local: Option<IpAddr>,
    pub(super) tls: bool,
    /// A token that it shows says who it is, whatever else does.
    pub(super) tokens: bool,
    /// Who it is without one, or why that one may not come in.
    pub(super) known: Option<Result<(String, Role), Unwelcome>>,
}

/// Somebody who is known, and may not come in.
pub(super) struct Unwelcome {
    pub(super) who: String,
    pub(super) why: String,
}

/// What a connection needs of the server to be served: when to end, and a sign that it has not.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) stop: watch::Receiver<bool>,
    /// Dropped by whoever still has something to finish.
    pub(crate) _running: mpsc::Sender<()>,
}

impl Life {
    /// Ends when the server stops.
    pub(super) async fn stopped(mut self) {
        let _ = self.stop.wait_for(|stopped| *stopped).await;
    }
}

impl Guard {
    /// Answers a request. What it does not let through it answers itself.
    pub(super) async fn answer(
        self: Arc<Self>,
        peer: Arc<Peer>,
        life: Life,
        working: Working,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let mut response = match self.admit(&peer, &parts) {
            // nothing that changes anything is open to strangers
            Ok(None) if !parts.method.is_safe() => {
                let refused = Refused::new(UNKNOWN, "the call does not say who makes it: it has no token");
                self.refuse(&peer, String::new(), Some(&parts), refused)
            }
            Ok(caller) => {
                if let Some(caller) = caller {
                    parts.extensions.insert(caller);
                }
                self.handle(parts, body).await
            }
            Err((who, refused)) => self.refuse(&peer, who, Some(&parts), refused),
        };
        let unknown = response.status() == StatusCode::UNAUTHORIZED;
        let headers = response.headers_mut();
        for (name, value) in ALWAYS {
            headers.entry(name).or_insert(value);
        }
        if unknown {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // a body without a length goes on for as long as its client listens
        let endless = response.body().size_hint().exact().is_none();
        let stop: Option<Stop> = endless.then(|| Box::pin(life.stopped()) as _);
        response.map(|body| Body::new(Lasting { body, stop, _working: working }))
    }

    /// The answer to somebody who is not let in, who is accounted for, whatever they asked for.
    pub(super) fn refuse(&self, peer: &Peer, who: String, asked: Option<&Parts>, refused: Refused) -> Response<Body> {
        self.calls.add(Call {
            number: 0,
            at_ms: 0,
            who,
            from: peer.from.clone(),
            role: None,
            method: asked.map_or_else(String::new, |asked| asked.method.to_string()),
            path: asked.map_or_else(String::new, |asked| asked.uri.path().to_owned()),
            key: None,
            status: refused.problem.status,
            problem: Some(refused.problem.kind.clone()),
            why: refused.problem.detail.clone(),
        });
        refused.into_response()
    }

    /// Has it handled, for as long as its client is there and the time is not out. A command that has begun goes on by itself.
    async fn handle(&self, parts: Parts, body: Incoming) -> Response<Body> {
        let limit = self.request_timeout;
        let (coming, come) = oneshot::channel();
        let coming = (!body.is_end_stream()).then_some(coming);
        let body = Body::new(Timely { body, late: Box::pin(sleep(limit)), limit, coming });
        let mut task = Ended(tokio::spawn(self.routes.clone().oneshot(Request::from_parts(parts, body))));
        let handled = async {
            let mut come = pin!(timeout(limit, come));
            tokio::select! {
                handled = &mut task.0 => return Ok(handled),
                _ = &mut come => {}
            }
            timeout(limit, &mut task.0).await
        };
        match handled.await {
            Ok(Ok(Ok(response))) => response,
            Ok(Err(error)) => panicked(&error),
            Err(_) => {
                let why = format!(
                    "it takes longer than {limit:?}; a command that has begun goes on: ask for its outcome by its id"
                );
                Refused::new(TIMED_OUT, why).into_response()
            }
        }
    }

    /// Who sent this, if anybody who is known, or who it is that is not let in.
    fn admit(&self, peer: &Peer, parts: &Parts) -> Result<Option<Caller>, (String, Refused)> {
        let nobody = |refused| (String::new(), refused);
        let caller = |who, role| Some(Caller { who, from: peer.from.clone(), role });
        self.comes_from_here(peer, parts).map_err(nobody)?;
        if peer.tokens
            && let Some(token) = token(&parts.headers).map_err(nobody)?
        {
            return match self.owner(token) {
                Ok(Some((who, role))) => Ok(caller(who, role)),
                Ok(None) => Err(nobody(unknown("this token is not one that is known here"))),
                Err(error) => {
                    tracing::error!(target: "hotswap", %error, "nobody is let in by a token");
                    let why =
                        "no token is good while the file of tokens is not as it must be: the server's log says why";
                    Err(nobody(unknown(why)))
                }
            };
        }
        match &peer.known {
            None => Ok(None),
            Some(Ok((who, role))) => Ok(caller(who.clone(), *role)),
            Some(Err(Unwelcome { who, why })) => Err((who.clone(), Refused::new(FORBIDDEN, why.clone()))),
        }
    }

    fn owner(&self, token: &str) -> Result<Option<(String, Role)>, TokenError> {
        self.tokens.as_ref().map_or(Ok(None), |tokens| tokens.owner(token))
    }

    /// Refuses what a browser sends for a page from elsewhere. A page can have a name of its own lead here (DNS rebinding), so
    /// the name has to be one that this server has.
    fn comes_from_here(&self, peer: &Peer, parts: &Parts) -> Result<(), Refused> {
        let misdirected = |why: String| Refused::new(MISDIRECTED, why);
        let mut hosts = parts.headers.get_all(header::HOST).iter();
        let host = match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
            (Some(Ok(host)), None) => host,
            (None, _) => return Err(misdirected("there is no `Host` header".to_owned())),
            _ => return Err(misdirected("there is no one `Host` header of ASCII".to_owned())),
        };
        let authority = host.parse::<Authority>().ok().filter(|authority| !authority.as_str().contains('@'));
        let ours = authority.as_ref().is_some_and(|it| has_a_port_or_none(it) && self.is_ours(peer, it.host()));
        let agree = parts.uri.authority().is_none_or(|other| other.as_str().eq_ignore_ascii_case(host));
        if !ours || !agree {
            let host = host.escape_debug();
            let why = format!(
                "`{host}` is not a name that this server is called by: its address, `localhost`, or what it was told"
            );
            return Err(misdirected(why));
        }
        let mut origins = parts.headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        let scheme = if peer.tls { "https://" } else { "http://" };
        let same = origin.to_str().is_ok_and(|origin| {
            origin.strip_prefix(scheme).is_some_and(|origin| origin.eq_ignore_ascii_case(host))
                && origins.next().is_none()
        });
        if same {
            return Ok(());
        }
        let origin = String::from_utf8_lossy(origin.as_bytes()).escape_debug().to_string();
        let why = format!("a page of `{origin}` has no business here: only pages of `{scheme}{host}` have");
        Err(Refused::new(FOREIGN, why))
    }

    fn is_ours(&self, peer: &Peer, host: &str) -> bool {
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let here = peer.local.is_none_or(|local| local.to_canonical().is_loopback());
        literal.is_ok_and(|literal| peer.local.is_some_and(|local| local.to_canonical() == literal.to_canonical()))
            || here && host.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host))
    }
}

/// Whether nothing but a port comes after the host.
fn has_a_port_or_none(authority: &Authority) -> bool {
    let rest = &authority.as_str()[authority.host().len()..];
    rest.is_empty() || authority.port_u16().is_some()
}

const ALWAYS: [(HeaderName, HeaderValue); 2] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// What stands in `Authorization: Bearer …`, if there is such a header.
fn token(headers: &HeaderMap) -> Result<Option<&str>, Refused> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let Some(first) = given.next() else { return Ok(None) };
    let token = first.to_str().ok().filter(|_| given.next().is_none()).and_then(|given| {
        let (scheme, token) = given.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    token.map(Some).ok_or_else(|| unknown("the `Authorization` header is not one `Bearer` and a token"))
}

fn unknown(why: &str) -> Refused {
    Refused::new(UNKNOWN, why)
}

fn panicked(error: &JoinError) -> Response<Body> {
    tracing::error!(target: "hotswap", %error, "a remote call was not handled to its end");
    Refused::new(BROKEN, "the server made a mistake over this call").into_response()
}

/// A task that nobody needs once this is dropped.
struct Ended<T>(JoinHandle<T>);

impl<T> Drop for Ended<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A request's body, which has to come in time.
struct Timely {
    body: Incoming,
    late: Pin<Box<Sleep>>,
    limit: Duration,
    /// Dropped when no more of it will come.
    coming: Option<oneshot::Sender<()>>,
}

impl HttpBody for Timely {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = if self.late.as_mut().poll(cx).is_ready() {
            Some(Err(format!("it takes longer than {:?}", self.limit).into()))
        } else {
            ready!(Pin::new(&mut self.body).poll_frame(cx)).map(|frame| frame.map_err(Into::into))
        };
        if self.body.is_end_stream() || !matches!(frame, Some(Ok(_))) {
            self.coming = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A response's body: while it is sent, its connection is at work; one without an end has one when the server stops.
struct Lasting {
    body: Body,
    stop: Option<Stop>,
    _working: Working,
}

impl HttpBody for Lasting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.stop.as_mut().is_some_and(|stop| stop.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
