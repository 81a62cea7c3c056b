//! A canary takes those keys that their hash chooses, in every run the same, and nobody else; promoted it takes the rest,
//! rolled back it gives back those it took; each side answers for itself, and everybody is accounted for.

use std::collections::BTreeSet;
use std::env;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hotswap::{
    AdminError, CanaryReport, CanarySide, CommitOptions, Kind, Outcome, Phase, PromoteOptions, RetryOptions,
    RollbackOptions, UpgradeOptions, Wait, Why, machine,
};
use hotswap_tests::folder::Folder;
use hotswap_tests::tally::{self, Add, Mood, Prepare};
use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

/// A log of the migrations that were run, whose version 2 fails where version 1 did not.
#[machine]
mod trip {
    use serde::{Deserialize, Serialize};

    /// One more.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Count;
    /// Panics from version 2 on.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Strike;
    /// Fails from version 2 on.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Try;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V1 {
        pub count: u64,
        pub ups: u32,
        pub downs: u32,
    }
    #[machine(version = 1)]
    fn count_1(state: &mut V1, _: Count) {
        state.count += 1;
    }
    #[machine(version = 1)]
    fn strike_1(_: &mut V1, _: Strike) {}
    #[machine(version = 1)]
    fn try_1(_: &mut V1, _: Try) -> Result<(), String> {
        Ok(())
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V2 {
        pub count: u64,
        pub ups: u32,
        pub downs: u32,
    }
    #[machine(migrate)]
    fn up(old: &V1) -> V2 {
        V2 { count: old.count, ups: old.ups + 1, downs: old.downs }
    }
    #[machine(migrate)]
    fn down(old: &V2) -> V1 {
        V1 { count: old.count, ups: old.ups, downs: old.downs + 1 }
    }
    #[machine(version = 2)]
    fn count_2(state: &mut V2, _: Count) {
        state.count += 1;
    }
    #[machine(version = 2)]
    fn strike_2(_: &mut V2, _: Strike) {
        panic!("struck");
    }
    #[machine(version = 2)]
    fn try_2(_: &mut V2, _: Try) -> Result<(), String> {
        Err("tried".to_owned())
    }

    // version 3: behaviour only
    #[machine(version = 3, migrates_from = 2)]
    fn count_3(state: &mut V2, _: Count) {
        state.count += 2;
    }
}

use trip::{AnyState, Count, Fleet, Strike, Switch, Try, V1, V2};

/// Whether a canary of so many percent takes this key, as the documentation says.
fn goes(key: u32, percent: u8) -> bool {
    xxh3_64(&postcard::to_allocvec(&key).expect("a number")) % 100 < u64::from(percent)
}

fn at_version_1(keys: Range<u32>) -> (Switch, Fleet<u32>) {
    at_version(1, keys)
}

fn at_version(version: u32, keys: Range<u32>) -> (Switch, Fleet<u32>) {
    let switch = Switch::builder().starting_at(version).build().expect("one to run");
    let fleet = switch.fleet();
    for key in keys {
        match version {
            1 => fleet.insert(key, V1::default()),
            _ => fleet.insert(key, V2::default()),
        }
        .expect("enters");
    }
    (switch, fleet)
}

fn share(percent: u8) -> UpgradeOptions {
    UpgradeOptions::default().canary(percent)
}

/// Its version, and how often it went up and down.
fn told(state: &AnyState) -> (u32, u32, u32) {
    match state {
        AnyState::V1(V1 { ups, downs, .. }) => (1, *ups, *downs),
        AnyState::V2(V2 { ups, downs, .. }) => (2, *ups, *downs),
        AnyState::V3(V2 { ups, downs, .. }) => (3, *ups, *downs),
        AnyState::Loaded(_) => unreachable!("no image has any"),
    }
}

/// The same of all keys, as they are.
fn all(fleet: &Fleet<u32>) -> Vec<(u32, (u32, u32, u32))> {
    let mut all = Vec::new();
    fleet.for_each(|key, state| all.push((*key, told(state)))).expect("outside");
    all.sort_unstable();
    all
}

/// What all come to, by whether a canary of so many percent takes them.
fn expected(
    keys: Range<u32>,
    percent: u8,
    those: (u32, u32, u32),
    others: (u32, u32, u32),
) -> Vec<(u32, (u32, u32, u32))> {
    keys.map(|key| (key, if goes(key, percent) { those } else { others })).collect()
}

/// `[live, moved, stayed, held back, gone, not reached]`.
fn account(outcome: &Outcome) -> [u64; 6] {
    let Outcome { live, moved, stayed, held_back, gone, not_reached, .. } = *outcome;
    [live, moved, stayed, held_back, gone, not_reached]
}

/// `(version, live, steps, failures, panics)`.
fn side(side: &CanarySide) -> (u32, u64, u64, u64, u64) {
    (side.version, side.live, side.steps, side.failures, side.panics)
}

