//! Commanding a switch. An answer comes when the switch has flipped; its instances are moved by a thread that goes on
//! whether or not the client is still there.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use axum::Json as Body;
use axum::extract::State;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::Shared;
use super::ask::{Asked, Asks, At, Json, REPLAYED, reason};
use super::guard::Said;
use super::turns::broken;
use crate::control;
use crate::error::AdminError;
use crate::options::{CommitOptions, PromoteOptions, RetryOptions, RollbackOptions, UpgradeOptions, Wait};
use crate::remote::drive::{Begun, Drive};
use crate::remote::problem::{NO_COMMAND, Refused};
use crate::remote::wire::{
    CommitBody, Outcome, Outcomes, PromoteBody, RetryBody, RollbackBody, UpgradeBody, boot, tag,
};

/// Goes to another version, on probation.
#[utoipa::path(post, path = "/v1/switches/{label}/upgrades", tag = "commands", request_body = UpgradeBody,
    params(("label" = String, Path, description = "the switch's label")),
    responses((status = 200, body = Outcome, description = "everybody who can be reached has been, or nothing was to be done"),
        (status = 202, body = Outcome, description = "the switch has flipped, and the instances move")))]
pub(super) async fn upgrade(
    State(served): State<Shared>,
    At(label): At<String>,
    asked: Asked,
    Json(body): Json<UpgradeBody>,
) -> Result<Response, Refused> {
    let Asked { by, key, expect } = asked.expecting(body.expect.as_ref())?;
    let UpgradeBody { to, reason: why, keep_previous, accept_loss, rollback_after, canary, wait_ms, .. } = body;
    let terms = Terms { id: key.clone(), why: why.clone(), wait_ms };
    let on = UpgradeOptions {
        id: key,
        expect,
        wait: Wait::Reached,
        by,
        keep_previous,
        accept_loss,
        rollback_after: rollback_after.map(|n| n.max(1)),
        canary,
    };
    command(&served, &label, terms, move |switch, begun| switch.upgrade(to, &why, &on, begun)).await
}

/// Takes everybody to the version of the canary that runs, still on probation.
#[utoipa::path(post, path = "/v1/switches/{label}/promote", tag = "commands", request_body = PromoteBody,
    params(("label" = String, Path, description = "the switch's label")),
    responses((status = 200, body = Outcome, description = "everybody who can be reached has been"),
        (status = 202, body = Outcome, description = "the switch has flipped, and the instances move")))]
pub(super) async fn promote(
    State(served): State<Shared>,
    At(label): At<String>,
    asked: Asked,
    Json(body): Json<PromoteBody>,
) -> Result<Response, Refused> {
    let Asked { by, key, expect } = asked.expecting(body.expect.as_ref())?;
    let PromoteBody { reason: why, accept_loss, wait_ms, .. } = body;
    let terms = Terms { id: key.clone(), why: why.clone(), wait_ms };
    let on = PromoteOptions { id: key, expect, wait: Wait::Reached, by, accept_loss };
    command(&served, &label, terms, move |switch, begun| switch.promote(&why, &on, begun)).await
}

/// Makes the version that runs permanent.
#[utoipa::path(post, path = "/v1/switches/{label}/commit", tag = "commands", request_body = CommitBody,
    params(("label" = String, Path, description = "the switch's label")),
    responses((status = 200, body = Outcome, description = "everybody who can be reached has been"),
        (status = 202, body = Outcome, description = "the switch has flipped, and the instances follow")))]
pub(super) async fn commit(
    State(served): State<Shared>,
    At(label): At<String>,
    asked: Asked,
    Json(body): Json<CommitBody>,
) -> Result<Response, Refused> {
    let Asked { by, key, expect } = asked.expecting(body.expect.as_ref())?;
    let CommitBody { reason: why, leave_held_back, wait_ms, .. } = body;
    let terms = Terms { id: key.clone(), why: why.clone(), wait_ms };
    let on = CommitOptions { id: key, expect, wait: Wait::Reached, by, leave_held_back };
    command(&served, &label, terms, move |switch, begun| switch.commit(&why, &on, begun)).await
}

/// Goes back to the permanent version.
#[utoipa::path(post, path = "/v1/switches/{label}/rollback", tag = "commands", request_body = RollbackBody,
    params(("label" = String, Path, description = "the switch's label")),
    responses((status = 200, body = Outcome, description = "everybody who can be reached has been"),
        (status = 202, body = Outcome, description = "the switch has flipped, and the instances move")))]
pub(super) async fn rollback(
    State(served): State<Shared>,
    At(label): At<String>,
    asked: Asked,
    Json(body): Json<RollbackBody>,
) -> Result<Response, Refused> {
    let Asked { by, key, expect } = asked.expecting(body.expect.as_ref())?;
    let RollbackBody { reason: why, accept_loss, wait_ms, .. } = body;
    let terms = Terms { id: key.clone(), why: why.clone(), wait_ms };
    let on = RollbackOptions { id: key, expect, wait: Wait::Reached, by, accept_loss };
    command(&served, &label, terms, move |switch, begun| switch.rollback(&why, &on, begun)).await
}

/// Tries the held back of the last command again, which has to be the one that is named.
#[utoipa::path(post, path = "/v1/switches/{label}/upgrades/{id}/retry", tag = "commands", request_body = RetryBody,
    params(("label" = String, Path, description = "the switch's label"), ("id" = String, Path, description = "the command's id")),
    responses((status = 200, body = Outcome, description = "everybody who can be reached has been, or nobody was held back"),
        (status = 202, body = Outcome, description = "the switch has flipped, and the instances move")))]
