//! Invariant 9: no admin call deadlocks, wherever it is called from: a step, a migration, a `Drop`, a tracing subscriber.

use std::cell::RefCell;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use hotswap::{AdminError, NotEntered, Reentered, UpgradeOptions, Wait, Why, machine};

thread_local! {
    /// What the user's code on this thread does when it is run inside hotswap.
    static DO: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Has this done where the user's code runs next on this thread.
fn do_there(what: impl Fn() + 'static) {
    DO.with(|run| *run.borrow_mut() = Some(Box::new(what)));
}

/// Runs what the test wants done here, once.
fn here() {
    // what was never run is dropped when the thread ends, and with it states whose `Drop` comes here
    if let Ok(Some(run)) = DO.try_with(|run| run.borrow_mut().take()) {
        run();
    }
}

#[machine]
pub mod nosy {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Go;

    #[machine(version = 1)]
    #[derive(Debug, Serialize, Deserialize)]
    pub struct V1 {
        pub steps: u64,
    }

    #[machine(version = 1)]
    fn go_1(state: &mut V1, _: Go) -> u64 {
        super::here();
        state.steps += 1;
        state.steps
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Serialize, Deserialize)]
    pub struct V2 {
        pub steps: u64,
    }

    #[machine(migrate)]
    fn up(old: &V1) -> V2 {
        super::here();
        V2 { steps: old.steps }
    }

    #[machine(migrate)]
    fn down(old: &V2) -> V1 {
        super::here();
        V1 { steps: old.steps }
    }

    impl Drop for V2 {
        fn drop(&mut self) {
            super::here();
        }
    }

    #[machine(version = 2)]
    fn go_2(state: &mut V2, _: Go) -> u64 {
        super::here();
        state.steps += 10;
        state.steps
    }
}

use hotswap_tests::AtEachEvent;
use nosy::{Go, Switch, V1};

/// Every admin call there is, and steps of the same and of another instance.
fn everything(switch: &Switch, cell: &nosy::Cell, fleet: &nosy::Fleet<String>) {
    let admin = switch.admin();
    let _ = (admin.status(), admin.versions(), admin.outcomes(), admin.audit(), admin.statistics(), admin.held_back());
    let _ = admin.plan(1);
    let _ = admin.plan(2);
    let _ = admin.get_state("me");
    let _ = admin.get_state("k");
    let _ = admin.replace_state("me", |_| Ok::<_, String>(V1 { steps: 0 }));
    let _ = admin.upgrade(2, "from inside");
    let _ = admin.upgrade(1, "from inside");
    let _ = admin.retry();
    let _ = admin.commit();
    let _ = admin.upgrade(2, "from inside");
    let _ = admin.rollback("from inside");
    let _ = switch.sweeper().slice(Duration::from_millis(1));
    let _ = cell.step(Go);
    let _ = fleet.step("k", Go);
    let _ = fleet.insert("k".into(), V1 { steps: 0 });
    let _ = fleet.remove("k");
    let _ = (fleet.len(), fleet.for_each(|_, _| ()), fleet.clear());
    drop(switch.cell(V1 { steps: 0 }));
    drop(switch.instance(V1 { steps: 0 }));
}

/// Fails, rather than hangs, if `run` does not come back.
fn must_end(run: impl FnOnce() + Send + 'static) {
    let (done, ended) = channel();
    let thread = thread::spawn(move || {
        run();
        let _ = done.send(());
    });
    let limit = Duration::from_mins(1);
    assert!(
        ended.recv_timeout(limit) != Err(std::sync::mpsc::RecvTimeoutError::Timeout),
        "deadlock: it has not come back in {limit:?}"
    );
    thread.join().expect("no panic");
}

fn world() -> (Switch, nosy::Cell, nosy::Fleet<String>) {
    let switch = Switch::builder().starting_at(1).build().expect("one to run");
    let cell = switch.named_cell("me", V1 { steps: 0 }).expect("enters");
    let fleet = switch.fleet();
    fleet.insert("k".to_owned(), V1 { steps: 0 }).expect("enters");
    (switch, cell, fleet)
}