#[test]
fn of_ten_thousand_keys_it_takes_exactly_these_many() {
    for (percent, moved) in [(1, 107), (5, 529), (50, 4995), (99, 9909)] {
        let (switch, fleet) = at_version_1(0..10_000);
        let outcome = switch.admin().upgrade_with(2, "a share", &share(percent)).expect("not refused");
        assert_eq!(account(&outcome), [10_000, moved, 10_000 - moved, 0, 0, 0], "{percent} percent");
        assert!(outcome.settled && (outcome.kind, outcome.from, outcome.to) == (Kind::Upgrade, 1, 2));
        assert_eq!(all(&fleet), expected(0..10_000, percent, (2, 1, 0), (1, 0, 0)));
    }
}

/// The keys that a canary of 20 percent takes of a thousand.
fn taken() -> String {
    let (switch, fleet) = at_version_1(0..1000);
    switch.admin().upgrade_with(2, "", &share(20)).expect("not refused");
    let taken: Vec<_> =
        all(&fleet).into_iter().filter(|(_, (version, ..))| *version == 2).map(|(key, _)| key.to_string()).collect();
    taken.join(" ")
}

#[test]
fn process() {
    if env::var_os("HOTSWAP_CANARY").is_some() {
        println!("\nsaid: {}", taken());
    }
}

#[test]
fn it_takes_the_same_keys_in_every_run_and_every_process() {
    let here = taken();
    assert_eq!(here, taken());
    for _ in 0..2 {
        let output = Command::new(env::current_exe().expect("this file"))
            .args(["--exact", "process", "--nocapture"])
            .env("HOTSWAP_CANARY", "tell")
            .stdin(Stdio::null())
            .output()
            .expect("this file runs");
        let out = String::from_utf8_lossy(&output.stdout);
        let there = out.lines().find_map(|line| line.strip_prefix("said: "));
        assert_eq!(there, Some(here.as_str()), "{out}");
    }
}

#[test]
fn a_larger_share_has_all_keys_of_a_smaller_one() {
    let mut before = BTreeSet::new();
    for percent in [1, 2, 10, 50, 90, 99] {
        let (switch, fleet) = at_version_1(0..500);
        switch.admin().upgrade_with(2, "", &share(percent)).expect("not refused");
        let moved: BTreeSet<u32> = all(&fleet).into_iter().filter(|(_, at)| at.0 == 2).map(|(key, _)| key).collect();
        assert!(before.is_subset(&moved), "{percent} percent");
        before = moved;
    }
    assert!((1..500).contains(&before.len()));
}

#[test]
fn promoted_it_takes_the_rest_and_nobody_twice() {
    let (switch, fleet) = at_version_1(0..1000);
    let cell = switch.cell(V1::default()).expect("enters");
    let mut owned = switch.instance(V1::default()).expect("enters");
    let admin = switch.admin();
    admin.upgrade_with(2, "", &share(25)).expect("not refused");
    assert_eq!(
        (cell.version(), {
            owned.refresh();
            owned.version()
        }),
        (Some(1), 1),
        "they stay"
    );

    let promoted = admin.promote_with("well", &PromoteOptions::default().id("all").by("alice")).expect("not refused");
    assert_eq!((promoted.kind, promoted.from, promoted.to, promoted.id.as_str()), (Kind::Promote, 1, 2, "all"));
    assert_eq!(account(&promoted), [1002, 1001, 0, 0, 0, 1], "the owned one moves when it is touched");
    assert_eq!(all(&fleet), expected(0..1000, 99, (2, 1, 0), (2, 1, 0)));
    owned.refresh();
    assert_eq!((cell.version(), owned.version(), admin.canary()), (Some(2), 2, None));
    assert_eq!(cell.inspect(told), Some((2, 1, 0)));
    let status = admin.status();
    assert_eq!((status.version, status.permanent, status.phase), (2, 1, Phase::Probation), "still on probation");

    // the whole is a probation as any
    let back = admin.rollback("after all not").expect("in probation");
    assert_eq!((back.kind, back.from, back.to), (Kind::Rollback, 2, 1));
    assert_eq!(all(&fleet), expected(0..1000, 99, (1, 1, 1), (1, 1, 1)));
    admin.upgrade_with(2, "", &share(25)).expect("not refused");
    admin.promote("").expect("a canary runs");
    admin.commit().expect("nobody is held back");
    assert_eq!((admin.status().permanent, admin.status().phase), (2, Phase::Permanent));
    let changes: Vec<_> = admin.audit().changes.into_iter().map(|entry| (entry.what, entry.by)).collect();
    let change = |what: &str, by: &str| (what.to_owned(), by.to_owned());
    assert_eq!(changes[1..3], [change("upgrade 1 -> 2 for 25 percent", ""), change("promote 1 -> 2", "alice")]);
}

