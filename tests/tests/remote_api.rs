//! Every switch of the program can be looked at and driven over HTTP, by people who lack its types; every refusal has its
//! status, says what stands in the way, and changes nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::http::Method;
use hotswap::remote::wire::{AuditView, CanarySide, Outcome, Plan, State, SwitchView, Versions};
use hotswap::remote::{Api, Role, openapi};
use hotswap::{Machine as _, Phase};
use hotswap_tests::folder::Folder;
use hotswap_tests::quietly;
use hotswap_tests::remote::{Call, Reply, Server, caller};
use hotswap_tests::tally::{Boom, Fail, Fleet, Get, Machine, Mood, Prepare, Switch, V1, V2, Version};
use serde_json::{Value, json};

/// A switch at version 1 with a fleet of one instance, under `door`, and a server.
struct Rig {
    switch: Switch,
    fleet: Fleet<String>,
    server: Server,
}

impl Rig {
    fn new(label: &str) -> Self {
        Self::with(label, Api::default())
    }

    fn with(label: &str, api: Api) -> Self {
        let switch = Switch::builder().label(label).starting_at(Version::V1).build().expect("the label is free");
        let fleet = switch.fleet();
        fleet.insert("door".to_owned(), V1 { sum: 7, mood: Mood::Willing }).expect("enters");
        Self { switch, fleet, server: Server::new(api) }
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/switches/{}{rest}", self.switch.label())
    }

    fn get(&self, rest: &str) -> Reply {
        self.server.get(&self.path(rest))
    }

    fn post(&self, rest: &str, body: &Value) -> Reply {
        self.server.post(&self.path(rest), body)
    }

    fn sum(&self) -> u64 {
        self.fleet.step("door", Get).expect("it is taken")
    }

    /// All that a refused call must leave as it was.
    fn all(&self) -> (hotswap::Status, Vec<hotswap::Entry>, Vec<hotswap::Outcome>, Value) {
        let admin = self.switch.admin();
        let state = admin.get_state("door").unwrap_or_default();
        (admin.status(), admin.audit().changes, admin.outcomes(), state)
    }
}

#[test]
fn a_switch_shows_what_it_runs_and_who_lives_on_it_since_when() {
    let rig = Rig::new("shown");
    let boot = format!("{:016x}", rig.switch.admin().status().boot);
    let reply = rig.get("");
    assert_eq!((reply.status, reply.header("etag")), (200, Some(&*format!("\"{boot}-1\""))));
    let mut view = reply.json();
    assert!(view["since"][0]["since_ms"].take().is_u64());
    assert_eq!(
        view,
        json!({
            "label": "shown", "machine": "tally", "boot": boot, "epoch": 1, "version": 1, "permanent": 1,
            "phase": "permanent", "id": "start", "live": 1, "held_back": 0, "not_reached": 0,
            "by_version": [{"version": 1, "place": "fleet", "live": 1}],
            "held": [], "pending": null, "canary": null,
            "since": [{"version": 1, "place": "fleet", "epoch": 1, "since_ms": null, "live": 1, "held_back": 0,
                "poisoned": 0}],
        })
    );

    // one that no sweep reaches stays where it was, and one that cannot move is held back and named
    let _owned = rig.switch.instance(V1::default()).expect("enters");
    let _stuck = rig.switch.named_cell("gate", V1 { sum: 0, mood: Mood::Unwilling }).expect("enters");
    rig.switch.admin().upgrade(3, "").expect("not refused");
    let view: SwitchView = rig.get("").read();
    assert_eq!((view.status.live, view.status.held_back, view.status.not_reached), (3, 1, 1));
    let named: Vec<_> = view.held.iter().map(|held| (&*held.who, held.version, &*held.reason)).collect();
    assert_eq!(named, [("gate", 1, "unwilling")]);
    let since: Vec<_> = view.since.iter().map(|at| (at.version, at.epoch, at.live, at.held_back)).collect();
    assert_eq!(since, [(1, 2, 1, 1), (3, 2, 1, 0), (1, 1, 1, 0)]);
    assert!(view.since.windows(2).all(|pair| pair[0].since_ms >= pair[1].since_ms), "{view:?}");

    let all = rig.server.get("/v1/switches").json();
    let mut all = all["switches"].as_array().expect("a list").iter();
    assert_eq!(all.find(|it| it["label"] == "shown").expect("it is listed")["not_reached"], json!(1));
}

#[test]
fn versions_and_plans_say_what_the_library_says() {
    let rig = Rig::new("planned");
    let versions: Versions = rig.get("/versions").read();
    let theirs: Vec<_> =
        rig.switch.admin().versions().into_iter().map(hotswap::remote::wire::VersionStatus::from).collect();
    assert_eq!(versions.versions, theirs);
    assert_eq!(versions.versions.len(), Machine::VERSIONS.len());

    let before = rig.all();
    let reply = rig.post("/plans", &json!({"to": 3}));
    let plan: Plan = reply.read();
    assert_eq!((reply.status, plan.from, plan.to, plan.path, plan.examined), (200, 1, 3, vec![1, 2, 3], 1));
    assert_eq!((plan.live, plan.failed, plan.not_examined, plan.loses.len()), (1, 0, 0, 0));
    assert!(plan.took_ms > 0.0 && plan.bytes_after > plan.bytes_before);
    assert_eq!(rig.all(), before);
    // to some who write JSON a whole number has a point
    assert_eq!(rig.post("/plans", &json!({"to": 2.0})).status, 200);
    for wrong in [json!(2.5), json!(-1.0), json!(4_294_967_296_u64), json!(1e300)] {
        let refused = rig.post("/plans", &json!({ "to": wrong }));
        assert_eq!(
            (refused.problem(), refused.blocker()["name"].clone()),
            ((400, "unreadable".into()), json!("to")),
            "{wrong}"
        );
    }
}

