//! The `redis` crate keeps working while `kv` goes from version 1 to 3 and back.

mod kv;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hotswap_tests::Ending;
use kv::{Server, assert_accounted, upgrade};
use redis::{Commands, Connection, ErrorKind, RedisError, cmd};

fn refused<T: std::fmt::Debug>(reply: Result<T, RedisError>) -> String {
    reply.expect_err("refused").to_string()
}

#[test]
fn every_version_serves_what_it_knows_in_both_protocols() {
    for protocol in ["resp2", "resp3"] {
        let server = Server::start(&[]);
        let mut redis = server.connect(protocol);
        strings(&mut redis);
        assert!(refused(redis.ttl::<_, i64>("a")).contains("unknown command 'TTL'"));
        upgrade(&mut redis, 2);
        strings(&mut redis);
        expiry(&mut redis);
        assert!(refused(redis.lpush::<_, _, i64>("l", 1)).contains("unknown command 'LPUSH'"));
        upgrade(&mut redis, 3);
        strings(&mut redis);
        expiry(&mut redis);
        collections(&mut redis);
    }
}

fn strings(redis: &mut Connection) {
    let _: () = redis.flushall().unwrap();
    let _: () = redis.set("a", 41).unwrap();
    assert_eq!(redis.incr::<_, _, i64>("a", 1).unwrap(), 42);
    assert_eq!(redis.decr::<_, _, i64>("a", 2).unwrap(), 40);
    assert_eq!(redis.append::<_, _, usize>("a", "x").unwrap(), 3);
    assert!(refused(redis.incr::<_, _, i64>("a", 1)).contains("not an integer or out of range"));
    assert_eq!(redis.strlen::<_, usize>("a").unwrap(), 3);
    let _: () = redis.mset(&[("b", "1"), ("c", "2")]).unwrap();
    assert_eq!(
        redis.mget::<_, Vec<Option<String>>>(&["a", "b", "none"]).unwrap(),
        [Some("40x".into()), Some("1".into()), None]
    );
    assert_eq!(redis.exists::<_, i64>(&["a", "b", "none"]).unwrap(), 2);
    let mut keys: Vec<String> = redis.keys("[ab]").unwrap();
    keys.sort();
    assert_eq!(keys, ["a", "b"]);
    assert_eq!(redis.scan::<String>().unwrap().count(), 3);
    assert_eq!(cmd("DBSIZE").query::<i64>(redis).unwrap(), 3);
    assert_eq!(redis.del::<_, i64>(&["a", "b", "c", "none"]).unwrap(), 3);
    assert_eq!(cmd("DBSIZE").query::<i64>(redis).unwrap(), 0, "what is empty is gone");
    let done: (i64, Option<String>) = redis::pipe().atomic().incr("n", 5).get("none").query(redis).unwrap();
    assert_eq!(done, (5, None));
    assert_eq!(refused(cmd("GET").query::<()>(redis)), "ResponseError: wrong number of arguments for 'get' command");
    assert_eq!(
        refused(cmd("NoSuch").arg("x").arg("y").query::<()>(redis)),
        "ResponseError: unknown command 'NoSuch', with args beginning with: 'x' 'y' "
    );
}

fn expiry(redis: &mut Connection) {
    let _: () = redis.set("t", "x").unwrap();
    assert_eq!(redis.ttl::<_, i64>("t").unwrap(), -1);
    assert_eq!(redis.ttl::<_, i64>("none").unwrap(), -2);
    assert!(redis.expire::<_, bool>("t", 100).unwrap());
    assert_eq!(redis.ttl::<_, i64>("t").unwrap(), 100);
    let _: () = cmd("SET").arg("t").arg("y").arg("KEEPTTL").query(redis).unwrap();
    assert!(redis.pttl::<_, i64>("t").unwrap() > 90_000);
    assert!(redis.persist::<_, bool>("t").unwrap());
    assert_eq!(cmd("SET").arg("t").arg("z").arg("NX").query::<Option<String>>(redis).unwrap(), None);
    let _: () = redis.set_ex("t", "z", 100).unwrap();
    let _: () = redis.set("t", "for ever").unwrap();
    assert_eq!(redis.ttl::<_, i64>("t").unwrap(), -1);
    assert!(refused(cmd("SETEX").arg("t").arg(0).arg("x").query::<()>(redis)).contains("invalid expire time"));
    let _: () = redis.pexpire("t", 1).unwrap();
    while redis.exists("t").unwrap() {
        thread::yield_now();
    }
    assert_eq!(redis.get::<_, Option<String>>("t").unwrap(), None);
    let others: i64 = cmd("DBSIZE").query(redis).unwrap();
    let _: () = cmd("SET").arg("t").arg("x").arg("PX").arg(1).query(redis).unwrap();
    // nobody asks for it: the server looks for it by itself
    while cmd("DBSIZE").query::<i64>(redis).unwrap() > others {
        thread::yield_now();
    }
}

