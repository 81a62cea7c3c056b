//! An instance in a task of its own, asked by message, against actors of the frameworks that people use for that.
//!
//! One client asks each of 128 in turn and waits for the answer.

use std::hint::black_box;

use hotswap_benches::counter::{Add, Switch, V2, add_counted};
use hotswap_benches::report::{Report, Row};
use hotswap_benches::turns::{nanoseconds, take_turns};
use hotswap_benches::{INSTANCES, report};
use kameo::actor::Spawn as _;
use kameo::message::{Context, Message};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, call};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};

const TURNS: usize = 301;
/// How often each is asked in a turn.
const ROUNDS: u32 = 10;
/// How many letters wait at most; as kameo has it if it is not told.
const BOUND: usize = 64;

fn main() {
    let mut report = report!();
    compare(&mut report, "one thread", 1.0, &Builder::new_current_thread().build().expect("a runtime"));
    // who asks runs on this thread, besides the workers
    let two = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    compare(&mut report, "two threads, one that asks and one that answers", 1.0, &two);
    report.close();
}

/// Nanoseconds for each question, with `ask` asking all of them once.
fn turn(runtime: &Runtime, mut ask: impl AsyncFnMut()) -> f64 {
    nanoseconds(u64::from(ROUNDS) * u64::from(INSTANCES), || {
        runtime.block_on(async {
            for _ in 0..ROUNDS {
                ask().await;
            }
        });
    })
}

fn compare(report: &mut Report, threads: &str, target: f64, runtime: &Runtime) {
    let (tasks, kameo, ractor) = runtime.block_on(async {
        let switch = Switch::new();
        let tasks: Vec<_> = (0..INSTANCES).map(|_| task(&switch)).collect();
        let kameo: Vec<_> = (0..INSTANCES).map(|_| ByKameo::spawn(ByKameo(V2::default()))).collect();
        let mut ractor = Vec::new();
        for _ in 0..INSTANCES {
            ractor.push(ByRactor::spawn(None, ByRactor, ()).await.expect("it can be spawned").0);
        }
        (tasks, kameo, ractor)
    });
    let mut ask_tasks = || {
        turn(runtime, async || {
            for task in &tasks {
                let (reply, replied) = oneshot::channel();
                task.send((Add(1), reply)).await.expect("the task waits for letters");
                black_box(replied.await.expect("it answers"));
            }
        })
    };
    let mut ask_kameo = || {
        turn(runtime, async || {
            for actor in &kameo {
                black_box(actor.ask(Add(1)).await.expect("it answers"));
            }
        })
    };
    let mut ask_ractor = || {
        turn(runtime, async || {
            for actor in &ractor {
                black_box(call!(actor, Letter, Add(1)).expect("it answers"));
            }
        })
    };
    let [ours, kameo_took, ractor_took] = take_turns(TURNS, [&mut ask_tasks, &mut ask_kameo, &mut ask_ractor]);
    let what = format!("an Instance in a tokio task behind mpsc and oneshot against kameo `ask`, {threads}");
    let row = Row::ratio(&what, "ns", &ours, &kameo_took).at_most(target);
    report.add(row.beside(
        "kameo also supervises, links, and catches a panic in the handler; its mailbox is bounded by 64, as ours",
    ));
    let what = format!("the same against ractor `call`, {threads}");
    let row = Row::ratio(&what, "ns", &ours, &ractor_took).at_most(target);
    report.add(row.beside(
        "ractor also supervises, with four ports for each actor, and catches a panic; its mailbox is unbounded",
    ));
    for actor in ractor {
        actor.stop(None);
    }
}

// ---- the three

type Question = (Add, oneshot::Sender<u64>);

fn task(switch: &Switch) -> mpsc::Sender<Question> {
    let mut instance = switch.instance(V2::default()).expect("it is at the version that runs");
    let (sender, mut letters) = mpsc::channel::<Question>(BOUND);
    tokio::spawn(async move {
        while let Some((input, reply)) = letters.recv().await {
            let _ = reply.send(instance.step(input).expect("version 2 adds")); // who asked may have gone
        }
    });
    sender
}

#[derive(kameo::Actor)]
struct ByKameo(V2);

impl Message<Add> for ByKameo {
    type Reply = u64;

    async fn handle(&mut self, input: Add, _: &mut Context<Self, Self::Reply>) -> u64 {
        add_counted(&mut self.0, input)
    }
}

struct ByRactor;

struct Letter(Add, RpcReplyPort<u64>);

impl Actor for ByRactor {
    type Msg = Letter;
    type State = V2;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Letter>, (): ()) -> Result<V2, ActorProcessingErr> {
        Ok(V2::default())
    }

    async fn handle(
        &self,
        _: ActorRef<Letter>,
        Letter(input, reply): Letter,
        state: &mut V2,
    ) -> Result<(), ActorProcessingErr> {
        let _ = reply.send(add_counted(state, input));
        Ok(())
    }
}