#[test]
fn an_upgrade_is_answered_at_the_flip_ends_by_itself_and_is_gone_back_from() {
    let rig = Rig::new("driven");
    let tag = rig.get("").header("etag").expect("it has one").to_owned();
    let ask = json!({"to": 2, "reason": "additions are wanted", "keep_previous": true});
    let reply = rig.server.call(Call::post(&rig.path("/upgrades"), &ask).header("if-match", &tag).key("monday"));
    let begun: Outcome = reply.read();
    assert_eq!((reply.status, &*begun.id, begun.from, begun.to, begun.settled), (202, "monday", 1, 2, false));
    assert_eq!((begun.live, begun.not_reached), (1, 1));
    assert_eq!(reply.header("location"), Some("/v1/switches/driven/upgrades/monday"));
    let next = reply.header("etag").expect("of the release that it made").to_owned();
    assert_eq!(next, rig.get("").header("etag").expect("it has one"));

    // whoever asks again with time to wait attaches to it, and is told how it ended
    let ended = rig.server.call(
        Call::post(
            &rig.path("/upgrades"),
            &json!({
                "to": 2, "reason": "additions are wanted", "keep_previous": true, "wait_ms": 60_000,
            }),
        )
        .key("monday")
        .by(hotswap::remote::Caller { who: "bob".into(), ..caller(Role::Operator) }),
    );
    let outcome: Outcome = ended.read();
    assert_eq!((ended.status, ended.header("idempotency-replayed")), (200, Some("true")));
    assert_eq!((outcome.settled, outcome.moved, outcome.not_reached), (true, 1, 0));
    assert_eq!(rig.get("/upgrades/monday").read::<Outcome>(), outcome);

    let reply = rig.server.call(
        Call::post(&rig.path("/rollback"), &json!({"reason": "no", "wait_ms": 60_000})).header("if-match", &next),
    );
    let back: Outcome = reply.read();
    assert_eq!((reply.status, back.from, back.to, back.moved, back.settled), (200, 2, 1, 1, true));
    let boot = format!("{:016x}", rig.switch.admin().status().boot);
    assert_eq!(back.id, format!("{boot}-3"));

    rig.post("/upgrades", &json!({"to": 2, "wait_ms": 60_000}));
    let committed = rig.post("/commit", &json!({"reason": "it is good", "wait_ms": 60_000}));
    assert_eq!((committed.status, committed.read::<Outcome>().to), (200, 2));
    assert_eq!(rig.switch.admin().status().phase, Phase::Permanent);

    let kinds = |reply: Reply| -> Vec<(Value, Value)> {
        let outcomes = reply.json()["outcomes"].as_array().expect("a list").clone();
        outcomes.into_iter().map(|it| (it["kind"].clone(), it["reason"].clone())).collect()
    };
    let all = kinds(rig.get("/upgrades"));
    assert_eq!(
        all[1..],
        [(json!("rollback"), json!("no")), (json!("upgrade"), json!("")), (json!("commit"), json!("it is good"))]
    );
    assert_eq!(kinds(rig.get("/upgrades?limit=2")), all[2..]);
    assert_eq!(kinds(rig.get("/upgrades?limit=0")), []);

    // nothing was done, and there is no record of it to look at
    let again = rig.post("/upgrades", &json!({"to": 2}));
    assert_eq!((again.status, again.read::<Outcome>().done, again.header("location")), (200, false, None));
    let idle = rig.server.call(Call::post(&rig.path("/upgrades"), &json!({"to": 2})).key("idle"));
    assert_eq!((idle.status, idle.json()["id"].clone()), (200, json!("idle")));
    assert_eq!(rig.get("/upgrades/idle").problem(), (404, "no-command".into()));

    let audit: AuditView = rig.server.get("/v1/audit?label=driven").read();
    let said: Vec<_> = audit.switches["driven"].changes.iter().map(|it| (&*it.what, &*it.why, &*it.by)).collect();
    let alice = "alice via a test";
    assert_eq!(
        said,
        [
            ("start at version 1", "", ""),
            ("upgrade 1 -> 2", "additions are wanted", alice),
            ("rollback 2 -> 1", "no", alice),
            ("upgrade 1 -> 2", "", alice),
            ("commit 2 -> 2", "it is good", alice),
        ]
    );
    let calls: Vec<_> = audit.remote.iter().map(|it| (it.number, &*it.who, &*it.method, it.status, &*it.why)).collect();
    assert_eq!(
        calls[..3],
        [
            (0, "alice", "POST", 202, "additions are wanted"),
            (1, "bob", "POST", 200, "additions are wanted"),
            (2, "alice", "POST", 200, "no"),
        ]
    );
    assert_eq!((calls.len(), audit.remote_lost, audit.remote[0].key.as_deref()), (7, 0, Some("monday")));
}

