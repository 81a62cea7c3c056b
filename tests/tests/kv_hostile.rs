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
    let descriptors = server.descriptors();
    let _: () = server.client().set("here", "still").unwrap();
    wait_until("the client is let go", || server.descriptors() == descriptors);
    server
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "not within 20 s: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Fails unless what `crowd` does leaves nothing that stays: descriptors come back each time, and there are three in a row each of
/// which leaves less than 5 % of what was taken before the first.
///
/// An allocator keeps some of what its largest crowd so far took, and how much is chance: a crowd grows it while its buffers lie where
/// none lay before, and each finds fewer such places. A leak grows it every time by as much.
fn assert_leaves_nothing(server: &Server, crowd: impl Fn()) {
    let descriptors = server.descriptors();
    let (mut memory, mut quiet) = (vec![server.memory()], 0);
    for _ in 0..25 {
        crowd();
        wait_until("descriptors are back", || server.descriptors() <= descriptors);
        assert_serves(server);
        let (before, after) = (memory[memory.len() - 1], server.memory());
        quiet = if after <= before + memory[0] / 20 { quiet + 1 } else { 0 };
        if quiet == 3 {
            return;
        }
        memory.push(after);
    }
    panic!("every crowd leaves something, in KiB: {memory:?}");
}

#[test]
fn what_follows_garbage_or_a_farewell_does_not_run() {
    let server = warm(&[]);
    let garbage = ("*1\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'\r\n");
    for (last, reply) in [garbage, ("QUIT\r\n", "+OK\r\n")] {
        let sent = "INCR n\r\n".repeat(20) + last + "INCR n\r\n";
        let counts: String = (1..=20).map(|count| format!(":{count}\r\n")).collect();
        assert_eq!(answer(&server, sent.as_bytes()), counts + reply);
        assert_eq!(server.client().get::<_, u64>("n").unwrap(), 20);
        let _: () = server.client().del("n").unwrap();
    }
    assert_serves(&server);
}

#[test]
fn malformed_commands_are_named_and_end_the_connection() {
    let server = warm(&["--max-argument", "1"]);
    for (sent, expected) in [
        ("*1\r\n*1\r\n*1\r\n", "expected '$', got '*'"),
        ("*x\r\n", "invalid multibulk length"),
        ("*-0\r\n", "invalid multibulk length"),
        ("*03\r\n", "invalid multibulk length"),
        ("*99999999999\r\n", "invalid multibulk length"),
        ("*1000000000\r\n", "invalid multibulk length"),
        ("*1\r\n$-4\r\n", "invalid bulk length"),
        ("*1\r\n$04\r\n", "invalid bulk length"),
        ("*1\r\n$1048577\r\n", "invalid bulk length"),
        ("*1\r\n$999999999999999999999\r\n", "invalid bulk length"),
        ("*1\r\n:1\r\n", "expected '$', got ':'"),
        ("*1\r\n$4\r\nPINGxx", "expected CRLF after a bulk string"),
        ("GET \"here\r\n", "unbalanced quotes in request"),
        ("GET here\"\r\n", "unbalanced quotes in request"),
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
fn a_web_page_cannot_flush() {
    let server = warm(&[]);
    for verb in ["POST / HTTP/1.1", "Host: 127.0.0.1"] {
        assert_eq!(answer(&server, format!("{verb}\r\n\r\nFLUSHALL\r\n").as_bytes()), "");
    }
    assert_serves(&server);
}

#[test]
fn plans_take_turns() {
    let server = warm(&[]);
    let pairs: Vec<_> = (0..20_000).map(|n| (n, n)).collect();
    let _: () = server.client().mset(&pairs).unwrap();
    let mut crowd: Vec<_> = (0..50).map(|_| connect(&server)).collect();
    crowd.iter_mut().for_each(|stream| stream.write_all(b"HOTSWAP PLAN 2\r\n").unwrap());
    let mut threads = 0;
    for stream in &mut crowd {
        stream.read_exact(&mut [0]).unwrap();
        threads = threads.max(server.threads());
    }
    assert!(threads < 10, "{threads} threads for 50 plans");
}

#[test]
fn half_a_command_and_a_close_leave_nothing() {
    let server = warm(&[]);
    let half = |_| {
        let mut stream = connect(&server);
        stream.write_all(b"*2\r\n$3\r\nGET\r\n$1000000\r\nxx").unwrap();
        stream
    };
    assert_leaves_nothing(&server, || {
        let mut crowd: Vec<_> = (0..1000).map(half).collect();
        crowd.iter().for_each(|stream| stream.shutdown(Shutdown::Write).unwrap());
        crowd.iter_mut().for_each(|stream| assert_eq!(stream.read(&mut [0]).unwrap(), 0));
    });
}

#[test]
fn ten_thousand_connections_opened_and_dropped_leave_nothing() {
    let server = warm(&[]);
    let before = server.descriptors();
    // all of a thousand are there at once, and all of them gone before the next: every crowd is of the same size
    let thousand = || {
        let streams: Vec<_> = (0..1000).map(|_| connect(&server)).collect();
        wait_until("all are taken", || server.descriptors() >= before + 1000);
        drop(streams);
        wait_until("all are let go", || server.descriptors() <= before);
        assert_serves(&server);
    };
    assert_leaves_nothing(&server, || (0..10).for_each(|_| thousand()));
}

#[test]
fn one_client_too_many_is_told() {
    let server = warm(&["--max-clients", "2"]);
    let mut held: Vec<TcpStream> = (0..2).map(|_| connect(&server)).collect();
    for stream in &mut held {
        stream.write_all(b"PING\r\n").unwrap();
        stream.read_exact(&mut [0; 7]).unwrap();
    }
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
    assert_leaves_nothing(&server, || {
        let memory = server.memory();
        thread::scope(|scope| {
            let deaf: Vec<_> = (0..4).map(|_| scope.spawn(deaf)).collect();
            while !deaf.iter().all(thread::ScopedJoinHandle::is_finished) {
                assert_serves(&server);
                assert!(server.memory() < memory + 64 * 1024, "replies pile up");
                thread::sleep(Duration::from_millis(10));
            }
        });
    });
}

#[test]
fn an_idle_connection_does_not_keep_what_large_values_took() {
    let server = warm(&[]);
    let mut redis = server.client();
    let before = server.memory();
    let _: () = redis.set("big", vec![b'x'; 48 << 20]).unwrap();
    assert_eq!(redis.get::<_, Vec<u8>>("big").unwrap().len(), 48 << 20);
    let _: () = redis.del("big").unwrap();
    wait_until("what it took is given back", || server.memory() < before + 8 * 1024);
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