#[test]
fn rolled_back_it_gives_back_only_those_it_took() {
    let (switch, fleet) = at_version_1(0..1000);
    let admin = switch.admin();
    let taken = admin.upgrade_with(2, "", &share(25)).expect("not refused");
    (0..1000).for_each(|key| fleet.step(&key, Count).expect("taken"));
    let back = admin.rollback("not so well").expect("in probation");
    assert_eq!((account(&back), taken.stayed > 0), ([1000, 1000, 0, 0, 0, 0], true));
    assert_eq!(all(&fleet), expected(0..1000, 25, (1, 1, 1), (1, 0, 0)));
    fleet
        .for_each(|_, state| assert!(matches!(state, AnyState::V1(V1 { count: 1, .. })), "work is kept"))
        .expect("outside");
    assert_eq!((admin.canary(), admin.status().phase), (None, Phase::Permanent));
}

#[test]
fn without_a_way_down_those_it_took_come_back_as_they_were_kept_and_the_others_lose_nothing() {
    let switch = tally::Switch::builder().starting_at(4).build().expect("one to run");
    let fleet = switch.fleet::<u32>();
    for key in 0..200 {
        fleet.insert(key, tally::V3 { before: 5, ..Default::default() }).expect("enters");
    }
    let admin = switch.admin();
    let options = share(30).keep_previous(true).accept_loss(true);
    let taken = admin.upgrade_with(5, "", &options).expect("not refused");
    (0..200).for_each(|key| fleet.step(&key, Add(1)).expect("taken"));
    let Err(AdminError::LossNotAccepted { to: 4, losses }) = admin.rollback("") else { panic!("work is lost") };
    assert_eq!((losses.len(), losses[0].instances), (1, taken.moved), "of those who went");
    admin.rollback_with("", &RollbackOptions::default().accept_loss(true)).expect("accepted");
    for key in 0..200 {
        let sum = if goes(key, 30) { 5 } else { 7 };
        assert_eq!(fleet.step(&key, tally::Get).expect("taken"), sum, "key {key}");
    }
}

#[test]
fn each_side_answers_for_itself() {
    let (switch, fleet) = at_version_1(0..1000);
    let cell = switch.cell(V1::default()).expect("enters");
    let admin = switch.admin();
    assert_eq!(admin.canary(), None);
    let epoch = admin.upgrade_with(2, "", &share(10)).expect("not refused").epoch;
    let moved = (0..1000).filter(|key| goes(*key, 10)).count() as u64;
    let fresh = CanaryReport {
        percent: 10,
        epoch,
        before: CanarySide { version: 1, live: 1001 - moved, ..CanarySide::default() },
        canary: CanarySide { version: 2, live: moved, ..CanarySide::default() },
        elsewhere: 0,
    };
    assert_eq!(admin.canary(), Some(fresh));

    (0..1000).for_each(|key| fleet.step(&key, Count).expect("taken"));
    for key in 0..1000 {
        assert_eq!(fleet.step(&key, Try).expect("taken").is_err(), goes(key, 10));
    }
    cell.step(Try).expect("taken").expect("version 1 does not fail");
    let key = |which: bool| (0..1000).find(|key| goes(*key, 10) == which).expect("one of many");
    let struck = |key: u32| hotswap_tests::quietly(|| catch_unwind(AssertUnwindSafe(|| fleet.step(&key, Strike))));
    assert!(struck(key(true)).is_err() && struck(key(false)).expect("no panic").is_ok());
    // an input that is refused runs no step
    assert_eq!(fleet.step(&key(true), Count).unwrap_err().why, Why::Poisoned);

    let report = admin.canary().expect("it runs");
    assert_eq!(side(&report.before), (1, 1001 - moved, 2 * (1000 - moved) + 2, 0, 0));
    assert_eq!(side(&report.canary), (2, moved, 2 * moved + 1, moved, 1));
    for side in [&report.before, &report.canary] {
        let latency = side.latency.expect("steps were timed");
        assert_eq!(latency.timed, (side.steps - side.panics).div_ceil(8), "one in eight");
        assert!(0 < latency.p50_ns && latency.p50_ns <= latency.p99_ns && latency.p99_ns <= latency.max_ns);
    }
    admin.rollback("").expect("in probation");
    assert_eq!(admin.canary(), None);
}

#[test]
fn steps_of_every_kind_are_on_their_side() {
    let (switch, fleet) = at_version_1(0..100);
    let admin = switch.admin();
    admin.upgrade_with(2, "", &share(50)).expect("not refused");
    let count = || hotswap::Encoded::json("Count", &Count).expect("it can");
    for key in 0..100 {
        fleet.step_any(&key, Count.into()).expect("taken");
        fleet.step_encoded(&key, count()).expect("taken");
        fleet.step_or_insert_with(key, V1::default, Count).expect("taken");
    }
    let moved = (0..100).filter(|key| goes(*key, 50)).count() as u64;
    let report = admin.canary().expect("it runs");
    assert_eq!((report.before.steps, report.canary.steps), (3 * (100 - moved), 3 * moved));
    admin.promote("").expect("it runs");
    (0..100).for_each(|key| fleet.step(&key, Count).expect("taken"));
    assert_eq!(admin.canary(), None, "and nobody counts any more");
}