#[test]
fn a_canary_takes_its_share_is_compared_and_taken_further_or_back() {
    let rig = Rig::new("shared");
    for key in 1..100 {
        rig.fleet.insert(format!("door-{key}"), V1::default()).expect("enters");
    }
    assert_eq!(rig.get("").json()["canary"], Value::Null);
    let ask = json!({"to": 2, "reason": "a few first", "canary": 30, "wait_ms": 60_000});
    let reply = rig.server.call(Call::post(&rig.path("/upgrades"), &ask).key("few"));
    let outcome: Outcome = reply.read();
    let at_2 = || rig.switch.admin().status().by_version.iter().filter(|it| it.version == 2).map(|it| it.live).sum();
    let went: u64 = at_2();
    assert!((1..99).contains(&went), "{went}");
    assert_eq!((reply.status, outcome.live, outcome.moved, outcome.stayed), (200, 100, went, 100 - went));
    // the share is a part of what the id stands for
    let more = rig.server.call(Call::post(&rig.path("/upgrades"), &json!({"to": 2, "canary": 31})).key("few"));
    assert_eq!(more.problem(), (422, "id-reused".into()));

    for key in 1..100 {
        rig.fleet.step(&*format!("door-{key}"), Fail).expect("it is taken").expect_err("it was told to");
    }
    let first = rig.fleet.step("door", Get).expect("it is taken");
    assert_eq!(first, 7);
    let view: SwitchView = rig.get("").read();
    let canary = view.canary.expect("one runs");
    assert_eq!((canary.percent, canary.epoch, canary.elsewhere), (30, 2, 0));
    let side = |side: &CanarySide| (side.version, side.live, side.steps, side.panics);
    assert_eq!((side(&canary.before), side(&canary.canary)), ((1, 100 - went, 100 - went, 0), (2, went, went, 0)));
    assert_eq!(canary.before.failures + canary.canary.failures, 99);
    let timed = |side: &CanarySide| side.latency.map(|it| (it.timed, it.p50_ns <= it.p99_ns && it.p99_ns <= it.max_ns));
    assert_eq!(timed(&canary.before), Some(((100 - went).div_ceil(8), true)));
    assert_eq!(timed(&canary.canary), Some((went.div_ceil(8), true)));

    let before = rig.all();
    let runs = json!({"kind": "canary", "percent": 30, "before": 1, "to": 2});
    for (path, body) in [("/commit", json!({})), ("/upgrades", json!({"to": 3})), ("/upgrades", json!({"to": 1}))] {
        let refused = rig.post(path, &body);
        assert_eq!((refused.problem(), refused.blocker()), ((409, "canary-runs".to_owned()), runs.clone()), "{path}");
    }
    assert_eq!(rig.all(), before);

    let promote = json!({"reason": "no worse", "wait_ms": 60_000});
    let reply = rig.server.call(Call::post(&rig.path("/promote"), &promote).key("rest"));
    let outcome: Outcome = reply.read();
    assert_eq!((reply.status, &reply.json()["kind"], &*outcome.id), (200, &json!("promote"), "rest"));
    assert_eq!((outcome.moved, outcome.stayed, at_2()), (100, 0, 100_u64));
    let view: SwitchView = rig.get("").read();
    assert_eq!((view.canary, view.status.phase), (None, hotswap::remote::wire::Phase::Probation));
    let again = rig.server.call(Call::post(&rig.path("/promote"), &promote).key("rest"));
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")));
    assert_eq!(rig.post("/promote", &json!({})).problem(), (409, "nothing-to-promote".into()));

    // and another goes back, with those who went
    rig.post("/commit", &json!({"wait_ms": 60_000}));
    let outcome: Outcome = rig.post("/upgrades", &json!({"to": 3, "canary": 30, "wait_ms": 60_000})).read();
    assert_eq!((outcome.moved, outcome.stayed), (went, 100 - went), "the same keys");
    let back: Outcome = rig.post("/rollback", &json!({"accept_loss": true, "wait_ms": 60_000})).read();
    assert_eq!((back.to, back.moved, at_2()), (2, 100, 100_u64));
}

#[test]
fn the_held_back_of_the_last_command_are_tried_again_and_of_no_other() {
    let rig = Rig::new("retried");
    let gate = rig.switch.named_cell("gate", V1 { sum: 1, mood: Mood::Unwilling }).expect("enters");
    let outcome: Outcome =
        rig.server.call(Call::post(&rig.path("/upgrades"), &json!({"to": 3, "wait_ms": 60_000})).key("a/b")).read();
    assert_eq!((outcome.moved, outcome.held_back), (1, 1));
    let held = rig.post("/commit", &json!({}));
    assert_eq!(held.problem(), (409, "held-back".into()));
    assert_eq!(held.blocker(), json!({"kind": "held-back", "count": 1, "named": ["gate"]}));

    assert_eq!(rig.post("/upgrades/nobody/retry", &json!({})).problem(), (404, "no-command".into()));
    gate.step(Prepare(Mood::Willing)).expect("it is taken");
    let retried = rig.post("/upgrades/a%2Fb/retry", &json!({"reason": "mended", "wait_ms": 60_000}));
    let outcome: Outcome = retried.read();
    assert_eq!((retried.status, &*outcome.id, outcome.held_back, outcome.moved), (200, "a/b", 0, 2));
    assert_eq!(retried.header("location"), Some("/v1/switches/retried/upgrades/a%2Fb"));
    let nobody: Outcome = rig.post("/upgrades/a%2Fb/retry", &json!({})).read();
    assert!(!nobody.done);

    rig.post("/commit", &json!({}));
    let late = rig.post("/upgrades/a%2Fb/retry", &json!({}));
    assert_eq!(late.problem(), (409, "superseded".into()));
    assert_eq!(late.blocker(), json!({"kind": "superseded", "by": rig.switch.admin().status().id}));
}