fn collections(redis: &mut Connection) {
    assert_eq!(redis.rpush::<_, _, i64>("l", &[1, 2, 3]).unwrap(), 3);
    assert_eq!(redis.lpush::<_, _, i64>("l", 0).unwrap(), 4);
    assert_eq!(redis.lrange::<_, Vec<i64>>("l", 1, -2).unwrap(), [1, 2]);
    assert_eq!(redis.lpop::<_, i64>("l", None).unwrap(), 0);
    assert_eq!(redis.rpop::<_, i64>("l", None).unwrap(), 3);
    assert_eq!(redis.llen::<_, i64>("l").unwrap(), 2);
    assert_eq!(redis.sadd::<_, _, i64>("s", &[1, 1, 2]).unwrap(), 2);
    assert!(redis.sismember::<_, _, bool>("s", 1).unwrap());
    assert_eq!(redis.srem::<_, _, i64>("s", 1).unwrap(), 1);
    assert_eq!(redis.smembers::<_, Vec<i64>>("s").unwrap(), [2]);
    assert_eq!(redis.spop::<_, i64>("s").unwrap(), 2);
    assert!(!redis.exists::<_, bool>("s").unwrap(), "an empty set is gone");
    assert_eq!(cmd("HSET").arg("h").arg(&[("f", 1), ("g", 2)]).query::<i64>(redis).unwrap(), 2);
    assert_eq!(redis.hget::<_, _, i64>("h", "g").unwrap(), 2);
    assert_eq!(redis.hdel::<_, _, i64>("h", "g").unwrap(), 1);
    assert_eq!(redis.hgetall::<_, Vec<(String, i64)>>("h").unwrap(), [("f".into(), 1)]);
    assert_eq!(redis.hlen::<_, i64>("h").unwrap(), 1);
    assert_eq!(cmd("TYPE").arg("h").query::<String>(redis).unwrap(), "hash");
    let wrong = redis.get::<_, String>("h").unwrap_err();
    assert_eq!(wrong.code(), Some("WRONGTYPE"), "{wrong}");
    assert_ne!(wrong.kind(), ErrorKind::Io);
    let _: () = redis.set("h", "text takes its place").unwrap();
}

#[test]
fn what_cannot_go_down_is_held_back_and_serves() {
    let server = Server::start(&["--at", "3"]);
    let mut redis = server.client();
    let _: () = redis.set("text", 1).unwrap();
    let _: () = redis.rpush("list", 1).unwrap();
    let down = upgrade(&mut redis, 2);
    assert_accounted(&down);
    assert_eq!((down["moved"], down["held_back"]), (1, 1));
    let hotswap = |words: &[&str]| cmd("HOTSWAP").arg(words).clone();
    assert!(refused(hotswap(&["COMMIT"]).query::<redis::Value>(&mut redis)).contains("held back instances: 1 (list)"));
    let retried: HashMap<String, redis::Value> = hotswap(&["RETRY"]).query(&mut redis).unwrap();
    assert_eq!(retried["held_back"], redis::Value::Int(1));
    let left: HashMap<String, redis::Value> = hotswap(&["COMMIT", "LEAVE-HELD-BACK"]).query(&mut redis).unwrap();
    assert_eq!((&left["done"], &left["to"]), (&redis::Value::Int(1), &redis::Value::Int(2)));
    assert_eq!(redis.rpush::<_, _, i64>("list", 2).unwrap(), 2, "it goes on at version 3");
    assert!(refused(redis.rpush::<_, _, i64>("text", 2)).contains("unknown command"));
    let up = upgrade(&mut redis, 3);
    assert_accounted(&up);
    assert_eq!(redis.rpush::<_, _, i64>("text2", 2).unwrap(), 1, "version 3 is back");
    assert_eq!(redis.lrange::<_, Vec<i64>>("list", 0, -1).unwrap(), [1, 2]);
}

