//! A running `kv` takes the commands of two hundred clients at once while `redis-benchmark` loads it: each is done once, or
//! told what came before it; and what a client began that was killed ends without it, and can be asked about.

mod doors;
mod kv;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, fs, thread};

use doors::{Answer, on, request, socket};
use hotswap_tests::Ending;
use hotswap_tests::folder::Folder;
use kv::Server;
use kv::benchmark::{REQUESTS, benchmark, no_redis_benchmark};
use redis::Commands;
use serde_json::{Value, json};

const CLIENTS: usize = 200;
/// So many commands each of them gives.
const COMMANDS: usize = 5;
const SWITCH: &str = "/v1/switches/kv";

/// A `kv` that takes commands at a socket and keeps an account of them.
struct Kv {
    server: Server,
    socket: PathBuf,
    journal: PathBuf,
    _folder: Folder,
}

impl Kv {
    fn start() -> Self {
        let folder = Folder::new();
        let (socket, journal) = (folder.path("kv.sock"), folder.path("journal"));
        let options = [format!("--admin={}", socket.display()), format!("--admin-journal={}", journal.display())];
        Self { server: Server::start(&options.each_ref().map(String::as_str)), socket, journal, _folder: folder }
    }

    fn get(&self, path: &str) -> Answer {
        on(&mut doors::socket(&self.socket), &format!("GET {SWITCH}{path}"), &[], "")
    }
}

/// A command, the epoch at which it was to be done, and what became of it.
struct Told {
    id: String,
    at: u64,
    answer: Answer,
}

/// Something that can be done at the release that is shown.
fn command(shown: &Value, turn: usize) -> (&'static str, String) {
    let mut body =
        json!({"reason": "crowded", "wait_ms": if turn.is_multiple_of(3) { json!(60_000) } else { json!(null) }});
    let verb = match (shown["phase"].as_str(), turn % 4) {
        (Some("probation"), 0) => "commit",
        (Some("probation"), 1) => {
            body["accept_loss"] = json!(true);
            "rollback"
        }
        (_, turn) => {
            let version = shown["version"].as_u64().expect("a number");
            body["to"] = json!((version + turn as u64 % 2) % 3 + 1);
            body["accept_loss"] = json!(true);
            "upgrades"
        }
    };
    (verb, body.to_string())
}

/// One client of many: each command is for the release that it has just seen. At times it is cut off before it is answered, and
/// what it has to do it asks for again.
fn client(at: &Path, number: usize, start: &Barrier) -> Vec<Told> {
    let mut stream = socket(at);
    start.wait();
    let turn = |turn: usize| {
        let shown = on(&mut stream, &format!("GET {SWITCH}"), &[], "");
        let (tag, shown) = (shown.header("etag").expect("a release has one").to_owned(), shown.json());
        let (verb, body) = command(&shown, number + turn);
        let (id, what) = (format!("client-{number}-{turn}"), format!("POST {SWITCH}/{verb}"));
        let headers = [("If-Match", &*tag), ("Idempotency-Key", &*id)];
        if (number + turn).is_multiple_of(10) {
            stream.write_all(request(&what, &headers, &body).as_bytes()).expect("it is open");
            stream = socket(at);
        }
        // another one that is not over yet may be making the very release that was seen
        let mut settled = || loop {
            let answer = on(&mut stream, &what, &headers, &body);
            if answer.status != 409 || answer.problem() != "pending" {
                break answer;
            }
        };
        let (answer, again) = (settled(), settled());
        if answer.status < 300 {
            assert_eq!((again.status, again.header("idempotency-replayed")), (answer.status, Some("true")));
            assert_eq!(again.json(), answer.json());
        } else {
            assert_eq!(again.status, answer.status, "{}", again.detail());
        }
        Told { id, at: shown["epoch"].as_u64().expect("a number"), answer }
    };
    (0..COMMANDS).map(turn).collect()
}

