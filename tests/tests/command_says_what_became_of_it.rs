//! Whatever is at the other end, the command says what became of what it was asked: done, refused, failed, unreachable or not
//! known, each with an exit code of its own, and what is not known with the id to ask by.
//!
//! The program at the other end is a few lines of the test's own, for it does what no program should.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::{fs, iter};

use serde_json::{Value, json};

mod command;

use command::Place;

/// A request as it came in.
#[derive(Debug)]
struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn read(stream: impl Read) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            // only a look whether somebody listens
            return None;
        }
        let headers: Vec<_> = iter::from_fn(|| {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let (name, value) = line.trim_end().split_once(": ")?;
            Some((name.to_lowercase(), value.to_owned()))
        })
        .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().expect("a length"))];
        reader.read_exact(&mut body).ok()?;
        Some(Self { line: line.trim_end().trim_end_matches(" HTTP/1.1").to_owned(), headers, body })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| &**value)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// What the other end does with a request.
enum Does {
    Answer(u16, &'static str, String),
    /// Closes the connection.
    Close,
    /// Keeps it open, and says nothing.
    Silence,
}

fn answer(body: &Value) -> Does {
    Does::Answer(200, "application/json", body.to_string())
}

fn problem(status: u16, name: &str, detail: &str, blocker: &Value) -> Does {
    let kind = format!("urn:hotswap:problem:{name}");
    let body = json!({ "type": kind, "title": "title", "status": status, "detail": detail, "blocker": blocker });
    Does::Answer(status, "application/problem+json", body.to_string())
}

/// Answers every request on its listener by `does`, for as long as the test runs; gives what was asked.
fn serves<S: Read + Write + Send + 'static>(
    connections: impl Iterator<Item = S> + Send + 'static,
    mut does: impl FnMut(&Request) -> Does + Send + 'static,
) -> Receiver<Request> {
    let (tell, told) = channel();
    thread::spawn(move || {
        let mut silent = Vec::new();
        for mut stream in connections {
            let Some(request) = Request::read(&mut stream) else { continue };
            match does(&request) {
                Does::Answer(status, kind, body) => {
                    let length = body.len();
                    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n");
                    let _ = stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes());
                }
                Does::Close => {}
                Does::Silence => silent.push(stream),
            }
            let _ = tell.send(request);
        }
    });
    told
}

fn socket(path: &Path) -> impl Iterator<Item = UnixStream> + use<> {
    let listener = UnixListener::bind(path).expect("a socket");
    iter::from_fn(move || Some(listener.accept().expect("it listens").0))
}

/// In the place's default folder of sockets.
fn program(place: &Place, does: impl FnMut(&Request) -> Does + Send + 'static) -> Receiver<Request> {
    serves(socket(&place.sockets().join("shop-1.sock")), does)
}

fn port() -> (String, impl Iterator<Item = TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    (url, iter::from_fn(move || Some(listener.accept().expect("it listens").0)))
}

fn status(label: &str) -> Value {
    json!({
        "label": label, "machine": "counter", "boot": "00c0ffee00c0ffee", "epoch": 3, "version": 2, "permanent": 1,
        "phase": "probation", "id": "first", "live": 2, "by_version": [{ "version": 2, "place": "cell", "live": 2 }],
        "held_back": 0, "not_reached": 0, "held": [], "pending": null, "since": [],
    })
}

fn switches(labels: &[&str]) -> Does {
    answer(&json!({ "switches": labels.iter().map(|label| status(label)).collect::<Vec<_>>() }))
}

fn outcome(id: &str, moved: u64, held_back: u64, settled: bool) -> Value {
    json!({
        "id": id, "kind": "upgrade", "from": 1, "to": 2, "epoch": 3, "reason": "", "done": true, "live": 10, "moved": moved,
        "held_back": held_back, "gone": 0, "not_reached": 10 - moved - held_back, "settled": settled,
        "superseded_by": null, "held": [],
    })
}

