//! A chat server that changes its version while people talk: listens, and gives each client a task.
//!
//! `--port 6391` serves until Ctrl-C; `nc 127.0.0.1 6391` is a client.

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use hotswap_examples::admin::AdminOptions;
use tokio::net::{TcpListener, TcpSocket};

mod host;
mod lines;
mod machine;
mod operator;
mod rules;
mod session;

use host::Host;
use session::Client;

/// How many clients may wait to be accepted.
const WAITING: u32 = 1024;
/// How much of what a client has not read the system holds, in bytes; the rest waits in its queue.
const SEND_BUFFER: u32 = 64 * 1024;

/// A chat server that changes its version while people talk.
#[derive(Debug, Parser)]
#[command(name = "chat")]
struct Options {
    /// The port of the loopback interface to serve; 0 for a free one
    #[arg(long, default_value_t = 6391)]
    port: u16,
    /// The version to start at
    #[arg(long, default_value_t = 1)]
    at: u32,
    /// How many clients may be connected at once
    #[arg(long, default_value_t = 1000)]
    max_clients: usize,
    /// Seconds that a client may take to read what was sent to it
    #[arg(long, default_value_t = 10)]
    stalled_after: u64,
    #[command(flatten)]
    admin: AdminOptions,
}

// one thread: a client's lines wait for no other's, and those who read have their turn between two lines
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind((Ipv4Addr::LOCALHOST, options.port).into())?;
    let listener = socket.listen(WAITING)?;
    let host = Arc::new(Host::new(options.at)?);
    let _open = options.admin.serve(|options| options)?;
    println!("chat serves {}", listener.local_addr()?);
    tokio::select! {
        () = serve(&listener, &host, &options) => {}
        stop = tokio::signal::ctrl_c() => stop?,
    }
    Ok(())
}

async fn serve(listener: &TcpListener, host: &Arc<Host>, options: &Options) {
    let patience = Duration::from_secs(options.stalled_after);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // out of descriptors, most likely: those who are here go on, and may leave
                eprintln!("chat: cannot accept: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some((session, queue)) = host.connect(options.max_clients) else {
            let _ = stream.try_write(b"! the server is full\n");
            continue;
        };
        let client = Client::new(Arc::clone(host), session);
        tokio::spawn(async move {
            // whoever is gone is gone, for whatever reason; the others were told when the client was dropped
            let _ = client.serve(stream, queue, patience).await;
        });
    }
}