#[test]
fn of_two_hundred_clients_under_load_one_wins_each_release_and_every_other_is_told() {
    if no_redis_benchmark() {
        return;
    }
    let kv = Kv::start();
    let over = AtomicBool::new(false);
    let ending = Ending(&over);
    let start = Barrier::new(CLIENTS);
    let (told, runs) = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut runs = 0;
            while !over.load(Ordering::Relaxed) {
                benchmark(kv.server.port, &["INCR", "exact"]);
                benchmark(kv.server.port, &["-t", "ping,set,get,mset", "-r", "1000"]);
                runs += 1;
            }
            runs
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                scope.spawn({
                    let (at, start) = (&*kv.socket, &start);
                    move || client(at, number, start)
                })
            })
            .collect();
        let told: Vec<_> = clients.into_iter().flat_map(|client| client.join().expect("no panic")).collect();
        drop(ending);
        (told, load.join().expect("no panic"))
    });
    assert_eq!(kv.server.client().get::<_, i64>("exact").expect("a number"), runs * REQUESTS);

    // nobody was told anything but that it was done, or that another was first
    let mut won = BTreeMap::new();
    for Told { id, at, answer } in &told {
        let said = answer.json();
        if answer.status < 300 {
            assert_eq!(
                (&said["id"], &said["done"], &said["epoch"]),
                (&json!(id), &json!(true), &json!(at + 1)),
                "{said}"
            );
            assert!(won.insert(at + 1, said).is_none(), "two have made epoch {}", at + 1);
        }
    }
    for Told { id, at, answer } in told.iter().filter(|told| told.answer.status >= 300) {
        assert_eq!((answer.status, &*answer.problem()), (412, "stale"), "{id}: {}", answer.detail());
        let blocker = &answer.json()["blocker"];
        assert_eq!(blocker["expected"], json!(at));
        assert!(won.contains_key(&(at + 1)) && blocker["present"].as_u64() > Some(*at), "{id}: {blocker}");
        let unknown = kv.get(&format!("/upgrades/{id}"));
        assert_eq!((unknown.status, &*unknown.problem()), (404, "no-command"), "{id} was refused, and done");
    }

    // each epoch has one who made it, and they follow on each other
    let last = 1 + won.len() as u64;
    assert_eq!(won.keys().copied().collect::<Vec<_>>(), (2..=last).collect::<Vec<_>>());
    let outcomes = kv.get("/upgrades").json();
    let outcomes = outcomes["outcomes"].as_array().expect("a list");
    assert_eq!(outcomes.len(), won.len());
    for (at, (outcome, said)) in outcomes.iter().zip(won.values()).enumerate() {
        for field in ["id", "kind", "from", "to", "epoch", "live", "reason"] {
            assert_eq!(outcome[field], said[field], "{field} of {outcome}");
        }
        let sum: u64 =
            ["moved", "stayed", "held_back", "gone", "not_reached"].iter().map(|part| number(outcome, part)).sum();
        assert_eq!((sum, number(outcome, "held_back")), (number(outcome, "live"), 0), "{outcome}");
        let next = outcomes.get(at + 1);
        assert_eq!(outcome["superseded_by"], next.map_or(Value::Null, |next| next["id"].clone()));
        assert!(next.is_none_or(|next| next["from"] == outcome["to"]), "{outcome}");
    }
    let shown = kv.get("").json();
    assert_eq!((number(&shown, "epoch"), &shown["version"]), (last, &outcomes[outcomes.len() - 1]["to"]));

    // and the account has every command, with what its client was told
    doors::wait_until("every command is in the account", || {
        let account = account(&kv.journal);
        told.iter().all(|Told { id, answer, .. }| account.get(id) == Some(&answer.status.into()))
    });
    println!("{} commands: {last} epochs, {runs} runs of each benchmark", told.len());
}

fn number(of: &Value, field: &str) -> u64 {
    of[field].as_u64().unwrap_or_else(|| panic!("no `{field}` in {of}"))
}

/// By the key of each command: the status of its last call.
fn account(journal: &Path) -> HashMap<String, u64> {
    let journal = fs::read_to_string(journal).expect("it is there");
    // the last line may be half written
    let calls = journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    calls.filter_map(|call| Some((call["key"].as_str()?.to_owned(), number(&call, "status")))).collect()
}

/// Says in the environment of a process that it is the client to be killed, and where it is to go.
const TO_BE_KILLED: &str = "HOTSWAP_TEST_KILLED_CLIENT";

/// A client in a process of its own, which waits until everybody has moved.
struct Killed(Child);

impl Killed {
    fn start(at: &Path, id: &str) -> Self {
        let client = Command::new(env::current_exe().expect("it runs"))
            .args(["the_client_that_is_killed", "--exact", "--nocapture"])
            .env(TO_BE_KILLED, format!("{id} {}", at.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        Self(client.expect("it starts"))
    }

    /// Whether it was still waiting.
    fn kill(&mut self) -> bool {
        self.0.kill().expect("it is ours");
        self.0.wait().expect("it was started").signal().is_some()
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_client_that_is_killed() {
    let Ok(told) = env::var(TO_BE_KILLED) else { return };
    let (id, at) = told.split_once(' ').expect("an id and a path");
    let to = if id.ends_with("up") { 2 } else { 1 };
    let body = json!({"to": to, "accept_loss": true, "wait_ms": 600_000}).to_string();
    on(&mut socket(Path::new(at)), &format!("POST {SWITCH}/upgrades"), &[("Idempotency-Key", id)], &body);
}

/// So many keys take a while to move.
const KEYS: usize = 100_000;
/// So often a client may have its answer before it is killed.
const TRIES: usize = 50;

#[test]
fn scenario_16_a_client_that_is_killed_leaves_an_upgrade_that_ends_and_can_be_asked_about() {
    let kv = Kv::start();
    let mut redis = kv.server.client();
    for from in (0..KEYS).step_by(1000) {
        let pairs: Vec<_> = (from..from + 1000).map(|n| (format!("key:{n}"), n)).collect();
        let _: () = redis.mset(&pairs).expect("they are taken");
    }
    let mid_upgrade = (0..TRIES).find_map(|turn| {
        let id = format!("{turn}-{}", if turn % 2 == 0 { "up" } else { "down" });
        let mut client = Killed::start(&kv.socket, &id);
        let path = format!("/upgrades/{id}");
        doors::wait_until("it has begun", || kv.get(&path).status == 200);
        let killed = client.kill() && kv.get(&path).json()["settled"] == json!(false);
        doors::wait_until("it ends", || kv.get(&path).json()["settled"] == json!(true));
        killed.then_some(id)
    });
    let id = mid_upgrade.expect("one is killed while they move");
    let outcome = kv.get(&format!("/upgrades/{id}")).json();
    let keys = json!(KEYS);
    assert_eq!((&outcome["id"], &outcome["live"], &outcome["moved"]), (&json!(id), &keys, &keys), "{outcome}");
    let shown = kv.get("").json();
    assert_eq!((&shown["version"], &shown["id"], &shown["pending"]), (&outcome["to"], &json!(id), &Value::Null));
    assert_eq!((&shown["not_reached"], &shown["held_back"]), (&json!(0), &json!(0)));
    for from in (0..KEYS).step_by(1000) {
        let names: Vec<_> = (from..from + 1000).map(|n| format!("key:{n}")).collect();
        assert_eq!(
            redis.mget::<_, Vec<usize>>(&names).expect("they are there"),
            (from..from + 1000).collect::<Vec<_>>()
        );
    }
}
