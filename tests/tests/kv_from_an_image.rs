//! `kv`, built with versions 1 and 2 only, takes version 3 in as a file while clients write, and lets it go again; while it
//! has it, its keys come and go as those of a version that is compiled in.

#![cfg(target_os = "linux")]

mod kv;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, fs};

use hotswap_tests::folder::Folder;
use kv::benchmark::{REQUESTS, benchmark, no_redis_benchmark};
use kv::{Server, assert_accounted, binary_of_two, hotswap_command, numbers, status, upgrade};
use redis::{Commands, Connection, RedisResult, Value, cmd};

/// Longer than anything takes on a machine that does ten other things.
const LONG: Duration = Duration::from_secs(120);
const WRITERS: usize = 4;
/// So many values each of them writes, over and over.
const VALUES: i64 = 500;
/// It takes ten seconds to look at so many for having expired.
const OTHERS: i64 = 20_000;

#[test]
fn version_3_comes_as_a_file_and_goes_and_no_write_is_lost() {
    if no_redis_benchmark() {
        return;
    }
    let place = Place::new();
    let server = place.start(&["--threads", "2"]);
    let mut operator = server.client();
    let load = Load::on(&server);
    assert_accounted(&upgrade(&mut operator, 2));
    assert_accounted(&report(&mut operator, &["COMMIT"]));
    load.is_served(&mut operator);
    let unknown = hotswap(&mut operator, &["UPGRADE", "3"]).expect_err("it is not here yet");
    assert_eq!(said(&unknown), "REFUSED machine `kv` has no version 3; it has 1, 2");
    let unknown = operator.rpush::<_, _, ()>("queue", "x").expect_err("and neither are lists");
    assert!(said(&unknown).starts_with("ERR unknown command 'RPUSH'"), "{unknown}");

    // built and signed while they write
    place.bring("kv-3", &place.build(), 1);
    for (turn, id) in [(1, "hotswap-000001"), (2, "hotswap-000002")] {
        // the second time it is one that was accepted before
        assert_eq!(hotswap(&mut operator, &["LOAD", "kv-3"]).expect("it is taken in"), arrived(id));
        assert_eq!(server.images(), BTreeSet::from([id.to_owned()]));
        load.is_served(&mut operator);
        assert_accounted(&upgrade(&mut operator, 3));
        load.is_served(&mut operator);

        // lists, sets and hashes work, for clients who have been here all along
        benchmark(server.port, &["RPUSH", "queue", "x"]);
        benchmark(server.port, &["-r", "1000000000", "SADD", "members", "one"]);
        benchmark(server.port, &["HSET", "record", "field", "value"]);
        assert_eq!(operator.llen::<_, i64>("queue").unwrap(), REQUESTS);
        assert_eq!(operator.smembers::<_, Vec<String>>("members").unwrap(), ["one"]);
        assert_eq!(operator.hget::<_, _, String>("record", "field").unwrap(), "value");
        // as many come out as went in, and then nothing is left of the keys either
        benchmark(server.port, &["-t", "lpush,rpush,lpop,rpop,sadd,spop"]);
        assert_eq!(operator.exists::<_, i64>(&["mylist", "myset"]).unwrap(), 0);
        let refused = hotswap(&mut operator, &["UNLOAD", id]).expect_err("it runs");
        assert!(
            said(&refused).starts_with(&format!("REFUSED image {id} is in use: kv: version 3 runs (")),
            "{refused}"
        );

        let back = report(&mut operator, &["ROLLBACK"]);
        assert_accounted(&back);
        assert_eq!((back["to"], back["held_back"]), (2, 3), "version 2 has no place for the collections");
        load.is_served(&mut operator);
        // they are held back and go on, and so the image stays
        assert_eq!(operator.rpush::<_, _, i64>("queue", "y").unwrap(), REQUESTS + 1);
        let refused = hotswap(&mut operator, &["UNLOAD", id]).expect_err("three keys have it");
        assert_eq!(said(&refused), format!("REFUSED image {id} is in use: kv: version 3 (3 live)"));
        assert_eq!(server.images(), BTreeSet::from([id.to_owned()]));
        assert_eq!(operator.del::<_, i64>(&["queue", "members", "record"]).unwrap(), 3);
        assert_eq!(hotswap(&mut operator, &["UNLOAD", id]).expect("nothing uses it"), text("Gone"), "turn {turn}");
        assert_eq!(server.images(), BTreeSet::new());
        assert_eq!(hotswap(&mut operator, &["IMAGES"]).unwrap(), Value::Array(Vec::new()));
        load.is_served(&mut operator);
    }
    let [first, second] = ["hotswap-000001", "hotswap-000002"].map(|id| format!("let go {id}"));
    // that the image came again is none
    assert_eq!(refusals(&mut operator), ["upgrade to version 3", &first, &first, &second, &second]);
    load.ends_with_all_there(&mut operator);
    assert_eq!((status(&mut operator)["version"], status(&mut operator)["held_back"]), (2, 0));
}