#[test]
fn only_failures_of_the_canary_roll_it_back() {
    let switch = tally::Switch::builder().starting_at(1).build().expect("one to run");
    let fleet = switch.fleet::<u32>();
    (0..100).for_each(|key| drop(fleet.insert(key, tally::V1::default()).expect("enters")));
    let admin = switch.admin();
    let canary = admin.upgrade_with(2, "", &share(20).rollback_after(3)).expect("not refused");
    let fail = |key: u32| assert!(fleet.step(&key, tally::Fail).expect("taken").is_err());
    (0..100).filter(|key| !goes(*key, 20)).for_each(&fail);
    assert_eq!(admin.status().epoch, canary.epoch, "what the others do says nothing of the canary");
    let mut its = (0..100).filter(|key| goes(*key, 20));
    its.by_ref().take(2).for_each(&fail);
    assert_eq!(admin.status().epoch, canary.epoch);
    its.by_ref().take(1).for_each(fail);
    assert_eq!((admin.status().version, admin.status().phase), (1, Phase::Permanent));
}

#[test]
fn whoever_comes_while_it_runs_comes_to_its_side() {
    let folder = Folder::in_memory();
    let file = folder.path("saved");
    let (older, elsewhere) = at_version_1(2000..2100);
    elsewhere.save(&file).expect("room");
    drop(older);

    let (switch, fleet) = at_version_1(0..0);
    let admin = switch.admin();
    let begun = admin.upgrade_with(2, "", &share(40)).expect("not refused");
    for key in 0..100 {
        fleet.insert(key, V1::default()).expect("enters");
        fleet.step_or_insert_with(1000 + key, V1::default, Count).expect("taken");
        // of the version that is tried, too: the others go down
        fleet.insert(3000 + key, V2::default()).expect("enters");
    }
    let restored = fleet.restore(&file).expect("readable");
    let took = |keys: Range<u32>| keys.filter(|key| goes(*key, 40)).count() as u64;
    assert_eq!((restored.instances, restored.moved, restored.held_back), (100, took(2000..2100), 0));
    let cell = switch.cell(V2::default()).expect("enters");
    let owned = switch.instance(V1::default()).expect("enters");
    assert_eq!((cell.inspect(told), owned.version()), (Some((1, 0, 1)), 1));

    let mut all_of_them = expected(0..100, 40, (2, 1, 0), (1, 0, 0));
    all_of_them.extend(expected(1000..1100, 40, (2, 1, 0), (1, 0, 0)));
    all_of_them.extend(expected(2000..2100, 40, (2, 1, 0), (1, 0, 0)));
    all_of_them.extend(expected(3000..3100, 40, (2, 0, 0), (1, 0, 1)));
    assert_eq!(all(&fleet), all_of_them);
    let now = admin.outcome(&begun.id).expect("kept");
    assert_eq!(account(&now), [0; 6], "the outcome is about those who were live at the flip");

    // a state that is replaced stays on its side
    for key in 0..100_u32 {
        admin.replace_state(&key.to_string(), |_| Ok::<_, String>(V1::default())).expect("there is one");
        admin.replace_state(&(3000 + key).to_string(), |_| Ok::<_, String>(V2::default())).expect("there is one");
    }
    assert_eq!(all(&fleet), all_of_them);
    // and a plan shows what is left to do
    let plan = admin.plan(2).expect("a way");
    assert_eq!((plan.from, plan.to, plan.path, plan.examined, plan.failed), (1, 2, vec![1, 2], 401, 0));
    assert_eq!(all(&fleet), all_of_them);
}

#[test]
fn a_retry_keeps_it_and_tries_only_those_it_could_not_take() {
    let switch = tally::Switch::builder().starting_at(2).build().expect("one to run");
    let fleet = switch.fleet::<u32>();
    for key in 0..100 {
        // what is not to go does not mind that it could not
        let mood = if key % 2 == 0 { Mood::Unwilling } else { Mood::Willing };
        fleet.insert(key, tally::V2 { mood, ..Default::default() }).expect("enters");
    }
    let admin = switch.admin();
    let begun = admin.upgrade_with(3, "", &share(30).accept_loss(true)).expect("not refused");
    let took = |even: bool| (0..100).filter(|key| goes(*key, 30) && (key % 2 == 0) == even).count() as u64;
    let stayed = 100 - took(true) - took(false);
    assert_eq!(account(&begun), [100, took(false), stayed, took(true), 0, 0]);
    assert!(begun.held.iter().all(|held| goes(held.who.parse().expect("a key"), 30) && held.version == 2));
    let report = admin.canary().expect("it runs");
    assert_eq!((report.before.live, report.canary.live), (100 - took(false), took(false)));
    assert!(matches!(admin.commit(), Err(AdminError::CanaryRuns { percent: 30, before: 2, to: 3 })));

    (0..100).for_each(|key| fleet.step(&key, Prepare(Mood::Willing)).expect("taken"));
    let retried = admin.retry_with("mended", &RetryOptions::default().id(begun.id.clone())).expect("not refused");
    assert_eq!((retried.id, retried.kind, retried.epoch), (begun.id, Kind::Upgrade, begun.epoch + 1));
    assert_eq!([retried.live, retried.moved, retried.stayed, retried.held_back], [100, 100 - stayed, stayed, 0]);
    let report = admin.canary().expect("a retry keeps it");
    assert_eq!((report.epoch, report.canary.live, report.before.live), (retried.epoch, 100 - stayed, stayed));
    assert_eq!(report.before.steps + report.canary.steps, 100, "and what was counted");
    admin.promote("").expect("it runs");
    admin.commit().expect("nobody is held back");
}

