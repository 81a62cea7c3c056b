//! A rollout over five `kv` servers under load, to a version whose steps panic for one key of a thousand: it is stopped in its
//! first wave, the one server that it had upgraded goes back, and nothing is lost in any.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{fs, thread};

use hotswap_tests::Ending;
use hotswap_tests::images::Image;
use redis::{Connection, cmd};
use serde_json::{Value, json};

mod command;
mod kv;

use command::Place;
use kv::{Server, binary_of_two, status};

const SERVERS: usize = 5;
const KEYS: usize = 1000;
/// The one of them.
const CURSED: usize = 7;

/// The machine's crate with a version 3 that has not been thought through.
fn cursed() -> Vec<u8> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/kv/store/src");
    let manifest = |text: &str| {
        let text = text.replace("[lints]\nworkspace = true\n", "");
        let inherited = "indexmap = { workspace = true, optional = true }";
        assert!(text.contains(inherited), "{text}");
        text.replace(inherited, r#"indexmap = { version = "2", features = ["serde"], optional = true }"#)
    };
    let source = |text: &str| {
        let commands = format!("#[path = {:?}]\npub mod commands;", sources.join("commands/mod.rs"));
        let reply = format!("#[path = {:?}]\nmod reply;", sources.join("reply.rs"));
        let step = "fn run_typed(state: &mut Typed, command: Command) -> Answer {";
        let fault = format!("{step}\nassert_ne!(state.data, Some(Data::Text(Bytes::borrowed(b\"cursed\"))));");
        let changes = [("pub mod commands;", &commands), ("mod reply;", &reply), (step, &fault)];
        changes.iter().fold(text.to_owned(), |text, (from, to)| {
            assert_eq!(text.matches(from).count(), 1, "{from}");
            text.replace(from, to)
        })
    };
    let image = Image { krate: "../examples/kv/store", copy: "kv-cursed", features: "hotswap/image,three" };
    image.changed(manifest, source).unwrap_or_else(|said| panic!("it does not compile: {said}"))
}

fn key(at: usize) -> String {
    format!("key-{at}")
}

/// What a client has seen of one server.
struct Seen {
    counts: Vec<i64>,
    /// Replies to it that a step panicked.
    panics: u64,
}

/// Counts every key up, in turn, and asks for the one that is no number, until it is over.
fn load(server: &Server, over: &AtomicBool, turns: &AtomicU64) -> Seen {
    let mut client = server.client();
    let mut seen = Seen { counts: vec![0; KEYS], panics: 0 };
    while !over.load(Ordering::Relaxed) {
        for (at, count) in seen.counts.iter_mut().enumerate() {
            if at == CURSED {
                match cmd("GET").arg(key(at)).query::<String>(&mut client) {
                    Ok(value) => assert_eq!(value, "cursed"),
                    Err(error) => match error.detail() {
                        Some("the command panicked") => seen.panics += 1,
                        said => assert_eq!(said, Some("an earlier step of this instance panicked")),
                    },
                }
                continue;
            }
            *count += 1;
            assert_eq!(cmd("INCR").arg(key(at)).query::<i64>(&mut client).expect("a number"), *count, "{}", key(at));
        }
        turns.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

fn holds(client: &mut Connection, at: usize) -> String {
    cmd("GET").arg(key(at)).query(client).unwrap_or_else(|error| panic!("{}: {error}", key(at)))
}

#[test]
fn the_first_wave_goes_back_the_others_never_went_and_nothing_is_lost() {
    let place = Place::new();
    place.done(&["key", "new", "release"]);
    fs::write(place.path("kv-3"), cursed()).expect("a file");
    place.done(&["sign", "kv-3", "--key", "release", "--application", "kv", "--serial", "1", "--out", "kv-3.signed"]);
    let sockets: Vec<_> = (1..=SERVERS).map(|at| format!("kv-{at}.sock")).collect();
    let start = |socket: &String| {
        let text = |name: &str| place.path(name).display().to_string();
        let images = text(&format!("images-of-{socket}"));
        fs::create_dir(&images).expect("a folder");
        let admin = format!("--admin={}", text(socket));
        let options = ["--at", "2", "--images", &images, "--key", &text("release.pub"), &admin];
        let server = Server::run(binary_of_two(), &options);
        place.done(&["push", "kv-3.signed", "--socket", socket]);
        let _: () = cmd("SET").arg(key(CURSED)).arg("cursed").query(&mut server.client()).expect("taken");
        server
    };
    let servers: Vec<_> = sockets.iter().map(start).collect();
    let (over, turns) = (AtomicBool::new(false), [const { AtomicU64::new(0) }; SERVERS]);
    thread::scope(|scope| {
        let ending = Ending(&over);
        let (over, turns) = (&over, &turns);
        let loads: Vec<_> = servers.iter().zip(turns).map(|(it, n)| scope.spawn(move || load(it, over, n))).collect();
        // all keys twice more, on every server
        let more = || {
            let enough = turns.each_ref().map(|turns| turns.load(Ordering::Relaxed) + 2);
            while turns.iter().zip(enough).any(|(turns, enough)| turns.load(Ordering::Relaxed) < enough) {
                assert!(loads.iter().all(|load| !load.is_finished()), "a reply was wrong");
                thread::yield_now();
            }
        };
        more();
        // watched for longer than it takes the load to come to that key
        let args = ["rollout", "3", "--wave", "1,2,rest", "--pause", "5m", "--commit", "--json"];
        // the one that panics gets back what it held before, whatever was done to it since
        let terms = ["--keep-previous", "--accept-loss"];
        let named: Vec<_> = sockets.iter().map(String::as_str).collect();
        let said = place.run(&[&args[..], &terms, &named].concat());
        more();
        drop(ending);

        assert_eq!(said.code, 6, "{said:?}");
        let lines: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
        let events: Vec<_> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
        assert_eq!(
            events,
            ["begun", "seen", "seen", "seen", "seen", "seen", "upgraded", "failed", "rolled-back", "ended"],
            "{said:?}"
        );
        let last = lines.last().expect("an end");
        assert_eq!(
            (&last["ok"], &last["exit"], &last["reason"], &last["how"]),
            (&json!(false), &json!(6), &json!("gate"), &json!("rolled-back"))
        );
        let fault = json!({ "program": "kv-1.sock", "reason": "panics", "message": "a step panicked" });
        assert_eq!(last["faults"], json!([fault]));
        let programs = last["programs"].as_array().expect("a list");
        let stands: Vec<_> = programs.iter().map(|it| it["stands"].as_str().expect("text")).collect();
        assert_eq!(stands, ["rolled-back", "untouched", "untouched", "untouched", "untouched"]);

        for (at, (server, load)) in servers.iter().zip(loads).enumerate() {
            let seen = load.join().expect("each reply was right");
            // it panics once, for the client, or for the server's own look whether the key has expired
            assert!(seen.panics <= u64::from(at == 0), "{} of {}", seen.panics, sockets[at]);
            let mut client = server.client();
            let now = status(&mut client);
            assert_eq!((now["version"], now["permanent"], now["held_back"]), (2, 2, 0), "{now:?}");
            for (at, count) in seen.counts.iter().enumerate().filter(|(at, _)| *at != CURSED) {
                assert_eq!(holds(&mut client, at), count.to_string(), "{}", key(at));
            }
            assert_eq!(holds(&mut client, CURSED), "cursed");
        }
    });
}