#[test]
fn a_program_that_is_not_there_is_exit_code_4() {
    let place = Place::new();
    let (value, code) = place.json(&["status"]);
    assert_eq!((&value["reason"], &value["exit"], code), (&"no-program".into(), &4.into(), 4));
    // what a program left behind that was killed
    drop(UnixListener::bind(place.sockets().join("dead-1.sock")).expect("a socket"));
    let said = place.run(&["status"]);
    let folder = place.sockets().display().to_string();
    let message =
        format!("error: no program with hotswap's admin is live in {folder}: name one with `--socket` or `--url`\n");
    assert_eq!((said.code, said.out, said.err), (4, String::new(), message));
    let (value, code) = place.json(&["upgrade", "2", "--socket", "hotswap/dead-1.sock"]);
    assert_eq!((&value["reason"], code), (&"unreachable".into(), 4));
    assert_eq!(value["message"], "hotswap/dead-1.sock cannot be reached: Connection refused (os error 111)");
    // nothing was sent, so there is nothing to ask about
    assert_eq!(value["id"], Value::Null);
    let (url, connections) = port();
    drop(connections);
    assert_eq!(place.json(&["status", "--url", &url]).1, 4);
}

#[test]
fn the_one_live_program_is_taken_and_of_several_it_is_said_which_option_names_one() {
    let place = Place::new();
    drop(UnixListener::bind(place.sockets().join("dead-1.sock")).expect("a socket"));
    let _asked = program(&place, |_| switches(&[]));
    assert_eq!(place.done(&["status"]), "no switch is live\n");
    let other = place.sockets().join("shop-2.sock");
    let _others = serves(socket(&other), |_| switches(&[]));
    let (value, code) = place.json(&["status"]);
    let one = place.sockets().join("shop-1.sock").display().to_string();
    let two = other.display().to_string();
    assert_eq!((&value["reason"], code), (&"which-program".into(), 2));
    assert_eq!(value["sockets"], json!([one, two]));
    let folder = place.sockets().display().to_string();
    assert_eq!(
        value["message"],
        format!("2 programs are live in {folder}: name one with `--socket`\n  {one}\n  {two}")
    );
    // by the environment, over which the command line goes
    let by = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = place.hotswap(args);
        command.envs(variables.iter().copied());
        command::Said::of(command.output().expect("the command runs"))
    };
    assert_eq!(by(&[("HOTSWAP_SOCKET", &two)], &["status"]).code, 0);
    assert_eq!(by(&[("HOTSWAP_SOCKET", "none")], &["status"]).code, 4);
    assert_eq!(by(&[("HOTSWAP_SOCKET", "none")], &["status", "--socket", &one]).code, 0);
    let (url, connections) = port();
    let _remote = serves(connections, |_| switches(&[]));
    assert_eq!(by(&[("HOTSWAP_URL", &url)], &["status"]).code, 0);
    assert_eq!(by(&[("HOTSWAP_SOCKET", "none")], &["status", "--url", &url]).code, 0);
    assert_eq!(by(&[("HOTSWAP_SOCKET", &two), ("HOTSWAP_URL", &url)], &["status"]).code, 2);
    // a folder that others may write in is not looked into
    fs::set_permissions(place.sockets(), fs::Permissions::from_mode(0o777)).expect("it is ours");
    let (value, code) = place.json(&["status"]);
    assert_eq!((&value["reason"], code), (&"foreign-folder".into(), 1));
}

#[test]
fn a_key_is_sent_as_it_was_given() {
    let place = Place::new();
    let asked = program(&place, |_| problem(404, "no-instance", "there is none", &Value::Null));
    place.json(&["state", "get", "a\nb\tc d%2f/\u{e9}?#", "--switch", "shop"]);
    let asked: Vec<_> = asked.try_iter().map(|request| request.line).collect();
    assert_eq!(asked, ["GET /v1/switches/shop/instances/a%0Ab%09c%20d%252f%2F%C3%A9%3F%23/state"]);
}