#[test]
fn what_would_end_it_in_the_middle_is_refused_and_says_what_to_do() {
    let (switch, fleet) = at_version_1(0..100);
    let admin = switch.admin();
    for percent in [0, 100, 255] {
        let error = admin.upgrade_with(2, "", &share(percent)).expect_err("no share");
        assert_eq!(error, AdminError::NotAShare { percent });
        assert_eq!(error.to_string(), format!("a canary takes 1 to 99 percent of the keys, not {percent}"));
    }
    assert_eq!(admin.promote("").expect_err("none runs"), AdminError::NothingToPromote { version: 1 });
    let status = admin.status();
    assert_eq!(status.canary, None);
    let options = share(10).id("first");
    let begun = admin.upgrade_with(2, "", &options).expect("not refused");
    assert_eq!(begun.epoch, status.epoch + 1, "what was refused made no release");

    let status = admin.status();
    assert_eq!((status.version, status.canary), (2, Some(10)));
    assert!(status.to_string().contains("version 2 for 10 percent on probation, version 1 permanent"), "{status}");
    let runs = AdminError::CanaryRuns { percent: 10, before: 1, to: 2 };
    for to in [1, 2, 3] {
        assert_eq!(admin.upgrade(to, "").expect_err("one runs"), runs, "to {to}");
        assert_eq!(admin.upgrade_with(to, "", &share(20)).expect_err("one runs"), runs, "to {to}");
    }
    assert_eq!(admin.commit_with("", &CommitOptions::default().leave_held_back(true)).expect_err("one runs"), runs);
    let text = "a canary runs: version 2 for 10 percent of the keys, version 1 for the others; promote it, or roll it back, first";
    assert_eq!(runs.to_string(), text);
    // the same again is the same command, and another share is another one
    assert_eq!(admin.upgrade_with(2, "", &options).expect("attached").epoch, begun.epoch);
    assert!(matches!(admin.upgrade_with(2, "", &share(20).id("first")), Err(AdminError::IdReused { .. })));
    let stale = PromoteOptions::default().expect(admin.status().boot, begun.epoch - 1);
    assert!(matches!(admin.promote_with("", &stale), Err(AdminError::Stale { .. })));
    assert_eq!((admin.status().epoch, all(&fleet)), (begun.epoch, expected(0..100, 10, (2, 1, 0), (1, 0, 0))));
    // to the version that runs there is nothing to do, whatever the share
    admin.promote("").expect("it runs");
    assert!(!admin.upgrade_with(2, "", &share(10)).expect("not refused").done);
}

#[test]
fn what_the_rest_would_lose_is_asked_when_it_goes() {
    let switch = tally::Switch::builder().starting_at(3).build().expect("one to run");
    let cell = switch.cell(tally::V3::default()).expect("enters");
    let admin = switch.admin();
    // a cell stays, so nobody loses anything yet
    admin.upgrade_with(2, "", &share(50)).expect("nothing is lost");
    let Err(AdminError::LossNotAccepted { to: 2, losses }) = admin.promote("") else { panic!("what was seen is lost") };
    assert_eq!((losses[0].what.as_str(), losses[0].instances, cell.version()), ("what was seen", 1, Some(3)));
    admin.promote_with("", &PromoteOptions::default().accept_loss(true)).expect("accepted");
    assert_eq!(cell.version(), Some(2));
}

#[test]
fn whoever_sleeps_through_it_comes_to_no_harm() {
    // down and back again: those whom it did not take have not been there, asleep or not
    let (switch, fleet) = at_version(2, 0..100);
    let admin = switch.admin();
    let not_now = |percent| share(percent).wait(Wait::No);
    admin.upgrade_with(1, "", &not_now(50)).expect("not refused");
    (0..50).for_each(|key| fleet.step(&key, Count).expect("taken"));
    admin.rollback("").expect("in probation");
    let mut as_they_are = expected(0..50, 50, (2, 1, 1), (2, 0, 0));
    as_they_are.extend(expected(50..100, 50, (2, 0, 0), (2, 0, 0)));
    assert_eq!(all(&fleet), as_they_are);

    // asleep from before it until after its promotion
    let (switch, fleet) = at_version_1(0..100);
    let admin = switch.admin();
    admin.upgrade_with(2, "", &not_now(50)).expect("not refused");
    let promoted = admin.promote_with("", &PromoteOptions::default().wait(Wait::No)).expect("it runs");
    assert_eq!(account(&promoted), [100, 0, 0, 0, 0, 100]);
    (0..100).for_each(|key| fleet.step(&key, Count).expect("taken"));
    assert_eq!(all(&fleet), expected(0..100, 50, (2, 1, 0), (2, 1, 0)));
    let first = &admin.outcomes()[0];
    assert_eq!((account(first), first.superseded_by.as_deref()), ([100, 0, 0, 0, 0, 100], Some(&*promoted.id)));
}