#[test]
fn a_state_is_shown_replaced_and_stepped_by_key_as_json() {
    let rig = Rig::new("stepped");
    let _cell = rig.switch.named_cell("a cell/é", V1 { sum: 1, mood: Mood::Willing }).expect("enters");
    let state = rig.get("/instances/door/state");
    assert_eq!((state.status, state.json()), (200, json!({"version": 1, "state": {"sum": 7, "mood": "Willing"}})));

    let stepped = rig.post("/instances/door/step", &json!({"input": "Add", "value": 3}));
    assert_eq!((stepped.status, stepped.json()), (200, json!({"output": "Add", "value": null})));
    assert_eq!(
        rig.post("/instances/a%20cell%2F%C3%A9/step", &json!({"input": "Get"})).json(),
        json!({"output": "Get", "value": 1})
    );
    assert_eq!(rig.sum(), 10);
    let failed = rig.post("/instances/door/step", &json!({"input": "Fail"}));
    assert_eq!(failed.json(), json!({"output": "Fail", "value": {"Err": "told to"}}));

    rig.switch.admin().upgrade(2, "").expect("not refused");
    // of any version with a way to the one that runs; what comes back is what it became
    let put = rig.server.call(Call::put(
        &rig.path("/instances/door/state"),
        &json!({"version": 1, "state": {"sum": 40, "mood": "Willing"}}),
    ));
    let now = State { version: 2, state: json!({"sum": 40, "mood": "Willing", "additions": 0}) };
    assert_eq!((put.status, put.read::<State>()), (200, now));
    assert_eq!(rig.sum(), 40);

    let before = rig.all();
    let wrong = [
        (json!({"version": 2, "state": {"sum": -1, "mood": "Willing", "additions": 0}}), 422, "not-replaced"),
        (json!({"version": 9, "state": {}}), 422, "not-replaced"),
        (json!({"version": 5, "state": {"sum": 1, "mood": "Willing"}}), 422, "not-replaced"),
        (json!({"version": "2", "state": {}}), 400, "unreadable"),
        (json!({"version": 2}), 400, "unreadable"),
    ];
    for (body, status, name) in wrong {
        let refused = rig.server.call(Call::put(&rig.path("/instances/door/state"), &body));
        assert_eq!(refused.problem(), (status, name.into()), "{body}");
    }
    let wrong = [
        (json!({"input": "Seen"}), 422, "input-refused"),
        (json!({"input": "Sing"}), 422, "no-input"),
        (json!({"input": "Add", "value": "much"}), 422, "no-input"),
        (json!({"input": 3}), 400, "unreadable"),
    ];
    for (body, status, name) in wrong {
        assert_eq!(rig.post("/instances/door/step", &body).problem(), (status, name.into()), "{body}");
    }
    let nobody = [
        rig.get("/instances/window/state"),
        rig.post("/instances/window/step", &json!({"input": "Get"})),
        rig.server.call(Call::put(
            &rig.path("/instances/window/state"),
            &json!({"version": 1, "state": {"sum": 1, "mood": "Willing"}}),
        )),
    ];
    for refused in nobody {
        assert_eq!(refused.problem(), (404, "no-instance".into()));
        assert_eq!(refused.blocker(), json!({"kind": "instance", "key": "window"}));
    }
    assert_eq!(rig.all(), before);

    // a panic is told and poisons, and another state heals
    let panicked = rig.post("/instances/door/step", &json!({"input": "Boom"}));
    assert_eq!(panicked.problem(), (422, "step-panicked".into()));
    assert_eq!(rig.post("/instances/door/step", &json!({"input": "Get"})).problem(), (409, "poisoned".into()));
    let healed = rig.server.call(Call::put(
        &rig.path("/instances/door/state"),
        &json!({"version": 2, "state": {"sum": 5, "mood": "Willing", "additions": 1}}),
    ));
    assert_eq!((healed.status, rig.sum()), (200, 5));

    let last: Vec<_> =
        rig.switch.admin().audit().changes.into_iter().rev().take(2).map(|it| (it.what, it.by)).collect();
    let by = "alice via a test".to_owned();
    assert_eq!(
        last,
        [("replace the state of `door`".to_owned(), by.clone()), ("replace the state of `door`".to_owned(), by)]
    );
}

