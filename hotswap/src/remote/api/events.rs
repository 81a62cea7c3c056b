//! Flips and outcomes as they happen, as server-sent events.
//!
//! Whoever reads too slowly is told how many events were lost, and never holds up a switch.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::Stream;
use serde::Deserialize;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, timeout_at};

use super::Shared;
use super::ask::Asks;
use crate::control::Told;
use crate::registry::{self, Live};
use crate::remote::problem::Refused;
use crate::remote::wire::Event;

/// So many events wait for a slow reader.
const WAITING: usize = 1024;
/// So often it is looked whether there are further switches.
const LOOK: Duration = Duration::from_secs(1);

/// Whose events are asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    /// Of this switch only; the stream ends with it.
    #[param(nullable = false)]
    label: Option<String>,
}

/// Flips and outcomes from now on; those of a switch that is made later, from at most a second after that.
#[utoipa::path(get, path = "/v1/events", tag = "switches", params(Whose),
    responses((status = 200, body = Event, content_type = "text/event-stream",
        description = "`event:` is `flip`, `outcome` or `lost`, and `data:` is this as JSON")))]
pub(super) async fn events(
    State(_): State<Shared>,
    Asks(Whose { label }): Asks<Whose>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Refused> {
    let (to, told) = channel(WAITING);
    let all = if let Some(label) = label {
        let switch = registry::switch(&label).ok_or_else(|| Refused::no_switch(&label))?;
        subscribe(&to, switch);
        // the only one who can send now is the switch, so that the stream ends with it
        None
    } else {
        let mut all = All { to, known: BTreeMap::new(), next: Instant::now() };
        all.look();
        Some(all)
    };
    Ok(Sse::new(futures_util::stream::unfold((told, all), next)).keep_alive(KeepAlive::default()))
}

/// The switches whose events are told already.
struct All {
    to: Sender<Event>,
    known: BTreeMap<String, Weak<dyn Live>>,
    /// When it is looked again.
    next: Instant,
}

impl All {
    /// Subscribes to those that are new.
    fn look(&mut self) {
        self.next = Instant::now() + LOOK;
        self.known.retain(|_, switch| switch.strong_count() > 0);
        for switch in registry::switches() {
            let weak = Arc::downgrade(&switch);
            let known = self.known.get(switch.label()).is_some_and(|known| known.ptr_eq(&weak));
            if !known {
                self.known.insert(switch.label().to_owned(), weak);
                subscribe(&self.to, switch);
            }
        }
    }
}

fn subscribe(to: &Sender<Event>, switch: Arc<dyn Live>) {
    let (to, label) = (to.clone(), switch.label().to_owned());
    switch.drive().tell_to(Box::new(move |event| {
        match to.try_send(Event { switch: label.clone(), what: event.into() }) {
            Ok(()) => Told::Yes,
            Err(TrySendError::Full(_)) => Told::Full,
            Err(TrySendError::Closed(_)) => Told::Gone,
        }
    }));
}

type Reading = (Receiver<Event>, Option<All>);

async fn next((mut told, mut all): Reading) -> Option<(Result<sse::Event, Infallible>, Reading)> {
    let event = loop {
        let Some(all) = &mut all else { break told.recv().await? };
        match timeout_at(all.next, told.recv()).await {
            Ok(event) => break event?,
            Err(_) => all.look(),
        }
    };
    let data = serde_json::to_string(&event).unwrap_or_default();
    Some((Ok(sse::Event::default().event(event.what.name()).data(data)), (told, all)))
}
