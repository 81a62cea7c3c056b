//! Invariant 10: one id is done at most once; of commit and rollback for one epoch exactly one succeeds.

use std::sync::Barrier;
use std::thread;

use hotswap::{AdminError, CommitOptions, Kind, PromoteOptions, RollbackOptions, UpgradeOptions, VersionError};
use hotswap_tests::tally::{self, Mood, Switch, V1, V2, Version};
use hotswap_tests::{Stop, paused};

fn switch() -> Switch {
    Switch::builder().starting_at(Version::V1).build().expect("one to run")
}

/// Runs all at once and gives what each came to.
fn race<R: Send>(n: usize, run: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let barrier = Barrier::new(n);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..n)
            .map(|i| {
                let (barrier, run) = (&barrier, &run);
                scope.spawn(move || {
                    barrier.wait();
                    run(i)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

#[test]
fn of_commit_and_rollback() {
    for _ in 0..200 {
        let switch = switch();
        let _cell = switch.cell(V1::default());
        let admin = switch.admin();
        admin.upgrade(2, "").expect("not refused");
        let status = admin.status();
        let results = race(4, |i| {
            if i % 2 == 0 {
                admin.commit_with("", &CommitOptions::default().expect(status.boot, status.epoch))
            } else {
                admin.rollback_with("", &RollbackOptions::default().expect(status.boot, status.epoch))
            }
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        for error in results.into_iter().filter_map(Result::err) {
            let told = matches!(error, AdminError::Stale { .. } | AdminError::Pending { .. });
            assert!(told, "{error:?}");
        }
        assert_eq!(admin.outcomes().len(), 2);
    }
}

#[test]
fn of_upgrades_that_expect_the_same_epoch() {
    for _ in 0..200 {
        let switch = switch();
        let admin = switch.admin();
        let status = admin.status();
        let results = race(4, |i| {
            let to = 2 + u32::try_from(i % 2).expect("small");
            admin.upgrade_with(to, "", &UpgradeOptions::default().expect(status.boot, status.epoch))
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    }
}

#[test]
fn scenario_07_one_id_is_done_once_and_told_to_all() {
    for _ in 0..200 {
        let switch = switch();
        let _cell = switch.cell(V1::default());
        let admin = switch.admin();
        let results = race(4, |_| admin.upgrade_with(2, "", &UpgradeOptions::default().id("u-1")));
        for outcome in results {
            let outcome = outcome.expect("attached");
            assert_eq!((outcome.id.as_str(), outcome.moved, outcome.settled), ("u-1", 1, true));
        }
        assert_eq!(admin.outcomes().len(), 1);
        let others = [
            admin.upgrade_with(3, "", &UpgradeOptions::default().id("u-1")),
            admin.upgrade_with(2, "", &UpgradeOptions::default().id("u-1").keep_previous(true)),
            admin.rollback_with("", &RollbackOptions::default().id("u-1")),
        ];
        for other in others {
            assert!(matches!(other, Err(AdminError::IdReused { id, .. }) if id == "u-1"));
        }
        assert_eq!((admin.status().version, admin.status().epoch), (2, 2));
    }
}

#[test]
fn an_id_that_was_used_is_refused_in_the_words_of_what_it_was_used_for() {
    let switch = switch();
    let admin = switch.admin();
    let all = UpgradeOptions::default().keep_previous(true).accept_loss(true).rollback_after(3).canary(20);
    admin.upgrade_with(2, "", &all.id("all terms")).expect("not refused");
    admin.promote_with("", &PromoteOptions::default().accept_loss(true).id("all of them")).expect("a canary runs");
    admin.commit_with("", &CommitOptions::default().leave_held_back(true).id("leave")).expect("in probation");
    admin.upgrade_with(3, "", &UpgradeOptions::default().id("no terms")).expect("not refused");
    admin.rollback_with("", &RollbackOptions::default().accept_loss(true).id("back")).expect("in probation");
    admin.upgrade_with(3, "", &UpgradeOptions::default().canary(5).id("some")).expect("not refused");
    admin.promote_with("", &PromoteOptions::default().id("the rest")).expect("a canary runs");
    admin.commit_with("", &CommitOptions::default().id("stay")).expect("in probation");
    admin.upgrade(4, "").expect("not refused");
    admin.rollback_with("", &RollbackOptions::default().id("again")).expect("in probation");

    let terms = "keeping previous states, accepting losses, rolled back after failures: 3, as a canary of 20 percent";
    for (id, was) in [
        ("all terms", &*format!("upgrade to version 2, {terms}")),
        ("all of them", "promote, accepting losses"),
        ("leave", "commit, leaving the held back"),
        ("no terms", "upgrade to version 3"),
        ("back", "rollback, accepting losses"),
        ("some", "upgrade to version 3, as a canary of 5 percent"),
        ("the rest", "promote"),
        ("stay", "commit"),
        ("again", "rollback"),
    ] {
        let other = admin.upgrade_with(1, "", &UpgradeOptions::default().id(id)).expect_err("it was used");
        assert!(matches!(&other, AdminError::IdReused { was: said, .. } if said == was), "{other:?}");
    }
}

#[test]
fn scenario_08_of_two_upgrades_one_is_done_and_the_other_told_which() {
    let switch = paused::Switch::builder().starting_at(1).build().expect("one to run");
    let (stop, hook) = Stop::new();
    let _cell = switch.cell(paused::V1 { hook, ..Default::default() }).expect("enters");
    let admin = switch.admin();
    thread::scope(|scope| {
        let first = scope.spawn(|| admin.upgrade_with(2, "", &UpgradeOptions::default().id("first")));
        stop.wait();
        let refused = Err(AdminError::Pending { id: "first".into() });
        assert_eq!(admin.upgrade(3, ""), refused);
        assert_eq!(admin.commit(), refused);
        stop.let_go();
        let done = first.join().expect("no panic").expect("not refused");
        assert_eq!((done.id.as_str(), done.moved, done.settled), ("first", 1, true));
    });
    assert_eq!((admin.status().version, admin.outcomes().len()), (2, 1));
    assert_eq!(admin.upgrade(3, "").expect("nothing is pending").moved, 1);
}

#[test]
fn scenario_09_an_upgrade_to_the_version_that_runs_does_nothing() {
    let switch = Switch::builder().starting_at(Version::V2).build().expect("one to run");
    let cell = switch.cell(V2 { mood: Mood::Unwilling, ..V2::default() }).expect("enters");
    let admin = switch.admin();
    admin.upgrade(Version::V3, "").expect("not refused");
    cell.step(tally::Prepare(Mood::Willing)).expect("taken");
    let before = (admin.status(), admin.audit(), admin.outcomes());

    let same = admin.upgrade(Version::V3, "again").expect("not an error");
    assert_eq!((same.done, same.kind, same.from, same.to, same.epoch), (false, Kind::Upgrade, 3, 3, 2));
    assert_eq!(same.to_string(), "version 3 runs already; nothing was done");
    assert_eq!((admin.status(), admin.audit(), admin.outcomes()), before, "the held back are for `retry`");
    assert_eq!(admin.retry().expect("not refused").moved, 1);
    assert_eq!(cell.version(), Some(3));
}

#[test]
fn scenario_10_an_upgrade_to_an_unknown_version_is_refused_before_anything_moves() {
    let switch = switch();
    let cell = switch.cell(V1::default()).expect("enters");
    let admin = switch.admin();
    let before = (admin.status(), admin.outcomes());
    let machine = || "tally".to_owned();
    for asked in [0, 9, u32::MAX] {
        let unknown = VersionError::Unknown { machine: machine(), asked, known: vec![1, 2, 3, 4, 5] };
        assert_eq!(admin.upgrade(asked, ""), Err(AdminError::Version(unknown.clone())));
        assert_eq!(admin.plan(asked), Err(AdminError::Version(unknown)));
    }
    assert_eq!((admin.status(), admin.outcomes()), before);
    assert_eq!(admin.audit().refusals.len(), 3, "a plan changes nothing, so it is not a refusal");
    assert_eq!(cell.version(), Some(1));
}

#[test]
fn scenario_11_a_stale_expectation_is_refused_with_the_present_epoch() {
    let switch = switch();
    let cell = switch.cell(V1::default()).expect("enters");
    let admin = switch.admin();
    let seen = admin.status();
    let expecting = UpgradeOptions::default().expect(seen.boot, seen.epoch);

    admin.upgrade(2, "").expect("not refused");
    admin.rollback("").expect("reversible");
    assert_eq!((admin.status().version, admin.status().phase), (seen.version, seen.phase), "1 -> 2 -> 1");
    assert_eq!(admin.upgrade_with(2, "", &expecting), Err(AdminError::Stale { expected: 1, present: 3 }));

    let other_boot = UpgradeOptions::default().expect(seen.boot ^ 1, 3);
    assert_eq!(admin.upgrade_with(2, "", &other_boot), Err(AdminError::Stale { expected: 3, present: 3 }));
    assert_eq!(cell.version(), Some(1));
    let present = UpgradeOptions::default().expect(seen.boot, 3);
    assert_eq!(admin.upgrade_with(2, "", &present).expect("not stale").moved, 1);
}

#[test]
fn what_there_is_nothing_to_do_for_is_refused_and_put_on_record() {
    let switch = switch();
    let admin = switch.admin();
    assert_eq!(admin.commit(), Err(AdminError::NothingToCommit { permanent: 1 }));
    assert_eq!(admin.rollback(""), Err(AdminError::NothingToRollBack { permanent: 1 }));
    admin.upgrade(2, "").expect("not refused");
    admin.commit().expect("in probation");
    assert_eq!(admin.commit(), Err(AdminError::NothingToCommit { permanent: 2 }));
    assert_eq!((admin.audit().refusals.len(), admin.audit().changes.len()), (3, 3));
}

#[test]
fn a_label_names_one_live_switch() {
    let first = Switch::builder().label("one-winner").build().expect("free");
    let second = Switch::builder().label("one-winner").build();
    assert_eq!(second.err(), Some(hotswap::SwitchError::LabelTaken("one-winner".into())));
    assert_eq!(hotswap::switch("one-winner").expect("live").label(), first.label());
    drop(first);
    assert!(Switch::builder().label("one-winner").build().is_ok());
}
