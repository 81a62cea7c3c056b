//! Metrics tell of every live switch what is so at the scrape, count what happened under its label once, and time a few steps
//! after each look.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hotswap::{Admin, UpgradeOptions, Wait};
use hotswap_tests::tally::{Add, Boom, Fail, Machine, Mood, Prepare, Switch, V1};
use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder};
use metrics::{SharedString, Unit, with_local_recorder};

/// A scrape is of the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was told, by name and labels; of a histogram all values.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

struct One {
    told: Told,
    key: String,
}

impl One {
    fn change(&self, change: impl FnOnce(&mut Vec<f64>)) {
        change(self.told.0.lock().expect("nothing panics under it").entry(self.key.clone()).or_default());
    }
}

impl CounterFn for One {
    fn increment(&self, _: u64) {
        panic!("totals are told as such");
    }
    fn absolute(&self, value: u64) {
        let value = f64::from(u32::try_from(value).expect("few"));
        self.change(|values| *values = vec![values.first().copied().unwrap_or_default().max(value)]);
    }
}

impl GaugeFn for One {
    fn increment(&self, _: f64) {
        panic!("gauges are set");
    }
    fn decrement(&self, _: f64) {
        panic!("gauges are set");
    }
    fn set(&self, value: f64) {
        self.change(|values| *values = vec![value]);
    }
}

impl HistogramFn for One {
    fn record(&self, value: f64) {
        self.change(|values| values.push(value));
    }
}

impl Told {
    fn one(&self, key: &Key) -> Arc<One> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Arc::new(One { told: self.clone(), key: format!("{} {}", key.name(), labels.join(" ")) })
    }

    /// What is told of one switch, without its label; of a histogram how many values.
    fn of(&self, switch: &str) -> BTreeMap<String, f64> {
        let label = format!(" switch={switch}");
        let told = self.0.lock().expect("nothing panics under it");
        let of = |(key, values): (&String, &Vec<f64>)| {
            let (name, rest) = key.split_once(&label).filter(|(_, rest)| rest.is_empty() || rest.starts_with(' '))?;
            let count = f64::from(u32::try_from(values.len()).expect("few"));
            let value = if name.ends_with("_seconds") { count } else { values[0] };
            Some((format!("{}{rest}", name.strip_prefix("hotswap_").expect("ours")), value))
        };
        told.iter().filter_map(of).collect()
    }

    fn refresh(&self) {
        with_local_recorder(self, hotswap::metrics::refresh);
    }
}

impl Recorder for Told {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.one(key))
    }
}

fn switch(label: &str) -> (Switch, Admin<Machine>) {
    let switch = Switch::builder().label(label).starting_at(1).build().expect("one to run");
    let admin = switch.admin();
    (switch, admin)
}

fn expect(told: &Told, switch: &str, expected: &[(&str, f64)]) {
    let told = told.of(switch);
    for (name, value) in expected {
        assert_eq!(told.get(*name), Some(value), "{name} in {told:#?}");
    }
}

#[test]
fn a_scrape_tells_how_every_switch_stands() {
    let _alone = alone();
    let ((one, admin), (two, _)) = (switch("one"), switch("two"));
    let fleet = one.fleet::<u32>();
    (0..10).for_each(|key| drop(fleet.insert(key, V1::default()).expect("enters")));
    let _cell = two.cell(V1::default()).expect("enters");
    let told = Told::default();
    told.refresh();
    let at_first = [
        ("current_version", 1.0),
        ("held_back", 0.0),
        ("instances version=1", 10.0),
        ("instances version=2", 0.0),
        ("instances version=5", 0.0),
    ];
    expect(&told, "one", &at_first);
    assert_eq!(told.of("one").len(), 2 + 5, "nothing has happened yet");
    expect(&told, "two", &[("current_version", 1.0), ("instances version=1", 1.0)]);

    (0..3).for_each(|key| fleet.step(&key, Prepare(Mood::Unwilling)).expect("taken"));
    admin.upgrade(3, "").expect("not refused");
    told.refresh();
    let held_back = [
        ("current_version", 3.0),
        ("held_back", 3.0),
        ("instances version=1", 3.0),
        ("instances version=3", 7.0),
        ("upgrades_total result=held_back", 1.0),
        ("migration_seconds", 1.0),
    ];
    expect(&told, "one", &held_back);
    drop(fleet);
    told.refresh();
    expect(&told, "one", &[("held_back", 0.0), ("instances version=1", 0.0), ("instances version=3", 0.0)]);
    expect(&told, "two", &[("current_version", 1.0), ("instances version=1", 1.0)]);
}

