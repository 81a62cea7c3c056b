//! A client of our own: SET, GET and INCR on random keys, pipelined as fast as it goes or at a rate that waits for nobody.
//!
//! At a rate, a request's wait counts from when it was due, sent or not: a server that stalls does not slow down who counts.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use hotswap_benches::turns::exact;

use crate::server::Server;

/// How often one who has lost its connection tries again.
const RETRY: Duration = Duration::from_millis(1);
/// What no run of the bench takes.
const TOO_LONG: Duration = Duration::from_mins(1);

/// When requests are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// So many on each connection, and again when all are answered.
    Closed { connections: usize, pipeline: usize },
    /// One after each of these times, on the connections in turn.
    Open { connections: usize, every: Duration },
}

/// What happened in a while.
pub(crate) struct Window {
    answered: u64,
    took: Duration,
    /// In nanoseconds.
    waits: Histogram<u64>,
    /// Requests whose connection broke before they were answered.
    pub(crate) lost: u64,
}

impl Window {
    fn new() -> Self {
        Self { answered: 0, took: Duration::ZERO, waits: Histogram::new(3).expect("three digits"), lost: 0 }
    }

    /// Requests answered in a second.
    pub(crate) fn rate(&self) -> f64 {
        exact(self.answered) / self.took.as_secs_f64()
    }

    /// The wait that so many did not exceed, in milliseconds.
    pub(crate) fn wait(&self, quantile: f64) -> f64 {
        exact(self.waits.value_at_quantile(quantile)) / 1e6
    }

    /// How many waited longer.
    pub(crate) fn longer_than(&self, wait: Duration) -> u64 {
        self.waits.len() - self.waits.count_between(0, nanoseconds(wait))
    }

    /// This and what followed.
    pub(crate) fn and(mut self, next: Self) -> Self {
        self.waits += next.waits;
        Self {
            answered: self.answered + next.answered,
            took: self.took + next.took,
            waits: self.waits,
            lost: self.lost + next.lost,
        }
    }
}

/// An upgrade that the operator tells the server to do, as who waits for it sees it.
pub(crate) struct Upgrade(Receiver<()>);

impl Upgrade {
    fn is_answered(&self) -> bool {
        let answer = self.0.try_recv();
        assert_ne!(answer, Err(TryRecvError::Disconnected), "the operator's upgrade failed");
        answer.is_ok()
    }
}

/// The client.
pub(crate) struct Load {
    address: SocketAddr,
    /// Takes the version to go to, and what to answer by.
    operator: Sender<(u32, Sender<()>)>,
    pace: Pace,
    keys: u64,
    connections: Vec<Connection>,
    /// When the next request is due, at a rate, and on which connection.
    due: Instant,
    next: usize,
    lots: u64,
    version: u32,
}

impl Load {
    pub(crate) fn new(server: &Server, pace: Pace, keys: u64) -> Self {
        let (Pace::Closed { connections, .. } | Pace::Open { connections, .. }) = pace;
        let address = server.address();
        let connections = (0..connections).map(|_| Connection::new(address)).collect();
        let operator = spawn_operator(server);
        Self { address, operator, pace, keys, connections, due: Instant::now(), next: 0, lots: 1, version: 1 }
    }

    /// The version that was asked for last.
    pub(crate) fn at(&self) -> u32 {
        self.version
    }

    /// Has an operator with a connection and a thread of its own tell the server to go to a version; that is answered when all
    /// keys are there.
    pub(crate) fn upgrade(&mut self, to: u32) -> Upgrade {
        self.version = to;
        let (answer, answered) = mpsc::channel();
        self.operator.send((to, answer)).expect("the operator waits for what to do");
        Upgrade(answered)
    }

    /// Sends and receives until the upgrade is answered.
    pub(crate) fn finish(&mut self, upgrade: &Upgrade) -> Window {
        self.until(|| upgrade.is_answered())
    }

    /// Sends and receives for so long.
    pub(crate) fn run(&mut self, time: Duration) -> Window {
        let start = Instant::now();
        self.until(|| start.elapsed() >= time)
    }

    /// Sends and receives until then.
    pub(crate) fn until(&mut self, over: impl Fn() -> bool) -> Window {
        let (start, mut window) = (Instant::now(), Window::new());
        while !over() {
            assert!(start.elapsed() < TOO_LONG, "the server hangs");
            self.send();
            let mut idle = true;
            for connection in &mut self.connections {
                idle &= !connection.exchange(self.address, &mut window);
            }
            if idle {
                thread::yield_now();
            }
        }
        window.took = start.elapsed();
        window
    }

    /// Hands out what is due.
    fn send(&mut self) {
        let now = Instant::now();
        match self.pace {
            Pace::Closed { pipeline, .. } => {
                for connection in &mut self.connections {
                    if connection.waiting.is_empty() {
                        (0..pipeline).for_each(|_| connection.ask(now, draw(&mut self.lots), self.keys));
                    }
                }
            }
            Pace::Open { every, .. } => {
                while self.due <= now {
                    self.connections[self.next].ask(self.due, draw(&mut self.lots), self.keys);
                    self.next = (self.next + 1) % self.connections.len();
                    self.due += every;
                }
            }
        }
    }
}

