//! What an operator sees and does to a running program: states, statistics, traces, plans, events, versions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use hotswap::Standing::{Available, Current, Old, Permanent};
use hotswap::machine;
use hotswap::{AdminError, CommitOptions, Event, Kind, Phase, Place, Population, RetryOptions, RollbackOptions};
use hotswap::{UpgradeOptions, Wait, Why};
use hotswap_tests::Ending;
use hotswap_tests::quietly;
use hotswap_tests::tally::{
    Add, AnyInput, AnyState, Boom, Cell, Get, Mood, Prepare, Seen, Switch, V1, V2, V5, Version,
};
use serde_json::json;

/// A state that JSON cannot hold whatever is in it.
#[machine]
mod gauge {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize)]
    pub struct Get;

    #[machine(version = 1)]
    #[derive(Debug, Serialize, Deserialize)]
    pub struct V1 {
        pub last: Option<f64>,
    }
    #[machine(version = 1)]
    fn get(state: &V1, _: Get) -> Option<f64> {
        state.last
    }
}

fn switch(at: Version) -> Switch {
    Switch::builder().starting_at(at).build().expect("one to run")
}

#[test]
fn scenario_32_a_state_is_shown_as_json_by_key_and_replaced_whole_or_not_at_all() {
    quietly(|| {
        let switch = switch(Version::V2);
        let fleet = switch.fleet::<String>();
        fleet.insert("a key".into(), V2 { sum: 3, ..V2::default() }).expect("enters");
        let admin = switch.admin();
        let shown = json!([2, {"sum": 3, "mood": "Willing", "additions": 0}]);
        assert_eq!(admin.get_state("a key"), Ok(shown.clone()));
        assert_eq!(admin.get_state("nobody"), Err(AdminError::NoInstance { key: "nobody".into() }));

        let failed = admin.replace_state("a key", |_| Err::<V2, _>("not today"));
        assert_eq!(failed, Err(AdminError::NotReplaced { key: "a key".into(), reason: "not today".into() }));
        let panicked = admin.replace_state("a key", |_| -> Result<V2, String> { panic!("half-way") });
        assert!(matches!(panicked, Err(AdminError::NotReplaced { reason, .. }) if reason == "it panicked: half-way"));
        let no_way = admin.replace_state("a key", |_| Ok::<_, String>(V5::default()));
        assert!(matches!(no_way, Err(AdminError::NotReplaced { .. })));
        assert_eq!(admin.get_state("a key"), Ok(shown));

        let doubled = |state: Option<&AnyState>| match state {
            Some(AnyState::V2(state)) => Ok(V2 { sum: state.sum * 2, ..V2::default() }),
            _ => Err("of another version"),
        };
        admin.replace_state("a key", doubled).expect("replaced");
        assert_eq!(fleet.step("a key", Get).expect("taken"), 6);
        assert_eq!(admin.audit().refusals.len(), 3);
    });
}

#[test]
fn scenario_33_statistics_are_exact_and_change_nothing() {
    quietly(|| {
        let switch = switch(Version::V1);
        let cell = switch.cell(V1::default()).expect("enters");
        let admin = switch.admin();
        let work = |times: u64| {
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        for _ in 0..times {
                            cell.step(Add(1)).expect("taken");
                            cell.step(Seen).expect_err("version 1 does not know it");
                        }
                    });
                }
            });
        };
        work(100);
        admin.count_steps(true);
        work(1000);
        let victim = switch.cell(V1::default()).expect("enters");
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| victim.step(Boom))).is_err());
        let counted = admin.statistics();
        admin.count_steps(false);
        work(100);
        assert_eq!((counted.steps, counted.refused, counted.panicked), (2000, 2000, 1));
        assert_eq!(admin.statistics().steps, 2000);
        assert_eq!(cell.step(Get).expect("taken"), 2400);
    });
}

