//! A rollout whose command is killed after anything that it did goes on when it is started again, forwards or back, and each
//! program is commanded once; what is not fit is found before anything is done anywhere.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::{fs, iter};

use hotswap::remote::{Options, serve};
use hotswap_tests::tally::{Mood, Switch, V2};
use serde_json::{Value, json};

mod command;

use command::Place;
use command::program::{Program, role, say, told};

#[test]
fn the_program() {
    let Some(role) = role() else { return };
    let (kind, socket) = role.split_once(' ').expect("what it is, and where");
    let switch = Switch::builder().starting_at(2).build().expect("a free label");
    let fleet = switch.fleet::<u32>();
    for key in 0..10 {
        let mood = if kind == "stubborn" && key == 7 { Mood::Unwilling } else { Mood::Willing };
        fleet.insert(key, V2 { sum: 1, mood, additions: 0 }).expect("there is none");
    }
    let _remote = serve(Options::default().socket(socket)).expect("it can be opened");
    say("ready");
    told().last();
}

/// Programs of this kind, and where they are.
fn programs(place: &Place, kind: &str, count: usize) -> (Vec<Program>, Vec<String>) {
    let sockets: Vec<_> = (1..=count).map(|at| format!("{kind}-{at}.sock")).collect();
    let mut programs: Vec<_> =
        sockets.iter().map(|socket| Program::start(place, &format!("{kind} {socket}"))).collect();
    programs.iter_mut().for_each(|program| assert_eq!(program.says(), "ready"));
    (programs, sockets)
}

/// What was done to a program, from the beginning.
fn done(place: &Place, socket: &str) -> Vec<String> {
    let (audit, _) = place.json(&["audit", "--socket", socket]);
    let changes = audit["switches"]["tally"]["changes"].as_array().expect("a list");
    changes.iter().map(|change| change["what"].as_str().expect("text").to_owned()).collect()
}

/// Runs it until it has told of so many facts, and kills it there.
fn killed(place: &Place, args: &[&str], after: usize) -> Vec<Value> {
    let mut child = place.hotswap(args).spawn().expect("the command runs");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let told: Vec<_> =
        lines.take(after).map(|line| serde_json::from_str(&line.expect("text")).expect("JSON")).collect();
    // it may have ended by itself when it had no more to tell
    let _ = child.kill();
    child.wait().expect("it ends");
    told
}

/// The last line of what it prints, and its exit code.
fn end(place: &Place, args: &[&str]) -> (Value, i32) {
    let said = place.run(args);
    let last = said.out.lines().last().unwrap_or_else(|| panic!("{said:?}"));
    (serde_json::from_str(last).expect("an object"), said.code)
}

/// How each program stands.
fn stands(end: &Value) -> Vec<&str> {
    end["programs"].as_array().expect("a list").iter().map(|it| it["stands"].as_str().expect("text")).collect()
}

/// The events of a whole journal.
fn events(place: &Place, journal: &str) -> Vec<String> {
    let text = fs::read_to_string(place.path(journal)).expect("it is there");
    let event = |line: &str| serde_json::from_str::<Value>(line).expect("a fact")["event"].as_str().map(str::to_owned);
    text.lines().map(|line| event(line).expect("it has a name")).collect()
}

#[test]
fn killed_after_anything_it_goes_on_forwards_and_does_nothing_twice() {
    let place = Place::new();
    let (_programs, sockets) = programs(&place, "willing", 3);
    let whole = [
        "begun",
        "seen",
        "seen",
        "seen",
        "upgraded",
        "passed",
        "upgraded",
        "upgraded",
        "passed",
        "committed",
        "committed",
        "committed",
        "ended",
    ];
    let (mut at, mut changes) = (2, vec!["start at version 2".to_owned()]);
    for after in 0..=whole.len() {
        let to = 3 - at;
        let (journal, to_text) = (format!("journal-{after}"), to.to_string());
        let mut args = vec!["rollout", &to_text, "--pause", "0s", "--commit", "--journal", &journal, "--json"];
        args.extend(sockets.iter().map(String::as_str));
        let told = killed(&place, &args, after);
        assert!(iter::zip(&told, whole).all(|(told, event)| told["event"] == event), "{told:?}");

        let (last, code) = end(&place, &args);
        assert_eq!((code, &last["how"]), (0, &json!("committed")), "killed after {after}: {last}");
        assert_eq!(stands(&last), ["committed"; 3]);
        assert_eq!(events(&place, &journal), whole, "killed after {after}");
        changes.extend([format!("upgrade {at} -> {to}"), format!("commit {to} -> {to}")]);
        for socket in &sockets {
            assert_eq!(done(&place, socket), changes, "{socket}, killed after {after}");
        }
        // and once more: it has ended
        assert_eq!(end(&place, &args), (last, 0));
        at = to;
    }
    for socket in &sockets {
        assert_eq!(done(&place, socket), changes);
    }
}

