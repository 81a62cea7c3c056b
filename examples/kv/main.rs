//! A store that Redis clients can talk to, and that changes its version while they do.
//!
//! `--demo` shows it: load, four switches under it, every value checked. `--port 6390` serves until Ctrl-C; with `--dir` the
//! keys are there again the next time.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

mod admin;
mod demo;
mod disk;
mod glob;
mod images;
mod key;
mod keyspace;
mod line;
mod options;
mod resp;
mod rest;
mod server;
mod session;
mod timers;
mod wire;

use options::Options;
use server::Server;

fn main() -> ExitCode {
    run(Options::parse()).unwrap_or_else(|error| {
        eprintln!("kv: {error}");
        ExitCode::FAILURE
    })
}

fn run(options: Options) -> Result<ExitCode, Box<dyn Error>> {
    if options.demo {
        return demo::run(options);
    }
    let admin = options.admin.clone();
    let runtime = runtime(&options)?;
    let keyspace = runtime.block_on(async {
        let server = Server::bind(options)?;
        let keyspace = server.keyspace();
        // before anybody hears that it serves: who tells it to stop at once is heard too
        let mut stop = Stop::new()?;
        let _open = admin.serve(|options| keyspace.offer(options))?;
        println!("kv serves {}; stop it with Ctrl-C", server.address()?);
        tokio::select! {
            () = server.run() => {}
            () = stop.told() => {}
        }
        Ok::<_, Box<dyn Error>>(keyspace)
    })?;
    // from here on nobody is answered, and a save that was running has ended: the last one has all that anybody was told of
    drop(runtime);
    keyspace.save_at_the_end()?;
    Ok(ExitCode::SUCCESS)
}

/// Ctrl-C, or what a service manager sends.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The threads that serve: the main one alone, if one is enough. They have no timers: see `timers`. One of several does not rest: it
/// may have to take over what another has not come to.
fn runtime(options: &Options) -> io::Result<Runtime> {
    timers::start();
    match options.threads {
        1 => {
            let mut one = Builder::new_current_thread();
            one.on_thread_park(rest::has_nothing_to_do);
            one
        }
        more => {
            let mut several = Builder::new_multi_thread();
            several.worker_threads(more.into());
            several
        }
    }
    .enable_io()
    .build()
}
