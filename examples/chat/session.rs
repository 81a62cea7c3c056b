//! One client: its lines become inputs, and what is queued for it is written.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use crate::host::{Host, Outgoing, QUEUE};
use crate::lines::{LINE, Lines, TooLong};
use crate::machine::room::{Emote, Session, Speak, Topic, Who};
use crate::operator;
use crate::rules;

const USAGE: &str = "usage: /join ROOM NICK | /leave | /topic TEXT | /who | /tell NICK TEXT | /me TEXT | \
                     /later SECONDS TEXT | /hotswap COMMAND | /quit; what has no slash is said";
/// How far off a timer may be.
const LATEST: u64 = 3600;

/// A connected client. It leaves its room when this is dropped, however that comes about.
pub(crate) struct Client {
    host: Arc<Host>,
    session: Session,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.host.disconnect(self.session);
    }
}

impl Client {
    pub(crate) fn new(host: Arc<Host>, session: Session) -> Self {
        Self { host, session }
    }

    /// Serves until the client goes or is let go; `patience` is how long it may take to read what was written.
    pub(crate) async fn serve(
        self,
        mut stream: TcpStream,
        mut queue: Receiver<Outgoing>,
        patience: Duration,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (read, mut write) = stream.split();
        let mut lines = Lines::new(read);
        let mut waiting = Vec::new();
        let farewell = loop {
            tokio::select! {
                // what waits is written before more is read: who does not read is not heard for long
                biased;
                n = queue.recv_many(&mut waiting, QUEUE) => {
                    if n == 0 {
                        break "! let go: more lines were waiting for you than you read\n";
                    }
                    let mut text = String::new();
                    for line in waiting.drain(..) {
                        text.extend([&*line, "\n"]);
                    }
                    timeout(patience, write.write_all(text.as_bytes())).await??;
                }
                line = lines.next() => {
                    let done = match line? {
                        Some(Ok(line)) => self.take(&line).await,
                        Some(Err(TooLong)) => Err(format!("line too long: it may have {LINE} bytes")),
                        None => return Ok(()),
                    };
                    match done {
                        Ok(ControlFlow::Continue(())) => {}
                        Ok(ControlFlow::Break(())) => break "# goodbye\n",
                        Err(why) => self.host.tell(self.session, &format!("! {why}")),
                    }
                    // those whom the line is for have their turn before this client's next line
                    tokio::task::yield_now().await;
                }
            }
        };
        // for the others it is gone now
        drop(self);
        timeout(patience, write.write_all(farewell.as_bytes())).await??;
        write.shutdown().await?;
        // closing on unread lines would take the last words away
        let _ = timeout(Duration::from_secs(1), async { while let Ok(Some(_)) = lines.next().await {} }).await;
        Ok(())
    }

    /// Takes one line; the error is for the client to see.
    async fn take(&self, line: &str) -> Result<ControlFlow<()>, String> {
        let (host, by) = (&self.host, self.session);
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let two = || rest.split_once(' ').ok_or_else(|| USAGE.to_owned());
        let sent = match verb {
            "/join" => {
                let (room, nick) = two()?;
                rules::check_name(room)?;
                host.join(by, room, nick)
            }
            "/leave" => host.leave(by),
            "/topic" => host.send(by, Topic { by, text: rest.to_owned() }),
            "/who" => host.send(by, Who { by }),
            "/me" => host.send(by, Emote { by, text: rest.to_owned() }),
            "/tell" => {
                let (to, text) = two()?;
                host.send(by, Speak { by, text: text.to_owned(), to: Some(to.to_owned()), at: now() })
            }
            "/later" => {
                let (seconds, text) = two()?;
                let seconds = seconds.parse().ok().filter(|seconds| *seconds <= LATEST);
                let after = seconds.ok_or_else(|| format!("a timer takes 0 to {LATEST} seconds"))?;
                host.later(by, Duration::from_secs(after), text.to_owned());
                Ok(())
            }
            "/hotswap" => {
                let (admin, command) = (host.admin(), rest.to_owned());
                // it may look at every room: not on the thread that serves
                let done = tokio::task::spawn_blocking(move || operator::run(&admin, &command)).await;
                for line in done.map_err(|failed| failed.to_string())??.lines() {
                    host.tell(by, &format!("# {line}"));
                }
                Ok(())
            }
            "/quit" => return Ok(ControlFlow::Break(())),
            "" => Ok(()),
            _ if verb.starts_with('/') => return Err(USAGE.to_owned()),
            _ => host.send(by, Speak { by, text: line.to_owned(), to: None, at: now() }),
        };
        sent.map(ControlFlow::Continue).map_err(|why| format!("{verb}: {why}"))
    }
}

/// Seconds since 1970.
fn now() -> Option<u64> {
    Some(SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs())
}