/// Each of these on a key of its own that is not there, and what is left of it shown after each.
const LIVES: [&[&str]; 17] = [
    &["GET k"],
    &["SET k v", "GET k", "DEL k"],
    &["INCR k", "TYPE k"],
    &["SET k v PX 100000", "PERSIST k", "TTL k"],
    &["SET k v", "PEXPIRE k 0"],
    &["SET k v", "EXPIRE k -1", "GET k"],
    &["RPUSH k a b", "LPOP k", "LRANGE k 0 -1", "LPOP k", "LPOP k"],
    &["LPUSH k a", "RPOP k 5"],
    &["LPUSH k"],
    &["LLEN k"],
    &["SADD k a a", "SREM k b", "SREM k a"],
    &["SADD k a", "SPOP k"],
    &["HSET k f v g w", "HGETALL k", "HDEL k f g"],
    &["HSET k f v", "EXPIRE k 0"],
    &["SADD k a", "INCR k", "GET k"],
    &["NO-SUCH k"],
    &["MULTI", "RPUSH k a", "LPOP k", "EXEC"],
];

/// What clients are told, and see of the keys, from their coming to their going.
fn lives(redis: &mut Connection) -> Vec<(String, Result<Value, String>)> {
    let mut told = Vec::new();
    for (n, lines) in LIVES.iter().enumerate() {
        let key = format!("life:{n}");
        let own = |line: &str| line.replace(" k", &format!(" {key}"));
        let shown = ["DBSIZE".to_owned(), own("EXISTS k"), "KEYS life:*".to_owned(), "SCAN 0 COUNT 1000".to_owned()];
        for line in lines.iter().map(|line| own(line)) {
            for line in [&[line], &shown[..]].concat() {
                let answer = run(redis, &line).map(sorted).map_err(|error| said(&error));
                told.push((line, answer));
            }
        }
    }
    told
}

/// A hundred keys that have expired, each before one that is asked for.
fn brief(redis: &mut Connection) {
    for n in 0..100 {
        run(redis, &format!("SET brief:{n} v PX 1")).unwrap();
    }
    run(redis, "SET last v PX 1").unwrap();
    until("the last has expired", || run(redis, "EXISTS last").unwrap() == Value::Int(0));
}

#[test]
fn its_keys_come_and_go_as_those_of_a_version_that_is_compiled_in() {
    let place = Place::new();
    let compiled_in = Server::start(&["--at", "3"]);
    let server = place.start(&[]);
    let mut redis = server.client();
    place.bring("kv-3", &place.build(), 1);
    hotswap(&mut redis, &["LOAD", "kv-3"]).expect("it is taken in");
    assert_accounted(&upgrade(&mut redis, 3));
    assert_eq!(lives(&mut redis), lives(&mut compiled_in.client()));

    // what has expired goes although nobody asks for it
    run(&mut redis, "FLUSHALL").unwrap();
    for n in 0..1000 {
        run(&mut redis, &format!("SET brief:{n} v PX 1")).unwrap();
        run(&mut redis, &format!("RPUSH list:{n} a")).unwrap();
        run(&mut redis, &format!("PEXPIRE list:{n} 1")).unwrap();
    }
    until("all that expires has gone", || run(&mut redis, "DBSIZE").unwrap() == Value::Int(0));

    // among so many others that nobody has looked at it yet, it is not there for those who list keys
    let others: Vec<_> = (0..OTHERS).map(|n| (format!("other:{n}"), n)).collect();
    let _: () = redis.mset(&others).unwrap();
    brief(&mut redis);
    assert_eq!(run(&mut redis, "KEYS brief:*").unwrap(), Value::Array(Vec::new()));
    // and not for a version in which all keys are for ever
    brief(&mut redis);
    assert_accounted(&upgrade(&mut redis, 1));
    assert_eq!(run(&mut redis, "DBSIZE").unwrap(), Value::Int(OTHERS));
    assert_eq!(redis.get::<_, i64>("other:7").unwrap(), 7);
    assert_eq!(hotswap(&mut redis, &["UNLOAD", "hotswap-000001"]).expect("nothing uses it"), text("Gone"));
    assert_eq!(server.images(), BTreeSet::new());
}

