//! A program whose upgrade can be stopped in its middle: a hundred thousand tills, and a thread that sells at them all the time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hotswap::remote::{Address, Options, Remote, serve};
use till::{Sell, V1};

use super::tokens::Tokens;

pub(crate) const TILLS: u64 = 100_000;
/// These two are open when they are to move, and stay at their version.
pub(crate) const OPEN: [u64; 2] = [7, 70_007];

/// A till. Going down from version 2 loses what it gave in discounts; from version 3 there is no way down.
#[hotswap::machine(name = "till", derive(Debug, Clone))]
pub(crate) mod till {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Sell;

    #[machine(version = 1)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V1 {
        pub number: u64,
        pub sold: u64,
    }

    /// Says which version sold.
    #[machine(version = 1)]
    fn sell_1(state: &mut V1, _: Sell) -> u32 {
        state.sold += 1;
        1
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V2 {
        pub number: u64,
        pub sold: u64,
        pub discounts: u64,
    }

    #[machine(migrate)]
    fn up_2(old: &V1) -> Result<V2, String> {
        if super::OPEN.contains(&old.number) {
            return Err(format!("the drawer of till {} is open", old.number));
        }
        super::GATE.pass();
        Ok(V2 { number: old.number, sold: old.sold, discounts: 0 })
    }

    #[machine(migrate, loses = "discounts")]
    fn down_2(old: &V2) -> V1 {
        V1 { number: old.number, sold: old.sold }
    }

    #[machine(version = 2)]
    fn sell_2(state: &mut V2, _: Sell) -> u32 {
        state.sold += 1;
        state.discounts += 1;
        2
    }

    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V3 {
        pub sold: u64,
    }

    #[machine(migrate)]
    fn up_3(old: &V2) -> V3 {
        V3 { sold: old.sold }
    }

    #[machine(version = 3)]
    fn sell_3(state: &mut V3, _: Sell) -> u32 {
        state.sold += 1;
        3
    }
}

/// Lets so many tills go up as it was told to, and has the others wait: a sweep can be looked at in its middle.
static GATE: Gate = Gate { left: Mutex::new(u64::MAX), opened: Condvar::new() };

struct Gate {
    left: Mutex<u64>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, left: u64) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *self.opened.wait_while(left, |left| *left == 0).unwrap_or_else(PoisonError::into_inner) -= 1;
    }
}

/// One after another: a gate and a browser are enough for one.
static ALONE: Mutex<()> = Mutex::new(());

/// How many steps there were and how long they took, by version, as a program tells that counts them itself.
#[derive(Default)]
struct Sales {
    /// By version, and by upper bound in seconds.
    under: [[AtomicU64; BOUNDS.len()]; 3],
    count: [AtomicU64; 3],
}

const BOUNDS: [f64; 13] = [1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2, 1e-1, 1.0];

impl Sales {
    fn add(&self, version: u32, took: Duration) {
        let at = version as usize - 1;
        for (bound, under) in BOUNDS.iter().zip(&self.under[at]) {
            if took.as_secs_f64() <= *bound {
                under.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.count[at].fetch_add(1, Ordering::Relaxed);
    }

    fn render(&self) -> String {
        let mut text = "# TYPE hotswap_step_seconds histogram\n".to_owned();
        for version in 1..=3_usize {
            let labels = format!("switch=\"till\",version=\"{version}\"");
            let count = self.count[version - 1].load(Ordering::Relaxed);
            for (bound, under) in BOUNDS.iter().zip(&self.under[version - 1]) {
                let under = under.load(Ordering::Relaxed);
                text += &format!("hotswap_step_seconds_bucket{{{labels},le=\"{bound}\"}} {under}\n");
            }
            text += &format!("hotswap_step_seconds_bucket{{{labels},le=\"+Inf\"}} {count}\n");
            text += &format!("hotswap_step_seconds_count{{{labels}}} {count}\n");
            text += &format!("hotswap_steps_per_second{{{labels}}} {count}\n");
        }
        text
    }
}

/// The program; it ends when this is dropped, by a failing test too.
pub(crate) struct Shop {
    pub(crate) admin: till::Admin,
    pub(crate) url: String,
    fleet: Arc<till::Fleet<u64>>,
    seller: Option<JoinHandle<u64>>,
    over: Arc<AtomicBool>,
    pub(crate) tokens: Tokens,
    _remote: Remote,
    _alone: MutexGuard<'static, ()>,
}

impl Shop {
    pub(crate) fn start() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = Tokens::new();
        let switch = till::Switch::builder().label("till").starting_at(1).build().expect("one to run");
        let fleet = Arc::new(switch.fleet::<u64>());
        for number in 0..TILLS {
            fleet.insert(number, V1 { number, sold: 0 }).expect("enters");
        }
        let (over, sales) = (Arc::new(AtomicBool::new(false)), Arc::new(Sales::default()));
        let seller = thread::spawn({
            let (fleet, over, sales) = (Arc::clone(&fleet), Arc::clone(&over), Arc::clone(&sales));
            move || sell(&fleet, &over, &sales)
        });
        let options = Options::default().without_socket().tcp(([127, 0, 0, 1], 0).into()).tokens(tokens.file());
        let remote = serve(options.metrics(Arc::new(move || sales.render()))).expect("it serves");
        let url = match remote.addresses() {
            [Address::Http(address)] => format!("http://{address}/"),
            other => panic!("not one TCP port: {other:?}"),
        };
        Self { admin: switch.admin(), url, fleet, seller: Some(seller), over, tokens, _remote: remote, _alone: alone }
    }

    /// How many are at each version, from 1 up.
    pub(crate) fn census(&self) -> [u64; 3] {
        let mut census = [0; 3];
        for at in self.admin.status().by_version {
            census[at.version as usize - 1] += at.live;
        }
        census
    }

    /// Lets so many tills go up, and no more until it is opened. The census knows of a few less: those that a sweep takes under
    /// one lock are counted when it lets go of that, and it waits at the gate with it.
    pub(crate) fn shut_after(&self, tills: u64) {
        GATE.set(tills);
    }

    pub(crate) fn open(&self) {
        GATE.set(u64::MAX);
    }

    /// Ends the selling, and gives what was sold and what the tills have.
    pub(crate) fn close(&mut self) -> (u64, u64) {
        let sold = self.end().expect("it was not closed before").expect("no panic");
        let mut booked = 0;
        let each = |_: &u64, state: &till::AnyState| {
            booked += match state {
                till::AnyState::V1(state) => state.sold,
                till::AnyState::V2(state) => state.sold,
                till::AnyState::V3(state) => state.sold,
                till::AnyState::Loaded(_) => unreachable!("no image came"),
            };
        };
        self.fleet.for_each(each).expect("outside");
        (sold, booked)
    }

    fn end(&mut self) -> Option<thread::Result<u64>> {
        self.over.store(true, Ordering::Relaxed);
        GATE.set(u64::MAX);
        self.seller.take().map(JoinHandle::join)
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Sells here and there until it is over, with a short breath after each round so that one processor is enough.
fn sell(fleet: &till::Fleet<u64>, over: &AtomicBool, sales: &Sales) -> u64 {
    let (mut sold, mut at) = (0, 0);
    while !over.load(Ordering::Relaxed) {
        for _ in 0..200 {
            // a step of a prime length comes to every till
            at = (at + 7919) % TILLS;
            let began = Instant::now();
            let version = fleet.step(&at, Sell).expect("every till sells");
            sales.add(version, began.elapsed());
            sold += 1;
        }
        thread::sleep(Duration::from_millis(2));
    }
    sold
}
