//! The demo: clients load a server, which goes 1 → 2 → 3 → 2 → 3 meanwhile; every value is checked against a model.

mod client;
mod report;

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::options::{MAX_CLIENTS, Options};
use crate::server::Server;
use client::Client;
use report::Report;

const CLIENTS: usize = 8;
/// Keys that are there from the beginning, so that a switch has something to move.
const KEYS: usize = 200_000;
/// How long the load goes on before the first switch, between switches, and after the last.
const BETWEEN: Duration = Duration::from_secs(2);
/// How long a reply is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// The versions that run, in turn.
const WAY: [u32; 5] = [1, 2, 3, 2, 3];

type Failure = Box<dyn Error + Send + Sync>;

/// What the clients are told.
struct Orders {
    /// Which row of the report a request belongs to.
    phase: AtomicUsize,
    /// The highest version that has run so far: its commands are in use.
    version: AtomicU32,
    /// How many clients have made their lists, sets and hashes.
    stocked: AtomicUsize,
    over: AtomicBool,
}

/// Runs it all; fails if anything was lost, or any request got an error.
pub(crate) fn run(options: Options) -> Result<ExitCode, Box<dyn Error>> {
    let (tell, address) = oneshot::channel();
    let serving = thread::Builder::new().name("server".into()).spawn(move || serve(&options, tell))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let (address, _stop) = address.await?;
        load(address).await
    });
    // why the server did not start comes before what the clients say about it
    serving.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let report = report.map_err(|failure| -> Box<dyn Error> { failure })?;
    println!("{report}");
    Ok(if report.flawless() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Serves on a free port, which it tells, until who was told lets go.
fn serve(options: &Options, tell: oneshot::Sender<(SocketAddr, oneshot::Sender<()>)>) -> io::Result<()> {
    let serve = async {
        let server = Server::bind(Options {
            port: 0,
            at: WAY[0],
            max_clients: MAX_CLIENTS,
            dir: None,
            images: None,
            ..options.clone()
        })?;
        let (stop, stopped) = oneshot::channel();
        if tell.send((server.address()?, stop)).is_ok() {
            tokio::select! {
                () = server.run() => {}
                _ = stopped => {}
            }
        }
        Ok(())
    };
    crate::runtime(options)?.block_on(serve)
}

async fn load(address: SocketAddr) -> Result<Report, Failure> {
    let redis = redis::Client::open(format!("redis://{address}/?protocol=resp3"))?;
    // an upgrade is answered when it has settled, and this may be a slow build on a busy computer
    let patient = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
    let mut operator = redis.get_multiplexed_async_connection_with_config(&patient).await?;
    println!("kv serves {address}: {CLIENTS} clients, {KEYS} keys to begin with, one operator");
    let bar =
        ProgressBar::new(2 * WAY.len() as u64).with_style(ProgressStyle::with_template("{bar:30} {elapsed:>4} {msg}")?);
    bar.set_message("filling");
    fill(&mut operator).await?;

    let orders = Arc::new(Orders {
        phase: AtomicUsize::new(0),
        version: AtomicU32::new(WAY[0]),
        stocked: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    });
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let connection = redis.get_multiplexed_async_connection_with_config(&patient).await?;
        let client = Client::new(number, connection, Arc::clone(&orders));
        clients.push(tokio::spawn(client.run()));
    }

    let mut report = Report::new(WAY[0]);
    for (last, &to) in WAY.iter().zip(&WAY[1..]) {
        bar.set_message(format!("version {last}"));
        sleep(BETWEEN).await;
        orders.phase.store(report.switching(*last, to), Ordering::SeqCst);
        bar.inc(1);
        bar.set_message(format!("version {last} to {to}"));
        let upgrade = redis::cmd("HOTSWAP").arg("UPGRADE").arg(to).arg("demo").to_owned();
        let outcome: HashMap<String, redis::Value> = upgrade.query_async(&mut operator).await?;
        report.outcome(&outcome)?;
        orders.phase.store(report.running(to), Ordering::SeqCst);
        bar.inc(1);
        if orders.version.fetch_max(to, Ordering::SeqCst) < 3 && to == 3 {
            bar.set_message("lists, sets and hashes");
            while orders.stocked.load(Ordering::SeqCst) < CLIENTS && clients.iter().all(|client| !client.is_finished())
            {
                sleep(Duration::from_millis(5)).await;
            }
        }
    }
    bar.set_message("the last version");
    sleep(BETWEEN).await;
    orders.over.store(true, Ordering::SeqCst);
    bar.set_message("checking every value");
    let mut counted = 0;
    for client in clients {
        let done = client.await??;
        counted += done.counted;
        report.add(done);
    }
    report.check(&check(&mut operator, counted).await?);
    bar.finish_and_clear();
    Ok(report)
}

/// The key and value of filling that nobody changes.
fn filling(n: usize) -> (String, String) {
    (format!("still:{n}"), format!("value {n}"))
}

async fn fill(operator: &mut MultiplexedConnection) -> Result<(), Failure> {
    for from in (0..KEYS).step_by(1000) {
        let pairs: Vec<_> = (from..from + 1000).map(filling).collect();
        redis::cmd("MSET").arg(&pairs).query_async::<()>(operator).await?;
    }
    Ok(())
}

/// What nobody changed is still there, and what everybody counted is exact.
async fn check(operator: &mut MultiplexedConnection, counted: u64) -> Result<client::Checked, Failure> {
    let mut checked = client::Checked::default();
    for from in (0..KEYS).step_by(1000) {
        let (keys, values): (Vec<_>, Vec<_>) = (from..from + 1000).map(filling).unzip();
        let found: Vec<Option<String>> = redis::cmd("MGET").arg(&keys).query_async(operator).await?;
        for (found, value) in found.iter().zip(&values) {
            checked.add(found.as_ref() == Some(value));
        }
    }
    let total: u64 = redis::cmd("GET").arg(client::COUNTER).query_async(operator).await?;
    checked.add(total == counted);
    Ok(checked)
}