#[test]
fn a_restart_finds_it_in_the_folder_and_nothing_is_lost_without() {
    let place = Place::new();
    let server = place.start(&["--dir", place.text("data")]);
    let mut redis = server.client();
    place.bring("kv-3", &place.build(), 1);
    hotswap(&mut redis, &["LOAD", "kv-3"]).expect("it is taken in");
    assert_accounted(&upgrade(&mut redis, 3));
    assert_accounted(&report(&mut redis, &["COMMIT"]));
    let _: () = redis.set("text", "v").unwrap();
    let _: () = redis.rpush("list", &["a", "b"]).unwrap();
    let _: () = redis.set_ex("brief", "b", 1000).unwrap();
    assert_eq!(run(&mut redis, "SAVE").unwrap(), Value::Okay);
    drop(server);

    // without the folder it says what it lacks, and leaves the keys as they are
    let without = Server::refused(binary_of_two(), &["--port", "0", "--dir", place.text("data")]);
    let complaint = String::from_utf8_lossy(&without.stderr);
    assert!(!without.status.success() && complaint.contains("version 3"), "{complaint}");

    let server = place.start(&["--dir", place.text("data")]);
    let mut redis = server.client();
    assert_eq!((status(&mut redis)["version"], status(&mut redis)["permanent"]), (3, 3));
    assert_eq!(server.images(), BTreeSet::from(["hotswap-000001".to_owned()]));
    assert_eq!(redis.get::<_, String>("text").unwrap(), "v");
    assert_eq!(redis.lrange::<_, Vec<String>>("list", 0, -1).unwrap(), ["a", "b"]);
    assert!(redis.ttl::<_, i64>("brief").unwrap() > 900);
    assert_eq!(redis.rpush::<_, _, i64>("list", "c").unwrap(), 3);
}

#[test]
fn what_was_not_signed_for_it_changes_nothing() {
    let place = Place::new();
    let server = place.start(&[]);
    let mut redis = server.client();
    let image = place.build();
    fs::copy(&image, place.text("images/unsigned")).unwrap();
    place.bring("kv-3", &image, 1);
    let mut altered = fs::read(place.text("images/kv-3")).unwrap();
    *altered.last_mut().unwrap() ^= 1;
    fs::write(place.text("images/altered"), altered).unwrap();
    fs::rename(place.text("images/kv-3"), place.text("outside")).unwrap();
    for (name, why) in [
        ("unsigned", "REFUSED the image is not signed"),
        ("altered", "REFUSED the image was altered after it was signed"),
        ("none", "REFUSED "),
        ("../outside", "REFUSED `../outside` is no name of a file in the folder of images"),
        (place.text("outside"), "REFUSED `/"),
        ("", "REFUSED `` is no name"),
    ] {
        let refused = hotswap(&mut redis, &["LOAD", name]).expect_err("it is not taken in");
        assert!(said(&refused).starts_with(why), "{name}: {refused}");
    }
    let none = hotswap(&mut redis, &["UNLOAD", "hotswap-000001"]).expect_err("there is none");
    assert_eq!(said(&none), "REFUSED there is no image hotswap-000001");
    assert_eq!(server.images(), BTreeSet::new());
    assert_eq!(hotswap(&mut redis, &["IMAGES"]).unwrap(), Value::Array(Vec::new()));

    let server = Server::start(&[]);
    for words in [&["LOAD", "kv-3"][..], &["UNLOAD", "x"], &["IMAGES"]] {
        let refused = hotswap(&mut server.client(), words).expect_err("it was not told where from");
        assert_eq!(said(&refused), "ERR kv takes in no images: start it with --images and --key");
    }
}

