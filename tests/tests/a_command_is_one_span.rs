//! Every command is one span of `tracing`, with its id, from where it was given to where it has settled.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use hotswap::{UpgradeOptions, Wait};
use hotswap_tests::tally::{Add, Cell, Switch, V1};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

#[derive(Default)]
struct Span {
    name: &'static str,
    fields: BTreeMap<String, String>,
    handles: usize,
    events: Vec<String>,
}

/// Every span of hotswap's, the ended ones as well.
#[derive(Clone, Default)]
struct Spans {
    all: Arc<Mutex<Vec<Span>>>,
    entered: Arc<Mutex<Vec<usize>>>,
}

struct Fields<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

fn place(id: &Id) -> usize {
    usize::try_from(id.into_u64()).expect("few") - 1
}

impl Spans {
    fn with<R>(&self, id: &Id, run: impl FnOnce(&mut Span) -> R) -> R {
        run(&mut self.all.lock().expect("nothing panics under it")[place(id)])
    }

    /// `field` of each, with whether it has ended.
    fn told(&self, field: &str) -> Vec<(String, bool)> {
        let all = self.all.lock().expect("nothing panics under it");
        all.iter().map(|span| (span.fields.get(field).cloned().unwrap_or_default(), span.handles == 0)).collect()
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "hotswap"
    }
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut span = Span { name: attributes.metadata().name(), handles: 1, ..Span::default() };
        attributes.record(&mut Fields(&mut span.fields));
        let mut all = self.all.lock().expect("nothing panics under it");
        all.push(span);
        Id::from_u64(all.len() as u64)
    }
    fn record(&self, id: &Id, values: &Record<'_>) {
        self.with(id, |span| values.record(&mut Fields(&mut span.fields)));
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = BTreeMap::new();
        event.record(&mut Fields(&mut fields));
        let within = self.entered.lock().expect("nothing panics under it").last().copied().expect("inside of a span");
        let mut all = self.all.lock().expect("nothing panics under it");
        all[within].events.push(fields.remove("message").expect("each says something"));
    }
    fn enter(&self, id: &Id) {
        self.entered.lock().expect("nothing panics under it").push(place(id));
    }
    fn exit(&self, id: &Id) {
        let left = self.entered.lock().expect("nothing panics under it").pop();
        assert_eq!(left, Some(place(id)));
    }
    fn clone_span(&self, id: &Id) -> Id {
        self.with(id, |span| span.handles += 1);
        id.clone()
    }
    fn try_close(&self, id: Id) -> bool {
        self.with(&id, |span| {
            span.handles -= 1;
            span.handles == 0
        })
    }
}

fn world(label: &str) -> (Spans, Switch, Cell) {
    let switch = Switch::builder().label(label).starting_at(1).build().expect("one to run");
    let cell = switch.cell(V1::default()).expect("enters");
    (Spans::default(), switch, cell)
}

#[test]
fn one_that_waits_ends_with_the_call() {
    let (spans, switch, _cell) = world("waits");
    let admin = switch.admin();
    let _owned = switch.instance(V1::default()).expect("enters");
    let outcome = tracing::subscriber::with_default(spans.clone(), || {
        admin.upgrade_with(2, "sums", &UpgradeOptions::default().id("to-2")).expect("not refused")
    });
    let all = spans.all.lock().expect("nothing panics under it");
    let [span] = all.as_slice() else { panic!("{} spans", all.len()) };
    assert_eq!((span.name, span.handles, span.events.as_slice()), ("command", 0, &["upgrade".to_owned()][..]));
    let epoch = outcome.epoch.to_string();
    let expected = [
        ("kind", "upgrade"),
        ("switch", "waits"),
        ("id", "to-2"),
        ("from", "1"),
        ("to", "2"),
        ("epoch", epoch.as_str()),
        ("live", "2"),
        ("moved", "1"),
        ("stayed", "0"),
        ("held_back", "0"),
        ("gone", "0"),
    ];
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(span.fields, expected);
}

#[test]
fn one_that_does_not_wait_ends_when_the_last_instance_has_moved() {
    let (spans, switch, cell) = world("later");
    let (admin, sweeper) = (switch.admin(), switch.sweeper());
    tracing::subscriber::with_default(spans.clone(), || {
        let not_now = UpgradeOptions::default().wait(Wait::No);
        admin.upgrade_with(2, "", &not_now).expect("not refused");
        assert_eq!(spans.told("kind"), [("upgrade".to_owned(), false)]);
        cell.step(Add(1)).expect("taken");
        assert_eq!(spans.told("moved"), [(String::new(), false)], "nobody knows yet that it was the last");
        while sweeper.slice(std::time::Duration::from_micros(15)) == hotswap::Swept::More {}
        assert_eq!(spans.told("moved"), [("1".to_owned(), true)]);

        // or with what supersedes it
        admin.upgrade_with(4, "", &not_now).expect("not refused");
        admin.rollback("").expect("in probation");
        let kinds = ["upgrade", "upgrade", "rollback"].map(|kind| (kind.to_owned(), true));
        assert_eq!((spans.told("kind"), spans.told("moved")[1].0.as_str()), (kinds.to_vec(), ""));
    });
}

#[test]
fn one_that_moves_nobody_or_is_refused_ends_too() {
    let (spans, switch, cell) = world("nobody");
    drop(cell);
    let admin = switch.admin();
    tracing::subscriber::with_default(spans.clone(), || {
        let not_now = UpgradeOptions::default().wait(Wait::No).id("to-2");
        admin.upgrade_with(2, "", &not_now).expect("not refused");
        assert_eq!(spans.told("live"), [("0".to_owned(), true)]);
        admin.upgrade(9, "").expect_err("there is none");
        // the same again is a command of its own, of that id
        admin.upgrade_with(2, "", &not_now).expect("attached");
    });
    let ids = ["to-2", "", "to-2"].map(|id| (id.to_owned(), true));
    assert_eq!(spans.told("id"), ids);
}