#[test]
fn killed_after_anything_it_goes_on_backwards_and_does_nothing_twice() {
    let place = Place::new();
    let (_programs, sockets) = programs(&place, "stubborn", 3);
    let whole =
        ["begun", "seen", "seen", "seen", "upgraded", "upgraded", "failed", "rolled-back", "rolled-back", "ended"];
    let mut changes = vec!["start at version 2".to_owned()];
    for after in 0..=whole.len() {
        let journal = format!("journal-{after}");
        let mut args = vec!["rollout", "3", "--wave", "2,rest", "--accept-loss", "--journal", &journal, "--json"];
        args.extend(sockets.iter().map(String::as_str));
        let told = killed(&place, &args, after);
        assert!(iter::zip(&told, whole).all(|(told, event)| told["event"] == event), "{told:?}");

        let (last, code) = end(&place, &args);
        assert_eq!((code, &last["how"]), (6, &json!("rolled-back")), "killed after {after}: {last}");
        assert_eq!(stands(&last), ["rolled-back", "rolled-back", "untouched"]);
        let faults: Vec<_> = last["faults"].as_array().expect("a list").iter().map(|it| it["reason"].clone()).collect();
        assert_eq!(faults, ["held-back", "held-back"]);
        assert_eq!(events(&place, &journal), whole, "killed after {after}");
        changes.extend(["upgrade 2 -> 3".to_owned(), "rollback 3 -> 2".to_owned()]);
        for socket in &sockets[..2] {
            assert_eq!(done(&place, socket), changes, "{socket}, killed after {after}");
        }
        assert_eq!(done(&place, &sockets[2]), ["start at version 2"]);
    }
}

#[test]
fn where_it_stops_the_programs_stay_for_people_to_look_at() {
    let place = Place::new();
    let (_stubborn, stubborn) = programs(&place, "stubborn", 1);
    let (_willing, willing) = programs(&place, "willing", 2);
    fs::write(place.path("programs"), format!("# the last\n\n{}\n", stubborn[0])).expect("a file");
    let to_3 =
        ["rollout", "3", &willing[0], &willing[1], "--programs", "programs", "--wave", "1,1,rest", "--pause", "0s"];
    let terms = ["--accept-loss", "--journal", "journal", "--json"];
    let with = |more: &[&'static str]| [&to_3[..], &terms, more].concat();

    let (last, code) = end(&place, &with(&["--on-failure", "stop"]));
    assert_eq!((code, &last["how"], &last["faults"][0]["program"]), (7, &json!("stopped"), &json!(stubborn[0])));
    assert_eq!(stands(&last), ["on-probation"; 3]);
    let said = place.run(&to_3.iter().chain(&terms[..3]).chain(&["--on-failure", "stop"]).copied().collect::<Vec<_>>());
    assert_eq!(
        (said.code, &*said.err),
        (
            7,
            "error: the rollout was stopped, and nothing more was done\n  stubborn-1.sock: 1 of 10 instances are held back\n"
        )
    );
    let rows: Vec<_> =
        said.out.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        rows,
        [
            "wave program from stands moved held back",
            "1 willing-1.sock 2 on-probation 10 0",
            "2 willing-2.sock 2 on-probation 10 0",
            "3 stubborn-1.sock 2 on-probation 9 1",
        ]
    );

    // another gate would have let it pass, but it has stopped; what can be done now is to go back
    assert_eq!(end(&place, &with(&["--on-failure", "stop", "--max-held-back", "1", "--commit"])).1, 7);
    let (last, code) = end(&place, &with(&[]));
    assert_eq!((code, stands(&last)), (6, vec!["rolled-back"; 3]));
    for socket in willing.iter().chain(&stubborn) {
        assert_eq!(done(&place, socket), ["start at version 2", "upgrade 2 -> 3", "rollback 3 -> 2"]);
    }

    // a gate that lets one be held back does
    let lenient = ["--accept-loss", "--max-held-back", "1", "--json"];
    let (last, code) = end(&place, &[&to_3[..], &lenient].concat());
    assert_eq!((code, &last["how"], stands(&last)), (0, &json!("on-probation"), vec!["on-probation"; 3]));
}

