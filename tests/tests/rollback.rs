//! Going back: by declared ways, from kept states, by itself after too many failures; never without consent to a loss.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use hotswap::{AdminError, CommitOptions, Encoded, Kind, Loss, Phase, RollbackOptions, UpgradeOptions, Wait};
use hotswap_tests::marks::{self, Mark, Marks};
use hotswap_tests::tally::{self, Add, Boom, Fail, Get, Seen, V1, Version};
use hotswap_tests::{Stop, paused, quietly};

fn tally(at: Version) -> tally::Switch {
    tally::Switch::builder().starting_at(at).build().expect("one to run")
}

fn accepting() -> RollbackOptions {
    RollbackOptions::default().accept_loss(true)
}

#[test]
fn scenario_03_down_to_an_older_permanent_version_and_up_again() {
    let switch = tally(Version::V3);
    let cell = switch.cell(tally::V3 { before: 1, additions: 4, ..tally::V3::default() }).expect("enters");
    let admin = switch.admin();
    let go = |to, outcome| {
        let options = UpgradeOptions::default().accept_loss(true);
        let done = admin.upgrade_with(to, "", &options).expect("accepted");
        assert_eq!((done.moved, done.held_back), outcome);
        admin.commit().expect("in probation");
        assert_eq!((admin.status().permanent, admin.status().phase), (u32::from(to), Phase::Permanent));
    };
    cell.step(Add(2)).expect("taken");
    go(Version::V2, (1, 0));
    let state = || cell.inspect(Clone::clone).expect("whole");
    assert_eq!(state(), tally::V2 { sum: 3, additions: 5, ..tally::V2::default() }.into());

    cell.step(Add(10)).expect("taken");
    go(Version::V3, (1, 0));
    assert_eq!(state(), tally::V3 { before: 13, additions: 6, ..tally::V3::default() }.into());
    assert_eq!(admin.rollback(""), Err(AdminError::NothingToRollBack { permanent: 3 }));
}

#[test]
fn scenario_27_work_done_since_is_kept_where_a_way_down_is_declared() {
    let switch = tally(Version::V1);
    let cell = switch.cell(V1::default()).expect("enters");
    let admin = switch.admin();
    admin.upgrade(Version::V2, "").expect("not refused");
    cell.step(Add(5)).expect("taken");
    let outcome = admin.rollback("").expect("reversible");
    assert_eq!((outcome.kind, outcome.from, outcome.to, outcome.moved), (Kind::Rollback, 2, 1, 1));
    assert_eq!((cell.step(Get).expect("taken"), cell.version()), (5, Some(1)));
}

#[test]
fn scenario_26_a_way_that_loses_says_so_before_and_needs_consent() {
    let switch = tally(Version::V2);
    let cell = switch.cell(V1::default()).expect("enters");
    let admin = switch.admin();
    admin.upgrade(Version::V3, "").expect("not refused");
    cell.step(Add(5)).expect("taken");
    let losses = vec![Loss { what: "what was seen".into(), instances: 1 }];
    assert_eq!(admin.plan(Version::V2).expect("there is a way").loses, losses);
    let refused = Err(AdminError::LossNotAccepted { to: 2, losses });
    assert_eq!((admin.rollback(""), admin.upgrade(Version::V2, "")), (refused.clone(), refused));
    assert_eq!(cell.step(Seen).expect("nothing has changed"), 1);
    admin.rollback_with("", &accepting()).expect("accepted");
    assert_eq!((cell.step(Get).expect("taken"), cell.version()), (5, Some(2)));
}

#[test]
fn scenario_28_a_kept_state_is_restored_where_there_is_no_way_down() {
    let switch = marks::Switch::builder().starting_at(1).build().expect("one to run");
    let cell = switch.cell(marks::V1 { marks: vec![1] }).expect("enters");
    let admin = switch.admin();
    admin.upgrade_with(2, "", &UpgradeOptions::default().keep_previous(true)).expect("not refused");
    cell.step(Mark(2)).expect("taken");
    let losses = vec![Loss { what: "work done since the upgrade".into(), instances: 1 }];
    assert_eq!(admin.rollback(""), Err(AdminError::LossNotAccepted { to: 1, losses }));
    admin.rollback_with("", &accepting()).expect("accepted");
    assert_eq!((cell.step(Marks).expect("taken"), cell.version()), (vec![1], Some(1)));
}