#[test]
fn scenario_33_turning_both_on_and_off_during_traffic_changes_nothing() {
    const TIMES: u64 = 2000;
    let switch = switch(Version::V1);
    let cell = switch.cell(V1::default()).expect("enters");
    let admin = switch.admin();
    let epoch = admin.status().epoch;
    let over = AtomicBool::new(false);
    let ending = Ending(&over);
    let counted = thread::scope(|scope| {
        let operator = scope.spawn(|| {
            let mut counted = Vec::new();
            while !over.load(Ordering::Relaxed) {
                admin.count_steps(true);
                admin.trace(true);
                admin.trace(false);
                admin.count_steps(false);
                counted.push(admin.statistics());
            }
            counted
        });
        let workers = [(); 2].map(|()| {
            scope.spawn(|| {
                for _ in 0..TIMES {
                    cell.step(Add(1)).expect("taken");
                    assert_eq!(cell.step(Seen).expect_err("not taken").why, Why::Refused { at: 1 });
                }
            })
        });
        let workers = workers.map(thread::ScopedJoinHandle::join);
        drop(ending);
        assert!(workers.iter().all(Result::is_ok));
        operator.join().expect("no panic")
    });
    assert_eq!(cell.step(Get).expect("taken"), 2 * TIMES);
    assert!(counted.iter().all(|counted| counted.panicked == 0 && !counted.counting));
    assert!(counted.iter().map(|counted| counted.steps).sum::<u64>() <= 2 * TIMES, "a step was counted twice");
    assert_eq!((admin.status().epoch, admin.outcomes()), (epoch, vec![]));

    admin.count_steps(true);
    cell.step(Add(1)).expect("taken");
    assert_eq!(admin.statistics().steps, 1);
}

/// Keeps the events of the trace as lines of text.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "hotswap::trace"
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() != "switch" {
                    self.0 += &format!("{}={value:?} ", field.name());
                }
            }
            fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
                self.record_debug(field, &format_args!("{value}"));
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().expect("no panic").push(text.0.trim_end().to_owned());
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn scenario_33_a_trace_shows_every_input_and_output() {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        let switch = switch(Version::V1);
        let cell = switch.cell(V1::default()).expect("enters");
        cell.step(Add(1)).expect("not traced yet");
        switch.admin().trace(true);
        cell.step(Add(2)).expect("taken");
        cell.step(Get).expect("taken");
        cell.step(Seen).expect_err("not taken");
        switch.admin().trace(false);
        cell.step(Get).expect("no longer traced");
    });
    assert_eq!(
        *lines.0.lock().expect("no panic"),
        [
            "message=input version=1 input=Add value=2",
            "message=output version=1 input=Add value=null",
            "message=input version=1 input=Get value=null",
            "message=output version=1 input=Get value=3",
            "message=input version=1 input=Seen value=null",
            "message=refused version=1 input=Seen why=version 1 does not take this input",
        ]
    );
}

#[test]
fn scenario_12_a_plan_runs_every_migration_and_installs_nothing() {
    let switch = switch(Version::V2);
    let fleet = switch.fleet::<u32>();
    for key in 0..10 {
        fleet.insert(key, V2::default()).expect("enters");
    }
    fleet.step(&3, Prepare(Mood::Unwilling)).expect("taken");
    fleet.step(&5, Prepare(Mood::Explosive)).expect("taken");
    let _owned = switch.instance(V2::default()).expect("enters");
    let admin = switch.admin();
    let states = || {
        let mut states = Vec::new();
        fleet.for_each(|key, state| states.push((*key, state.clone()))).expect("outside");
        states
    };
    let before = (admin.status(), admin.outcomes(), admin.audit(), states());
    let plan = quietly(|| admin.plan(5)).expect("there is a way");
    assert_eq!((plan.path, plan.live, plan.examined, plan.failed, plan.not_examined), (vec![2, 3, 4, 5], 11, 10, 2, 1));
    let mut failures: Vec<_> = plan.failures.iter().map(|failure| (&*failure.who, &*failure.reason)).collect();
    failures.sort_unstable();
    assert_eq!(failures, [("3", "unwilling"), ("5", "it panicked: explosive")]);
    assert_eq!((admin.status(), admin.outcomes(), admin.audit(), states()), before);

    let no_way = switch.admin().plan(9);
    assert!(matches!(no_way, Err(AdminError::Version(_))));
}

