//! Drops that panic or call back, keys that panic, cells that go while a sweep is on, healing as a flip comes: nothing hangs,
//! nothing is lost, and the accounts hold.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use hotswap::{Event, RollbackOptions, UpgradeOptions, Wait, machine};
use hotswap_tests::folder::Folder;
use hotswap_tests::{AtEachEvent, quietly, tally};
use serde::{Deserialize, Serialize};

thread_local! { static HOOK: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) }; }
fn hook() {
    let h = HOOK.with(|h| h.borrow_mut().take());
    if let Some(mut h) = h {
        h()
    }
}
fn set_hook(f: impl FnMut() + 'static) {
    HOOK.with(|h| *h.borrow_mut() = Some(Box::new(f)))
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Bomb(pub u8);
impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 == 1 && !thread::panicking() {
            panic!("bomb")
        }
    }
}

#[machine]
pub mod h {
    use super::Bomb;
    use serde::{Deserialize, Serialize};
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Touch;
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Boom;
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Hooked;
    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V1 {
        pub n: u64,
        pub bomb: Bomb,
    }
    #[machine(version = 1)]
    fn touch_1(s: &mut V1, _: Touch) -> u64 {
        s.n
    }
    #[machine(version = 1)]
    fn boom_1(_: &mut V1, _: Boom) {
        panic!("boom")
    }
    #[machine(version = 1)]
    fn hooked_1(_: &mut V1, _: Hooked) {
        super::hook()
    }
    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V2 {
        pub n: u64,
        pub bomb: Bomb,
        pub x: u8,
    }
    #[machine(migrate, moves)]
    fn up(old: V1) -> V2 {
        super::hook();
        if old.n == 13 {
            panic!("thirteen")
        }
        V2 { n: old.n, bomb: old.bomb, x: 0 }
    }
    #[machine(version = 2)]
    fn touch_2(s: &mut V2, _: Touch) -> u64 {
        s.n
    }
    #[machine(version = 2)]
    fn boom_2(_: &mut V2, _: Boom) {
        panic!("boom")
    }
    #[machine(version = 2)]
    fn hooked_2(_: &mut V2, _: Hooked) {
        super::hook()
    }
    #[machine(version = 3, migrates_from = 2)]
    fn touch_3(s: &mut V2, _: Touch) -> u64 {
        s.n + 1
    }
}

fn within<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> Option<R> {
    let (tx, rx) = mpsc::channel();
    thread::spawn(move || {
        let _ = tx.send(f());
    });
    rx.recv_timeout(Duration::from_secs(8)).ok()
}

#[test]
fn sweep_skips_a_cell() {
    let switch = tally::Switch::builder().starting_at(1).build().unwrap();
    let a = switch.cell(tally::V1::default()).unwrap();
    let b = switch.cell(tally::V1::default()).unwrap();
    let admin = switch.admin();
    let (hold, held) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let b2 = b.clone();
    let t = thread::spawn(move || {
        b2.inspect(|_| {
            hold.send(()).unwrap();
            gone.recv().unwrap();
        });
    });
    held.recv().unwrap();
    let admin2 = admin.clone();
    let u = thread::spawn(move || admin2.upgrade(2, "").unwrap());
    while admin.status().not_reached != 1 {
        thread::yield_now();
    }
    drop(a);
    go.send(()).unwrap();
    t.join().unwrap();
    let out = u.join().unwrap();
    assert!(out.not_reached == 0, "{out}");
}

#[test]
fn kept_state_of_lost() {
    quietly(|| {
        let switch = h::Switch::builder().starting_at(1).build().unwrap();
        let c = switch.cell(h::V1 { n: 13, ..Default::default() }).unwrap();
        let admin = switch.admin();
        let out = admin.upgrade_with(2, "", &UpgradeOptions::default().keep_previous(true)).unwrap();
        assert_eq!(out.held_back, 1);
        let out = admin.rollback_with("", &RollbackOptions::default().accept_loss(true)).unwrap();
        assert_eq!(c.step(h::Touch).ok(), Some(13), "{out}");
    })
}