#[test]
fn what_is_not_fit_is_found_before_anything_is_done() {
    let place = Place::new();
    let (_programs, sockets) = programs(&place, "willing", 2);
    let [one, two] = [&*sockets[0], &*sockets[1]];
    let refused = |args: &[&str], code: i32, reason: &str, program: Value| {
        let (last, exit) = end(&place, &[&["rollout", "--json"], args].concat());
        assert_eq!((exit, &last["reason"], &last["program"]), (code, &json!(reason), &program), "{last}");
        for socket in &sockets {
            assert_eq!(done(&place, socket), ["start at version 2"]);
        }
    };
    refused(&["9", one, two], 3, "no-version", json!(one));
    refused(&["3", one, "nobody.sock"], 4, "unreachable", json!("nobody.sock"));
    refused(&["3", one, two, "--switch", "other"], 3, "no-switch", json!(one));
    refused(&["3", one, two, one], 2, "program-twice", Value::Null);
    fs::write(place.path("none"), "# nobody\n").expect("a file");
    refused(&["3", "--programs", "none"], 2, "no-programs", Value::Null);
    for spoilt in ["{}\n", "a note of somebody's", "{\"event\":\"begun\"}\n{\"note\""] {
        fs::write(place.path("spoilt"), spoilt).expect("a file");
        refused(&["3", one, "--journal", "spoilt"], 1, "journal", Value::Null);
        assert_eq!(fs::read_to_string(place.path("spoilt")).expect("it is there"), spoilt);
    }
    let other_name = format!("./{one}");
    refused(&["3", one, two, &other_name], 2, "program-twice", Value::Null);
    assert_eq!(place.run(&["rollout", "3"]).code, 2);

    // what the programs themselves refuse is found in the first wave: nothing was done there either
    let (last, code) = end(&place, &["rollout", "5", one, two, "--rollback-after", "1", "--journal", "j", "--json"]);
    assert_eq!((code, &last["faults"][0]["reason"]), (6, &json!("no-way-back")), "{last}");
    assert_eq!(done(&place, one), ["start at version 2"]);
    refused(&["3", one, two, "--journal", "j"], 2, "another-rollout", Value::Null);

    // a line that was being written when the power went is none
    let journal = fs::read_to_string(place.path("j")).expect("it is there");
    let cut = journal.lines().take(4).collect::<Vec<_>>().join("\n");
    fs::write(place.path("j"), &cut[..cut.len() - 9]).expect("a file");
    let (_, code) = end(&place, &["rollout", "5", one, two, "--rollback-after", "1", "--journal", "j", "--json"]);
    assert_eq!(
        (code, fs::read_to_string(place.path("j")).expect("it is there").lines().count()),
        (6, journal.lines().count())
    );

    // and one that somebody else has on probation is left to them
    place.done(&["upgrade", "3", "--wait", "--socket", two]);
    let (last, code) = end(&place, &["rollout", "3", one, two, "--json"]);
    assert_eq!((code, &last["reason"], &last["program"]), (3, &json!("on-probation"), &json!(two)), "{last}");
    assert_eq!(done(&place, one), ["start at version 2"]);
    // for good, it is there already
    place.done(&["commit", "--socket", two]);
    let (last, code) = end(&place, &["rollout", "3", one, two, "--pause", "0s", "--commit", "--json"]);
    assert_eq!((code, stands(&last)), (0, vec!["committed", "was-there"]), "{last}");
    assert!(Path::new(&place.path("j")).exists());
}