#[test]
fn fleets_are_saved_to_plain_names_in_the_servers_folder_and_nowhere_else() {
    let folder = Folder::new();
    let rig = Rig::with("saved", Api::default().snapshots(folder.path("")));
    let second = rig.switch.fleet::<u32>();
    second.insert(1, V1::default()).expect("enters");
    let saved = rig.post("/snapshots", &json!({"name": "monday"}));
    assert_eq!(saved.status, 200, "{saved:?}");
    let files = saved.json()["files"].clone();
    let file = |at: usize, name: &str| {
        let path = folder.path(name);
        assert_eq!(files[at]["file"], json!(path.display().to_string()));
        assert_eq!(files[at]["bytes"], json!(path.metadata().expect("it is there").len()));
        assert_eq!((&files[at]["instances"], &files[at]["left_out"]), (&json!(1), &json!(0)));
    };
    file(0, "monday");
    file(1, "monday-2");
    assert_eq!(files.as_array().map(Vec::len), Some(2));
    let restored = rig.switch.fleet::<String>();
    assert_eq!(restored.restore(folder.path("monday")).expect("it can be read").instances, 1);
    assert_eq!(restored.step("door", Get).expect("it is taken"), 7);

    for name in ["", "..", "../out", "/out", ".hidden", "monday.lock", "a\u{0}b", "a b"] {
        let refused = rig.post("/snapshots", &json!({ "name": name }));
        assert_eq!(
            (refused.problem(), refused.blocker()),
            ((400, "unreadable".into()), json!({"kind": "field", "name": "name"}))
        );
    }
    std::fs::write(folder.path("other"), "not a snapshot").expect("it can be written");
    let elsewhere = Rig::new("not-saved");
    assert_eq!(elsewhere.post("/snapshots", &json!({"name": "monday"})).problem(), (503, "absent".into()));
    let alone = Switch::builder().label("fleetless").build().expect("the label is free");
    let refused = rig.server.post("/v1/switches/fleetless/snapshots", &json!({"name": "monday"}));
    assert_eq!(refused.problem(), (409, "no-fleet".into()));
    drop(alone);
}

#[test]
fn a_saved_file_is_converted_in_the_servers_folder_and_every_refusal_leaves_it() {
    let folder = Folder::new();
    let rig = Rig::with("converted", Api::default().snapshots(folder.path("")));
    // the file is of the first fleet's keys; this one is asked too
    let _second = rig.switch.fleet::<u32>();
    assert_eq!(rig.post("/snapshots", &json!({"name": "monday"})).status, 200);
    let bytes = std::fs::read(folder.path("monday")).expect("it is there");
    let (path, before) = (rig.path("/snapshots/convert"), rig.all());
    let convert = |body: Value| rig.server.post(&path, &body);
    let ask = |to: u32| json!({"name": "monday", "to": to, "out": "tuesday"});
    for (field, name) in [("name", "../monday"), ("name", "monday.before"), ("out", ".hidden"), ("out", "a/b")] {
        let mut body = ask(2);
        body[field] = json!(name);
        let refused = convert(body);
        assert_eq!(
            (refused.problem(), refused.blocker()),
            ((400, "unreadable".into()), json!({"kind": "field", "name": field}))
        );
    }
    assert_eq!(convert(json!({"name": "sunday", "to": 2, "out": "tuesday"})).problem(), (404, "no-file".into()));
    assert_eq!(convert(ask(6)).problem(), (404, "no-version".into()));
    let viewer = Call::post(&path, &ask(2)).by(caller(Role::Viewer));
    assert_eq!(rig.server.call(viewer).problem(), (403, "forbidden".into()));
    std::fs::write(folder.path("other"), "something else").expect("it can be written");
    let refused = convert(json!({"name": "other", "to": 2, "out": "tuesday"}));
    assert_eq!(refused.problem(), (422, "not-a-fleet".into()));
    assert!(!folder.path("tuesday").exists());
    assert_eq!(rig.all(), before);

    let ended = rig.server.call(Call::post(&path, &ask(3)).key("third"));
    let file = folder.path("tuesday");
    let length = std::fs::metadata(&file).expect("it is there").len();
    let says = json!({"file": file, "bytes": length, "instances": 1, "moved": 1, "losses": []});
    assert_eq!((ended.status, ended.json()), (200, says.clone()));
    let again = rig.server.call(Call::post(&path, &ask(3)).key("third"));
    assert_eq!((again.json(), again.header("idempotency-replayed")), (says, Some("true")));
    let what = format!("convert {} to version 3 in {}", folder.path("monday").display(), file.display());
    let changes = rig.switch.admin().audit().changes;
    let last = changes.last().expect("it was done");
    assert_eq!((&last.what, &*last.by), (&what, "alice via a test"));

    let down = json!({"name": "tuesday", "to": 2, "out": "tuesday"});
    let refused = convert(down.clone());
    let losses = json!([{"what": "what was seen", "instances": 1}]);
    assert_eq!(
        (refused.problem(), refused.blocker()),
        ((409, "loss-not-accepted".into()), json!({"kind": "losses", "to": 2, "losses": losses}))
    );
    let mut accepting = down;
    accepting["accept_loss"] = json!(true);
    assert_eq!(convert(accepting).json()["losses"], losses);
    // nobody who lives has changed, nor has the file that was read
    assert_eq!((rig.sum(), rig.switch.version()), (7, 1));
    assert_eq!(std::fs::read(folder.path("monday")).expect("it is there"), bytes);

    let elsewhere = Rig::new("not-converted");
    assert_eq!(elsewhere.post("/snapshots/convert", &ask(2)).problem(), (503, "absent".into()));
    let alone = Switch::builder().label("nothing-to-convert").build().expect("the label is free");
    let refused = rig.server.post("/v1/switches/nothing-to-convert/snapshots/convert", &ask(2));
    assert_eq!(refused.problem(), (409, "no-fleet".into()));
    drop(alone);
}

