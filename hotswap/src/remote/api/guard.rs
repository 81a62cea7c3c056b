//! The way of a call: who asks and may they, its body up to the limit, once under its key, and into the account.

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
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
        return match come_in(&served, route, request).await {
            Ok(request) => next.run(request).await,
            Err(refused) => refused.into_response(),
        };
    }
    let call = call(&request);
    // until it is all there nothing is done, and a client that goes away is not heard of again
    let request = match come_in(&served, route, request).await {
        Ok(request) => request,
        Err(refused) => return accounted(&served, call, refused.into_response()),
    };
    // from here on, one that goes away changes nothing: it is done to its end and accounted for
    let done = tokio::spawn(async move {
        let response = change(&served, request, next).await.unwrap_or_else(IntoResponse::into_response);
        accounted(&served, call, response)
    });
    done.await.unwrap_or_else(|_| broken().into_response())
}

/// Puts a call into the account with what was answered.
fn accounted(served: &Shared, mut call: Call, response: Response) -> Response {
    call.status = response.status().as_u16();
    if let Some(problem) = response.extensions().get::<Box<Problem>>() {
        call.problem = Some(problem.kind.clone());
        call.why.clone_from(&problem.detail);
    } else if let Some(Said(why)) = response.extensions().get() {
        call.why.clone_from(why);
    }
    served.api.calls.add(call);
    response
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

/// Lets a call in whose caller may make it, with the whole of its body, up to what the route takes.
async fn come_in(served: &Shared, route: &Route, request: Request) -> Result<Request, Refused> {
    allowed(route, &request)?;
    if route.method == Method::GET {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let limit = if route.path == IMAGES { served.api.image_limit } else { served.api.body_limit };
    let too_large = || Refused::new(TOO_LARGE, format!("the body is larger than {limit} bytes"));
    // what is too large as it says itself need not come in first
    let said = parts.headers.get(CONTENT_LENGTH).and_then(|said| said.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|said| said > limit as u64) {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(Request::from_parts(parts, Body::from(body.to_bytes()))),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Refused::new(UNREADABLE, format!("the body did not come in: {error}"))),
    }
}

/// A call that changes something, all of which is there.
async fn change(served: &Shared, request: Request, next: Next) -> Result<Response, Refused> {
    let who = request.extensions().get::<Caller>().map(|caller| caller.who.clone()).unwrap_or_default();
    let Some(key) = ask::key(request.headers())? else { return Ok(next.run(request).await) };
    let (parts, body) = request.into_parts();
    let body = whole(body).await?;
    let what = what(&parts, &body);
    let doing = match served.once.turn((who, key), what).await? {
        Turn::Again(answer) => return Ok(answer.into_response()),
        Turn::First(doing) => doing,
    };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let kept = response.status().is_success() || response.extensions().get::<Done>().is_some();
    let (parts, body) = response.into_parts();
    let body = whole(body).await?;
    if kept {
        doing.done(Answer { status: parts.status, headers: parts.headers.clone(), body: body.clone() });
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// A body that is in memory.
async fn whole(body: Body) -> Result<Bytes, Refused> {
    Ok(body.collect().await.map_err(|_| broken())?.to_bytes())
}

/// What a call asks for.
fn what(parts: &Parts, body: &Bytes) -> What {
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