#[test]
fn refusals_say_why_and_change_nothing() {
    let server = Server::start(&["--at", "2"]);
    let mut redis = server.client();
    let _: () = redis.set_ex("t", 1, 100).unwrap();
    let mut hotswap = |words: &[&str]| refused(cmd("HOTSWAP").arg(words).query::<redis::Value>(&mut redis));
    assert!(hotswap(&["UPGRADE", "1"]).contains("loses expiry (instances: 1)"));
    assert!(hotswap(&["UPGRADE", "9"]).contains("machine `kv` has no version 9; it has 1, 2, 3"));
    assert!(hotswap(&["COMMIT"]).contains("nothing to commit: version 2 is permanent"));
    assert!(hotswap(&["ROLLBACK"]).contains("nothing to roll back"));
    assert!(hotswap(&["OUTCOME", "none"]).contains("no outcome is kept"));
    assert!(hotswap(&["UPGRADE", "1", &"why ".repeat(300)]).contains("a reason has at most 1024 bytes"));
    assert!(hotswap(&["DANCE"]).contains("usage: HOTSWAP STATUS"));
    assert_eq!(redis.ttl::<_, i64>("t").unwrap(), 100);
}

#[test]
fn what_has_expired_stays_gone_on_the_way_down() {
    for down in [&["UPGRADE", "1", "ACCEPT-LOSS"][..], &["ROLLBACK", "ACCEPT-LOSS"]] {
        let server = Server::start(&[]);
        let mut redis = server.client();
        upgrade(&mut redis, 2);
        // more than end by themselves in so short a time
        let mut pipe = redis::pipe();
        for n in 0..5000 {
            pipe.cmd("SET").arg(n).arg("x").arg("PX").arg(1).ignore();
        }
        let _: () = pipe.set("stays", "x").ignore().query(&mut redis).unwrap();
        thread::sleep(Duration::from_millis(5));
        let _: redis::Value = cmd("HOTSWAP").arg(down).query(&mut redis).unwrap();
        assert_eq!(redis.keys::<_, Vec<String>>("*").unwrap(), ["stays"], "{down:?}");
    }
}

#[test]
fn the_boot_of_a_status_is_text() {
    let server = Server::start(&[]);
    let status: HashMap<String, redis::Value> = cmd("HOTSWAP").arg("STATUS").query(&mut server.client()).unwrap();
    let boot: String = redis::from_redis_value(status["boot"].clone()).unwrap();
    assert!(matches!(status["boot"], redis::Value::BulkString(_)) && u64::from_str_radix(&boot, 16).is_ok(), "{boot}");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let server = Server::start(&[]);
    let port = server.port.to_string();
    for (options, why) in [
        (&["--port", &*port][..], &*format!("kv: port {port} cannot be served: ")),
        (&["--port", "0", "--at", "9"], "kv: machine `kv` has no version 9; it has 1, 2, 3"),
        (&["--max-clients", "0"], "error: invalid value '0' for '--max-clients"),
        (&["--stalled-after", "0"], "error: invalid value '0' for '--stalled-after"),
    ] {
        let output = Server::refused(kv::binary(), options);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.starts_with(why), "{options:?}: {said}");
    }
}

#[test]
fn counts_are_exact_with_several_threads_under_switches() {
    let server = Server::start(&["--threads", "2"]);
    let over = AtomicBool::new(false);
    let ending = Ending(&over);
    let counted: i64 = thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut redis = server.client();
                    let mut counted = 0;
                    while !over.load(Ordering::Relaxed) {
                        let _: i64 = redis.incr("n", 1).unwrap();
                        counted += 1;
                    }
                    counted
                })
            })
            .collect();
        let mut operator = server.client();
        for to in [2, 3, 2, 1].repeat(10) {
            assert_accounted(&upgrade(&mut operator, to));
        }
        drop(ending);
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert_eq!(server.client().get::<_, i64>("n").unwrap(), counted);
}