/// One connection, or what waits for there to be one again.
struct Connection {
    stream: Option<TcpStream>,
    tried: Instant,
    out: Vec<u8>,
    input: Vec<u8>,
    /// When those were due that are not answered.
    waiting: VecDeque<Instant>,
}

impl Connection {
    fn new(address: SocketAddr) -> Self {
        let stream = Some(connect(address).expect("the server takes a client"));
        Self { stream, tried: Instant::now(), out: Vec::new(), input: Vec::new(), waiting: VecDeque::new() }
    }

    fn ask(&mut self, due: Instant, lot: u64, keys: u64) {
        let key = lot / 4 % keys;
        let out = &mut self.out;
        // all values are numbers, so that any key can be counted up
        let written = match lot % 3 {
            0 => write!(out, "*3\r\n$3\r\nSET\r\n$16\r\nkey:{key:012}\r\n$6\r\n{:06}\r\n", 100_000 + lot % 800_000),
            1 => write!(out, "*2\r\n$3\r\nGET\r\n$16\r\nkey:{key:012}\r\n"),
            _ => write!(out, "*2\r\n$4\r\nINCR\r\n$16\r\nkey:{key:012}\r\n"),
        };
        written.expect("a buffer that grows takes everything");
        self.waiting.push_back(due);
    }

    /// Sends and receives what is possible now; whether that was anything.
    fn exchange(&mut self, address: SocketAddr, window: &mut Window) -> bool {
        let Some(stream) = &mut self.stream else {
            if self.tried.elapsed() >= RETRY {
                self.tried = Instant::now();
                self.stream = connect(address).ok();
            }
            return false;
        };
        let Ok(any) = exchange(stream, &mut self.out, &mut self.input) else {
            window.lost += self.waiting.len() as u64;
            (self.stream, self.tried) = (None, Instant::now());
            self.out.clear();
            self.input.clear();
            self.waiting.clear();
            return true;
        };
        let (now, mut read) = (Instant::now(), 0);
        while let Some(end) = reply(&self.input[read..]) {
            read += end;
            let due = self.waiting.pop_front().expect("a reply answers a request");
            window.waits.record(nanoseconds(now - due)).expect("the histogram grows");
            window.answered += 1;
        }
        self.input.drain(..read);
        any
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Writes and reads what goes at once; whether that was anything.
fn exchange(stream: &mut TcpStream, out: &mut Vec<u8>, input: &mut Vec<u8>) -> io::Result<bool> {
    let mut any = false;
    if !out.is_empty() {
        match stream.write(out) {
            Ok(written) => {
                out.drain(..written);
                any = true;
            }
            Err(full) if full.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    let mut piece = [0; 16 * 1024];
    match stream.read(&mut piece) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(read) => {
            input.extend_from_slice(&piece[..read]);
            Ok(true)
        }
        Err(none) if none.kind() == ErrorKind::WouldBlock => Ok(any),
        Err(error) => Err(error),
    }
}

/// How long the first reply is, once it is whole.
fn reply(bytes: &[u8]) -> Option<usize> {
    let line = bytes.iter().position(|byte| *byte == b'\n')? + 1;
    match bytes[0] {
        b'+' | b':' => Some(line),
        b'$' => {
            let length = str::from_utf8(&bytes[1..line - 2]).ok().and_then(|length| length.parse::<usize>().ok());
            let whole = line + length.expect("every key is there") + 2;
            (bytes.len() >= whole).then_some(whole)
        }
        _ => unreachable!("no request fails: {}", bytes[..line].escape_ascii()),
    }
}

fn operator(server: &Server) -> redis::Connection {
    let address = format!("redis://{}/?protocol=resp3", server.address());
    redis::Client::open(address).and_then(|client| client.get_connection()).expect("the server takes a client")
}

/// Connected and running before anything is measured, so that to tell it something costs the load nothing but that. It ends with
/// the load.
fn spawn_operator(server: &Server) -> Sender<(u32, Sender<()>)> {
    let mut connection = operator(server);
    let (sender, receiver) = mpsc::channel::<(u32, Sender<()>)>();
    thread::spawn(move || {
        for (to, answer) in receiver {
            let upgrade = ["UPGRADE", &to.to_string(), "ACCEPT-LOSS", "bench"];
            redis::cmd("HOTSWAP").arg(&upgrade).exec(&mut connection).expect("it upgrades");
            let _ = answer.send(()); // nobody may wait for it any more
        }
    });
    sender
}

/// Sets every key.
pub(crate) fn fill(server: &Server, keys: u64) {
    let mut operator = operator(server);
    for from in (0..keys).step_by(1000) {
        let pairs: Vec<_> = (from..from + 1000).map(|key| (format!("key:{key:012}"), key)).collect();
        redis::cmd("MSET").arg(&pairs).exec(&mut operator).expect("it is set");
    }
}

/// How many keys there are.
pub(crate) fn count(server: &Server) -> u64 {
    redis::cmd("DBSIZE").query(&mut operator(server)).expect("a number")
}

/// A number, the same ones in every run.
fn draw(lots: &mut u64) -> u64 {
    // the multiplier of Knuth's MMIX generator; its upper bits are the good ones
    *lots = lots.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *lots >> 33
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