#[test]
fn scenario_28_without_a_way_or_a_kept_state_it_is_held_back_and_serves_on() {
    let switch = marks::Switch::builder().starting_at(1).build().expect("one to run");
    let cell = switch.named_cell("left", marks::V1 { marks: vec![1] }).expect("enters");
    let admin = switch.admin();
    admin.upgrade(2, "").expect("not refused");
    let outcome = admin.rollback("").expect("nothing is lost: it stays");
    assert_eq!((outcome.held_back, outcome.held[0].who.as_str(), outcome.held[0].version), (1, "left", 2));
    cell.step(Mark(2)).expect("serves on");
    assert_eq!((cell.step(Marks).expect("taken"), cell.version()), (vec![1, 2], Some(2)));
}

#[test]
fn scenario_04_a_rollback_never_goes_to_a_state_from_before_a_commit() {
    let switch = marks::Switch::builder().starting_at(1).build().expect("one to run");
    let cell = switch.cell(marks::V1 { marks: vec![1] }).expect("enters");
    let admin = switch.admin();
    let keep = UpgradeOptions::default().keep_previous(true);
    admin.upgrade_with(2, "", &keep).expect("not refused");
    cell.step(Mark(2)).expect("taken");
    admin.commit().expect("in probation");
    admin.upgrade_with(3, "", &keep).expect("not refused");
    cell.step(Mark(3)).expect("taken");
    admin.rollback_with("", &accepting()).expect("accepted");
    assert_eq!((cell.step(Marks).expect("taken"), cell.version()), (vec![1, 2], Some(2)));
}

#[test]
fn scenario_43_a_poisoned_instance_is_restored_from_its_kept_state_or_stays_named() {
    quietly(|| {
        let switch = tally(Version::V1);
        let admin = switch.admin();
        let kept = switch.named_cell("kept", V1 { sum: 1, ..V1::default() }).expect("enters");
        admin.upgrade_with(Version::V2, "", &UpgradeOptions::default().keep_previous(true)).expect("not refused");
        let born_later = switch.named_cell("born later", V1 { sum: 2, ..V1::default() }).expect("enters");
        for cell in [&kept, &born_later] {
            assert!(catch_unwind(AssertUnwindSafe(|| cell.step(Boom))).is_err());
            assert_eq!(cell.step(Get).expect_err("poisoned").why, hotswap::Why::Poisoned);
        }
        let outcome = admin.rollback_with("", &accepting()).expect("accepted");
        assert_eq!(kept.step(Get).expect("restored"), 1);
        assert_eq!(born_later.step(Get).expect_err("still poisoned").why, hotswap::Why::Poisoned);
        assert_eq!((outcome.moved, outcome.held_back), (1, 1));
        assert_eq!(outcome.held[0].who, "born later");
        admin.replace_state("born later", |_| Ok::<_, String>(V1 { sum: 3, ..V1::default() })).expect("replaced");
        assert_eq!(born_later.step(Get).expect("healed"), 3);
        assert_eq!(admin.status().held_back, 0);
    });
}

#[test]
fn scenario_29_it_goes_back_by_itself_at_the_threshold_of_errors_and_panics() {
    quietly(|| {
        let switch = tally(Version::V1);
        let cell = switch.cell(V1::default()).expect("enters");
        let mut owned = switch.instance(V1::default()).expect("enters");
        let admin = switch.admin();
        for _ in 0..5 {
            cell.step(Fail).expect("taken").expect_err("outside a probation nobody counts");
        }
        admin.upgrade_with(Version::V2, "", &UpgradeOptions::default().rollback_after(3)).expect("not refused");
        cell.step(Fail).expect("taken").expect_err("told to fail");
        admin.report_failure();
        assert_eq!(admin.status().phase, Phase::Probation);
        assert!(catch_unwind(AssertUnwindSafe(|| owned.step(Boom))).is_err());
        let status = admin.status();
        assert_eq!((status.version, status.phase), (1, Phase::Permanent));
        let last = admin.audit().changes.pop().expect("one");
        assert_eq!((last.what.as_str(), last.why.as_str()), ("rollback 2 -> 1", "failures in probation: 3"));
        assert_eq!(cell.step(Get).expect("taken"), 0);
    });
}

