//! Connections: accepts them within bounds, reads commands, writes replies, one write for what one read brought.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kv_store::{Bytes, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::coop::consume_budget;

use crate::admin;
use crate::keyspace::{Keyspace, now};
use crate::options::Options;
use crate::resp::{ProtocolError, Reader};
use crate::rest;
use crate::session::{Session, Todo};
use crate::timers::{sleep, timeout};
use crate::wire::Out;

/// Replies beyond this are written before more commands run: a client that does not read holds up only itself.
const UNWRITTEN: usize = 256 * 1024;
/// How many commands of one client are taken before the first of them runs: the first key of each is fetched from memory meanwhile.
const AHEAD: usize = 16;
/// How many clients may wait to be accepted: in a full queue, each waits a second for its next try.
const WAITING: u32 = 4096;

/// A server that listens.
pub(crate) struct Server {
    listener: TcpListener,
    keyspace: Keyspace,
    options: Arc<Options>,
}

impl Server {
    pub(crate) fn bind(options: Options) -> io::Result<Self> {
        let listener = listen(options.port).map_err(|error| {
            io::Error::new(error.kind(), format!("port {} cannot be served: {error}", options.port))
        })?;
        let keyspace =
            options.incoming().and_then(|incoming| Keyspace::open(options.at, options.dir.as_deref(), incoming));
        let keyspace = keyspace.map_err(io::Error::other)?;
        Ok(Self { listener, keyspace, options: Arc::new(options) })
    }

    pub(crate) fn keyspace(&self) -> Keyspace {
        self.keyspace.clone()
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until it is dropped.
    pub(crate) async fn run(self) {
        tokio::spawn(self.keyspace.clone().sweep());
        tokio::spawn(self.keyspace.clone().expire());
        let places = Arc::new(Semaphore::new(self.options.max_clients as usize));
        for id in 1.. {
            let mut stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // out of descriptors, most likely: those who are here go on, and may leave
                    eprintln!("kv: cannot accept: {error}");
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                let _ = stream.try_write(b"-ERR max number of clients reached\r\n");
                continue;
            };
            let session = Session::new(self.keyspace.clone(), id);
            let options = Arc::clone(&self.options);
            tokio::spawn(async move {
                if let Err(error) = serve(&mut stream, session, &options).await
                    && !matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
                {
                    eprintln!("kv: client {id}: {error}");
                }
                drop(place);
            });
        }
    }
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(WAITING)
}

/// Serves one client until it leaves, or is sent away.
async fn serve(stream: &mut TcpStream, mut session: Session, options: &Options) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = Reader::new(options.limits());
    let (mut ahead, mut out) = (Vec::new(), Out::default());
    loop {
        if stream.read_buf(reader.room()).await? == 0 {
            return Ok(());
        }
        rest::has_read();
        session.now = now();
        let stays = 'commands: loop {
            let more = look_ahead(&mut reader, &session, &mut ahead);
            for words in ahead.drain(..) {
                match session.take(words) {
                    // where it is: what has only just been stored is slow to move, see `Command::words`
                    Todo::Reply(ref reply) => session.protocol.write(reply, &mut out),
                    Todo::Quit => {
                        session.protocol.write(&Reply::OK, &mut out);
                        break 'commands false;
                    }
                    Todo::Drop(why) => return Err(io::Error::other(why)),
                    // on the heap, like the farewell: what few clients ever need is not part of what each one costs
                    Todo::Save(how) => {
                        session.protocol.write(&Box::pin(session.keyspace().save(how)).await, &mut out);
                    }
                    Todo::Hotswap(args) => {
                        session.protocol.write(&Box::pin(admin::run(session.keyspace(), &args)).await, &mut out);
                    }
                }
                if !out.parts.is_empty() || out.rest.len() > UNWRITTEN {
                    flush(stream, &mut out, options).await?;
                    session.now = now();
                }
            }
            match more {
                Ok(true) => {}
                Ok(false) => break true,
                Err(wrong) => {
                    session.protocol.write(&Reply::error(format_args!("ERR {wrong}")), &mut out);
                    break false;
                }
            }
        };
        flush(stream, &mut out, options).await?;
        if !stays {
            return Box::pin(leave(stream, options)).await;
        }
    }
}

/// Takes the next commands that have come; whether there may be more, or what is wrong with the one after them.
fn look_ahead(reader: &mut Reader, session: &Session, ahead: &mut Vec<Vec<Bytes>>) -> Result<bool, ProtocolError> {
    let more = loop {
        if ahead.len() == AHEAD {
            break Ok(true);
        }
        match reader.next() {
            Ok(Some(words)) => ahead.push(words),
            Ok(None) => break Ok(false),
            Err(wrong) => break Err(wrong),
        }
    };
    // one alone would only be looked up twice
    if ahead.len() > 1 {
        session.keyspace().prefetch(ahead.iter().filter_map(|words| words.get(1)));
    }
    more
}

async fn flush(stream: &mut TcpStream, out: &mut Out, options: &Options) -> io::Result<()> {
    for part in mem::take(&mut out.parts) {
        write(stream, &part, options).await?;
    }
    write(stream, &out.rest, options).await?;
    out.rest.clear();
    if out.rest.capacity() > UNWRITTEN {
        out.rest = Vec::new();
    }
    Ok(())
}

async fn write(stream: &mut TcpStream, mut bytes: &[u8], options: &Options) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = match stream.try_write(bytes) {
            Err(full) if full.kind() == io::ErrorKind::WouldBlock => {
                // a client that reads slowly is served; one that does not read at all is not
                let written = Box::pin(timeout(options.stalled_after(), stream.write(bytes))).await;
                written.map_err(|_| io::Error::other("does not read its replies; let go"))?
            }
            written => written,
        };
        match written? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
        // a try counts for nothing: others have their turn, however much there is to write
        consume_budget().await;
    }
    Ok(())
}

/// Says goodbye: what the client still sends is read a while, for closing on unread bytes would take the last reply away.
async fn leave(stream: &mut TcpStream, options: &Options) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = [0; 1024];
    let mut bytes = 0;
    let drain = async {
        while bytes < UNWRITTEN {
            match stream.read(&mut rest).await {
                Ok(n @ 1..) => bytes += n,
                _ => break,
            }
        }
    };
    let _ = timeout(options.stalled_after().min(Duration::from_secs(1)), drain).await;
    Ok(())
}
