//! The routes: what each takes, who may call it, and how a call goes through.

mod ask;
mod calls;
mod commands;
mod events;
mod guard;
mod health;
mod images;
mod instances;
mod once;
mod openapi;
mod switches;
mod turns;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::calls::{Calls, Journal};
use self::once::Once;
pub use self::openapi::openapi;
use self::turns::Turns;
use super::drive::Drive;
use super::page;
use super::problem::{NO_METHOD, NO_ROUTE, Refused};
use super::rendered;
use super::who::Role;
use crate::registry;

/// What renders the metrics of the program, in the text format of Prometheus.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the routes offer beyond the switches of the process, and their limits.
///
/// [`router`] makes the routes. They expect a [`Caller`](super::Caller) in the extensions of every request and believe it:
/// whoever puts them behind a door of their own finds out who asks.
#[derive(Clone)]
pub struct Api {
    #[cfg(feature = "load")]
    images: Option<crate::load::Images>,
    snapshots: Option<PathBuf>,
    metrics: Metrics,
    calls: Arc<Calls>,
    body_limit: usize,
    image_limit: usize,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            #[cfg(feature = "load")]
            images: None,
            snapshots: None,
            metrics: rendered::own(),
            calls: Arc::default(),
            body_limit: 1 << 20,
            image_limit: 256 << 20,
        }
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("snapshots", &self.snapshots).finish_non_exhaustive()
    }
}

impl Api {
    /// Takes in images, lists them and lets them go.
    #[cfg(feature = "load")]
    #[must_use]
    pub fn images(mut self, images: crate::load::Images) -> Self {
        self.images = Some(images);
        self
    }

    /// Saves fleets to files in this folder, which has to be there, and converts those in it.
    #[must_use]
    pub fn snapshots(mut self, folder: impl Into<PathBuf>) -> Self {
        self.snapshots = Some(folder.into());
        self
    }

    /// Renders the metrics: of a program that has metrics of its own and a recorder for them. It calls
    /// [`metrics::refresh`](crate::metrics::refresh) first. If nothing is given, what hotswap tells of the switches is rendered.
    #[must_use]
    pub fn metrics(mut self, render: Metrics) -> Self {
        self.metrics = render;
        self
    }

    /// Where calls that would change something are accounted for; a door adds those that it refuses itself.
    #[must_use]
    pub fn calls(mut self, calls: Arc<Calls>) -> Self {
        self.calls = calls;
        self
    }

    /// The most bytes that a body may have, an image excepted; 1 MiB if nothing is said.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// The most bytes that an image may have as it is sent; 256 MiB if nothing is said.
    #[must_use]
    pub fn image_limit(mut self, bytes: usize) -> Self {
        self.image_limit = bytes;
        self
    }
}

impl Api {
    /// Makes the folder for snapshots if it is not there, or says which cannot be made and why. What it is in has to be there:
    /// a path that is mistyped is to be noticed.
    pub(super) fn make_folder(&self) -> Result<(), (PathBuf, io::Error)> {
        let Some(folder) = &self.snapshots else { return Ok(()) };
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
            made => made.map_err(|error| (folder.clone(), error)),
        }
    }
}

/// What the handlers share.
struct Served {
    api: Api,
    once: Once,
    turns: Turns,
    document: String,
}

type Shared = Arc<Served>;

impl Served {
    /// The live switch of this label.
    #[expect(clippy::unused_self, reason = "who has no server has no business with its switches")]
    fn switch(&self, label: &str) -> Result<Arc<dyn Drive>, Refused> {
        registry::switch(label).map(registry::Live::drive).ok_or_else(|| Refused::no_switch(label))
    }
}

/// A route: what it is called by, what it takes to call it, and whether it changes anything.
struct Route {
    method: Method,
    path: &'static str,
    /// `None` where nobody is asked who they are.
    needs: Option<Role>,
    /// Its calls are accounted for, and are done once under one key.
    changes: bool,
}

const fn open(path: &'static str) -> Route {
    Route { method: Method::GET, path, needs: None, changes: false }
}

const fn looks(path: &'static str, needs: Role) -> Route {
    Route { method: Method::GET, path, needs: Some(needs), changes: false }
}

const fn changes(method: Method, path: &'static str, needs: Role) -> Route {
    Route { method, path, needs: Some(needs), changes: true }
}

