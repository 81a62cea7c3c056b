//! `kv` answers as Redis 7.0 does: each reply was taken from a real one.

mod kv;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use kv::Server;

/// What a fresh client hears that sends these lines, parted by ` | `; line ends of the answer are spaces here.
fn ask(server: &Server, lines: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.write_all(format!("{}\r\n", lines.replace(" | ", "\r\n")).as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.replace("\r\n", " ").trim_end().to_owned()
}

fn check(cases: &[(&str, &str)]) {
    let server = Server::start(&["--at", "3"]);
    for (lines, expected) in cases {
        assert_eq!(ask(&server, "FLUSHALL"), "+OK");
        assert_eq!(ask(&server, lines), *expected, "{lines}");
    }
}

#[test]
fn lines_and_their_quotes() {
    check(&[
        (r#"SET k x"y z" | GET k"#, "+OK $4 xy z"),
        (r#"ECHO a"b"#, "-ERR Protocol error: unbalanced quotes in request"),
        ("ECHO a'b", "-ERR Protocol error: unbalanced quotes in request"),
        (r#"ECHO "\a\b\t\x41\q""#, "$5 \x07\x08\tAq"),
        ("\x0b\x0cECHO a", "$1 a"),
        ("*-5 | PING", "+PONG"),
    ]);
}

#[test]
fn options_that_clear_everything() {
    check(&[
        ("SET k x | FLUSHALL BOGUS | DBSIZE", "+OK -ERR syntax error :1"),
        ("SET k x | FLUSHDB SYNC SYNC | DBSIZE", "+OK -ERR syntax error :1"),
        ("SET k x | FLUSHALL a b | DBSIZE", "+OK -ERR syntax error :1"),
        ("SET k x | FLUSHALL async | DBSIZE", "+OK +OK :0"),
        ("SET k x | FLUSHDB SYNC | DBSIZE", "+OK +OK :0"),
    ]);
}

#[test]
fn transactions_that_are_misspelled() {
    let (aborted, because) = (
        "-EXECABORT Transaction discarded because of previous errors.",
        "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command",
    );
    let arity = |name: &str| format!("-ERR wrong number of arguments for '{name}' command");
    check(&[
        ("MULTI x | PING", &format!("{} +PONG", arity("multi"))),
        ("MULTI | MULTI x | EXEC", &format!("+OK {} {aborted}", arity("multi"))),
        ("MULTI | DISCARD x | EXEC", &format!("+OK {} {aborted}", arity("discard"))),
        ("MULTI | DISCARD x | DISCARD", &format!("+OK {} +OK", arity("discard"))),
        ("MULTI | PING | EXEC x | EXEC", &format!("+OK +QUEUED {because} -ERR EXEC without MULTI")),
        ("EXEC x", because),
    ]);
}

#[test]
fn counts_of_what_to_take() {
    let positive = "-ERR value is out of range, must be positive";
    check(&[
        ("LPOP m | LPOP m 2 | RPOP m 0", "$-1 *-1 *-1"),
        ("LPOP m -1", positive),
        ("RPOP m x", positive),
        ("SPOP m 99999999999999999999", positive),
        ("SPOP m 1 2", "-ERR syntax error"),
        ("SPOP m 2", "*0"),
        ("RPUSH l a b | LPOP l 0 | LPOP l 9", ":2 *0 *2 $1 a $1 b"),
        ("SCAN 0 COUNT 0", "-ERR syntax error"),
        ("SCAN 0 COUNT -1", "-ERR syntax error"),
        ("SCAN 0 COUNT x BOGUS", "-ERR value is not an integer or out of range"),
        ("SCAN 0 COUNT 99999999999999999999", "-ERR value is not an integer or out of range"),
        ("SCAN 0 COUNT 9223372036854775807", "*2 $1 0 *0"),
    ]);
}

#[test]
fn options_of_times_to_live() {
    let [alone, apart] = [
        "-ERR NX and XX, GT or LT options at the same time are not compatible",
        "-ERR GT and LT options at the same time are not compatible",
    ];
    check(&[
        ("EXPIRE k 10 NX", ":0"),
        ("SET k x | EXPIRE k 10 NX | EXPIRE k 20 NX | TTL k", "+OK :1 :0 :10"),
        ("SET k x | EXPIRE k 10 XX | EXPIRE k 10 | EXPIRE k 20 xx | TTL k", "+OK :0 :1 :1 :20"),
        ("SET k x | EXPIRE k 10 GT | EXPIRE k 10 | EXPIRE k 5 GT | EXPIRE k 20 GT | TTL k", "+OK :0 :1 :0 :1 :20"),
        ("SET k x | EXPIRE k 10 LT | EXPIRE k 20 LT | EXPIRE k 5 LT | TTL k", "+OK :1 :0 :1 :5"),
        ("SET k x | EXPIRE k -1 GT | EXPIRE k -1 NX | GET k", "+OK :0 :1 $-1"),
        ("SET k x | PEXPIRE k 10000 XX GT | PEXPIRE k 10000 LT XX", "+OK :0 :0"),
        ("PEXPIRE k 10000 NX XX", alone),
        ("PEXPIRE k 10000 NX GT", alone),
        ("PEXPIRE k 10000 GT LT", apart),
        ("PEXPIRE k abc BOGUS", "-ERR Unsupported option BOGUS"),
        ("SET k x EX 0 KEEPTTL", "-ERR syntax error"),
        ("SET k x EX abc BOGUS", "-ERR syntax error"),
        ("SET k x EX 100 PX 100", "-ERR syntax error"),
        ("SET k x NX XX", "-ERR syntax error"),
        ("SET k x EX 0 NX", "-ERR invalid expire time in 'set' command"),
        ("SET k x NX NX | SET k y XX XX KEEPTTL KEEPTTL", "+OK +OK"),
        ("SET k x EX 0 EX 100 | TTL k", "+OK :100"),
    ]);
}

#[test]
fn what_clients_ask_at_their_start() {
    let [name, wrong, number] = [
        "-ERR Client names cannot contain spaces, newlines or special characters.",
        "-WRONGPASS invalid username-password pair or user is disabled.",
        "-ERR Protocol version is not an integer or out of range",
    ];
    check(&[
        ("HELLO 02", number),
        ("HELLO abc", number),
        ("HELLO 4", "-NOPROTO unsupported protocol version"),
        ("HELLO 3 BOGUS x", "-ERR Syntax error in HELLO option 'BOGUS'"),
        ("HELLO 3 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'"),
        ("HELLO 2 AUTH default", "-ERR Syntax error in HELLO option 'AUTH'"),
        ("HELLO 3 SETNAME \"a b\" | CLIENT GETNAME", &format!("{name} $-1")),
        ("HELLO 3 AUTH other x SETNAME n | CLIENT GETNAME", &format!("{wrong} $-1")),
        (r#"CLIENT SETNAME "a\nb""#, name),
        ("CLIENT SETNAME n | CLIENT GETNAME", "+OK $1 n"),
        ("CLIENT GETNAME x", "-ERR wrong number of arguments for 'client|getname' command"),
        ("CONFIG GET", "-ERR wrong number of arguments for 'config|get' command"),
        ("CONFIG GET sav? save", "*2 $4 save $0"),
        ("CONFIG get \"APPENDONL*\"", "*2 $10 appendonly $2 no"),
        ("COMMAND INFO nosuch", "*1 $-1"),
        ("SELECT x", "-ERR value is not an integer or out of range"),
    ]);
    let server = Server::start(&[]);
    // the order of a map is the one that it was written in
    let hello = ask(&server, "HELLO 3 AUTH default any SETNAME n");
    assert!(hello.starts_with("%7 $6 server $5 redis $7 version $5 7.0.0 $5 proto :3 $2 id :"), "{hello}");
    assert!(ask(&server, "COMMAND BOGUS").starts_with("-ERR unknown subcommand 'BOGUS'"));
}