#[test]
fn a_canary_in_a_probation_goes_back_to_the_permanent_version_as_all_do() {
    let (switch, fleet) = at_version_1(0..100);
    let admin = switch.admin();
    admin.upgrade(2, "").expect("not refused");
    let outcome = admin.upgrade_with(3, "", &share(50)).expect("not refused");
    assert_eq!((outcome.from, outcome.to, outcome.moved + outcome.stayed), (2, 3, 100));
    assert_eq!(all(&fleet), expected(0..100, 50, (3, 1, 0), (2, 1, 0)));
    admin.rollback("").expect("in probation");
    assert_eq!(all(&fleet), expected(0..100, 99, (1, 1, 1), (1, 1, 1)));
}

#[test]
fn a_restart_in_the_middle_of_it_comes_up_at_the_permanent_version() {
    let folder = Folder::in_memory();
    let (store, file) = (folder.path("store"), folder.path("fleet"));
    let open = || Switch::builder().label("restarted").starting_at(1).open(&store).expect("a store");
    let switch = open();
    let fleet = switch.fleet::<u32>();
    (0..100).for_each(|key| drop(fleet.insert(key, V1::default()).expect("enters")));
    let begun = switch.admin().upgrade_with(2, "", &share(50).id("canary")).expect("not refused");
    fleet.save(&file).expect("room");
    drop((switch, fleet));

    let switch = open();
    let admin = switch.admin();
    assert_eq!((admin.status().version, admin.status().phase, admin.canary()), (1, Phase::Permanent, None));
    let kept = admin.outcome("canary").expect("in the store");
    assert_eq!(account(&kept), account(&begun));
    assert_eq!(
        (admin.outcomes()[1].kind, admin.outcomes()[1].reason.as_str()),
        (Kind::Start, "version 2 was not committed")
    );
    let fleet = switch.fleet::<u32>();
    let restored = fleet.restore(&file).expect("readable");
    assert_eq!((restored.instances, restored.moved, restored.held_back), (100, begun.moved, 0));
    assert_eq!(all(&fleet), expected(0..100, 50, (1, 1, 1), (1, 0, 0)));

    // one that was promoted and committed stays
    admin.upgrade_with(2, "", &share(50)).expect("not refused");
    admin.promote("").expect("it runs");
    admin.commit().expect("nobody is held back");
    drop((switch, fleet, admin));
    assert_eq!(open().admin().status().version, 2);
}

#[test]
fn an_outcome_from_before_there_were_canaries_is_read() {
    let (switch, _fleet) = at_version_1(0..10);
    let outcome = switch.admin().upgrade(2, "").expect("not refused");
    let mut older = serde_json::to_value(&outcome).expect("plain");
    let had = older.as_object_mut().and_then(|fields| fields.remove("stayed"));
    assert_eq!(had, Some(0.into()));
    assert_eq!(serde_json::from_value::<Outcome>(older).expect("the field may be missing"), outcome);
}

#[test]
fn a_key_that_cannot_be_encoded_stays() {
    use hotswap_key::Stubborn;
    let switch = Switch::builder().starting_at(1).build().expect("one to run");
    let fleet = switch.fleet::<Stubborn>();
    (0..50).for_each(|key| drop(fleet.insert(Stubborn(key), V1::default()).expect("enters")));
    let outcome = hotswap_tests::quietly(|| switch.admin().upgrade_with(2, "", &share(99)).expect("not refused"));
    assert_eq!(account(&outcome), [50, 0, 50, 0, 0, 0]);
}

mod hotswap_key {
    use std::fmt;
    use std::str::FromStr;

    use serde::{Deserialize, Serialize, Serializer};

    /// Fails to be encoded, or panics.
    #[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
    pub struct Stubborn(pub u32);

    impl Serialize for Stubborn {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            assert!(self.0.is_multiple_of(2), "an odd one");
            Err(serde::ser::Error::custom("an even one"))
        }
    }
    impl fmt::Display for Stubborn {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }
    impl FromStr for Stubborn {
        type Err = std::num::ParseIntError;
        fn from_str(text: &str) -> Result<Self, Self::Err> {
            text.parse().map(Self)
        }
    }
}