#[test]
fn every_refused_command_says_what_stands_in_the_way_and_changes_nothing() {
    let rig = Rig::new("refused");
    let post = |path: &str, body: Value| rig.post(path, &body);
    let boot = format!("{:016x}", rig.switch.admin().status().boot);
    let before = rig.all();
    let expect_refused = |reply: Reply, status: u16, name: &str, blocker: Value| {
        assert_eq!((reply.problem(), reply.blocker()), ((status, name.to_owned()), blocker), "{reply:?}");
    };
    let known = json!([1, 2, 3, 4, 5]);
    expect_refused(
        post("/upgrades", json!({"to": 9})),
        404,
        "no-version",
        json!({"kind": "version", "asked": 9, "known": known}),
    );
    expect_refused(
        post("/plans", json!({"to": 9})),
        404,
        "no-version",
        json!({"kind": "version", "asked": 9, "known": known}),
    );
    expect_refused(post("/commit", json!({})), 409, "nothing-to-commit", json!({"kind": "permanent", "version": 1}));
    expect_refused(
        post("/rollback", json!({})),
        409,
        "nothing-to-roll-back",
        json!({"kind": "permanent", "version": 1}),
    );
    expect_refused(
        post("/upgrades", json!({"to": 5, "rollback_after": 3})),
        422,
        "no-way-back",
        json!({"kind": "no-way", "from": 5, "to": 1, "missing": "no migration from version 5 to version 4"}),
    );
    expect_refused(
        post("/upgrades", json!({"to": 3, "rollback_after": 3})),
        409,
        "loss-not-accepted",
        json!({"kind": "losses", "to": 1, "losses": [{"what": "what was seen", "instances": 1}]}),
    );
    let stale = json!({"kind": "stale", "expected": 8, "present": 1});
    expect_refused(
        post("/upgrades", json!({"to": 2, "expect": {"boot": boot, "epoch": 8}})),
        412,
        "stale",
        stale.clone(),
    );
    expect_refused(post("/upgrades", json!({"to": 2, "expect": {"epoch": 8}})), 412, "stale", stale.clone());
    let other_run = json!({"kind": "stale", "expected": 1, "present": 1});
    expect_refused(
        post("/upgrades", json!({"to": 2, "expect": {"boot": "0123456789abcdef", "epoch": 1}})),
        412,
        "stale",
        other_run,
    );
    let state = json!({"version": 1, "state": {"sum": 1, "mood": "Willing"}});
    let matching = |call: Call, tag: &str| rig.server.call(call.header("if-match", tag));
    let old = format!("\"{boot}-8\"");
    for call in [
        Call::post(&rig.path("/upgrades"), &json!({"to": 2})),
        Call::post(&rig.path("/promote"), &json!({})),
        Call::post(&rig.path("/commit"), &json!({})),
        Call::post(&rig.path("/rollback"), &json!({})),
        Call::put(&rig.path("/instances/door/state"), &state),
        Call::post(&rig.path("/instances/door/step"), &json!({"input": "Add", "value": 1})),
    ] {
        expect_refused(matching(call.clone(), &old), 412, "stale", stale.clone());
        // a tag that no switch gave, a weak one among them
        expect_refused(matching(call.clone(), "\"monday\""), 412, "stale", Value::Null);
        expect_refused(matching(call, &format!("W/\"{boot}-1\"")), 412, "stale", Value::Null);
    }
    let field = |name: &str| json!({"kind": "field", "name": name});
    let both = Call::post(&rig.path("/upgrades"), &json!({"to": 2, "expect": {"epoch": 1}}));
    expect_refused(matching(both, &old), 400, "unreadable", field("expect"));
    expect_refused(
        post("/upgrades", json!({"to": 2, "expect": {"boot": "1", "epoch": 1}})),
        400,
        "unreadable",
        field("expect.boot"),
    );
    expect_refused(post("/upgrades", json!({"to": 2, "reason": "x".repeat(4097)})), 400, "unreadable", field("reason"));
    expect_refused(post("/upgrades", json!({"to": "2"})), 400, "unreadable", field("to"));
    expect_refused(
        post("/upgrades", json!({"to": 2, "expect": {"epoch": -1}})),
        400,
        "unreadable",
        field("expect.epoch"),
    );
    expect_refused(post("/upgrades", json!({"to": 2, "canary": 300})), 400, "unreadable", field("canary"));
    expect_refused(post("/upgrades", json!({"to": 2, "share": 5})), 400, "unreadable", field("share"));
    for percent in [0, 100] {
        expect_refused(post("/upgrades", json!({"to": 2, "canary": percent})), 422, "not-a-share", field("canary"));
    }
    expect_refused(post("/promote", json!({})), 409, "nothing-to-promote", Value::Null);
    expect_refused(post("/upgrades", json!({"to": 2, "expect": [boot, 1]})), 400, "unreadable", field("expect"));
    expect_refused(post("/upgrades", json!([2])), 400, "unreadable", Value::Null);
    expect_refused(post("/upgrades", json!({})), 400, "unreadable", Value::Null);
    let upgrade = || Call::new(Method::POST, &rig.path("/upgrades"));
    expect_refused(
        rig.server.call(upgrade().bytes("application/json", b"{\"to\": 2".to_vec())),
        400,
        "unreadable",
        Value::Null,
    );
    expect_refused(
        rig.server.call(upgrade().bytes("application/json", b"{\"to\": 2} ?".to_vec())),
        400,
        "unreadable",
        Value::Null,
    );
    expect_refused(
        rig.server.call(upgrade().bytes("text/plain", b"{\"to\": 2}".to_vec())),
        415,
        "media-type",
        Value::Null,
    );
    expect_refused(rig.server.call(upgrade()), 415, "media-type", Value::Null);
    for key in ["", "a b", "é", &"x".repeat(256)] {
        expect_refused(
            rig.server.call(upgrade().json(&json!({"to": 2})).key(key)),
            400,
            "unreadable",
            field("idempotency-key"),
        );
    }
    expect_refused(
        rig.server.call(upgrade().json(&json!({"to": 2})).key("a").key("b")),
        400,
        "unreadable",
        field("idempotency-key"),
    );
    for query in ["?limit=-1", "?limit=x", "?last=2"] {
        expect_refused(rig.get(&format!("/upgrades{query}")), 400, "unreadable", Value::Null);
    }
    expect_refused(rig.get("/upgrades/nobody"), 404, "no-command", Value::Null);
    assert_eq!(rig.all(), before);

    // and on the way
    rig.switch.admin().upgrade(3, "").expect("not refused");
    let before = rig.all();
    expect_refused(
        post("/rollback", json!({})),
        409,
        "loss-not-accepted",
        json!({"kind": "losses", "to": 1, "losses": [{"what": "what was seen", "instances": 1}]}),
    );
    assert_eq!(rig.all(), before);
    let _namesake = rig.switch.named_cell("door", V2::default()).expect("enters");
    expect_refused(rig.get("/instances/door/state"), 409, "ambiguous", json!({"kind": "instance", "key": "door"}));
    rig.switch.admin().upgrade(5, "").expect("not refused");
    expect_refused(
        post("/plans", json!({"to": 2})),
        422,
        "no-way",
        json!({"kind": "no-way", "from": 5, "to": 2, "missing": "no migration from version 5 to version 4"}),
    );
}