#[test]
fn what_came_of_upgrades_is_counted_and_goes_on_under_the_label() {
    let _alone = alone();
    let told = Told::default();
    let (results, admin) = switch("results");
    let cell = results.cell(V1::default()).expect("enters");
    with_local_recorder(&told, || {
        admin.upgrade(2, "").expect("not refused");
        expect(&told, "results", &[("current_version", 2.0), ("upgrades_total result=done", 1.0)]);
        admin.upgrade(9, "").expect_err("there is none");
        admin.rollback("").expect("in probation");
        let not_now = UpgradeOptions::default().wait(Wait::No);
        admin.upgrade_with(2, "", &not_now).expect("not refused");
        admin.upgrade(4, "").expect("not refused");
        cell.step(Add(1)).expect("taken");
        admin.commit().expect("nobody is held back");
        admin.upgrade_with(5, "", &UpgradeOptions::default().canary(50)).expect("not refused");
        admin.promote("").expect("a canary runs");
    });
    let results_now = [
        ("upgrades_total result=done", 3.0),
        ("upgrades_total result=superseded", 1.0),
        ("upgrades_total result=refused", 1.0),
        ("upgrades_total result=rolled_back", 1.0),
        ("upgrades_total result=committed", 1.0),
        ("upgrades_total result=promoted", 1.0),
    ];
    told.refresh();
    expect(&told, "results", &results_now);
    // two whole upgrades, a rollback, a canary and its promotion; nobody moves for a commit
    expect(&told, "results", &[("migration_seconds", 5.0)]);

    // gone, its gauges are 0; the next of that label goes on counting
    drop((results, admin, cell));
    told.refresh();
    expect(&told, "results", &[("current_version", 0.0), ("instances version=5", 0.0), ("migration_seconds", 5.0)]);
    let (_results, admin) = switch("results");
    admin.upgrade(2, "").expect("not refused");
    told.refresh();
    expect(&told, "results", &[("upgrades_total result=done", 4.0), ("upgrades_total result=refused", 1.0)]);
    expect(&told, "results", &[("migration_seconds", 6.0), ("current_version", 2.0)]);
}

#[test]
fn failures_and_panics_are_counted_by_the_version_that_ran() {
    let _alone = alone();
    let (switch, admin) = switch("failures");
    let cells: Vec<_> = (0..4).map(|_| switch.cell(V1::default()).expect("enters")).collect();
    let fail = |times: usize| (0..times).for_each(|_| assert!(cells[0].step(Fail).expect("taken").is_err()));
    let boom = |cell: usize| {
        let panicked = hotswap_tests::quietly(|| catch_unwind(AssertUnwindSafe(|| cells[cell].step(Boom))));
        assert!(panicked.is_err());
    };
    fail(2);
    boom(1);
    admin.upgrade(2, "").expect("not refused");
    fail(3);
    boom(2);
    boom(3);
    let told = Told::default();
    told.refresh();
    let counts = [
        ("step_failures_total version=1", 2.0),
        ("step_failures_total version=2", 3.0),
        ("step_panics_total version=1", 1.0),
        ("step_panics_total version=2", 2.0),
        ("held_back", 3.0),
    ];
    expect(&told, "failures", &counts);
}