#[test]
fn a_failure_counts_whichever_way_its_input_came() {
    let at = |to: Version, step: &dyn Fn(&tally::Cell)| {
        let switch = tally(Version::V1);
        let cell = switch.cell(V1::default()).expect("enters");
        let admin = switch.admin();
        admin.upgrade_with(to, "", &UpgradeOptions::default().rollback_after(1)).expect("not refused");
        step(&cell);
        admin.status().version
    };
    let any = |cell: &tally::Cell| drop(cell.step_any(tally::AnyInput::Fail(Fail)).expect("taken"));
    let encoded = |cell: &tally::Cell| {
        let input = Encoded::json("Fail", &Fail).expect("it is JSON");
        drop(cell.step_encoded(input).expect("taken"));
    };
    let good = |cell: &tally::Cell| drop(cell.step_any(tally::AnyInput::Add(Add(1))).expect("taken"));
    assert_eq!((at(Version::V2, &any), at(Version::V2, &encoded), at(Version::V2, &good)), (1, 1, 2));
}

#[test]
fn a_threshold_whose_way_back_would_lose_needs_consent_at_the_upgrade() {
    let switch = tally(Version::V2);
    let _cell = switch.cell(V1::default()).expect("enters");
    let admin = switch.admin();
    let options = UpgradeOptions::default().rollback_after(1);
    let refused = admin.upgrade_with(Version::V3, "", &options).expect_err("the way back loses");
    assert!(matches!(refused, AdminError::LossNotAccepted { to: 2, .. }), "{refused:?}");
    admin.upgrade_with(Version::V3, "", &options.accept_loss(true)).expect("accepted");
    admin.report_failure();
    assert_eq!(admin.status().version, 2);
}

#[test]
fn a_threshold_without_a_way_back_is_refused_at_the_upgrade() {
    let switch = marks::Switch::builder().starting_at(1).build().expect("one to run");
    let cell = switch.cell(marks::V1 { marks: vec![1] }).expect("enters");
    let admin = switch.admin();
    let alone = UpgradeOptions::default().accept_loss(true).rollback_after(1);
    let kept = alone.clone().keep_previous(true);
    let refused = |to, options, from| {
        let refused = admin.upgrade_with(to, "", options).expect_err("nobody could go back");
        let AdminError::NoWayBack { from: found, to: 1, missing } = &refused else { panic!("{refused:?}") };
        assert_eq!((*found, missing.ends_with(" to version 1")), (from, from == 2), "{refused}");
        assert!(refused.to_string().contains("`keep_previous`"), "{refused}");
    };
    refused(2, &alone, 2);
    refused(3, &alone, 3);

    // where it was not kept when it left version 1, it is too late
    admin.upgrade(2, "").expect("not refused");
    refused(3, &kept, 2);
    admin.commit().expect("in probation");
    admin.upgrade_with(3, "", &kept).expect("what is kept leads back");
    cell.step(Mark(3)).expect("taken");
    admin.report_failure();
    assert_eq!((cell.step(Marks).expect("taken"), cell.version()), (vec![1], Some(2)));
}

#[test]
fn a_threshold_goes_back_by_what_was_kept_earlier_in_the_probation() {
    let switch = marks::Switch::builder().starting_at(1).build().expect("one to run");
    let cell = switch.cell(marks::V1 { marks: vec![1] }).expect("enters");
    let admin = switch.admin();
    admin.upgrade_with(2, "", &UpgradeOptions::default().keep_previous(true)).expect("not refused");
    let options = UpgradeOptions::default().accept_loss(true).rollback_after(1);
    admin.upgrade_with(3, "", &options).expect("what is kept leads back");
    admin.report_failure();
    assert_eq!((cell.step(Marks).expect("taken"), cell.version()), (vec![1], Some(1)));
}