#[test]
fn heal_with_flip() {
    quietly(|| {
        let switch = h::Switch::builder().starting_at(2).build().unwrap();
        let c = switch.named_cell("c", h::V2::default()).unwrap();
        let _ = catch_unwind(AssertUnwindSafe(|| c.step(h::Boom)));
        let admin = switch.admin();
        let a2 = admin.clone();
        set_hook(move || {
            a2.upgrade(3, "").unwrap();
        });
        admin.replace_state("c", |_| Ok::<_, String>(h::V1::default())).unwrap();
        let out = admin.outcomes().pop().unwrap();
        assert_eq!(out.moved + out.held_back + out.gone + out.not_reached, out.live, "{out}");
    })
}

#[test]
fn drop_bomb_in_sweep() {
    quietly(|| {
        let switch = h::Switch::builder().starting_at(1).build().unwrap();
        let a = switch.cell(h::V1::default()).unwrap();
        let b = switch.cell(h::V1 { n: 0, bomb: Bomb(1) }).unwrap();
        let admin = switch.admin();
        let admin2 = admin.clone();
        let r = within(move || {
            quietly(|| {
                let mut b = Some(b);
                set_hook(move || {
                    drop(b.take());
                });
                catch_unwind(AssertUnwindSafe(|| admin2.upgrade_with(2, "", &UpgradeOptions::default().id("x"))))
                    .map_err(|_| "panicked")
            })
        });
        let r2 = within(move || admin.upgrade_with(2, "", &UpgradeOptions::default().id("x")));
        assert!(r.is_some_and(|r| r.is_ok()) && r2.is_some());
        drop(a);
    })
}

#[test]
fn outcome_event_when_empty() {
    let switch = tally::Switch::builder().starting_at(1).build().unwrap();
    let admin = switch.admin();
    let ev = admin.subscribe();
    admin.upgrade(2, "").unwrap();
    let mut all = vec![];
    while let Some(e) = ev.try_next() {
        all.push(e)
    }
    assert!(all.iter().any(|e| matches!(e, Event::Outcome(_))), "{all:?}");
}

#[test]
fn rollback_after_consent() {
    quietly(|| {
        let switch = h::Switch::builder().starting_at(1).build().unwrap();
        let _c = switch.cell(h::V1::default()).unwrap();
        let admin = switch.admin();
        admin.upgrade_with(2, "", &UpgradeOptions::default().keep_previous(true)).unwrap();
        let r = admin.upgrade_with(3, "", &UpgradeOptions::default().rollback_after(1));
        assert!(r.is_err(), "accepted without consent: {}", r.unwrap());
    })
}

#[test]
fn fleet_drop_bomb_phantoms() {
    quietly(|| {
        let switch = h::Switch::builder().starting_at(1).build().unwrap();
        let f = switch.fleet::<u64>();
        for i in 0..1000 {
            f.insert(i, h::V1 { n: 0, bomb: Bomb((i == 0) as u8) }).unwrap();
        }
        let _ = catch_unwind(AssertUnwindSafe(|| drop(f)));
        assert_eq!(switch.admin().status().live, 0);
    })
}

#[test]
fn held_back_inside_step() {
    quietly(|| {
        let switch = h::Switch::builder().starting_at(1).build().unwrap();
        let a = switch.cell(h::V1::default()).unwrap();
        let b = switch.cell(h::V1::default()).unwrap();
        let _ = catch_unwind(AssertUnwindSafe(|| b.step(h::Boom)));
        let admin = switch.admin();
        assert_eq!(admin.held_back().len(), 1);
        let n = a.inspect(|_| admin.held_back().len());
        assert_eq!(n, Some(1));
    })
}

#[test]
fn replace_state_of_cell_that_never_entered() {
    quietly(|| {
        let switch = h::Switch::builder().starting_at(2).build().unwrap();
        let admin = switch.admin();
        let (tx, rx) = mpsc::channel();
        let t = thread::spawn(move || {
            quietly(|| {
                set_hook(move || {
                    tx.send(()).unwrap();
                    // time for the other thread to come to the lock; what is asserted holds in either order
                    thread::sleep(Duration::from_millis(100));
                });
                assert!(switch.named_cell("z", h::V1 { n: 13, ..Default::default() }).is_err());
            })
        });
        rx.recv().unwrap();
        let mut called = false;
        let r = admin.replace_state("z", |_| {
            called = true;
            Ok::<_, String>(h::V2::default())
        });
        t.join().unwrap();
        assert!(r.is_err() || called, "{r:?} but make was not called");
    })
}

