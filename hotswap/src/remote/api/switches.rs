//! Looking at switches: what they run, their versions, what an upgrade would do, what was done.

use std::collections::BTreeMap;

use axum::Json as Body;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::response::IntoResponse;
use serde::Deserialize;

use super::Shared;
use super::ask::{Asks, At, Json};
use crate::registry;
use crate::remote::problem::Refused;
use crate::remote::wire::{Audit, AuditView, Plan, PlanBody, SwitchView, Switches, Versions};

/// Every live switch of the program.
#[utoipa::path(get, path = "/v1/switches", tag = "switches",
    responses((status = 200, body = Switches, description = "by label")))]
pub(super) async fn list(State(served): State<Shared>) -> Result<Body<Switches>, Refused> {
    let all = || registry::switches().iter().map(|switch| switch.status().into()).collect();
    Ok(Body(Switches { switches: served.turns.looks.run(all).await? }))
}

/// What a switch runs, and who lives on it. The `ETag` is of its release: `If-Match` takes it.
#[utoipa::path(get, path = "/v1/switches/{label}", tag = "switches",
    params(("label" = String, Path, description = "the switch's label")),
    responses((status = 200, body = SwitchView, description = "at one instant",
        headers(("ETag" = String, description = "of the release: `\"boot-epoch\"`")))))]
pub(super) async fn view(State(served): State<Shared>, At(label): At<String>) -> Result<impl IntoResponse, Refused> {
    let switch = served.switch(&label)?;
    let view = served.turns.looks.run(move || switch.view()).await?;
    Ok(([(ETAG, view.status.tag())], Body(view)))
}

/// The versions of a switch's machine, and where each stands.
#[utoipa::path(get, path = "/v1/switches/{label}/versions", tag = "switches",
    params(("label" = String, Path, description = "the switch's label")),
    responses((status = 200, body = Versions, description = "the lowest first")))]
pub(super) async fn versions(State(served): State<Shared>, At(label): At<String>) -> Result<Body<Versions>, Refused> {
    let switch = served.switch(&label)?;
    let versions = served.turns.looks.run(move || switch.versions()).await?;
    Ok(Body(Versions { versions: versions.into_iter().map(Into::into).collect() }))
}

/// What an upgrade would do: every migration is run, nothing is installed.
#[utoipa::path(post, path = "/v1/switches/{label}/plans", tag = "switches", request_body = PlanBody,
    params(("label" = String, Path, description = "the switch's label")),
    responses((status = 200, body = Plan, description = "what it would do")))]
pub(super) async fn plan(
    State(served): State<Shared>,
    At(label): At<String>,
    Json(PlanBody { to }): Json<PlanBody>,
) -> Result<Body<Plan>, Refused> {
    let switch = served.switch(&label)?;
    let plan = served.turns.instances.run(move || switch.plan(to)).await??;
    Ok(Body(plan.into()))
}

/// Which audit is asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Of this switch only.
    #[param(nullable = false)]
    label: Option<String>,
}

/// What was done and what was refused: by every switch, and by the server.
#[utoipa::path(get, path = "/v1/audit", tag = "switches", params(Which),
    responses((status = 200, body = AuditView, description = "the last of each")))]
pub(super) async fn audit(
    State(served): State<Shared>,
    Asks(Which { label }): Asks<Which>,
) -> Result<Body<AuditView>, Refused> {
    let of = move || -> Result<BTreeMap<String, Audit>, Refused> {
        let switches = match label {
            None => registry::switches(),
            Some(label) => vec![registry::switch(&label).ok_or_else(|| Refused::no_switch(&label))?],
        };
        Ok(switches.into_iter().map(|switch| (switch.label().to_owned(), switch.drive().audit().into())).collect())
    };
    let switches = served.turns.looks.run(of).await??;
    let (remote, remote_lost) = served.api.calls.last();
    Ok(Body(AuditView { switches, remote, remote_lost }))
}