#[test]
fn scenario_46_a_rollback_supersedes_an_upgrade_that_nobody_has_swept() {
    let switch = tally(Version::V1);
    let fleet = switch.fleet::<u32>();
    for key in 0..100 {
        fleet.insert(key, V1 { sum: u64::from(key), ..V1::default() }).expect("enters");
    }
    let admin = switch.admin();
    let upgrade = admin.upgrade_with(Version::V2, "", &UpgradeOptions::default().wait(Wait::No)).expect("not refused");
    assert_eq!((upgrade.settled, upgrade.not_reached), (false, 100));
    fleet.step(&7, Add(1)).expect("taken, at version 2");
    let back = admin.rollback("").expect("supersedes");
    assert_eq!((back.moved, back.settled), (100, true));
    let upgrade = admin.outcome(&upgrade.id).expect("kept");
    assert_eq!((upgrade.moved, upgrade.not_reached, upgrade.superseded_by), (1, 99, Some(back.id)));
    assert_eq!(fleet.step(&7, Get).expect("taken"), 8);
}

#[test]
fn scenario_44_commit_is_refused_while_instances_are_held_back_unless_told_to_leave_them() {
    let switch = tally(Version::V2);
    let state = tally::V2 { mood: tally::Mood::Unwilling, ..tally::V2::default() };
    let cell = switch.named_cell("stubborn", state).expect("enters");
    let admin = switch.admin();
    admin.upgrade(Version::V3, "").expect("not refused");
    assert_eq!(admin.commit(), Err(AdminError::HeldBack { count: 1, named: vec!["stubborn".into()] }));
    admin.commit_with("", &CommitOptions::default().leave_held_back(true)).expect("left");
    assert_eq!((admin.status().permanent, cell.version()), (3, Some(2)));
    cell.step(Add(1)).expect("serves on");
}

#[test]
fn what_could_not_go_back_owes_it_until_a_commit_that_leaves_it() {
    let switch = marks::Switch::builder().starting_at(1).build().expect("one to run");
    let cell = switch.cell(marks::V1 { marks: vec![1] }).expect("enters");
    let admin = switch.admin();
    admin.upgrade(2, "").expect("not refused");
    cell.step(Mark(2)).expect("taken");
    assert_eq!(admin.rollback("").expect("nothing is lost").held_back, 1);
    assert_eq!(admin.upgrade(2, "").expect("not refused").held_back, 1, "it still carries what was undone");
    let left = admin.commit_with("", &CommitOptions::default().leave_held_back(true)).expect("left");
    assert_eq!((left.moved, left.held_back), (1, 0));
    assert_eq!(admin.upgrade(3, "").expect("not refused").moved, 1);
    assert_eq!(cell.step(Marks).expect("taken"), [1, 2]);
}

#[test]
fn what_is_owed_is_said_with_what_helps() {
    let switch = marks::Switch::builder().starting_at(1).build().expect("one to run");
    let cell = switch.named_cell("left", marks::V1 { marks: vec![1] }).expect("enters");
    let slept = switch.fleet::<u8>();
    slept.insert(7, marks::V1::default()).expect("enters");
    let admin = switch.admin();
    let reasons = || admin.held_back().into_iter().map(|held| held.reason).collect::<Vec<_>>();
    let why = "no migration from version 2 to version 1";
    let carries = format!("it carries what going back to version 1 could not undo: {why}");
    admin.upgrade(2, "").expect("not refused");
    admin.rollback_with("", &RollbackOptions::default().wait(Wait::No)).expect("nothing is lost");
    cell.step(Marks).expect("serves on");
    assert_eq!(admin.held_back().first().map(|held| held.reason.as_str()), Some(why), "it is to go down");

    let up = admin.upgrade(3, "").expect("not refused");
    assert_eq!((up.held_back, up.held[0].reason.as_str()), (2, carries.as_str()));
    assert_eq!(reasons(), [carries.as_str(), carries.as_str()], "one of them slept through the rollback");
    let refused = admin.commit().expect_err("held back");
    assert!(refused.to_string().contains("replace the state"), "{refused}");
    assert_eq!(admin.retry().expect("not refused").held_back, 2, "it is no help");
    for who in ["left", "7"] {
        admin.replace_state(who, |_| Ok::<_, String>(marks::V1::default())).expect("replaced");
    }
    assert_eq!(admin.status().held_back, 0);
    admin.commit().expect("nobody is held back");
}

