//! What hostile clients send gets a clear error, and costs `kv` nothing that stays.

mod kv;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use kv::Server;
use redis::Commands;

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server takes a client");
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends it all, and reads until the server closes.
fn answer(server: &Server, sent: &[u8]) -> String {
    let mut stream = connect(server);
    // the server may close before it has read all
    let _ = stream.write_all(sent);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn assert_serves(server: &Server) {
    assert_eq!(server.client().get::<_, String>("here").unwrap(), "still");
}

/// A server with something in it that has served before, so that what it needs at most once is there.
fn warm(options: &[&str]) -> Server {
    let server = Server::start(options);
    let mut redis = server.client();
    let _: () = redis.set("here", "still").unwrap();
    server
}

/// Waits until descriptors and memory are back within 5 %; fails when they do not come back.
fn assert_back(server: &Server, descriptors: usize, memory: u64) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let now = (server.descriptors(), server.memory());
        // a process this small: one page more is not a leak
        if now.0 * 100 <= descriptors * 105 && now.1 * 100 <= memory * 105 {
            return;
        }
        assert!(Instant::now() < end, "{now:?} descriptors and KiB, {descriptors} and {memory} before");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn malformed_commands_are_named_and_end_the_connection() {
    let server = warm(&["--max-argument", "1"]);
    for (sent, expected) in [
        ("*1\r\n*1\r\n*1\r\n", "expected '$', got '*'"),
        ("*x\r\n", "invalid multibulk length"),
        ("*-7\r\n", "invalid multibulk length"),
        ("*99999999999\r\n", "invalid multibulk length"),
        ("*1000000000\r\n", "invalid multibulk length"),
        ("*1\r\n$-4\r\n", "invalid bulk length"),
        ("*1\r\n$1048577\r\n", "invalid bulk length"),
        ("*1\r\n$999999999999999999999\r\n", "invalid bulk length"),
        ("*1\r\n:1\r\n", "expected '$', got ':'"),
        ("*1\r\n$4\r\nPINGxx", "expected CRLF after a bulk string"),
        ("GET \"here\r\n", "unbalanced quotes in request"),
    ] {
        let said = answer(&server, sent.as_bytes());
        assert_eq!(said, format!("-ERR Protocol error: {expected}\r\n"), "{sent:?}");
    }
    let nested = "*1\r\n".repeat(10_000);
    assert_eq!(answer(&server, nested.as_bytes()), "-ERR Protocol error: expected '$', got '*'\r\n");
    let line = "x".repeat(100_000);
    assert_eq!(answer(&server, line.as_bytes()), "-ERR Protocol error: too big inline request\r\n");
    assert_serves(&server);
}

#[test]
fn half_a_command_and_a_close_leave_nothing() {
    let server = warm(&[]);
    let half = |_| {
        let mut stream = connect(&server);
        stream.write_all(b"*2\r\n$3\r\nGET\r\n$1000000\r\nxx").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    };
    (0..100).for_each(half);
    let (descriptors, memory) = (server.descriptors(), server.memory());
    (0..1000).for_each(half);
    assert_back(&server, descriptors, memory);
    assert_serves(&server);
}

#[test]
fn ten_thousand_connections_opened_and_dropped_leave_nothing() {
    let server = warm(&[]);
    let wave = |n| {
        let streams: Vec<_> = (0..n).map(|_| connect(&server)).collect();
        drop(streams);
        assert_serves(&server);
    };
    let descriptors = server.descriptors();
    // what an allocator keeps after the first crowd is no leak; that a second one costs nothing shows it
    (0..10).for_each(|_| wave(1000));
    let memory = server.memory();
    (0..10).for_each(|_| wave(1000));
    assert_back(&server, descriptors, memory);
    assert_serves(&server);
}

#[test]
fn one_client_too_many_is_told() {
    let server = warm(&["--max-clients", "2"]);
    let end = Instant::now() + Duration::from_secs(5);
    // the client that warmed it may still be on its way out
    let _held = loop {
        let mut held: Vec<TcpStream> = (0..2).map(|_| connect(&server)).collect();
        let served =
            |stream: &mut TcpStream| stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut [0; 7]).is_ok();
        if held.iter_mut().all(served) {
            break held;
        }
        assert!(Instant::now() < end, "two clients are not taken");
    };
    assert_eq!(answer(&server, b""), "-ERR max number of clients reached\r\n");
}

#[test]
fn a_client_that_never_reads_is_let_go_and_leaves_nothing() {
    let server = warm(&["--stalled-after", "1"]);
    let _: () = server.client().set("large", vec![b'x'; 1 << 20]).unwrap();
    let deaf = || {
        let mut stream = connect(&server);
        stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
        // the server stops reading when its replies are not taken, and closes in the end
        while stream.write_all(&b"GET large\r\n".repeat(1000)).is_ok() {}
    };
    deaf();
    let (descriptors, memory) = (server.descriptors(), server.memory());
    thread::scope(|scope| {
        let deaf: Vec<_> = (0..4).map(|_| scope.spawn(deaf)).collect();
        while !deaf.iter().all(thread::ScopedJoinHandle::is_finished) {
            assert_serves(&server);
            assert!(server.memory() < memory + 64 * 1024, "replies pile up");
            thread::sleep(Duration::from_millis(10));
        }
    });
    assert_back(&server, descriptors, memory);
    assert_serves(&server);
}

#[test]
fn a_large_command_in_small_pieces_is_read_once() {
    let server = warm(&[]);
    let mut stream = connect(&server);
    let large = 4 << 20;
    let started = Instant::now();
    stream.write_all(format!("*3\r\n$3\r\nSET\r\n$5\r\npiece\r\n${large}\r\n").as_bytes()).unwrap();
    let piece = [b'x'; 128];
    (0..large / piece.len()).for_each(|_| stream.write_all(&piece).unwrap());
    stream.write_all(b"\r\n").unwrap();
    let mut ok = [0; 5];
    stream.read_exact(&mut ok).unwrap();
    assert_eq!(&ok, b"+OK\r\n");
    // parsed anew at every read it takes minutes
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(server.client().strlen::<_, usize>("piece").unwrap(), large);
}