#[test]
fn events_tell_flips_and_outcomes_as_they_happen() {
    let switch = switch(Version::V1);
    let _cell = switch.cell(V1::default()).expect("enters");
    let admin = switch.admin();
    let events = admin.subscribe();
    let outcome = admin.upgrade(Version::V2, "because").expect("not refused");
    assert!(
        matches!(events.try_next(), Some(Event::Flip { kind: Kind::Upgrade, from: 1, to: 2, id, .. }) if id == outcome.id)
    );
    assert_eq!(events.try_next(), Some(Event::Outcome(Box::new(outcome))));
    assert_eq!(events.try_next(), None);
}

#[test]
fn scenario_06_after_a_fresh_start_one_version_is_permanent_and_none_is_old() {
    for (switch, at) in [(Switch::new(), 5), (switch(Version::V3), 3)] {
        let admin = switch.admin();
        let standings: Vec<_> = admin.versions().iter().map(|version| (version.number, version.standing)).collect();
        let expected = (1..=5).map(|number| (number, if number == at { Permanent } else { Available }));
        assert_eq!(standings, expected.collect::<Vec<_>>());
        let status = admin.status();
        assert_eq!((status.version, status.permanent, status.phase, status.epoch), (at, at, Phase::Permanent, 1));
        assert_eq!((status.live, status.held_back, admin.outcomes()), (0, 0, vec![]));
        let audit = admin.audit();
        let changes: Vec<_> = audit.changes.iter().map(|entry| entry.what.as_str()).collect();
        assert_eq!((changes, audit.refusals), (vec![format!("start at version {at}").as_str()], vec![]));
    }
}

#[test]
fn versions_say_where_each_stands_and_which_can_go() {
    let switch = switch(Version::V1);
    let cell = switch.cell(V1::default()).expect("enters");
    let admin = switch.admin();
    let standings = || -> Vec<_> {
        admin
            .versions()
            .iter()
            .map(|version| (version.number, version.standing, version.live, version.can_retire))
            .collect()
    };
    assert_eq!(standings()[..3], [(1, Permanent, 1, false), (2, Available, 0, false), (3, Available, 0, false)]);
    admin.upgrade(Version::V2, "").expect("not refused");
    assert_eq!(standings()[..3], [(1, Permanent, 0, false), (2, Current, 1, false), (3, Available, 0, false)]);
    admin.commit().expect("in probation");
    assert_eq!(standings()[..3], [(1, Old, 0, true), (2, Permanent, 1, false), (3, Available, 0, false)]);
    let population = Population { version: 2, place: Place::Cell, live: 1 };
    assert_eq!(admin.status().by_version, [population]);
    drop(cell);
    assert_eq!(admin.status().live, 0);
}

#[test]
fn a_cell_may_start_at_any_version_its_state_can_reach() {
    let cell = Cell::new_at(Version::V4, V1 { sum: 2, ..V1::default() }).expect("there is a way");
    assert_eq!((cell.version(), cell.switch().version()), (Some(4), 4));
    cell.step(Add(1)).expect("taken");
    assert_eq!(cell.step(Get).expect("taken"), 4, "version 4 adds twice");
    let error = Cell::new_at(Version::V1, V5 { sum: 9, ..V5::default() }).expect_err("no way down");
    let hotswap::NotMade::State(error) = error else { panic!("{error}") };
    assert_eq!((error.state, error.to), (Some(AnyState::V5(V5 { sum: 9, ..V5::default() })), 1));
}

#[test]
fn a_name_that_several_have_is_refused_and_nobody_is_touched() {
    let switch = Switch::new();
    let (numbers, texts) = (switch.fleet::<u32>(), switch.fleet::<String>());
    let cells = ["twin", "twin"].map(|name| switch.named_cell(name, V1::default()).expect("enters"));
    numbers.insert(1, V1::default()).expect("enters");
    texts.insert("1".into(), V1::default()).expect("enters");
    let admin = switch.admin();
    for key in ["1", "twin"] {
        let expected = AdminError::Ambiguous { key: key.to_owned(), instances: 2 };
        assert_eq!(admin.get_state(key), Err(expected.clone()));
        let replaced = admin.replace_state(key, |_| Ok::<_, String>(V1 { sum: 9, ..V1::default() }));
        assert_eq!(replaced, Err(expected));
    }
    assert_eq!(cells.map(|cell| cell.step(Get).expect("taken")), [0, 0]);
    assert_eq!((numbers.step(&1, Get).expect("taken"), texts.step("1", Get).expect("taken")), (0, 0));
}