#[test]
fn a_label_that_no_live_switch_has_is_not_found_by_any_route() {
    let rig = Rig::new("there");
    for (method, path, _) in routes() {
        if !path.contains("{label}") {
            continue;
        }
        let path = path.replace("{label}", "gone").replace("{key}", "door").replace("{id}", "start");
        let body = body_of(&method, &path);
        let reply = rig.server.call(Call::new(method.clone(), &path).json(&body));
        assert_eq!(reply.problem(), (404, "no-switch".into()), "{method} {path}");
    }
    assert_eq!(rig.server.get("/v1/audit?label=gone").problem(), (404, "no-switch".into()));
    assert_eq!(rig.server.get("/v1/events?label=gone").problem(), (404, "no-switch".into()));
}

/// Every route of the document: its method, its path, and the role that it takes.
fn routes() -> Vec<(Method, String, Option<Role>)> {
    let document = serde_json::to_value(openapi()).expect("it can be written");
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("it has paths") {
        for (method, operation) in item.as_object().expect("a path has methods") {
            let method = method.to_uppercase().parse().expect("a method");
            let role = operation.get("x-hotswap-role").expect("it says what it takes");
            routes.push((method, path.clone(), serde_json::from_value(role.clone()).expect("a role")));
        }
    }
    assert_eq!(routes.len(), 25);
    routes
}

/// A body that a route can read.
fn body_of(method: &Method, path: &str) -> Value {
    match path.rsplit('/').next().expect("a path has an end") {
        "plans" | "upgrades" => json!({"to": 9}),
        "state" if method == Method::PUT => json!({"version": 9, "state": null}),
        "step" => json!({"input": "Sing"}),
        "snapshots" => json!({"name": "monday"}),
        "convert" => json!({"name": "monday", "to": 9, "out": "tuesday"}),
        _ => json!({}),
    }
}

#[test]
fn each_route_of_the_document_is_there_and_takes_the_role_that_it_says() {
    let rig = Rig::new("guarded");
    let before = rig.all();
    let mut mutations = 0;
    for (method, path, needs) in routes() {
        let full = path.replace("{label}", "guarded").replace("{key}", "door").replace("{id}", "nothing");
        let call = Call::new(method.clone(), &full).json(&body_of(&method, &path));
        let with = |role: Option<Role>| {
            let call = call.clone().by(role.map(caller));
            // an event stream has no end, and its beginning says enough
            if path == "/v1/events" { rig.server.open(call).status().as_u16() } else { rig.server.call(call).status }
        };
        let Some(needs) = needs else {
            assert_eq!(with(None), 200, "{path} asks nobody");
            continue;
        };
        assert_eq!(rig.server.call(call.clone().by(None)).problem(), (401, "unknown-caller".into()), "{method} {path}");
        for has in [Role::Viewer, Role::Operator, Role::Admin] {
            if has < needs {
                let reply = rig.server.call(call.clone().by(caller(has)));
                assert_eq!(reply.problem(), (403, "forbidden".into()), "{method} {path}");
                assert_eq!(reply.blocker(), json!({"kind": "role", "needs": needs, "has": has}));
            } else {
                let status = with(Some(has));
                assert!(!matches!(status, 401 | 403 | 405 | 500), "{method} {path}: {status}");
            }
        }
        let audit: AuditView = rig.server.get("/v1/audit").read();
        if method != Method::GET && !path.ends_with("/plans") {
            mutations += 1;
            let refused: Vec<_> = audit.remote.iter().filter(|it| it.path == full && it.status == 401).collect();
            assert_eq!(refused.len(), 1, "who is refused is in the account too: {method} {path}");
            assert_eq!((refused[0].who.as_str(), refused[0].role), ("", None));
        }
    }
    assert_eq!((mutations, rig.all()), (11, before));
}

