//! The switch protocol in every order that the memory model allows: a step racing flips, sweeps, creation, drops, commit
//! and rollback, and two flips during one migration.
//!
//! Runs only with `--cfg hotswap_loom`, which puts loom's types under the protocol.
#![cfg(hotswap_loom)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hotswap::{Phase, RollbackOptions, UpgradeOptions, Wait};
use hotswap_tests_apart::tally::{Add, Get, Switch, V1};
use loom::thread;

const LONG: Duration = Duration::from_secs(3600);

/// Runs in every order, with at most so many preemptions; a model that has only one order shows nothing.
fn model_up_to(preemptions: Option<usize>, run: impl Fn() + Sync + Send + 'static) {
    let orders = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&orders);
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        run();
    });
    let orders = orders.load(Ordering::Relaxed);
    println!("{orders} orders");
    assert!(orders >= 10, "only {orders} orders: the model does not model");
}

fn model(run: impl Fn() + Sync + Send + 'static) {
    model_up_to(None, run);
}

fn switch() -> Switch {
    Switch::builder().starting_at(1).build().expect("one to run")
}

fn no_wait() -> UpgradeOptions {
    UpgradeOptions::default().wait(Wait::No)
}

fn back() -> RollbackOptions {
    RollbackOptions::default().wait(Wait::No)
}

/// Everyone is accounted for, and the census sums to live.
fn check(switch: &Switch, live: u64) {
    let admin = switch.admin();
    let status = admin.status();
    assert_eq!(status.live, live);
    assert_eq!(status.by_version.iter().map(|population| population.live).sum::<u64>(), live);
    for outcome in admin.outcomes() {
        let sum = outcome.moved + outcome.held_back + outcome.gone + outcome.not_reached;
        assert_eq!(sum, outcome.live, "{outcome:?}");
    }
}

#[test]
fn a_step_after_a_flip_runs_at_it() {
    model(|| {
        let switch = switch();
        let mut owned = switch.instance(V1::default()).expect("enters");
        let flipper = {
            let admin = switch.admin();
            thread::spawn(move || drop(admin.upgrade_with(2, "", &no_wait()).expect("not refused")))
        };
        owned.step(Add(1)).expect("taken");
        flipper.join().expect("no panic");
        owned.step(Add(1)).expect("taken");
        assert_eq!(owned.version(), 2);
        assert_eq!(owned.step(Get).expect("taken"), 2);
        check(&switch, 1);
    });
}

/// Owned instances that have come to one epoch share what stands beside their states.
#[test]
fn a_flip_reaches_all_who_arrived_while_others_did() {
    model(|| {
        let switch = switch();
        let mut one = switch.instance(V1::default()).expect("enters");
        let mut other = switch.instance(V1::default()).expect("enters");
        switch.admin().upgrade_with(2, "", &no_wait()).expect("not refused");
        let stepper = thread::spawn(move || {
            other.step(Add(1)).expect("taken");
            other
        });
        one.step(Add(1)).expect("taken");
        let mut other = stepper.join().expect("no panic");
        assert_eq!((one.version(), other.version()), (2, 2));
        switch.admin().rollback_with("", &back()).expect("in probation");
        for instance in [&mut one, &mut other] {
            assert_eq!(instance.step(Get).expect("taken"), 1);
            assert_eq!(instance.version(), 1);
        }
        check(&switch, 2);
    });
}

#[test]
fn a_flip_reaches_who_arrived_and_who_was_made_during_the_last() {
    model(|| {
        let switch = switch();
        let mut old = switch.instance(V1::default()).expect("enters");
        let flipper = {
            let admin = switch.admin();
            thread::spawn(move || drop(admin.upgrade_with(2, "", &no_wait()).expect("not refused")))
        };
        old.step(Add(1)).expect("taken");
        let mut made = switch.instance(V1::default()).expect("enters");
        flipper.join().expect("no panic");
        switch.admin().rollback_with("", &back()).expect("in probation");
        for (instance, sum) in [(&mut old, 1), (&mut made, 0)] {
            assert_eq!(instance.step(Get).expect("taken"), sum);
            assert_eq!(instance.version(), 1);
        }
        check(&switch, 2);
    });
}

#[test]
fn two_flips_during_one_migration() {
    model(|| {
        let switch = switch();
        let cell = switch.cell(V1::default()).expect("enters");
        let flipper = {
            let admin = switch.admin();
            thread::spawn(move || {
                admin.upgrade_with(2, "", &no_wait()).expect("not refused");
                admin.rollback_with("", &back()).expect("in probation");
            })
        };
        cell.step(Add(1)).expect("taken");
        flipper.join().expect("no panic");
        assert_eq!(cell.step(Get).expect("taken"), 1);
        assert_eq!(cell.version(), Some(1));
        check(&switch, 1);
    });
}