#[test]
fn of_several_switches_one_is_to_be_named() {
    let place = Place::new();
    let _asked = program(&place, |request| match &*request.line {
        "GET /v1/switches" => switches(&["cart", "prices / EU"]),
        "GET /v1/switches/prices%20%2F%20EU/versions" => answer(&json!({ "versions": [] })),
        line => panic!("{line}"),
    });
    let (value, code) = place.json(&["versions"]);
    assert_eq!((&value["reason"], code), (&"which-switch".into(), 2));
    assert_eq!(value["switches"], json!(["cart", "prices / EU"]));
    let (value, code) = place.json(&["versions", "--switch", "prices / EU"]);
    assert_eq!((&value["switch"], code), (&"prices / EU".into(), 0));
}

#[test]
fn a_refusal_is_exit_code_3_and_names_what_is_in_the_way() {
    let cases = [
        (
            problem(
                409,
                "pending",
                "command `nightly` is still running",
                &json!({ "kind": "pending", "id": "nightly" }),
            ),
            "pending",
            "command `nightly` is still running\n\nhelp: `hotswap status --id nightly` says how far it is",
        ),
        (
            problem(
                409,
                "loss-not-accepted",
                "going to version 1 loses marks (instances: 3); accept the loss to go on",
                &json!({ "kind": "losses", "to": 1, "losses": [{ "what": "marks", "instances": 3 }] }),
            ),
            "loss-not-accepted",
            "going to version 1 loses marks (instances: 3); accept the loss to go on\n\n\
             help: `--accept-loss` goes on all the same",
        ),
        (
            problem(
                412,
                "stale",
                "expected epoch 2 but the present one is 3",
                &json!({ "kind": "stale", "expected": 2, "present": 3 }),
            ),
            "stale",
            "expected epoch 2 but the present one is 3\n\nhelp: `hotswap status` tells the present release",
        ),
        (
            problem(401, "unauthenticated", "nobody is known by this token", &Value::Null),
            "unauthenticated",
            "nobody is known by this token\n\n\
             help: `--token-file`, or `--client-cert` with `--client-key`, says who you are",
        ),
        // of a server that knows more than this command
        (
            problem(409, "moon", "the moon is full\x1b[31m", &json!({ "kind": "moon", "phase": "full" })),
            "moon",
            r"the moon is full\u{1b}[31m",
        ),
    ];
    for (does, reason, message) in cases {
        let place = Place::new();
        let mut does = Some(does);
        let _asked = program(&place, move |request| match &*request.line {
            "GET /v1/switches" => switches(&["counter"]),
            _ => does.take().expect("one upgrade"),
        });
        let (value, code) = place.json(&["upgrade", "2"]);
        assert_eq!((&value["reason"], &value["exit"], code), (&reason.into(), &3.into(), 3), "{value}");
        assert_eq!(value["message"], message);
        assert_eq!(value["problem"]["type"], format!("urn:hotswap:problem:{reason}"));
        // it was refused, so it is not open what became of it
        assert_eq!(value["id"], Value::Null);
    }
}

#[test]
fn what_the_program_could_not_do_is_exit_code_1() {
    let place = Place::new();
    let mut all = vec![
        Does::Answer(200, "application/json", "{\"half\":".to_owned()),
        Does::Answer(502, "text/html", "<html>Bad gateway</html>".to_owned()),
        problem(422, "step-panicked", "the step panicked: boom", &Value::Null),
        problem(503, "not-stored", "the disk is full", &Value::Null),
    ];
    let _asked = program(&place, move |_| all.pop().expect("four calls"));
    let step = ["step", "a", "Add", "1", "--switch", "counter"];
    let at = place.sockets().join("shop-1.sock").display().to_string();
    for (reason, message) in [
        ("not-stored", "the disk is full".to_owned()),
        // an instance is poisoned by it, so nothing was refused
        ("step-panicked", "the step panicked: boom".to_owned()),
        ("strange", format!("{at} is no program with hotswap's admin: it answered 502 and `<html>Bad gateway</html>`")),
        ("strange", format!("{at} is no program with hotswap's admin: it answered 200 and `{{\"half\":`")),
    ] {
        let (value, code) = place.json(&step);
        assert_eq!((&value["reason"], &value["message"], code), (&reason.into(), &message.into(), 1));
    }
}