fn arm(switch: &Switch, cell: &nosy::Cell, fleet: &nosy::Fleet<String>) {
    let (switch, cell, fleet) = (switch.clone(), cell.clone(), fleet.clone());
    do_there(move || everything(&switch, &cell, &fleet));
}

#[test]
fn scenario_45_from_a_step_of_a_cell() {
    must_end(|| {
        let (switch, cell, fleet) = world();
        arm(&switch, &cell, &fleet);
        cell.step(Go).expect("taken");
        assert_eq!(switch.admin().status().live, 1, "the fleet was cleared from inside");
    });
}

#[test]
fn scenario_45_from_a_step_in_a_fleet() {
    must_end(|| {
        let (switch, cell, fleet) = world();
        arm(&switch, &cell, &fleet);
        fleet.step("k", Go).expect("taken");
    });
}

#[test]
fn scenario_45_from_a_step_of_an_owned_instance() {
    must_end(|| {
        let (switch, cell, fleet) = world();
        let mut owned = switch.instance(V1 { steps: 0 }).expect("enters");
        arm(&switch, &cell, &fleet);
        owned.step(Go).expect("taken");
    });
}

#[test]
fn scenario_45_from_a_migration_and_a_drop() {
    must_end(|| {
        let (switch, cell, fleet) = world();
        arm(&switch, &cell, &fleet);
        let _ = switch.admin().upgrade(2, "");
        // now the drop of a version 2 state, on the way down
        arm(&switch, &cell, &fleet);
        let _ = switch.admin().rollback("");
        let _ = switch.admin().upgrade(2, "");
        arm(&switch, &cell, &fleet);
        drop(cell);
    });
}

#[test]
fn scenario_45_from_a_tracing_subscriber() {
    must_end(|| {
        let (switch, cell, fleet) = world();
        tracing::subscriber::with_default(AtEachEvent(|_: &tracing::Event<'_>| here()), || {
            switch.admin().trace(true);
            arm(&switch, &cell, &fleet);
            cell.step(Go).expect("taken");
            arm(&switch, &cell, &fleet);
            let _ = switch.admin().upgrade(2, "");
        });
    });
}