// ---- the place

/// A folder with a pair of keys, and one for images.
struct Place(Folder);

impl Place {
    fn new() -> Self {
        let place = Self(Folder::new());
        place.hotswap(&["key", "new", place.text("release")]);
        place
    }

    fn text(&self, name: &str) -> &'static str {
        // a few names for a test's life
        String::leak(self.0.path(name).to_str().expect("text").to_owned())
    }

    fn start(&self, options: &[&str]) -> Server {
        let own = ["--images", self.text("images"), "--key", self.text("release.pub")];
        Server::run(binary_of_two(), &[&own, options].concat())
    }

    fn hotswap(&self, arguments: &[&str]) {
        let mut command = Command::new(hotswap_command());
        command.args(arguments).current_dir(root()).env("CARGO", env!("CARGO")).env("CARGO_NET_OFFLINE", "true");
        let status = command.stdout(Stdio::null()).status().expect("it runs");
        assert!(status.success(), "{arguments:?}");
    }

    /// Builds the machine's crate as it is, with version 3.
    fn build(&self) -> PathBuf {
        // where the tests of the command build their images too
        let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/target/hotswap-image");
        let image = self.0.path("kv.so");
        let out = image.to_str().expect("text");
        self.hotswap(&["build", "-p", "kv-store", "--profile", "dev", "--target-dir", target, "--out", out]);
        image
    }

    fn bring(&self, name: &str, image: &Path, serial: u64) {
        let (image, serial) = (image.to_str().expect("text"), serial.to_string());
        let out = self.text(&format!("images/{name}"));
        let key = self.text("release");
        self.hotswap(&["sign", image, "--key", key, "--application", "kv", "--serial", &serial, "--out", out]);
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member of the workspace")
}

// ---- what is said

fn run(redis: &mut Connection, line: &str) -> RedisResult<Value> {
    let mut words = line.split(' ');
    let mut command = cmd(words.next().expect("a command"));
    words.for_each(|word| {
        command.arg(word);
    });
    command.query(redis)
}

fn hotswap(redis: &mut Connection, words: &[&str]) -> RedisResult<Value> {
    cmd("HOTSWAP").arg(words).query(redis)
}

/// The numbers of an outcome.
fn report(redis: &mut Connection, words: &[&str]) -> HashMap<String, i64> {
    numbers(cmd("HOTSWAP").arg(words).query(redis).unwrap_or_else(|error| panic!("{words:?}: {error}")))
}

/// What was refused, the latest last.
fn refusals(redis: &mut Connection) -> Vec<String> {
    let audit: HashMap<String, Value> = cmd("HOTSWAP").arg("AUDIT").query(redis).unwrap();
    let refusals: Vec<HashMap<String, Value>> = redis::from_redis_value(audit["refusals"].clone()).unwrap();
    refusals.iter().map(|refusal| redis::from_redis_value(refusal["what"].clone()).unwrap()).collect()
}

fn said(error: &redis::RedisError) -> String {
    format!("{} {}", error.code().unwrap_or("?"), error.detail().unwrap_or_default())
}

fn text(text: &str) -> Value {
    Value::BulkString(text.into())
}

/// What a client is told of an image that has come in.
fn arrived(id: &str) -> Value {
    let brought = Value::Array(vec![text("kv"), Value::Array(vec![Value::Int(3)])]);
    let none = Value::Array(Vec::new());
    Value::Map(vec![(text("brought"), Value::Array(vec![brought])), (text("id"), text(id)), (text("let_go"), none)])
}