#[test]
fn steps_race_a_sweep() {
    model(|| {
        let switch = switch();
        let cell = switch.cell(V1::default()).expect("enters");
        let sweeper = {
            let switch = switch.clone();
            thread::spawn(move || {
                switch.admin().upgrade_with(2, "", &no_wait()).expect("not refused");
                let _ = switch.sweeper().slice(LONG);
            })
        };
        cell.step(Add(1)).expect("taken");
        sweeper.join().expect("no panic");
        while switch.sweeper().pending() {
            let _ = switch.sweeper().slice(LONG);
        }
        let outcome = switch.admin().outcomes().pop().expect("one");
        assert_eq!((outcome.moved, outcome.settled), (1, true));
        assert_eq!(cell.step(Get).expect("taken"), 1);
        check(&switch, 1);
    });
}

#[test]
fn creation_races_a_flip() {
    model(|| {
        let switch = switch();
        let maker = {
            let switch = switch.clone();
            thread::spawn(move || switch.instance(V1::default()).expect("enters"))
        };
        let outcome = switch.admin().upgrade_with(2, "", &no_wait()).expect("not refused");
        let mut made = maker.join().expect("no panic");
        check(&switch, 1);
        made.step(Get).expect("taken");
        assert_eq!(made.version(), 2);
        let now = switch.admin().outcome(&outcome.id).expect("kept");
        assert_eq!(now.moved, now.live, "moved if it was live at the flip, made at version 2 otherwise");
        drop(made);
        check(&switch, 0);
    });
}

#[test]
fn a_new_cell_is_found_by_the_sweep_or_made_at_the_new_version() {
    model(|| {
        let switch = switch();
        let maker = {
            let switch = switch.clone();
            thread::spawn(move || switch.cell(V1::default()).expect("enters"))
        };
        switch.admin().upgrade(2, "").expect("not refused");
        let outcome = switch.admin().outcomes().pop().expect("one");
        let made = maker.join().expect("no panic");
        if outcome.settled {
            assert_eq!(outcome.not_reached, 0);
        }
        assert_eq!(made.version(), Some(2));
        check(&switch, 1);
    });
}

#[test]
fn drops_race_a_flip_and_a_sweep() {
    model(|| {
        let switch = switch();
        let cell = switch.cell(V1::default()).expect("enters");
        let dropper = thread::spawn(move || drop(cell));
        switch.admin().upgrade(2, "").expect("not refused");
        dropper.join().expect("no panic");
        check(&switch, 0);
        let outcome = switch.admin().outcomes().pop().expect("one");
        assert_eq!(outcome.moved + outcome.gone, outcome.live);
    });
}

#[test]
fn of_commit_and_rollback_one_succeeds() {
    model(|| {
        let switch = switch();
        let mut owned = switch.instance(V1::default()).expect("enters");
        let admin = switch.admin();
        admin.upgrade_with(2, "", &no_wait()).expect("not refused");
        let committer = {
            let admin = switch.admin();
            thread::spawn(move || admin.commit().is_ok())
        };
        let back = admin.rollback_with("", &back()).is_ok();
        let committed = committer.join().expect("no panic");
        assert_ne!(back, committed);
        owned.step(Get).expect("taken");
        assert_eq!(owned.version(), if committed { 2 } else { 1 });
        assert_eq!(admin.status().phase, Phase::Permanent);
        check(&switch, 1);
    });
}

#[test]
fn observing_races_a_flip() {
    model(|| {
        let switch = switch();
        let mut owned = switch.instance(V1::default()).expect("enters");
        let observer = {
            let admin = switch.admin();
            thread::spawn(move || {
                admin.count_steps(true);
                admin.count_steps(false);
            })
        };
        switch.admin().upgrade_with(2, "", &no_wait()).expect("not refused");
        owned.step(Add(1)).expect("taken");
        assert_eq!(owned.version(), 2);
        observer.join().expect("no panic");
        assert_eq!(owned.step(Get).expect("taken"), 1);
        check(&switch, 1);
    });
}

#[test]
fn a_step_two_flips_and_a_sweep() {
    model_up_to(Some(2), || {
        let switch = switch();
        let cell = switch.cell(V1::default()).expect("enters");
        let flipper = {
            let switch = switch.clone();
            thread::spawn(move || {
                switch.admin().upgrade_with(2, "", &no_wait()).expect("not refused");
                switch.admin().rollback_with("", &back()).expect("in probation");
            })
        };
        let stepper = {
            let cell = cell.clone();
            thread::spawn(move || cell.step(Add(1)).expect("taken"))
        };
        let _ = switch.sweeper().slice(LONG);
        flipper.join().expect("no panic");
        stepper.join().expect("no panic");
        assert_eq!(cell.step(Get).expect("taken"), 1);
        assert_eq!(cell.version(), Some(1));
        check(&switch, 1);
    });
}