pub(super) async fn retry(
    State(served): State<Shared>,
    At((label, id)): At<(String, String)>,
    asked: Asked,
    Json(body): Json<RetryBody>,
) -> Result<Response, Refused> {
    let Asked { by, expect, .. } = asked.expecting(body.expect.as_ref())?;
    let RetryBody { reason: why, wait_ms, .. } = body;
    let switch = served.switch(&label)?;
    let asked = id.clone();
    if served.turns.looks.run(move || switch.outcome(&asked)).await?.is_none() {
        return Err(no_command(&id));
    }
    // its id is the command's: a key of its own is for its answer only
    let terms = Terms { id: None, why: why.clone(), wait_ms };
    let on = RetryOptions { id: Some(id), expect, wait: Wait::Reached, by };
    command(&served, &label, terms, move |switch, begun| switch.retry(&why, &on, begun)).await
}

/// What came of the last 4,096 commands.
#[utoipa::path(get, path = "/v1/switches/{label}/upgrades", tag = "commands",
    params(("label" = String, Path, description = "the switch's label"), Last),
    responses((status = 200, body = Outcomes, description = "the newest last")))]
pub(super) async fn outcomes(
    State(served): State<Shared>,
    At(label): At<String>,
    Asks(Last { limit }): Asks<Last>,
) -> Result<Body<Outcomes>, Refused> {
    let switch = served.switch(&label)?;
    let last = move || {
        let outcomes = switch.outcomes();
        let from = outcomes.len().saturating_sub(limit.map_or(usize::MAX, |limit| limit as usize));
        outcomes.into_iter().skip(from).map(Into::into).collect()
    };
    Ok(Body(Outcomes { outcomes: served.turns.looks.run(last).await? }))
}

/// How many are asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Last {
    /// The newest so many; all that are kept, if nothing is said.
    #[param(nullable = false)]
    limit: Option<u32>,
}

/// What came of a command, as it stands now. One that was refused, or did nothing (`done` is false), has left no record, and
/// is not found.
#[utoipa::path(get, path = "/v1/switches/{label}/upgrades/{id}", tag = "commands",
    params(("label" = String, Path, description = "the switch's label"), ("id" = String, Path, description = "the command's id")),
    responses((status = 200, body = Outcome, description = "as it stands now")))]
pub(super) async fn outcome(
    State(served): State<Shared>,
    At((label, id)): At<(String, String)>,
) -> Result<Body<Outcome>, Refused> {
    let switch = served.switch(&label)?;
    let asked = id.clone();
    let outcome = served.turns.looks.run(move || switch.outcome(&asked)).await?;
    outcome.map(|outcome| Body(outcome.into())).ok_or_else(|| no_command(&id))
}

fn no_command(id: &str) -> Refused {
    Refused::new(NO_COMMAND, format!("no command that is kept has the id `{id}`"))
}

/// What a command says beside what it commands.
struct Terms {
    id: Option<String>,
    why: String,
    wait_ms: Option<u64>,
}

/// One command, from its turn to its answer. Its turn ends with the flip: the sweep that follows may take long, and of those
/// there is one for each switch.
async fn command(
    served: &Shared,
    label: &str,
    terms: Terms,
    run: impl FnOnce(&dyn Drive, Begun<'_>) -> Result<control::Outcome, AdminError> + Send + 'static,
) -> Result<Response, Refused> {
    reason(&terms.why)?;
    let switch = served.switch(label)?;
    let turn = served.turns.commands.turn().await?;
    let (tell, told) = oneshot::channel();
    let done = {
        let switch = Arc::clone(&switch);
        let id = terms.id.clone();
        spawn_blocking(move || {
            // the switch remembers ids for longer than the server does answers
            let known = id.is_some_and(|id| switch.outcome(&id).is_some());
            let first = Cell::new(Some((tell, turn)));
            run(&*switch, &|outcome| {
                if let Some((tell, turn)) = first.take() {
                    drop(turn);
                    // nobody listens if the client has gone, and it is done all the same
                    let _ = tell.send((outcome.clone(), known));
                }
            })
        })
    };
    // what is not told of is refused, or there is nothing to do
    let Ok((begun, known)) = told.await else {
        let outcome = done.await.map_err(|_| broken())??;
        return Ok(answer(&*switch, label, outcome.into(), false, terms.why));
    };
    let outcome = match terms.wait_ms.map(Duration::from_millis) {
        None => begun,
        Some(wait) => {
            if let Ok(done) = tokio::time::timeout(wait, done).await {
                done.map_err(|_| broken())??
            } else {
                let (now, id) = (Arc::clone(&switch), begun.id.clone());
                served.turns.looks.run(move || now.outcome(&id)).await?.unwrap_or(begun)
            }
        }
    };
    Ok(answer(&*switch, label, outcome.into(), known, terms.why))
}

fn answer(switch: &dyn Drive, label: &str, outcome: Outcome, known: bool, why: String) -> Response {
    let status = if outcome.settled { StatusCode::OK } else { StatusCode::ACCEPTED };
    let (run, _) = switch.release();
    let coded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let location = format!("/v1/switches/{}/upgrades/{}", coded(label), coded(&outcome.id));
    let etag = tag(&boot(run), outcome.epoch);
    let done = outcome.done;
    let mut response = (status, [(ETAG, etag)], Body(outcome)).into_response();
    let headers = response.headers_mut();
    // what was not done has no record to look at
    if let Some(location) = HeaderValue::try_from(location).ok().filter(|_| done) {
        headers.insert(LOCATION, location);
    }
    if known {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response.extensions_mut().insert(Said(why));
    response
}