/// Keys come in any order.
fn sorted(answer: Value) -> Value {
    match answer {
        Value::Array(mut items) => {
            items = items.into_iter().map(sorted).collect();
            items.sort_by_key(|item| format!("{item:?}"));
            Value::Array(items)
        }
        other => other,
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !done() {
        assert!(Instant::now() < deadline, "{what}, after a long time");
        thread::sleep(Duration::from_millis(1));
    }
}

// ---- the load

/// Writers who know what they wrote, and `redis-benchmark` over and over.
struct Load {
    over: Arc<AtomicBool>,
    writers: Vec<(JoinHandle<()>, Arc<AtomicI64>)>,
    benchmarks: JoinHandle<i64>,
}

impl Load {
    fn on(server: &Server) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let writer = |number| {
            let (redis, over, written) = (server.client(), Arc::clone(&over), Arc::<AtomicI64>::default());
            let count = Arc::clone(&written);
            (thread::spawn(move || write(redis, number, &over, &count)), written)
        };
        let writers = (0..WRITERS).map(writer).collect();
        let (port, until) = (server.port, Arc::clone(&over));
        let benchmarks = thread::spawn(move || {
            let mut runs = 0;
            while !until.load(Ordering::Acquire) {
                benchmark(port, &["INCR", "exact"]);
                benchmark(port, &["-t", "ping,set,get,mset", "-r", "1000"]);
                benchmark(port, &["-P", "8", "INCR", "exact"]);
                runs += 1;
            }
            runs
        });
        Self { over, writers, benchmarks }
    }

    /// Waits until each has been answered what it sent after this was called.
    fn is_served(&self, operator: &mut Connection) {
        let mut exact = || operator.get::<_, Option<i64>>("exact").expect("it serves").unwrap_or(0);
        // the first of two may be one that was on its way; of the benchmark, twenty may
        let writers: Vec<_> =
            self.writers.iter().map(|(_, written)| (written, written.load(Ordering::Acquire) + 2)).collect();
        let incremented = exact() + 21;
        until("all are served", || {
            assert!(!self.benchmarks.is_finished(), "redis-benchmark has failed");
            assert!(!self.writers.iter().any(|(writer, _)| writer.is_finished()), "a writer was cut off");
            exact() >= incremented && writers.iter().all(|(written, least)| written.load(Ordering::Acquire) >= *least)
        });
    }

    /// Ends it; everything that anybody wrote is there.
    fn ends_with_all_there(self, operator: &mut Connection) {
        self.over.store(true, Ordering::Release);
        let runs = self.benchmarks.join().expect("no error");
        assert_eq!(operator.get::<_, i64>("exact").unwrap(), runs * 2 * REQUESTS);
        let mut all = 0;
        for (number, (writer, written)) in self.writers.into_iter().enumerate() {
            writer.join().expect("no error");
            let written = written.load(Ordering::Acquire);
            all += written;
            assert_eq!(operator.get::<_, i64>(format!("counter:{number}")).unwrap(), written);
            assert_eq!(operator.strlen::<_, i64>(format!("log:{number}")).unwrap(), written);
            for value in 0..VALUES.min(written + 1) {
                // the last that was written there
                let last = written - (written - value).rem_euclid(VALUES);
                let found: Option<i64> = operator.get(format!("value:{number}:{value}")).unwrap();
                assert_eq!(found, (last > 0).then_some(last), "value:{number}:{value}");
            }
        }
        eprintln!("{all} rounds of {WRITERS} writers and {runs} of redis-benchmark");
    }
}

/// Writes, each time what it knows to be next, and reads what it wrote the time before.
fn write(mut redis: Connection, number: usize, over: &AtomicBool, written: &AtomicI64) {
    let value = |n: i64| format!("value:{number}:{}", n % VALUES);
    let mut n = 0;
    while !over.load(Ordering::Acquire) {
        n += 1;
        let _: () = redis.set(value(n), n).unwrap();
        assert_eq!(redis.incr::<_, _, i64>(format!("counter:{number}"), 1).unwrap(), n);
        assert_eq!(redis.append::<_, _, i64>(format!("log:{number}"), "x").unwrap(), n);
        assert_eq!(redis.get::<_, Option<i64>>(value(n - 1)).unwrap(), (n > 1).then_some(n - 1));
        assert_eq!(redis.get::<_, Option<i64>>(format!("absent:{number}")).unwrap(), None);
        written.store(n, Ordering::Release);
        // the compiler works on the same processors
        thread::sleep(Duration::from_millis(1));
    }
}