#[test]
fn get_state_in_use_elsewhere() {
    let switch = tally::Switch::builder().starting_at(1).build().unwrap();
    let f = switch.fleet::<u64>();
    let g = switch.fleet::<u64>();
    for i in 0..2000 {
        f.insert(i, tally::V1::default()).unwrap();
    }
    g.insert(5000, tally::V1::default()).unwrap();
    let admin = switch.admin();
    let mut bad = 0;
    for i in 0..2000u64 {
        f.inspect(&i, |_| {
            if admin.get_state("5000").is_err() {
                bad += 1
            }
        })
        .unwrap();
    }
    assert_eq!(bad, 0);
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Caller(pub u8);
static ADMIN: Mutex<Option<h2::Admin>> = Mutex::new(None);
impl Drop for Caller {
    fn drop(&mut self) {
        if self.0 == 1 {
            let a = ADMIN.lock().unwrap().clone();
            if let Some(a) = a {
                let _ = a.retry();
                let _ = a.rollback("from drop");
            }
        }
    }
}
#[machine]
pub mod h2 {
    use super::Caller;
    use serde::{Deserialize, Serialize};
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Touch;
    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V1 {
        pub c: Caller,
    }
    #[machine(version = 1)]
    fn touch_1(_: &mut V1, _: Touch) -> u64 {
        1
    }
    #[machine(version = 2, migrates_from = 1)]
    fn touch_2(_: &mut V1, _: Touch) -> u64 {
        2
    }
}
#[test]
fn drop_under_work_lock() {
    let r = within(|| {
        let switch = h2::Switch::builder().starting_at(1).build().unwrap();
        *ADMIN.lock().unwrap() = Some(switch.admin());
        let (tx, rx) = mpsc::channel::<h2::Fleet<u64>>();
        thread::spawn(move || {
            for f in rx {
                // so that some handles go while a sweep lists them; any other order must come back as well
                thread::sleep(Duration::from_micros(200));
                drop(f);
            }
        });
        let admin = switch.admin();
        let _filler: Vec<_> = (0..600).map(|_| switch.fleet::<u64>()).collect();
        for _ in 0..400 {
            let f = switch.fleet::<u64>();
            f.insert(1, h2::V1 { c: Caller(1) }).unwrap();
            tx.send(f).unwrap();
            let _ = admin.upgrade_with(2, "", &UpgradeOptions::default().wait(Wait::For(Duration::from_millis(1))));
            let _ = admin.rollback_with("", &RollbackOptions::default().wait(Wait::No));
        }
    });
    assert!(r.is_some(), "hung");
}

#[test]
fn enter_gives_back_as_given() {
    let switch = h::Switch::builder().starting_at(1).build().unwrap();
    let admin = switch.admin();
    admin.upgrade(2, "").unwrap();
    let a = admin.clone();
    set_hook(move || {
        a.rollback("").unwrap();
    });
    let r = switch.cell(h::V1 { n: 7, ..Default::default() });
    match r {
        Ok(c) => assert_eq!(c.version(), Some(1)),
        Err(e) => {
            let v = serde_json::to_string(&e.state).unwrap();
            panic!("{e}; given [1,..], back: {v}")
        }
    }
}

static A14: Mutex<Option<tally::Admin>> = Mutex::new(None);
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct K(u64);
impl std::fmt::Display for K {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let a = A14.lock().unwrap().take();
        if let Some(a) = a {
            a.rollback("").unwrap();
        }
        write!(f, "k{}", self.0)
    }
}
impl std::str::FromStr for K {
    type Err = ();
    fn from_str(s: &str) -> Result<K, ()> {
        s[1..].parse().map(K).map_err(|_| ())
    }
}
#[test]
fn phantom_held_name() {
    let switch = tally::Switch::builder().starting_at(2).build().unwrap();
    let f = switch.fleet::<K>();
    f.insert(K(1), tally::V2 { mood: tally::Mood::Unwilling, ..Default::default() }).unwrap();
    let admin = switch.admin();
    *A14.lock().unwrap() = Some(admin.clone());
    admin.upgrade(3, "").unwrap();
    f.step(&K(1), tally::Get).unwrap();
    let o = admin.outcomes().pop().unwrap();
    assert!(o.held_back == o.held.len() as u64, "{o}");
}
#[test]
fn busy_cell_blocks_its_group() {
    let switch = tally::Switch::builder().starting_at(1).build().unwrap();
    let a = switch.cell(tally::V1::default()).unwrap();
    let _rest: Vec<_> = (0..50).map(|_| switch.cell(tally::V1::default()).unwrap()).collect();
    let admin = switch.admin();
    let out = thread::scope(|s| {
        let (hold, held) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        let a = &a;
        s.spawn(move || {
            a.inspect(|_| {
                hold.send(()).unwrap();
                gone.recv().unwrap();
            });
        });
        held.recv().unwrap();
        let out =
            admin.upgrade_with(2, "", &UpgradeOptions::default().wait(Wait::For(Duration::from_millis(500)))).unwrap();
        go.send(()).unwrap();
        out
    });
    assert_eq!(out.moved, 50, "{out}");
}
#[machine]
pub mod h3 {
    use super::Bomb;
    use serde::{Deserialize, Serialize};
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Touch;
    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V1 {
        pub n: u64,
        pub bomb: Bomb,
    }
    #[machine(version = 1)]
    fn touch_1(s: &mut V1, _: Touch) -> u64 {
        s.n
    }
    #[machine(version = 2, migrates_from = 1, removes(bomb))]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V2 {
        pub n: u64,
    }
    #[machine(version = 2)]
    fn touch_2(s: &mut V2, _: Touch) -> u64 {
        s.n
    }
    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V3 {
        pub n: u64,
        #[machine(added = 0)]
        pub m: u64,
    }
    #[machine(version = 3)]
    fn touch_3(s: &mut V3, _: Touch) -> u64 {
        s.n
    }
}

