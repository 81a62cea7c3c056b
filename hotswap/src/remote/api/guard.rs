//! The way of a call: who asks and may they, its body up to the limit, once under its key, and into the account.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use xxhash_rust::xxh3::Xxh3;

use super::ask;
use super::once::{Answer, Turn, What};
use super::turns::broken;
use super::{IMAGES, ROUTES, Route, Shared};
use crate::remote::problem::{Done, Refused, TOO_LARGE, UNKNOWN, UNREADABLE};
use crate::remote::who::Caller;
use crate::remote::wire::{Call, Problem};

/// Why something was asked for, for the account.
#[derive(Debug, Clone)]
pub(super) struct Said(pub(super) String);

/// Lets a call through to its handler, or not.
pub(super) async fn guard(State(served): State<Shared>, request: Request, next: Next) -> Response {
    let Some(route) = route(&request) else {
        // there is no such path or method, as it will be told
        return next.run(request).await;
    };
    if !route.changes {
        return match allowed(route, &request) {
            Ok(()) if route.method == Method::GET => next.run(request).await,
            Ok(()) => match read(&served, route, request).await {
                Ok((parts, body)) => next.run(Request::from_parts(parts, Body::from(body))).await,
                Err(refused) => refused.into_response(),
            },
            Err(refused) => refused.into_response(),
        };
    }
    // a client that goes away in the middle changes nothing: it is done to its end and accounted for
    let done = tokio::spawn(async move {
        let mut call = call(&request);
        let response = change(&served, route, request, next).await.unwrap_or_else(IntoResponse::into_response);
        call.status = response.status().as_u16();
        if let Some(problem) = response.extensions().get::<Box<Problem>>() {
            call.problem = Some(problem.kind.clone());
            call.why.clone_from(&problem.detail);
        } else if let Some(Said(why)) = response.extensions().get() {
            call.why.clone_from(why);
        }
        served.api.calls.add(call);
        response
    });
    done.await.unwrap_or_else(|_| broken().into_response())
}

/// The rule for a call; `HEAD` asks as `GET` does.
fn route(request: &Request) -> Option<&'static Route> {
    let path = request.extensions().get::<MatchedPath>()?;
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    ROUTES.iter().find(|route| route.path == path.as_str() && route.method == *method)
}

fn allowed(route: &Route, request: &Request) -> Result<(), Refused> {
    let Some(needs) = route.needs else { return Ok(()) };
    let caller = request.extensions().get::<Caller>();
    let caller = caller.ok_or_else(|| Refused::new(UNKNOWN, "the call does not say who makes it"))?;
    if caller.role >= needs { Ok(()) } else { Err(Refused::role(needs, caller.role)) }
}

/// The whole body, up to what the route takes.
async fn read(
    served: &Shared,
    route: &Route,
    request: Request,
) -> Result<(axum::http::request::Parts, Bytes), Refused> {
    let (parts, body) = request.into_parts();
    let limit = if route.path == IMAGES { served.api.image_limit } else { served.api.body_limit };
    let too_large = || Refused::new(TOO_LARGE, format!("the body is larger than {limit} bytes"));
    // what is too large as it says itself need not come in first
    let said = parts.headers.get(axum::http::header::CONTENT_LENGTH).and_then(|said| said.to_str().ok()?.parse().ok());
    if said.is_some_and(|said: u64| said > limit as u64) {
        return Err(too_large());
    }
    match to_bytes(body, limit).await {
        Ok(body) => Ok((parts, body)),
        Err(error) => {
            let source = std::error::Error::source(&error);
            let over = source.is_some_and(|source| source.to_string() == "length limit exceeded");
            Err(if over { too_large() } else { Refused::new(UNREADABLE, format!("the body did not come in: {error}")) })
        }
    }
}

/// A call that changes something.
async fn change(served: &Shared, route: &Route, request: Request, next: Next) -> Result<Response, Refused> {
    allowed(route, &request)?;
    let who = request.extensions().get::<Caller>().map(|caller| caller.who.clone()).unwrap_or_default();
    let key = ask::key(request.headers())?;
    let (parts, body) = read(served, route, request).await?;
    let Some(key) = key else { return Ok(next.run(Request::from_parts(parts, Body::from(body))).await) };
    let what = what(&parts, &body);
    let doing = match served.once.turn((who, key), what).await? {
        Turn::Again(answer) => return Ok(answer.into_response()),
        Turn::First(doing) => doing,
    };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let kept = response.status().is_success() || response.extensions().get::<Done>().is_some();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(|_| broken())?;
    if kept {
        doing.done(Answer { status: parts.status, headers: parts.headers.clone(), body: body.clone() });
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// What a call asks for.
fn what(parts: &axum::http::request::Parts, body: &Bytes) -> What {
    let mut hash = Xxh3::new();
    for part in [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes()] {
        hash.update(part);
        // neither has one of these
        hash.update(b"\n");
    }
    hash.update(body);
    hash.digest128()
}

fn call(request: &Request) -> Call {
    let caller = request.extensions().get::<Caller>();
    Call {
        number: 0,
        at_ms: 0,
        who: caller.map(|caller| caller.who.clone()).unwrap_or_default(),
        from: caller.map(|caller| caller.from.clone()).unwrap_or_default(),
        role: caller.map(|caller| caller.role),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        key: ask::key(request.headers()).ok().flatten(),
        status: 0,
        problem: None,
        why: String::new(),
    }
}
