//! `redis-benchmark` gets no error while `kv` goes 1 ↔ 2 ↔ 3 under it, and its INCRs are all counted.

mod kv;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use kv::benchmark::{REQUESTS, benchmark, no_redis_benchmark};
use kv::{Server, assert_accounted, upgrade};
use redis::Commands;

/// Runs benchmarks over and over while the versions change 50 times and more; gives how often all of them ran.
fn under_switches(server: &Server, way: &[u32], benchmarks: &[&[&str]]) -> i64 {
    let switched = AtomicBool::new(false);
    thread::scope(|scope| {
        let switching = scope.spawn(|| {
            let mut operator = server.client();
            for _ in 0..50 {
                for to in way {
                    assert_accounted(&upgrade(&mut operator, *to));
                    // each version is to serve a while
                    thread::sleep(Duration::from_millis(20));
                }
            }
            switched.store(true, Ordering::Release);
        });
        let mut runs = 0;
        while !switched.load(Ordering::Acquire) && !switching.is_finished() {
            for arguments in benchmarks {
                benchmark(server.port, arguments);
            }
            runs += 1;
        }
        switching.join().unwrap();
        runs
    })
}

#[test]
fn version_1_while_1_2_3_2_1() {
    if no_redis_benchmark() {
        return;
    }
    let server = Server::start(&[]);
    let runs = under_switches(
        &server,
        &[2, 3, 2, 1],
        &[
            &["-t", "ping,set,get,mset", "-r", "1000"],
            &["INCR", "exact"],
            &["-P", "8", "INCR", "exact"],
            &["APPEND", "grows", "x"],
        ],
    );
    let mut redis = server.client();
    assert_eq!(redis.get::<_, i64>("exact").unwrap(), runs * 2 * REQUESTS);
    assert_eq!(redis.strlen::<_, i64>("grows").unwrap(), runs * REQUESTS);
}

#[test]
fn version_2_while_2_3_2() {
    if no_redis_benchmark() {
        return;
    }
    let server = Server::start(&["--at", "2"]);
    let runs = under_switches(
        &server,
        &[3, 2],
        &[
            &["-r", "1000", "SET", "key:__rand_int__", "x", "EX", "100"],
            &["-r", "1000", "EXPIRE", "key:__rand_int__", "100"],
            &["-r", "1000", "TTL", "key:__rand_int__"],
            &["-r", "1000", "SETEX", "key:__rand_int__", "100", "x"],
            &["-r", "1000", "PERSIST", "key:__rand_int__"],
            &["INCR", "exact"],
        ],
    );
    assert_eq!(server.client().get::<_, i64>("exact").unwrap(), runs * REQUESTS);
}
