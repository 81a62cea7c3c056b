//! Whether the server is well, what it offers, and the program's metrics.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::Shared;
use crate::remote::problem::Refused;
use crate::remote::wire::Health;

/// The server answers.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, body = Health, description = "it does")))]
pub(super) async fn livez() -> axum::Json<Health> {
    axum::Json(Health { status: "ok".to_owned() })
}

/// The server serves. Whether the switches are well is theirs to say: a program with instances that are held back still
/// does its work.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200, body = Health, description = "it does")))]
pub(super) async fn readyz() -> axum::Json<Health> {
    livez().await
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "health",
    responses((status = 200, body = serde_json::Value, description = "the document")))]
pub(super) async fn document(State(served): State<Shared>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], served.document.clone())
}

/// The program's metrics, in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, body = String, content_type = "text/plain; version=0.0.4", description = "the metrics")))]
pub(super) async fn metrics(State(served): State<Shared>) -> Result<impl IntoResponse, Refused> {
    let render = Arc::clone(&served.api.metrics);
    let text = served.turns.looks.run(move || render()).await?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