#[test]
fn a_way_down_that_was_asked_for_and_failed_is_not_owed() {
    let switch = tally(Version::V3);
    let cell = switch.cell(tally::V3 { mood: tally::Mood::Unwilling, ..tally::V3::default() }).expect("enters");
    let admin = switch.admin();
    let down = admin.upgrade_with(Version::V2, "", &UpgradeOptions::default().accept_loss(true)).expect("accepted");
    assert_eq!((down.held_back, cell.version()), (1, Some(3)));
    let up = admin.upgrade(Version::V3, "").expect("not refused");
    assert_eq!((up.moved, up.held_back), (1, 0), "it is where it should be, and nothing was undone");
}

#[test]
fn scenario_46_a_rollback_supersedes_an_upgrade_in_the_middle_of_its_sweep() {
    let switch = paused::Switch::builder().starting_at(1).build().expect("one to run");
    let (stop, hook) = Stop::new();
    let slow = switch.cell(paused::V1 { sum: 3, hook }).expect("enters");
    let rest: Vec<_> =
        (0..50).map(|sum| switch.cell(paused::V1 { sum, ..Default::default() }).expect("enters")).collect();
    let admin = switch.admin();
    let back_again = RollbackOptions::default().id("back");
    let upgrade = thread::scope(|scope| {
        let upgrade = scope.spawn(|| admin.upgrade(2, "").expect("not refused"));
        stop.wait();
        let back = admin.rollback_with("", &back_again.clone().wait(Wait::No)).expect("supersedes");
        for (sum, cell) in (0..).zip(&rest) {
            let whole = paused::V1 { sum, ..Default::default() };
            assert_eq!(cell.inspect(Clone::clone), Some(whole.into()));
        }
        stop.let_go();
        assert!(!back.settled);
        upgrade.join().expect("it comes back")
    });
    let superseded = (upgrade.not_reached >= 1, upgrade.moved + upgrade.not_reached, upgrade.superseded_by);
    assert_eq!(superseded, (true, 51, Some("back".into())));
    let whole = paused::V1 { sum: 3, hook };
    assert_eq!(slow.inspect(Clone::clone), Some(whole.into()), "it was in a migration up when it went back");
    let back = admin.rollback_with("", &back_again).expect("attached to the one that is done");
    assert_eq!((back.live, back.moved, back.held_back, back.settled), (51, 51, 0, true));
    assert_eq!((admin.status().version, admin.status().phase), (1, Phase::Permanent));
}

#[test]
fn scenario_41_what_was_created_in_probation_is_held_back_and_named_never_deleted() {
    let switch = marks::Switch::builder().starting_at(1).build().expect("one to run");
    let old = switch.named_cell("old", marks::V1 { marks: vec![1] }).expect("enters");
    let admin = switch.admin();
    admin.upgrade_with(2, "", &UpgradeOptions::default().keep_previous(true)).expect("not refused");
    let new = switch.named_cell("new", marks::V2 { marks: vec![2] }).expect("enters");
    let fleet = switch.fleet::<u8>();
    fleet.insert(7, marks::V1 { marks: vec![7] }).expect("enters");

    let back = admin.rollback_with("", &accepting()).expect("accepted");
    assert_eq!((back.live, back.moved, back.held_back, back.gone), (3, 1, 2, 0));
    let mut named: Vec<_> = back.held.iter().map(|held| (held.who.as_str(), held.version)).collect();
    named.sort_unstable();
    assert_eq!(named, [("7", 2), ("new", 2)]);
    new.step(Mark(3)).expect("serves on");
    assert_eq!((new.step(Marks).expect("taken"), new.version()), (vec![2, 3], Some(2)));
    assert_eq!(fleet.step(&7, Marks).expect("serves on"), [7]);
    assert_eq!((old.step(Marks).expect("taken"), old.version()), (vec![1], Some(1)));
}