#[test]
fn a_cell_without_a_name_is_called_by_its_number_in_one_spelling() {
    let switch = Switch::new();
    let cells = [V1 { sum: 7, ..V1::default() }, V1::default()].map(|state| switch.cell(state).expect("enters"));
    let given = switch.named_cell("cell-0", V1 { sum: 9, ..V1::default() }).expect("enters");
    assert_eq!(cells.each_ref().map(|cell| cell.name().into_owned()), ["cell-1", "cell-2"]);
    assert_eq!(given.name(), "cell-0");
    let admin = switch.admin();
    let sum = |key: &str| admin.get_state(key).map(|state| state[1]["sum"].clone());
    assert_eq!([sum("cell-0"), sum("cell-1"), sum("cell-2")], [9, 7, 0].map(|sum| Ok(json!(sum))));
    for key in ["cell-", "cell-01", "cell-+1", "cell-3", "1"] {
        assert_eq!(sum(key), Err(AdminError::NoInstance { key: key.to_owned() }));
    }
}

#[test]
fn a_state_that_json_has_no_form_for_is_not_shown_as_another() {
    let switch = gauge::Switch::new();
    let cell = switch.named_cell("boiler", gauge::V1 { last: Some(f64::NAN) }).expect("enters");
    let admin = switch.admin();
    let reason = "in `last`: a float is NaN, for which JSON has no form".to_owned();
    let not_shown = AdminError::NotShown { key: "boiler".into(), reason };
    // as `null` it would be no reading at all, and so it would stay when it is put back
    assert_eq!(admin.get_state("boiler"), Err(not_shown));
    assert!(cell.step(gauge::Get).expect("taken").is_some_and(f64::is_nan));
    admin.replace_state("boiler", |_| Ok::<_, String>(gauge::V1 { last: None })).expect("replaced");
    assert_eq!(admin.get_state("boiler"), Ok(json!([1, {"last": null}])));
}

#[test]
fn an_owner_learns_why_its_instance_is_held_back() {
    let switch = Switch::builder().starting_at(2).build().expect("one to run");
    let mut owned = switch.instance(V2 { mood: Mood::Unwilling, ..V2::default() }).expect("enters");
    switch.admin().upgrade_with(3, "sums", &UpgradeOptions::default().wait(Wait::No)).expect("not refused");
    assert_eq!(owned.held_back().as_deref(), Some("unwilling"));
    owned.step(Prepare(Mood::Willing)).expect("version 2 serves on");
    let outcome = switch.admin().retry().expect("not refused");
    assert_eq!((outcome.kind, outcome.reason.as_str()), (Kind::Upgrade, "sums"));
    assert_eq!((owned.held_back(), owned.version()), (None, 3));
}

#[test]
fn what_was_replaced_is_no_longer_named_as_held_back() {
    quietly(|| {
        let switch = switch(Version::V2);
        let fleet = switch.fleet::<String>();
        for (key, mood) in [("unwilling", Mood::Unwilling), ("poisoned", Mood::Willing), ("by any name", Mood::Willing)]
        {
            fleet.insert(key.to_owned(), V2 { mood, ..V2::default() }).expect("enters");
        }
        let admin = switch.admin();
        let upgrade = admin.upgrade(3, "").expect("there is a way");
        assert_eq!(upgrade.held_back, 1);
        // who asks now, and who looks at the outcome
        let named = || {
            let outcome = admin.outcome(&upgrade.id).expect("it is the last").held;
            let [now, then] = [admin.held_back(), outcome].map(|held| {
                let mut named: Vec<_> = held.into_iter().map(|held| (held.who, held.poisoned)).collect();
                named.sort();
                named
            });
            assert_eq!(now, then);
            now
        };
        for (key, input) in [("poisoned", None), ("by any name", Some(AnyInput::Boom(Boom)))] {
            let step = || match input {
                None => drop(fleet.step(key, Boom)),
                Some(input) => drop(fleet.step_any(key, input)),
            };
            assert!(catch_unwind(AssertUnwindSafe(step)).is_err());
        }
        let [boom, other, held] = ["by any name", "poisoned", "unwilling"].map(str::to_owned);
        assert_eq!(named(), [(boom, true), (other.clone(), true), (held, false)]);
        for key in ["unwilling", "by any name"] {
            admin.replace_state(key, |_| Ok::<_, String>(V2::default())).expect("replaced");
        }
        assert_eq!(named(), [(other, true)]);
        assert_eq!(fleet.step("unwilling", Get).expect("version 3"), 0);
    });
}

