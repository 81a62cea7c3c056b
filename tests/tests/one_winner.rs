//! Invariant 10: one id is done at most once; of commit and rollback for one epoch exactly one succeeds.

use std::sync::Barrier;
use std::thread;

use hotswap::{AdminError, CommitOptions, RollbackOptions, UpgradeOptions, VersionError};
use hotswap_tests::tally::{Switch, V1, Version};

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
fn one_id_is_done_once_and_told_to_all() {
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
        let other = admin.upgrade_with(3, "", &UpgradeOptions::default().id("u-1"));
        assert!(matches!(other, Err(AdminError::IdReused { id, .. }) if id == "u-1"));
        assert_eq!(admin.status().version, 2);
    }
}

#[test]
fn everything_else_is_refused_by_name() {
    let switch = switch();
    let admin = switch.admin();
    assert_eq!(admin.commit(), Err(AdminError::NothingToCommit { permanent: 1 }));
    assert_eq!(admin.rollback(""), Err(AdminError::NothingToRollBack { permanent: 1 }));
    assert!(matches!(admin.upgrade(9, ""), Err(AdminError::Version(VersionError::Unknown { asked: 9, .. }))));

    let same = admin.upgrade(Version::V1, "").expect("not an error");
    assert_eq!((same.done, same.epoch), (false, 1));

    let stale = UpgradeOptions::default().expect(admin.status().boot, 7);
    assert_eq!(admin.upgrade_with(2, "", &stale), Err(AdminError::Stale { expected: 7, present: 1 }));
    let other_boot = UpgradeOptions::default().expect(admin.status().boot ^ 1, 1);
    assert_eq!(admin.upgrade_with(2, "", &other_boot), Err(AdminError::Stale { expected: 1, present: 1 }));

    admin.upgrade(2, "").expect("not refused");
    admin.commit().expect("in probation");
    assert_eq!(admin.commit(), Err(AdminError::NothingToCommit { permanent: 2 }));
    assert_eq!(admin.audit().refusals.len(), 6);
    assert_eq!(admin.audit().changes.len(), 3);
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