#[test]
fn a_command_whose_connection_breaks_says_its_id_and_how_to_ask_for_it() {
    let place = Place::new();
    let asked = program(&place, |request| match &*request.line {
        "POST /v1/switches/counter/upgrades" => Does::Close,
        _ => switches(&["counter"]),
    });
    let (value, code) =
        place.json(&["upgrade", "2", "--id", "nightly", "--reason", "a fix", "--expect", "00c0ffee00c0ffee-3"]);
    assert_eq!((&value["reason"], &value["id"], code), (&"broken".into(), &"nightly".into(), 4));
    let upgrade = asked.iter().nth(1).expect("it was sent");
    assert_eq!(upgrade.header("idempotency-key"), Some("nightly"));
    assert_eq!(
        upgrade.json(),
        json!({
            "to": 2, "reason": "a fix", "expect": { "boot": "00c0ffee00c0ffee", "epoch": 3 }, "keep_previous": false,
            "accept_loss": false, "rollback_after": null, "canary": null, "wait_ms": null,
        })
    );
    let said = place.run(&["upgrade", "2", "--id", "nightly"]);
    let help = "help: it may be done. `hotswap status --id nightly` says what came of it; the same again with \
                `--id nightly` does it if it did not arrive, and only then\n";
    assert_eq!((said.code, &*said.out), (4, ""));
    assert!(said.err.starts_with("error: the connection to ") && said.err.ends_with(help), "{}", said.err);
    // one that is not named has an id all the same, and each its own
    let ids = [(), ()].map(|()| {
        let (value, code) = place.json(&["rollback"]);
        assert_eq!((&value["reason"], code), (&"strange".into(), 1), "answered like a list");
        asked.iter().find_map(|it| it.header("idempotency-key").filter(|it| it.starts_with("cli-")).map(str::to_owned))
    });
    assert!(ids[0].is_some() && ids[1].is_some() && ids[0] != ids[1], "{ids:?}");
}

#[test]
fn a_program_that_says_nothing_is_not_waited_for_for_ever() {
    let place = Place::new();
    let _asked = program(&place, |_| Does::Silence);
    let (value, code) = place.json(&["commit", "--switch", "counter", "--id", "c", "--timeout", "50ms"]);
    assert_eq!((&value["reason"], &value["id"], code), (&"no-answer".into(), &"c".into(), 4));
}

#[test]
fn who_waits_is_told_the_end_and_whether_all_came_along() {
    let run = |mut outcomes: Vec<Value>, wait: &[&str]| {
        let place = Place::new();
        outcomes.reverse();
        let _asked = program(&place, move |request| {
            assert!(
                ["POST /v1/switches/counter/upgrades", "GET /v1/switches/counter/upgrades/x"].contains(&&*request.line)
            );
            answer(&outcomes.pop().expect("it asks no more once it knows"))
        });
        place.json(&[&["upgrade", "2", "--id", "x", "--switch", "counter"], wait].concat())
    };
    let wait = &["--wait"];
    let (value, code) =
        run(vec![outcome("x", 0, 0, false), outcome("x", 4, 0, false), outcome("x", 10, 0, true)], wait);
    assert_eq!((&value["outcome"]["moved"], code), (&10.into(), 0));
    let (value, code) = run(vec![outcome("x", 0, 0, false), outcome("x", 9, 1, true)], wait);
    assert_eq!((&value["reason"], &value["outcome"]["held_back"], code), (&"held-back".into(), &1.into(), 5));
    assert_eq!(value["message"], "done, but 1 of 10 instances are held back");
    let mut superseded = outcome("x", 5, 0, false);
    superseded["superseded_by"] = "y".into();
    let (value, code) = run(vec![outcome("x", 0, 0, false), superseded], wait);
    assert_eq!((&value["reason"], code), (&"superseded".into(), 1));
    assert_eq!(value["message"], "command `x` was superseded by command `y` before all instances had arrived");
    // who does not wait is told what is known
    let (value, code) = run(vec![outcome("x", 3, 0, false)], &[]);
    assert_eq!((&value["outcome"]["settled"], &value["outcome"]["not_reached"], code), (&false.into(), &7.into(), 0));
    // a command that had nothing to do has no record to ask for
    let mut nothing = outcome("x", 0, 0, false);
    nothing["done"] = false.into();
    let (value, code) = run(vec![nothing], wait);
    assert_eq!((&value["outcome"]["done"], code), (&false.into(), 0));
}

