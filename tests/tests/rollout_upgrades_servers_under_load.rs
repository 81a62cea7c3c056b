//! A rollout takes five `kv` servers to the next version for good, wave by wave, while Redis clients write to all of them: each
//! reply is right, and each key holds what was written.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use hotswap_tests::Ending;
use serde_json::{Value, json};

mod command;
mod kv;

use command::Place;
use kv::{Server, status};

const SERVERS: usize = 5;
const KEYS: usize = 100;

/// Counts every key up, in turn, until it is over; gives what each has to hold.
fn load(server: &Server, over: &AtomicBool, replies: &AtomicU64) -> Vec<i64> {
    let mut client = server.client();
    let mut keys = vec![0; KEYS];
    while !over.load(Ordering::Relaxed) {
        for (at, count) in keys.iter_mut().enumerate() {
            *count += 1;
            let reply: i64 = redis::cmd("INCR").arg(format!("key-{at}")).query(&mut client).expect("a number");
            assert_eq!(reply, *count, "key-{at}");
            replies.fetch_add(1, Ordering::Relaxed);
        }
    }
    keys
}

#[test]
fn five_servers_change_version_and_lose_nothing() {
    let place = Place::new();
    let sockets: Vec<_> = (1..=SERVERS).map(|at| place.path(&format!("kv-{at}.sock"))).collect();
    let start = |socket: &std::path::PathBuf| Server::start(&[&format!("--admin={}", socket.display())]);
    let servers: Vec<_> = sockets.iter().map(start).collect();
    let (over, replies) = (AtomicBool::new(false), [const { AtomicU64::new(0) }; SERVERS]);
    thread::scope(|scope| {
        let ending = Ending(&over);
        let (over, replies) = (&over, &replies);
        let loads: Vec<_> = servers.iter().zip(replies).map(|(it, n)| scope.spawn(move || load(it, over, n))).collect();
        // so many more than there were
        let more = |than: [u64; SERVERS]| {
            while replies.iter().zip(than).any(|(n, than)| n.load(Ordering::Relaxed) <= than) {
                assert!(loads.iter().all(|load| !load.is_finished()), "a reply was wrong");
                thread::yield_now();
            }
        };
        more([0; SERVERS]);
        let named: Vec<_> = sockets.iter().map(|path| path.to_str().expect("text")).collect();
        let args = ["rollout", "2", "--wave", "20%,2,rest", "--pause", "0s", "--commit", "--json"];
        let said = place.run(&[&args[..], &named].concat());
        assert_eq!(said.code, 0, "{said:?}");
        more(replies.each_ref().map(|n| n.load(Ordering::Relaxed)));
        drop(ending);

        let lines: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let passed: Vec<_> =
            lines.iter().filter(|line| line["event"] == "passed").map(|line| line["wave"].clone()).collect();
        assert_eq!(passed, [1, 2, 3]);
        let last = lines.last().expect("an end");
        let waves: Vec<_> = last["programs"].as_array().expect("a list").iter().map(|it| it["wave"].clone()).collect();
        assert_eq!(
            (&last["how"], waves),
            (&json!("committed"), vec![json!(1), json!(2), json!(2), json!(3), json!(3)])
        );
        for (server, load) in servers.iter().zip(loads) {
            let keys = load.join().expect("each reply was right");
            let mut client = server.client();
            let now = status(&mut client);
            assert_eq!((now["version"], now["permanent"], now["held_back"]), (2, 2, 0), "{now:?}");
            for (at, count) in keys.into_iter().enumerate() {
                let held: i64 = redis::cmd("GET").arg(format!("key-{at}")).query(&mut client).expect("it is there");
                assert_eq!(held, count, "key-{at}");
            }
        }
    });
}
