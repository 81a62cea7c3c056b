//! A million keys: a flip under load moves them all, and every count is exact. 100,000 unless `HOTSWAP_FULL` is set.

mod kv;

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use hotswap_tests::Ending;
use kv::{Server, assert_accounted, status, upgrade};
use redis::{Commands, Connection, cmd};

fn keys() -> usize {
    if env::var_os("HOTSWAP_FULL").is_some() { 1_000_000 } else { 100_000 }
}

fn pair(n: usize) -> (String, usize) {
    (format!("key:{n}"), n)
}

fn assert_all_there(redis: &mut Connection, keys: usize) {
    for from in (0..keys).step_by(1000) {
        let (names, values): (Vec<_>, Vec<_>) = (from..from + 1000).map(pair).unzip();
        assert_eq!(redis.mget::<_, Vec<usize>>(&names).unwrap(), values);
    }
}

#[test]
fn every_key_moves_and_every_count_is_exact() {
    let keys = keys();
    let server = Server::start(&[]);
    let mut operator = server.client();
    for from in (0..keys).step_by(1000) {
        let pairs: Vec<_> = (from..from + 1000).map(pair).collect();
        let _: () = operator.mset(&pairs).unwrap();
    }
    // a key that is counted up, so that no instance comes or goes under load
    let _: () = operator.set("n", 0).unwrap();
    let live = i64::try_from(keys + 1).unwrap();
    let over = AtomicBool::new(false);
    let ending = Ending(&over);
    let counted: i64 = thread::scope(|scope| {
        let load: Vec<_> = (0..2)
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
        for to in [2, 3, 2, 1] {
            let (before, started) = (server.memory(), Instant::now());
            let outcome = upgrade(&mut operator, to);
            println!(
                "{keys} keys to version {to}: {:?}, {before} KiB before, {} KiB after",
                started.elapsed(),
                server.memory()
            );
            assert_accounted(&outcome);
            assert_eq!((outcome["live"], outcome["moved"], outcome["held_back"]), (live, live, 0));
            let status = status(&mut operator);
            assert_eq!((status["version"], status["live"], status["not_reached"]), (to.into(), live, 0));
        }
        drop(ending);
        load.into_iter().map(|load| load.join().unwrap()).sum()
    });
    assert_eq!(operator.get::<_, i64>("n").unwrap(), counted);
    assert_eq!(cmd("DBSIZE").query::<i64>(&mut operator).unwrap(), live);
    assert_all_there(&mut operator, keys);
}