#[test]
fn a_connection_that_breaks_while_it_waits_tells_the_id_too() {
    let place = Place::new();
    let mut calls = 0;
    let _asked = program(&place, move |_| {
        calls += 1;
        if calls == 1 { answer(&outcome("x", 0, 0, false)) } else { Does::Close }
    });
    let (value, code) = place.json(&["upgrade", "2", "--wait", "--id", "x", "--switch", "counter"]);
    assert_eq!((&value["reason"], &value["ask"], code), (&"broken".into(), &"x".into(), 4));
}

#[test]
fn a_token_is_shown_to_the_program_it_is_for_and_to_nobody_on_the_way() {
    let place = Place::new();
    let token = |mode| {
        let path = place.path("token");
        fs::write(&path, "hst_secret\n").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    let (url, connections) = port();
    let asked = serves(connections, |_| switches(&[]));
    token(0o600);
    let with = ["status", "--token-file", "token", "--url"];
    assert_eq!(place.json(&[&with[..], &[&*url]].concat()).1, 0);
    assert_eq!(asked.recv().expect("a request").header("authorization"), Some("Bearer hst_secret"));
    let (value, code) = place.json(&[&with[..], &["http://192.0.2.1:7000"]].concat());
    assert_eq!((&value["reason"], code), (&"in-the-clear".into(), 1));
    token(0o644);
    let (value, code) = place.json(&[&with[..], &[&*url]].concat());
    assert_eq!((&value["reason"], code), (&"token".into(), 1));
    assert_eq!(
        value["message"],
        "every user may read the token in token (its mode is 644): `chmod 600` takes that away"
    );
    for wrong in ["ftp://127.0.0.1", "127.0.0.1:80", "http://alice:pw@127.0.0.1", "http://127.0.0.1/?a=b"] {
        let (value, code) = place.json(&["status", "--url", wrong]);
        assert_eq!((&value["reason"], code), (&"url".into(), 1), "{wrong}");
    }
    assert!(asked.try_recv().is_err(), "nothing else was sent");
}

#[test]
fn events_are_lines_as_they_come_until_there_are_enough_or_no_more() {
    let flip = json!({
        "switch": "counter", "event": "flip", "epoch": 3, "kind": "upgrade", "from": 1, "to": 2, "phase": "probation",
        "id": "x",
    });
    let stream = format!(": hello\n\nevent: flip\ndata: {flip}\n\nevent: flip\ndata: {flip}\n\n");
    let place = Place::new();
    let asked = program(&place, move |_| Does::Answer(200, "text/event-stream", stream.clone()));
    let said = place.done(&["events", "--switch", "counter", "--count", "1"]);
    assert_eq!(
        said,
        "counter: upgrade from version 1 to version 2, on probation, a rollback goes to version 1, epoch 3, id x\n"
    );
    let request = asked.recv().expect("a request");
    assert_eq!((&*request.line, request.header("accept")), ("GET /v1/events?label=counter", Some("text/event-stream")));
    let said = place.run(&["events", "--json"]);
    let lines: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!((said.code, lines.len()), (4, 3), "two events, and that there are no more");
    assert_eq!((&lines[0], &lines[0]["id"]), (&lines[1], &"x".into()));
    assert_eq!((&lines[2]["reason"], &lines[2]["ok"]), (&"ended".into(), &false.into()));
}