#[test]
fn from_a_tracing_subscriber_that_hears_of_a_store_that_fails() {
    must_end(|| {
        let folder = hotswap_tests::folder::Folder::new();
        let switch = Switch::builder().label("nosy store").starting_at(1).open(folder.path("switch")).expect("its own");
        let admin = switch.admin();
        admin.upgrade(2, "").expect("not refused");
        std::fs::create_dir(folder.path("switch.new")).expect("a writable folder");
        let (from_inside, heard) = (switch.admin(), std::rc::Rc::new(std::cell::Cell::new(false)));
        let hears = std::rc::Rc::clone(&heard);
        do_there(move || {
            from_inside.commit().expect_err("rolled back already");
            hears.set(true);
        });
        let rolled_back =
            tracing::subscriber::with_default(AtEachEvent(|_: &tracing::Event<'_>| here()), || admin.rollback(""));
        rolled_back.expect("nothing may stand in the way of a rollback");
        assert!(heard.get());
    });
}

/// What came of commands that would wait elsewhere, given by what `run` runs of the user's code: whether each settled.
fn commands_inside(switch: &Switch, run: impl FnOnce()) -> Vec<Result<bool, AdminError>> {
    let (said, all) = channel();
    let admin = switch.admin();
    do_there(move || {
        let at = admin.status().version;
        let commands = [admin.upgrade(3 - at, ""), admin.commit(), admin.upgrade(at, ""), admin.rollback("")];
        for outcome in commands {
            said.send(outcome.map(|outcome| outcome.settled)).expect("received");
        }
    });
    run();
    all.try_iter().collect()
}

#[test]
fn scenario_45_what_would_wait_comes_back_unsettled_and_moves_later() {
    must_end(|| {
        let (switch, cell, fleet) = world();
        let admin = switch.admin();
        let unsettled = vec![Ok(false); 4];
        let step = || assert!(cell.step(Go).is_ok());
        assert_eq!(commands_inside(&switch, step), unsettled, "in a step of a cell");
        let step_in_fleet = || assert!(fleet.step("k", Go).is_ok());
        assert_eq!(commands_inside(&switch, step_in_fleet), unsettled, "in a step in a fleet");
        let traced = || {
            admin.trace(true);
            tracing::subscriber::with_default(AtEachEvent(|_: &tracing::Event<'_>| here()), step);
            admin.trace(false);
        };
        assert_eq!(commands_inside(&switch, traced), unsettled, "in a tracing subscriber, during a step");

        let migrate = || {
            let options = UpgradeOptions::default().wait(Wait::No);
            admin.upgrade_with(3 - switch.version(), "", &options).expect("not refused");
            step();
        };
        assert_eq!(commands_inside(&switch, migrate), unsettled, "in a migration, and the step after it");

        let sweep = || drop(admin.upgrade_with(3 - switch.version(), "", &UpgradeOptions::default().id("sweep")));
        let pending = Err(AdminError::Pending { id: "sweep".into() });
        let superseded = vec![pending.clone(), pending.clone(), pending, Ok(false)];
        assert_eq!(commands_inside(&switch, sweep), superseded, "in a migration that a command waits for");

        let settled = admin.upgrade(3 - switch.version(), "").expect("not refused");
        assert_eq!((settled.live, settled.moved, settled.settled), (2, 2, true));
    });
}

#[test]
fn two_steps_that_look_at_each_other() {
    must_end(|| {
        let (switch, one, fleet) = world();
        let two = switch.named_cell("other", V1 { steps: 0 }).expect("enters");
        let barrier = std::sync::Arc::new(std::sync::Barrier::new(2));
        thread::scope(|scope| {
            for (mine, theirs) in [(one.clone(), "other"), (two, "me")] {
                let (switch, barrier) = (switch.clone(), barrier.clone());
                let _ = &fleet;
                scope.spawn(move || {
                    do_there(move || {
                        barrier.wait();
                        let _ = switch.admin().get_state(theirs);
                        let _ = switch.admin().upgrade(2, "");
                        let _ = switch.admin().plan(1);
                    });
                    mine.step(Go).expect("taken");
                });
            }
        });
    });
}

#[test]
fn a_step_inside_a_step_of_the_same_cell_gives_the_input_back() {
    must_end(|| {
        let (_switch, cell, fleet) = world();
        let (inner, inner_fleet) = (cell.clone(), fleet.clone());
        do_there(move || {
            let error = inner.step(Go).expect_err("it is held by this thread");
            assert_eq!(error.why, Why::Reentered);
            assert_eq!(inner_fleet.step("k", Go).expect("another lock"), 1);
        });
        assert_eq!(cell.step(Go).expect("taken"), 1);
    });
}

#[test]
fn whatever_a_step_asks_of_its_own_key_is_refused_and_the_key_is_free_after() {
    must_end(|| {
        let (_switch, cell, fleet) = world();
        let (inner, other) = (fleet.clone(), cell.clone());
        do_there(move || {
            assert_eq!(inner.step("k", Go).expect_err("its shard is held by this thread").why, Why::Reentered);
            let entered = inner.insert("k".to_owned(), V1 { steps: 0 }).map(drop).map_err(|error| error.why);
            assert_eq!(entered, Err(NotEntered::Reentered));
            assert_eq!(inner.contains_key("k"), Err(Reentered));
            assert_eq!(inner.inspect("k", |_| ()), Err(Reentered));
            assert!(matches!(inner.remove("k"), Err(Reentered)));
            assert_eq!(inner.clear(), Err(Reentered));
            assert_eq!(other.step(Go).expect("another lock"), 1);
        });
        assert_eq!(fleet.step("k", Go).expect("taken"), 1);
        assert_eq!(fleet.step("k", Go).expect("free again"), 2);
    });
}
