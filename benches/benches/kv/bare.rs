//! A server that answers without looking, on the runtime that `kv` has, resting as `kv` does: what is left when a server has no work of
//! its own. It knows three commands by a letter, keeps nothing, and answers each with what `redis-benchmark` expects.

use std::hint;
use std::io::Result;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

use crate::rest;

/// What it is called on the command line.
pub(crate) const NAME: &str = "bare";
/// What it says when it serves, before its address.
pub(crate) const READY: &str = "bare serves ";

/// Where the first letter of a command's name stands, as clients write it: `*3\r\n$3\r\nSET`.
const LETTER: usize = 8;

/// Serves until it is killed, on one thread as `kv` does, and is busy for so long more with each command.
pub(crate) fn serve(busy: Duration) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_io().on_thread_park(rest::has_nothing_to_do).build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{READY}{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(answer(stream, busy));
        }
    })
}

fn spin(long: Duration) {
    if long.is_zero() {
        return;
    }
    let begun = Instant::now();
    while begun.elapsed() < long {
        hint::spin_loop();
    }
}

async fn answer(mut stream: TcpStream, busy: Duration) -> Result<()> {
    let mut asked = vec![0; 16 * 1024];
    let mut replies = Vec::new();
    let mut reply: &[u8] = b"";
    loop {
        let read = stream.read(&mut asked).await?;
        if read == 0 {
            return Ok(());
        }
        rest::has_read();
        let bytes = &asked[..read];
        // a read may begin in the middle of a command; that is one of the same name
        if bytes.starts_with(b"*") {
            reply = match bytes.get(LETTER) {
                Some(b'S') => b"+OK\r\n",
                Some(b'G') => b"$3\r\nxxx\r\n",
                Some(b'I') => b":1\r\n",
                _ => b"-ERR it only answers\r\n",
            };
        }
        // each begins with a star, and no key or value has one
        let commands = bytes.iter().filter(|byte| **byte == b'*').fold(0, |count: u32, _| count + 1);
        spin(busy * commands);
        replies.clear();
        (0..commands).for_each(|_| replies.extend_from_slice(reply));
        stream.write_all(&replies).await?;
    }
}