/// A derived migration that leaves a field behind whose `Drop` panics.
#[machine]
pub mod leaving {
    use super::Bomb;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Touch;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V1 {
        pub n: u64,
        pub bomb: Bomb,
    }
    #[machine(version = 1)]
    fn touch_1(state: &mut V1, _: Touch) -> u64 {
        state.n
    }

    #[machine(version = 2, migrates_from = 1, removes(bomb))]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V2 {
        pub n: u64,
    }
    #[machine(version = 2)]
    fn touch_2(state: &mut V2, _: Touch) -> u64 {
        state.n
    }

    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V3 {
        pub n: u64,
        #[machine(added = String::from("evaluated"))]
        pub text: String,
    }
    #[machine(version = 3)]
    fn touch_3(state: &mut V3, _: Touch) -> u64 {
        state.n
    }
}

#[test]
fn a_removed_field_that_panics_in_its_drop_costs_no_state() {
    for to in [2, 3] {
        let outcome = quietly(|| {
            let cell = leaving::Cell::new(leaving::V1 { n: 5, bomb: Bomb(1) });
            let outcome = cell.admin().upgrade(to, "").unwrap();
            assert_eq!((cell.version(), cell.step(leaving::Touch).unwrap()), (Some(to), 5));
            outcome
        });
        assert_eq!((outcome.moved, outcome.held_back), (1, 0));
    }
}

