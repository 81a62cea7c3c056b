//! Every call that would change something, done or refused, is in the audit and in the journal with who, from where and why;
//! so is every caller who was not let in.

mod doors;

use std::fs;

use doors::{Served, on, port, socket};
use hotswap::remote::Role;
use hotswap_tests::folder::Folder;
use hotswap_tests::tally::Switch;
use serde_json::{Value, json};

/// The parts of a call that do not change from run to run.
fn lasting(call: &Value) -> Value {
    let door = call["from"].as_str().and_then(|from| from.split(' ').next()).expect("from somewhere");
    let problem = call["problem"].as_str().map(|problem| problem.replace("urn:hotswap:problem:", ""));
    json!([
        call["who"],
        door,
        call["role"],
        call["method"],
        call["path"],
        call["key"],
        call["status"],
        problem,
        call["why"]
    ])
}

#[test]
fn who_from_where_what_and_why() {
    let switch = Switch::builder().label("accounts").starting_at(1).build().expect("the label is free");
    let folder = Folder::new();
    let file = folder.path("journal");
    let served = Served::new(|options| options.journal(&file));
    let (upgrades, commit) = ("POST /v1/switches/accounts/upgrades", "POST /v1/switches/accounts/commit");
    let done =
        served.call(Some(Role::Operator), upgrades, &[("Idempotency-Key", "k1")], r#"{"to":2,"reason":"add it"}"#);
    assert!(matches!(done.status, 200 | 202), "{done:?}");
    let epoch = switch.admin().status().epoch;
    assert_eq!(served.call(Some(Role::Viewer), commit, &[], r#"{"reason":"I like it"}"#).status, 403);
    assert_eq!(served.call(None, commit, &[], r#"{"reason":"nobody knows me"}"#).status, 401);
    let wrong = [("Authorization", "Bearer hst_00")];
    assert_eq!(on(&mut port(served.address), "GET /v1/switches", &wrong, "").status, 401);
    assert_eq!(served.call(Some(Role::Viewer), "GET /v1/switches", &[], "").status, 200);
    assert_eq!(on(&mut socket(&served.socket), commit, &[], r#"{"reason":"it is good"}"#).status, 200);
    assert!(switch.admin().status().epoch > epoch);

    let audit = on(&mut socket(&served.socket), "GET /v1/audit", &[], "").json();
    let calls = audit["remote"].as_array().expect("a list").clone();
    let uid = std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").expect("it is there"));
    let (upgrades, commit) = (&upgrades[5..], &commit[5..]);
    let role = "this takes the role `operator`, and the caller's is `viewer`";
    let stranger = "the call does not say who makes it: it has no token";
    let expected = [
        json!(["oscar", "tcp", "operator", "POST", upgrades, "k1", done.status, null, "add it"]),
        json!(["vera", "tcp", "viewer", "POST", commit, null, 403, "forbidden", role]),
        json!(["", "tcp", null, "POST", commit, null, 401, "unknown-caller", stranger]),
        json!([
            "",
            "tcp",
            null,
            "GET",
            "/v1/switches",
            null,
            401,
            "unknown-caller",
            "this token is not one that is known here"
        ]),
        json!([format!("uid {uid}"), "unix", "admin", "POST", commit, null, 200, null, "it is good"]),
    ];
    assert_eq!(calls.iter().map(lasting).collect::<Vec<_>>(), expected);
    let from = format!("unix pid {}", std::process::id());
    assert_eq!(calls[4]["from"], from);
    // and the switch itself knows who committed it
    let changes = audit["switches"]["accounts"]["changes"].as_array().expect("a list");
    let by: Vec<_> = changes.iter().filter_map(|change| change["by"].as_str()).filter(|by| !by.is_empty()).collect();
    assert_eq!(by.last(), Some(&&*format!("uid {uid} via {from}")));
    assert!(by.first().is_some_and(|by| by.starts_with("oscar via tcp 127.0.0.1:")), "{by:?}");

    let Served { remote, .. } = served;
    remote.stop();
    let lines = fs::read_to_string(&file).expect("it is kept");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines, calls);
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&file).expect("it is kept")) & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
fn a_journal_that_is_moved_away_goes_on_in_a_new_file_and_one_whose_disk_is_full_stops_nobody() {
    let _switch = Switch::builder().label("rotated").starting_at(1).build().expect("the label is free");
    let folder = Folder::new();
    let file = folder.path("journal");
    let served = Served::new(|options| options.journal(&file));
    let call = || served.call(Some(Role::Viewer), "POST /v1/switches/rotated/commit", &[], "{}").status;
    let lines = |name: &str| fs::read_to_string(folder.path(name)).map_or(0, |text| text.lines().count());
    assert_eq!(call(), 403);
    doors::wait_until("it is written down", || lines("journal") == 1);
    fs::rename(&file, folder.path("journal.1")).expect("it is there");
    assert_eq!(call(), 403);
    doors::wait_until("it is written down", || lines("journal") == 1);
    assert_eq!(lines("journal.1"), 1);
    fs::remove_file(&file).expect("it is there");
    std::os::unix::fs::symlink("/dev/full", &file).expect("the name is free");
    assert_eq!((0..100).map(|_| call()).filter(|status| *status == 403).count(), 100);
    fs::remove_file(&file).expect("it is there");
    assert_eq!(call(), 403);
    doors::wait_until("it is written down again", || lines("journal") > 0);
    let audit = on(&mut socket(&served.socket), "GET /v1/audit", &[], "").json();
    assert_eq!(audit["remote"].as_array().map(Vec::len), Some(103));
}