/// Ends what goes on until it is over, also when a test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_step_is_lost_while_it_comes_and_goes_under_load() {
    const KEYS: u32 = 256;
    let (switch, fleet) = at_version_1(0..KEYS);
    let over = AtomicBool::new(false);
    let counted: u64 = thread::scope(|scope| {
        let load: Vec<_> = (0..3)
            .map(|turn| {
                let (fleet, over) = (&fleet, &over);
                scope.spawn(move || {
                    let mut counted = 0;
                    while !over.load(Ordering::Relaxed) {
                        for key in 0..KEYS {
                            fleet.step(&((key + turn * 80) % KEYS), Count).expect("every version takes it");
                            counted += 1;
                        }
                    }
                    counted
                })
            })
            .collect();
        let ends = Ends(&over);
        let admin = switch.admin();
        for round in 0..40_u8 {
            let canary = admin.upgrade_with(2, "", &share(1 + round * 2)).expect("not refused");
            let took = (0..KEYS).filter(|key| goes(*key, 1 + round * 2)).count() as u64;
            assert_eq!(account(&canary), [u64::from(KEYS), took, u64::from(KEYS) - took, 0, 0, 0]);
            if round % 2 == 0 {
                assert_eq!(account(&admin.promote("").expect("it runs"))[..2], [u64::from(KEYS); 2]);
            }
            let back = admin.rollback("").expect("in probation");
            assert_eq!(account(&back)[..2], [u64::from(KEYS); 2]);
        }
        drop(ends);
        load.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    let mut sum = 0;
    fleet
        .for_each(|key, state| match state {
            AnyState::V1(V1 { count, ups, downs }) => {
                let rounds = (0..40_u8).filter(|round| round % 2 == 0 || goes(*key, 1 + round * 2)).count();
                assert_eq!((*ups as usize, ups), (rounds, downs), "key {key}");
                sum += count;
            }
            _ => panic!("key {key} is not at version 1"),
        })
        .expect("outside");
    assert_eq!(sum, counted);
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u32),
    Step(u32),
    Boom(u32),
    Remove(u32),
    Prepare(u32, Mood),
    Heal(u32),
    NewCell,
    StepCell,
    Canary { to: u32, percent: u8, wait: bool },
    Upgrade { to: u32 },
    Promote { wait: bool },
    Rollback { wait: bool },
    Commit,
    Retry,
    Look,
}

const KEYS: u32 = 24;

fn op() -> impl Strategy<Value = Op> {
    let mood = prop_oneof![Just(Mood::Willing), Just(Mood::Unwilling), Just(Mood::Explosive)];
    prop_oneof![
        6 => (0..KEYS).prop_map(Op::Insert),
        4 => (0..KEYS).prop_map(Op::Step),
        1 => (0..KEYS).prop_map(Op::Boom),
        2 => (0..KEYS).prop_map(Op::Remove),
        2 => (0..KEYS, mood).prop_map(|(key, mood)| Op::Prepare(key, mood)),
        1 => (0..KEYS).prop_map(Op::Heal),
        1 => Just(Op::NewCell),
        1 => Just(Op::StepCell),
        4 => (1..=5_u32, 1..=99_u8, any::<bool>()).prop_map(|(to, percent, wait)| Op::Canary { to, percent, wait }),
        1 => (1..=5_u32).prop_map(|to| Op::Upgrade { to }),
        3 => any::<bool>().prop_map(|wait| Op::Promote { wait }),
        2 => any::<bool>().prop_map(|wait| Op::Rollback { wait }),
        1 => Just(Op::Commit),
        2 => Just(Op::Retry),
        2 => Just(Op::Look),
    ]
}

struct World {
    switch: tally::Switch,
    fleet: tally::Fleet<u32>,
    cells: Vec<tally::Cell>,
}

impl World {
    fn run(&mut self, op: &Op) -> Result<(), TestCaseError> {
        let (admin, fleet) = (self.switch.admin(), &self.fleet);
        let wait = |wait: bool| if wait { Wait::Reached } else { Wait::No };
        match *op {
            Op::Insert(key) => drop(fleet.insert(key, tally::V1::default())),
            Op::Step(key) => drop(fleet.step(&key, Add(1))),
            Op::Boom(key) => drop(catch_unwind(AssertUnwindSafe(|| fleet.step(&key, tally::Boom)))),
            Op::Remove(key) => drop(fleet.remove(&key).expect("outside")),
            Op::Prepare(key, mood) => drop(fleet.step(&key, Prepare(mood))),
            Op::Heal(key) => drop(admin.replace_state(&key.to_string(), |_| Ok::<_, String>(tally::V1::default()))),
            Op::NewCell => self.cells.extend(self.switch.cell(tally::V1::default())),
            Op::StepCell => self.cells.iter().for_each(|cell| drop(cell.step(Add(1)))),
            Op::Canary { to, percent, wait: waits } => {
                let options = share(percent).accept_loss(true).wait(wait(waits));
                let done = admin.upgrade_with(to, "", &options);
                prop_assert!(!done.is_ok_and(|outcome| outcome.done) || admin.canary().is_some());
            }
            Op::Upgrade { to } => drop(admin.upgrade_with(to, "", &UpgradeOptions::default().accept_loss(true))),
            Op::Promote { wait: waits } => {
                let ran = admin.canary().is_some();
                let done = admin.promote_with("", &PromoteOptions::default().accept_loss(true).wait(wait(waits)));
                prop_assert_eq!(done.is_ok(), ran);
            }
            Op::Rollback { wait: waits } => {
                drop(admin.rollback_with("", &RollbackOptions::default().accept_loss(true).wait(wait(waits))));
                prop_assert_eq!(admin.canary(), None);
            }
            Op::Commit => {
                let ran = admin.canary().is_some();
                let done = admin.commit_with("", &CommitOptions::default().leave_held_back(true));
                let refused = matches!(done, Err(AdminError::CanaryRuns { .. }));
                prop_assert_eq!(refused, ran);
            }
            Op::Retry => {
                let ran = admin.canary().map(|report| (report.percent, report.before.version, report.canary.version));
                drop(admin.retry());
                let runs = admin.canary().map(|report| (report.percent, report.before.version, report.canary.version));
                prop_assert_eq!(ran, runs);
            }
            Op::Look => self.look()?,
        }
        Ok(())
    }