/// Every route, and what it takes. What is not in here is refused.
const ROUTES: &[Route] = &[
    open("/livez"),
    open("/readyz"),
    open("/openapi.json"),
    looks("/metrics", Role::Viewer),
    looks("/v1/switches", Role::Viewer),
    looks("/v1/switches/{label}", Role::Viewer),
    looks("/v1/switches/{label}/versions", Role::Viewer),
    Route { method: Method::POST, path: "/v1/switches/{label}/plans", needs: Some(Role::Operator), changes: false },
    changes(Method::POST, "/v1/switches/{label}/upgrades", Role::Operator),
    looks("/v1/switches/{label}/upgrades", Role::Viewer),
    looks("/v1/switches/{label}/upgrades/{id}", Role::Viewer),
    changes(Method::POST, "/v1/switches/{label}/upgrades/{id}/retry", Role::Operator),
    changes(Method::POST, "/v1/switches/{label}/promote", Role::Operator),
    changes(Method::POST, "/v1/switches/{label}/commit", Role::Operator),
    changes(Method::POST, "/v1/switches/{label}/rollback", Role::Operator),
    looks("/v1/switches/{label}/instances/{key}/state", Role::Operator),
    changes(Method::PUT, "/v1/switches/{label}/instances/{key}/state", Role::Admin),
    changes(Method::POST, "/v1/switches/{label}/instances/{key}/step", Role::Admin),
    changes(Method::POST, "/v1/switches/{label}/snapshots", Role::Operator),
    changes(Method::POST, "/v1/switches/{label}/snapshots/convert", Role::Operator),
    looks("/v1/images", Role::Viewer),
    changes(Method::POST, IMAGES, Role::Admin),
    changes(Method::DELETE, "/v1/images/{id}", Role::Admin),
    looks("/v1/audit", Role::Viewer),
    looks("/v1/events", Role::Viewer),
];

/// The one path whose bodies may be large.
const IMAGES: &str = "/v1/images";

/// The routes with their handlers, and the document that is made of them.
fn parts() -> (Router<Shared>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(openapi::preamble())
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::document))
        .routes(routes!(health::metrics))
        .routes(routes!(switches::list))
        .routes(routes!(switches::view))
        .routes(routes!(switches::versions))
        .routes(routes!(switches::plan))
        .routes(routes!(switches::audit))
        .routes(routes!(commands::upgrade, commands::outcomes))
        .routes(routes!(commands::outcome))
        .routes(routes!(commands::retry))
        .routes(routes!(commands::promote))
        .routes(routes!(commands::commit))
        .routes(routes!(commands::rollback))
        .routes(routes!(instances::state, instances::put_state))
        .routes(routes!(instances::step))
        .routes(routes!(instances::snapshot))
        .routes(routes!(instances::convert))
        .routes(routes!(images::list, images::take_in))
        .routes(routes!(images::let_go))
        .routes(routes!(events::events))
        .split_for_parts()
}

/// The routes of remote admin, over every switch of the process.
///
/// Each call is done on a thread for blocking work; the runtime that serves them is tokio's. One that changes something is
/// done to its end, whether or not its client is still there.
///
/// # Examples
///
/// Everybody who comes in by this program's own door is an operator:
///
/// ```
/// use hotswap::remote::{Api, Caller, Role, router};
///
/// let who = Caller { who: "ops".to_owned(), from: "the intranet".to_owned(), role: Role::Operator };
/// let app: axum::Router = router(Api::default().snapshots("/var/lib/shop")).layer(axum::Extension(who));
/// ```
///
/// # Panics
///
/// If two routes have one path, which a test of this crate rules out.
pub fn router(api: Api) -> Router {
    let (router, mut document) = parts();
    openapi::complete(&mut document);
    let document = serde_json::to_string(&document).unwrap_or_default();
    let served = Arc::new(Served { api, once: Once::default(), turns: Turns::default(), document });
    let no_route = async || Refused::new(NO_ROUTE, "there is no such route; `/openapi.json` has them all");
    let no_method = async || Refused::new(NO_METHOD, "the path is there, and takes other methods");
    router
        .merge(page::routes())
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(Arc::clone(&served), guard::guard))
        // the guard has read the body by then, up to the route's own limit
        .layer(DefaultBodyLimit::disable())
        .with_state(served)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_says_what_it_takes_and_every_rule_is_of_a_route() {
        let (_, document) = parts();
        let mut routed = BTreeSet::new();
        for (path, item) in &document.paths.paths {
            let operations = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::DELETE, &item.delete),
            ];
            for (method, operation) in operations {
                if operation.is_some() {
                    routed.insert((method.to_string(), path.clone()));
                }
            }
        }
        let ruled: Vec<_> = ROUTES.iter().map(|route| (route.method.to_string(), route.path.to_owned())).collect();
        assert_eq!(ruled.len(), routed.len(), "each is ruled once");
        assert_eq!(ruled.into_iter().collect::<BTreeSet<_>>(), routed);
    }

    #[test]
    fn what_changes_something_takes_more_than_looking() {
        for route in ROUTES.iter().filter(|route| route.changes) {
            assert!(route.needs >= Some(Role::Operator), "{} {}", route.method, route.path);
        }
    }
}