#[test]
fn of_the_steps_after_each_look_a_hundred_are_timed() {
    let _alone = alone();
    let (switch, admin) = switch("timed");
    let cell = switch.cell(V1::default()).expect("enters");
    let step = |times: usize| (0..times).for_each(|_| cell.step(Add(1)).expect("taken"));
    let timed = |told: &Told, version: u32| told.of("timed").get(&format!("step_seconds version={version}")).copied();
    let rate =
        |told: &Told, version: u32| told.of("timed").get(&format!("steps_per_second version={version}")).copied();
    let told = Told::default();
    step(10);
    told.refresh();
    assert_eq!((timed(&told, 1), rate(&told, 1)), (None, None), "nobody had looked before");
    step(250);
    told.refresh();
    assert_eq!(timed(&told, 1), Some(100.0));
    assert!(rate(&told, 1).is_some_and(|rate| rate > 0.0 && rate.is_finite()));
    told.refresh();
    assert_eq!((timed(&told, 1), rate(&told, 1)), (Some(100.0), Some(0.0)), "nobody stepped");
    // a burst goes on through a flip, and each step is told with its version
    step(30);
    admin.upgrade(2, "").expect("not refused");
    step(250);
    told.refresh();
    assert_eq!((timed(&told, 1), timed(&told, 2)), (Some(130.0), Some(70.0)));
    let shares = rate(&told, 1).zip(rate(&told, 2)).map(|(one, two)| one / (one + two));
    assert!(shares.is_some_and(|share| (share - 0.3).abs() < 1e-9), "{shares:?}");
    let seconds = told.0.lock().expect("nothing panics under it");
    let all =
        seconds.iter().filter(|(key, _)| key.contains("step_seconds switch=timed")).flat_map(|(_, values)| values);
    assert!(all.into_iter().all(|took| *took > 0.0 && *took < 60.0));
}

#[test]
fn a_recorder_that_panics_harms_nobody() {
    struct Bad(AtomicBool);
    impl Recorder for Bad {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            panic!("no counters");
        }
        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            self.0.store(true, Ordering::Relaxed);
            panic!("no gauges");
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            panic!("no histograms");
        }
    }
    let _alone = alone();
    let (switch, admin) = switch("bad");
    let cell = switch.cell(V1::default()).expect("enters");
    let bad = Bad(AtomicBool::new(false));
    hotswap_tests::quietly(|| {
        with_local_recorder(&bad, || {
            hotswap::metrics::refresh();
            cell.step(Add(1)).expect("taken");
            let outcome = admin.upgrade(2, "").expect("not refused");
            assert_eq!((outcome.moved, outcome.settled), (1, true));
            hotswap::metrics::refresh();
        });
    });
    assert!(bad.0.into_inner());
    let told = Told::default();
    told.refresh();
    expect(&told, "bad", &[("current_version", 2.0), ("upgrades_total result=done", 1.0)]);
}

#[test]
fn threads_that_step_and_scrape_at_once_are_told_of_exactly_what_they_did() {
    const STEPS: usize = 20_000;
    let _alone = alone();
    let (switch, admin) = switch("busy");
    let fleet = switch.fleet::<u32>();
    (0..64).for_each(|key| drop(fleet.insert(key, V1::default()).expect("enters")));
    let told = Told::default();
    std::thread::scope(|scope| {
        for thread in 0..2_u32 {
            let fleet = &fleet;
            scope.spawn(move || {
                for n in 0..STEPS {
                    let key = (u32::try_from(n).expect("few") * 7 + thread) % 64;
                    if n % 100 == 0 {
                        assert!(fleet.step(&key, Fail).expect("taken").is_err());
                    } else {
                        fleet.step(&key, Add(1)).expect("taken");
                    }
                }
            });
        }
        for _ in 0..20 {
            told.refresh();
            admin.upgrade(2, "").expect("not refused");
            told.refresh();
            admin.rollback("").expect("in probation");
        }
    });
    told.refresh();
    let now = told.of("busy");
    let failures: f64 = (1..=2).filter_map(|version| now.get(&format!("step_failures_total version={version}"))).sum();
    assert!((failures - 400.0).abs() < f64::EPSILON, "{now:#?}");
    expect(&told, "busy", &[("upgrades_total result=done", 20.0), ("upgrades_total result=rolled_back", 20.0)]);
    expect(&told, "busy", &[("migration_seconds", 40.0), ("instances version=1", 64.0), ("held_back", 0.0)]);
}