    /// Everyone who is not held back is at the version of its side.
    fn look(&self) -> Result<(), TestCaseError> {
        let admin = self.switch.admin();
        let canary = admin.canary();
        let version = admin.status().version;
        let (percent, before) = canary.map_or((100, version), |report| (report.percent, report.before.version));
        let held: BTreeSet<_> = admin.held_back().into_iter().map(|held| held.who).collect();
        for key in (0..KEYS).filter(|key| !held.contains(&key.to_string())) {
            let Some(at) = self.fleet.inspect(&key, tally_version).expect("outside") else { continue };
            // whoever could not follow just now is held back from here on
            let stuck = || admin.held_back().iter().any(|held| held.who == key.to_string());
            prop_assert!(at == if goes(key, percent) { version } else { before } || stuck(), "{} at {}", key, at);
        }
        for cell in &self.cells {
            let at = cell.version().expect("outside");
            let stuck = || admin.held_back().iter().any(|held| held.who == cell.name());
            prop_assert!(at == before || stuck(), "{} at {}", cell.name(), at);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let admin = self.switch.admin();
        let status = admin.status();
        prop_assert_eq!(status.live, (self.fleet.len() + self.cells.len()) as u64);
        for outcome in admin.outcomes() {
            let [live, moved, stayed, held_back, gone, not_reached] = account(&outcome);
            prop_assert_eq!(moved + stayed + held_back + gone + not_reached, live, "{:?}", outcome);
        }
        if let Some(report) = admin.canary() {
            prop_assert_eq!(report.before.live + report.canary.live + report.elsewhere, status.live);
        }
        Ok(())
    }
}

fn tally_version(state: &tally::AnyState) -> u32 {
    serde_json::to_value(state).expect("plain")[0].as_u64().and_then(|n| n.try_into().ok()).expect("a version")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn everybody_is_accounted_for_whatever_comes_between(ops in prop::collection::vec(op(), 1..60)) {
        hotswap_tests::quietly(|| {
            let switch = tally::Switch::builder().starting_at(1).build().expect("one to run");
            let fleet = switch.fleet();
            (0..KEYS).for_each(|key| drop(fleet.insert(key, tally::V1::default()).expect("enters")));
            let mut world = World { switch, fleet, cells: Vec::new() };
            for op in &ops {
                world.run(op)?;
                world.check()?;
            }
            world.look()?;
            world.check()
        })?;
    }

    /// The same commands from one thread while others step, make and end instances.
    #[test]
    fn everybody_is_accounted_for_while_threads_step(ops in prop::collection::vec(op(), 1..20)) {
        hotswap_tests::quietly(|| {
            let switch = tally::Switch::builder().starting_at(1).build().expect("one to run");
            let fleet = switch.fleet::<u32>();
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                for thread in 0..2 {
                    let (fleet, over) = (fleet.clone(), &over);
                    scope.spawn(move || {
                        for key in (0..KEYS).cycle().skip(thread * 7).take_while(|_| !over.load(Ordering::Relaxed)) {
                            drop(fleet.step_or_insert_with(key, tally::V1::default, Add(1)));
                            if key % 5 == 0 {
                                drop(fleet.remove(&(key / 5)));
                            }
                        }
                    });
                }
                let _ends = Ends(&over);
                let mut world = World { switch: switch.clone(), fleet: fleet.clone(), cells: Vec::new() };
                ops.iter().filter(|op| !matches!(op, Op::Look)).try_for_each(|op| world.run(op))
            })?;
            let world = World { switch, fleet, cells: Vec::new() };
            world.look()?;
            for outcome in world.switch.admin().outcomes() {
                let [live, moved, stayed, held_back, gone, not_reached] = account(&outcome);
                prop_assert_eq!(moved + stayed + held_back + gone + not_reached, live, "{:?}", outcome);
            }
            Ok(())
        })?;
    }
}