/// Each is shown and read as its number.
macro_rules! shown_as_numbers {
    ($($key:ident),*) => {$(
        impl std::fmt::Display for $key {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl std::str::FromStr for $key {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

shown_as_numbers!(TouchyKey, DoomedKey, FickleKey);

/// A key whose `Drop` panics for one number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct TouchyKey(u64);

impl Drop for TouchyKey {
    fn drop(&mut self) {
        if self.0 == 7 && !thread::panicking() {
            panic!("touchy")
        }
    }
}

#[test]
fn a_key_that_panics_in_its_drop_leaves_no_counts_behind() {
    quietly(|| {
        let switch = tally::Switch::builder().starting_at(1).build().unwrap();
        let fleet = switch.fleet::<TouchyKey>();
        for key in 0..1000 {
            fleet.insert(TouchyKey(key), tally::V1::default()).unwrap();
        }
        fleet.clear().unwrap();
        assert_eq!((fleet.len(), switch.admin().status().live), (0, 0));
    });
}

/// A key that cannot be hashed while `DOOMED` says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DoomedKey(u64);

/// The keys below this panic when they are hashed.
static DOOMED: AtomicU64 = AtomicU64::new(0);

impl std::hash::Hash for DoomedKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        if self.0 < DOOMED.load(Ordering::Relaxed) {
            panic!("doomed")
        }
        self.0.hash(state);
    }
}

#[test]
fn a_key_that_panics_when_a_table_grows_costs_nobody_a_place() {
    quietly(|| {
        let switch = tally::Switch::builder().starting_at(1).build().unwrap();
        let fleet = switch.fleet::<DoomedKey>();
        let enter = |key| match key % 2 {
            0 => fleet.insert(DoomedKey(key), tally::V1::default()).map(drop).is_ok(),
            _ => fleet.step_or_insert_with(DoomedKey(key), tally::V1::default, tally::Add(1)).is_ok(),
        };
        let (mut present, mut panicked) = (Vec::new(), 0);
        for key in 0..3000 {
            // where its table has to grow, those who are there are hashed
            DOOMED.store(key, Ordering::Relaxed);
            match catch_unwind(AssertUnwindSafe(|| enter(key))) {
                Ok(entered) => {
                    assert!(entered);
                    present.push(key);
                }
                Err(_) => panicked += 1,
            }
        }
        DOOMED.store(0, Ordering::Relaxed);
        assert!(panicked > 64, "tables have to grow");
        assert_eq!((fleet.len(), switch.admin().status().live), (present.len(), present.len() as u64));
        for key in 0..3000 {
            assert_eq!(fleet.contains_key(&DoomedKey(key)).unwrap(), present.contains(&key), "{key}");
            assert!(enter(key));
        }
        assert_eq!((fleet.len(), switch.admin().status().live), (3000, 3000));
        // the way of a restore
        let (folder, many) = (Folder::new(), 10_000);
        let saved = switch.fleet::<DoomedKey>();
        (3000..many).for_each(|key| drop(saved.insert(DoomedKey(key), tally::V1::default()).unwrap()));
        saved.save(folder.path("fleet")).unwrap();
        drop(saved);
        DOOMED.store(3000, Ordering::Relaxed);
        assert!(catch_unwind(AssertUnwindSafe(|| fleet.restore(folder.path("fleet")))).is_err());
        DOOMED.store(0, Ordering::Relaxed);
        let found = (0..many).filter(|key| fleet.contains_key(&DoomedKey(*key)).unwrap()).count();
        assert_eq!((fleet.len(), switch.admin().status().live), (found, found as u64));
        // the only one, in the place of itself: the table goes with the one and comes with the other
        let alone = switch.fleet::<DoomedKey>();
        for _ in 0..3 {
            alone.insert(DoomedKey(1), tally::V1::default()).unwrap();
            assert_eq!((alone.len(), alone.contains_key(&DoomedKey(1)).unwrap()), (1, true));
        }
    });
}

/// A key that is hashed otherwise each time: what was put in under it is seldom found again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FickleKey(u64);

impl std::hash::Hash for FickleKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        static HASHED: AtomicU64 = AtomicU64::new(0);
        // few hashes, so that some find another's
        state.write_u64(HASHED.fetch_add(1, Ordering::Relaxed) % 300);
    }
}

#[test]
fn a_key_that_is_hashed_otherwise_each_time_hangs_nobody() {
    let switch = tally::Switch::builder().starting_at(1).build().unwrap();
    let fleet = switch.fleet::<FickleKey>();
    for round in 0..20_000 {
        let key = FickleKey(round % 5);
        fleet.insert(key.clone(), tally::V1::default()).unwrap();
        let _ = fleet.step(&key, tally::Add(1));
        let _ = fleet.remove(&key).unwrap();
        assert_eq!(switch.admin().status().live, fleet.len() as u64);
    }
    let outcome = switch.admin().upgrade(2, "").unwrap();
    assert_eq!((outcome.settled, outcome.moved), (true, fleet.len() as u64));
    fleet.clear().unwrap();
    assert_eq!((fleet.len(), switch.admin().status().live), (0, 0));
}

#[test]
fn a_log_that_panics_over_a_rollback_is_not_taken_for_the_step_that_led_to_it() {
    quietly(|| {
        let switch = tally::Switch::builder().starting_at(1).build().expect("one to run");
        let cell = switch.cell(tally::V1::default()).expect("enters");
        let admin = switch.admin();
        admin.upgrade_with(2, "", &UpgradeOptions::default().rollback_after(1)).expect("not refused");
        let step = || {
            tracing::subscriber::with_default(AtEachEvent(|_: &tracing::Event<'_>| panic!("the log is full")), || {
                drop(cell.step(tally::Fail))
            })
        };
        let panicked = catch_unwind(AssertUnwindSafe(step)).expect_err("the log panics");
        assert_eq!(panicked.downcast_ref::<&str>(), Some(&"the log is full"));
        assert_eq!((admin.status().version, admin.held_back()), (1, vec![]));
        assert_eq!(cell.step(tally::Get).expect("it is whole"), 0);
    });
}