#[test]
fn one_that_moves_takes_no_namesake_off_the_list() {
    let switch = switch(Version::V2);
    let fleets: Vec<_> = [Mood::Unwilling, Mood::Willing].map(|mood| (switch.fleet::<u8>(), mood)).into();
    for (fleet, mood) in &fleets {
        fleet.insert(7, V2 { mood: *mood, ..V2::default() }).expect("enters");
    }
    let admin = switch.admin();
    let upgrade = admin.upgrade_with(3, "", &UpgradeOptions::default().wait(Wait::No)).expect("not refused");
    for (fleet, _) in &fleets {
        fleet.step(&7, Get).expect("versions 2 and 3 take it");
    }
    let held = admin.outcome(&upgrade.id).expect("it is the last").held;
    assert_eq!(held.iter().map(|held| (held.who.as_str(), held.version)).collect::<Vec<_>>(), [("7", 2)]);
}

#[test]
fn an_owner_gets_its_state_back_and_is_counted_no_more() {
    let switch = Switch::builder().label("owner").starting_at(2).build().expect("one to run");
    let owned = switch.instance(V2 { sum: 7, ..V2::default() }).expect("enters");
    assert_eq!(format!("{owned:?}"), r#"Instance { switch: "owner", version: 2, .. }"#);
    assert_eq!(switch.admin().status().live, 1);
    assert_eq!(owned.into_state(), Some(V2 { sum: 7, ..V2::default() }.into()));
    assert_eq!(switch.admin().status().live, 0);
}

#[test]
fn the_audit_says_who_asked_for_what_and_nobody_where_the_program_did() {
    let cell = switch(Version::V1).cell(V1 { sum: 7, mood: Mood::Unwilling }).expect("enters");
    let admin = cell.admin();
    let by = |who: &str| UpgradeOptions::default().by(who);
    let begun = admin.upgrade_with(3, "more to see", &by("alice via a script")).expect("it flips");
    assert_eq!(begun.held_back, 1);
    admin.upgrade_with(9, "", &by("bob")).expect_err("there is no such version");
    let last = |options: RetryOptions| admin.retry_with("mended", &options.by("carol"));
    let other = last(RetryOptions::default().id("another")).expect_err("it is not the last one");
    assert_eq!(other, AdminError::NotTheLast { id: "another".into(), last: begun.id.clone() });
    assert_eq!(last(RetryOptions::default().id(begun.id.clone())).map(|outcome| outcome.id), Ok(begun.id));
    admin.rollback_with("", &RollbackOptions::default().by("dave")).expect("it goes back");
    admin.upgrade(2, "again").expect("it flips");
    admin.commit_with("", &CommitOptions::default().leave_held_back(true).by("erin")).expect("it stays");

    let audit = admin.audit();
    let said = |entries: Vec<hotswap::Entry>| -> Vec<(String, String)> {
        entries.into_iter().map(|entry| (entry.what, entry.by)).collect()
    };
    let expected = |entries: &[(&str, &str)]| -> Vec<(String, String)> {
        entries.iter().map(|(what, by)| ((*what).to_owned(), (*by).to_owned())).collect()
    };
    assert_eq!(
        said(audit.changes),
        expected(&[
            ("start at version 1", ""),
            ("upgrade 1 -> 3", "alice via a script"),
            ("retry 3 -> 3", "carol"),
            ("rollback 3 -> 1", "dave"),
            ("upgrade 1 -> 2", ""),
            ("commit 2 -> 2", "erin"),
        ])
    );
    assert_eq!(said(audit.refusals), expected(&[("upgrade to version 9", "bob"), ("retry", "carol")]));
}