#[test]
fn what_is_no_route_is_not_found_and_what_takes_other_methods_says_which() {
    let rig = Rig::new("unrouted");
    for path in ["/page", "/v1", "/v2/switches", "/v1/switches/", "/livez/"] {
        assert_eq!(rig.server.get(path).problem(), (404, "no-route".into()), "{path}");
    }
    let wrong = rig.server.call(Call::new(Method::DELETE, &rig.path("/upgrades")));
    assert_eq!((wrong.problem(), wrong.header("allow")), ((405, "no-method".into()), Some("POST,GET,HEAD")));
    let bad = rig.server.get("/v1/switches/%ff");
    assert_eq!(bad.problem(), (400, "unreadable".into()));
    let head = rig.server.call(Call::new(Method::HEAD, &rig.path("")));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(rig.server.call(Call::new(Method::HEAD, &rig.path("")).by(None)).status, 401);
}

#[test]
fn the_server_says_that_it_is_there_and_what_it_offers() {
    let server = Server::new(Api::default().metrics(std::sync::Arc::new(|| "hotswap_up 1\n".to_owned())));
    for path in ["/livez", "/readyz"] {
        assert_eq!(server.call(Call::get(path).by(None)).json(), json!({"status": "ok"}));
    }
    let document = server.call(Call::get("/openapi.json").by(None));
    assert_eq!(document.json(), serde_json::to_value(openapi()).expect("it can be written"));
    let metrics = server.get("/metrics");
    assert_eq!(
        (&*metrics.body, metrics.header("content-type")),
        (&b"hotswap_up 1\n"[..], Some("text/plain; version=0.0.4"))
    );
    for call in [
        Call::get("/v1/images"),
        Call::new(Method::POST, "/v1/images").bytes("application/octet-stream", vec![0; 9]),
        Call::new(Method::DELETE, "/v1/images/image-1"),
    ] {
        assert_eq!(server.call(call).problem(), (503, "absent".into()));
    }
}

#[test]
fn metrics_tell_of_every_switch_although_the_program_renders_none() {
    let rig = Rig::new("told\"so");
    let line = |text: &str, name: &str, labels: &str| {
        let begin = format!("{name}{{switch=\"told\\\"so\"{labels}}} ");
        text.lines().find_map(|line| line.strip_prefix(&begin).map(str::to_owned))
    };
    let scrape = || {
        let reply = rig.server.get("/metrics");
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/plain; version=0.0.4")));
        String::from_utf8(reply.body.to_vec()).expect("text")
    };
    let before = scrape();
    assert_eq!(line(&before, "hotswap_current_version", "").as_deref(), Some("1"));
    assert_eq!(line(&before, "hotswap_step_panics_total", ",version=\"1\""), None, "it is told when there is one");

    // of the steps after a look the first are timed
    for _ in 0..150 {
        rig.sum();
    }
    rig.fleet.step("door", Fail).expect("it is taken").expect_err("it was told to");
    quietly(|| catch_unwind(AssertUnwindSafe(|| rig.fleet.step("door", Boom))).expect_err("it panics"));
    rig.switch.admin().upgrade(2, "").expect("not refused");
    let text = scrape();
    let told = |name: &str, labels: &str| line(&text, name, labels).unwrap_or_else(|| panic!("{name}{labels}: {text}"));
    assert_eq!(told("hotswap_current_version", ""), "2");
    assert_eq!(told("hotswap_held_back", ""), "1");
    assert_eq!(told("hotswap_instances", ",version=\"1\""), "1");
    assert_eq!(told("hotswap_upgrades_total", ",result=\"held_back\""), "1");
    assert_eq!(told("hotswap_step_panics_total", ",version=\"1\""), "1");
    assert_eq!(told("hotswap_step_failures_total", ",version=\"1\""), "1");
    assert_eq!(told("hotswap_step_seconds_count", ",version=\"1\""), "100");
    assert_eq!(told("hotswap_step_seconds_bucket", ",version=\"1\",le=\"+Inf\""), "100");
    assert_eq!(told("hotswap_migration_seconds_count", ""), "1");
    // what was timed is in every later answer, of another server too
    let text = String::from_utf8(Server::new(Api::default()).get("/metrics").body.to_vec()).expect("text");
    assert_eq!(line(&text, "hotswap_step_seconds_count", ",version=\"1\"").as_deref(), Some("100"));
}

#[test]
fn a_body_is_read_up_to_its_limit_and_not_before_it_is_known_who_sends_it() {
    let rig = Rig::with("limited", Api::default().body_limit(64).image_limit(128));
    let padded = |bytes: usize| format!("{{\"to\": 9{}}}", " ".repeat(bytes - 9)).into_bytes();
    let call = |path: &str, bytes| Call::new(Method::POST, &rig.path(path)).bytes("application/json", padded(bytes));
    for path in ["/upgrades", "/plans"] {
        assert_eq!(rig.server.call(call(path, 64)).problem(), (404, "no-version".into()));
        assert_eq!(rig.server.call(call(path, 65)).problem(), (413, "too-large".into()));
        let said = call(path, 64).header("content-length", "65");
        assert_eq!(rig.server.call(said).problem(), (413, "too-large".into()));
        assert_eq!(rig.server.call(call(path, 65).by(None)).problem(), (401, "unknown-caller".into()));
    }
    let image = |bytes| Call::new(Method::POST, "/v1/images").bytes("application/octet-stream", vec![0; bytes]);
    assert_eq!(rig.server.call(image(128)).problem(), (503, "absent".into()));
    assert_eq!(rig.server.call(image(129)).problem(), (413, "too-large".into()));
}
