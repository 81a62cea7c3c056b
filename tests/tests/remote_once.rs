//! A command that comes from outside is done once, whoever asks for it how often, and to its end, whether or not the one who
//! asked is still there; and one that waits holds up no other.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use hotswap::remote::wire::{AuditView, Event, Happened, Outcome};
use hotswap::remote::{Api, Caller, Role};
use hotswap_tests::Stop;
use hotswap_tests::paused;
use hotswap_tests::remote::{Call, Reply, Server, caller};
use hotswap_tests::tally::{Fleet, Get, Mood, Switch, V1, Version};
use http_body_util::BodyExt;
use serde_json::{Value, json};

fn rig(label: &str) -> (Switch, Fleet<String>, Server) {
    let switch = Switch::builder().label(label).starting_at(Version::V1).build().expect("the label is free");
    let fleet = switch.fleet();
    fleet.insert("door".to_owned(), V1 { sum: 7, mood: Mood::Willing }).expect("enters");
    (switch, fleet, Server::new(Api::default()))
}

fn add(label: &str, n: u64, key: &str) -> Call {
    Call::post(&format!("/v1/switches/{label}/instances/door/step"), &json!({"input": "Add", "value": n})).key(key)
}

fn replayed(reply: &Reply) -> bool {
    reply.header("idempotency-replayed") == Some("true")
}

#[test]
fn the_same_call_under_the_same_key_is_done_once_and_answered_alike() {
    let (_switch, fleet, server) = rig("once");
    let sum = || fleet.step("door", Get).expect("it is taken");
    let first = server.call(add("once", 3, "a"));
    let again = server.call(add("once", 3, "a"));
    assert_eq!((first.status, replayed(&first), again.status, replayed(&again)), (200, false, 200, true));
    assert_eq!((first.body, sum()), (again.body, 10));

    // another body, another path, another method
    let path = "/v1/switches/once/instances/door/state";
    let others = [
        add("once", 4, "a"),
        Call::post("/v1/switches/once/upgrades", &json!({"to": 2})).key("a"),
        Call::put(path, &json!({"version": 1, "state": {"sum": 1, "mood": "Willing"}})).key("a"),
    ];
    for other in others {
        let refused = server.call(other);
        assert_eq!(refused.problem(), (422, "id-reused".into()));
        assert_eq!(refused.blocker()["id"], json!("a"));
    }
    // somebody else's key is another one, and one under which nothing was done is free
    let bob = Caller { who: "bob".into(), ..caller(Role::Admin) };
    assert!(!replayed(&server.call(add("once", 3, "a").by(bob))));
    assert_eq!(server.call(add("nowhere", 3, "b")).status, 404);
    assert_eq!((server.call(add("once", 3, "b")).status, sum()), (200, 16));

    // what ran and gave no answer is not run again
    let boom = || Call::post("/v1/switches/once/instances/door/step", &json!({"input": "Boom"})).key("c");
    let (panicked, told) = (server.call(boom()), server.call(boom()));
    assert_eq!((panicked.problem(), told.problem()), ((422, "step-panicked".into()), (422, "step-panicked".into())));
    assert_eq!((replayed(&panicked), replayed(&told)), (false, true));
}

#[test]
fn a_command_is_known_by_its_key_to_a_server_that_is_new() {
    let (switch, _fleet, server) = rig("known");
    let upgrade = |to: u32| Call::post("/v1/switches/known/upgrades", &json!({"to": to, "wait_ms": 60_000})).key("a");
    let first: Outcome = server.call(upgrade(2)).read();
    assert_eq!((first.moved, first.settled), (1, true));
    let later = Server::new(Api::default());
    let again = later.call(upgrade(2));
    assert_eq!((again.status, replayed(&again), again.read::<Outcome>()), (200, true, first));
    let refused = Server::new(Api::default()).call(upgrade(3));
    assert_eq!(refused.problem(), (422, "id-reused".into()));
    assert_eq!(refused.blocker(), json!({"kind": "id-reused", "id": "a", "was": "upgrade to version 2"}));
    assert_eq!(switch.admin().outcomes().len(), 1);
}

/// Makes the calls at once, each from a client of its own, and gives what each was told.
fn race(server: &Server, calls: Vec<Call>) -> Vec<Reply> {
    server.runtime.block_on(async {
        let tasks: Vec<_> = calls.into_iter().map(|call| tokio::spawn(server.begin(call))).collect();
        let mut replies = Vec::new();
        for task in tasks {
            replies.push(task.await.expect("no panic"));
        }
        replies
    })
}

#[test]
fn of_two_hundred_that_want_the_same_release_to_go_one_wins_and_every_other_is_told() {
    let (switch, _fleet, server) = rig("raced");
    let tag = server.get("/v1/switches/raced").header("etag").expect("it has one").to_owned();
    let upgrade = |n| {
        let call = Call::post("/v1/switches/raced/upgrades", &json!({"to": 2 + n % 3, "wait_ms": 60_000}));
        call.header("if-match", &tag).key(&format!("client-{n}"))
    };
    let replies = race(&server, (0..200).map(upgrade).collect());
    let won: Vec<Outcome> = replies.iter().filter(|reply| reply.status == 200).map(Reply::read).collect();
    assert_eq!(won.len(), 1);
    for refused in replies.iter().filter(|reply| reply.status != 200) {
        match refused.problem() {
            (409, name) => {
                assert_eq!((&*name, &refused.blocker()), ("pending", &json!({"kind": "pending", "id": won[0].id})))
            }
            (status, name) => assert_eq!((status, &*name, &refused.blocker()["present"]), (412, "stale", &json!(2))),
        }
    }
    assert_eq!((switch.admin().outcomes().len(), switch.version()), (1, won[0].to));
    let audit: AuditView = server.get("/v1/audit?label=raced").read();
    assert_eq!((audit.remote.len(), audit.switches["raced"].refusals.len()), (200, 199));
}

#[test]
fn of_two_hundred_with_one_key_one_is_done_and_all_get_its_answer() {
    let (_switch, fleet, server) = rig("shared");
    let replies = race(&server, vec![add("shared", 1, "a"); 200]);
    assert_eq!(replies.iter().filter(|reply| reply.status == 200 && !replayed(reply)).count(), 1);
    assert!(replies.iter().all(|reply| reply.body == replies[0].body));
    assert_eq!(fleet.step("door", Get).expect("it is taken"), 8);
}

/// A cell whose migration stops in the middle, and its switch.
fn stopped(label: &str) -> (paused::Switch, paused::Cell, Stop) {
    let (stop, hook) = Stop::new();
    let switch = paused::Switch::builder().label(label).starting_at(1).build().expect("the label is free");
    let cell = switch.named_cell("door", paused::V1 { sum: 1, hook }).expect("enters");
    (switch, cell, stop)
}

#[test]
fn scenario_16_the_client_goes_away_in_mid_upgrade_and_the_upgrade_ends_and_can_be_asked_about() {
    let (switch, _cell, stop) = stopped("left");
    let server = Server::new(Api::default());
    let upgrade = || Call::post("/v1/switches/left/upgrades", &json!({"to": 2, "wait_ms": 60_000})).key("mine");
    let client = server.runtime.spawn(server.begin(upgrade()));
    server.runtime.block_on(async {
        // the one thread serves the client until the migration has begun elsewhere
        let waits = tokio::task::spawn_blocking(move || {
            stop.wait();
            stop
        });
        let stop = waits.await.expect("somebody comes there");
        client.abort();
        assert!(client.await.expect_err("it was cut off").is_cancelled());
        let asked = server.begin(Call::get("/v1/switches/left/upgrades/mine")).await.read::<Outcome>();
        assert_eq!((asked.settled, asked.not_reached), (false, 1));
        // another is told what is in its way
        let other = server.begin(Call::post("/v1/switches/left/upgrades", &json!({"to": 3}))).await;
        assert_eq!(
            (other.problem(), other.blocker()),
            ((409, "pending".into()), json!({"kind": "pending", "id": "mine"}))
        );
        stop.let_go();
        let again = server.begin(upgrade()).await;
        let outcome: Outcome = again.read();
        assert_eq!((again.status, replayed(&again)), (200, true));
        assert_eq!((&*outcome.id, outcome.settled, outcome.moved), ("mine", true, 1));
    });
    assert_eq!(switch.admin().outcomes().len(), 1);
    let audit: AuditView = server.get("/v1/audit?label=left").read();
    assert_eq!(audit.remote.iter().filter(|call| call.key.as_deref() == Some("mine")).count(), 2);
}

#[test]
fn an_upgrade_that_takes_long_is_answered_at_the_flip_and_as_it_stands_when_the_time_is_over() {
    let (switch, cell, stop) = stopped("long");
    let server = Server::new(Api::default());
    let begun = server.post("/v1/switches/long/upgrades", &json!({"to": 2}));
    assert_eq!((begun.status, begun.read::<Outcome>().not_reached), (202, 1));
    stop.wait();
    let back = server.post("/v1/switches/long/rollback", &json!({"reason": "too slow", "wait_ms": 1}));
    let outcome: Outcome = back.read();
    assert_eq!((back.status, outcome.to, outcome.settled), (202, 1, false));
    stop.let_go();
    let ended = server.call(Call::get(&format!("/v1/switches/long/upgrades/{}", begun.read::<Outcome>().id)));
    assert_eq!(ended.read::<Outcome>().superseded_by, Some(outcome.id));
    assert_eq!((switch.version(), cell.step(paused::Get).expect("it is taken")), (1, 1));
}

#[test]
fn what_waits_for_an_instance_holds_up_nobody_who_looks_or_commands() {
    let (switch, cell, stop) = stopped("waited");
    let server = Server::new(Api::default());
    thread::scope(|scope| {
        // somebody is in the middle of a migration, under the instance's lock
        switch
            .admin()
            .upgrade_with(2, "", &hotswap::UpgradeOptions::default().wait(hotswap::Wait::No))
            .expect("it flips");
        let touched = scope.spawn(|| cell.step(paused::Get).expect("it is taken"));
        stop.wait();
        let shows = || Call::get("/v1/switches/waited/instances/door/state");
        let waiting: Vec<_> = (0..100).map(|_| server.runtime.spawn(server.begin(shows()))).collect();
        let looks = server.get("/v1/switches/waited");
        assert_eq!((looks.status, looks.json()["version"].clone()), (200, json!(2)));
        assert_eq!(server.get("/v1/switches").status, 200);
        let back = server.post("/v1/switches/waited/rollback", &json!({}));
        assert_eq!((back.status, back.read::<Outcome>().to), (202, 1));
        assert!(waiting.iter().all(|call| !call.is_finished()));
        stop.let_go();
        for call in waiting {
            let shown = server.runtime.block_on(call).expect("no panic");
            assert_eq!((shown.status, shown.json()["state"]["sum"].clone()), (200, json!(1)));
        }
        assert_eq!(touched.join().expect("no panic"), 1);
    });
}

#[test]
fn a_step_from_outside_waits_for_one_that_runs_as_any_step_does() {
    let (switch, cell, stop) = stopped("queued");
    let server = Server::new(Api::default());
    switch.admin().upgrade_with(2, "", &hotswap::UpgradeOptions::default().wait(hotswap::Wait::No)).expect("it flips");
    thread::scope(|scope| {
        let first = scope.spawn(|| cell.step(paused::Add(2)).expect("it is taken"));
        stop.wait();
        let step = Call::post("/v1/switches/queued/instances/door/step", &json!({"input": "Get"}));
        let second = server.runtime.spawn(server.begin(step));
        // the look is answered, so the step before it has begun to wait
        assert_eq!(server.get("/v1/switches/queued").status, 200);
        stop.let_go();
        let answer = server.runtime.block_on(second).expect("no panic");
        assert_eq!((answer.status, answer.json()), (200, json!({"output": "Get", "value": 3})));
        first.join().expect("no panic");
    });
}

/// The next events of a stream: their names, and what they say.
fn events(server: &Server, body: &mut axum::body::Body, n: usize) -> Vec<(String, Event)> {
    server.runtime.block_on(async {
        let mut text = String::new();
        while text.matches("\n\n").count() < n {
            let frame = tokio::time::timeout(Duration::from_secs(30), body.frame()).await.expect("it comes");
            let data = frame.expect("there is more").expect("it is whole").into_data().expect("it is data");
            text.push_str(std::str::from_utf8(&data).expect("it is text"));
        }
        let event = |event: &str| {
            let (name, data) = event.split_once('\n').expect("it has a name and data");
            let data = data.strip_prefix("data: ").expect("it has data");
            let name = name.strip_prefix("event: ").expect("it has a name").to_owned();
            (name, serde_json::from_str(data).expect("it is an event"))
        };
        text.split_terminator("\n\n").map(event).collect()
    })
}

#[test]
fn flips_and_outcomes_are_told_as_they_happen_to_whoever_listens() {
    let (switch, fleet, server) = rig("told");
    let (other, _others, _) = rig("not-told");
    let response = server.open(Call::get("/v1/events?label=told"));
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    other.admin().upgrade(2, "").expect("not refused");
    server.post("/v1/switches/told/upgrades", &json!({"to": 2, "wait_ms": 60_000}));
    let told = events(&server, &mut body, 2);
    let names: Vec<_> = told.iter().map(|(name, event)| (&**name, event.what.name(), &*event.switch)).collect();
    assert_eq!(names, [("flip", "flip", "told"), ("outcome", "outcome", "told")]);
    assert!(matches!(&told[0].1.what, Happened::Flip(flip) if (flip.from, flip.to, flip.epoch) == (1, 2, 2)));
    assert!(matches!(&told[1].1.what, Happened::Outcome(outcome) if outcome.settled && outcome.moved == 1));

    // it ends with its switch
    drop((switch, fleet));
    let end = server.runtime.block_on(body.frame());
    assert!(end.is_none(), "{end:?}");
}

#[test]
fn whoever_listens_to_all_hears_of_switches_that_are_made_later_and_whoever_is_slow_of_what_was_lost() {
    let (switch, _fleet, server) = rig("all");
    let mut body = server.open(Call::get("/v1/events")).into_body();
    let of = |label: &str, told: Vec<(String, Event)>| -> Vec<Happened> {
        told.into_iter().filter(|(_, event)| event.switch == label).map(|(_, event)| event.what).collect()
    };
    let (late, _late, _) = rig("late");
    // it is not heard before the next look, and other tests make events too: they are read until there are none
    let hears = async {
        loop {
            late.admin().upgrade(2, "").expect("not refused");
            late.admin().rollback("").expect("not refused");
            while let Ok(frame) = tokio::time::timeout(Duration::from_millis(20), body.frame()).await {
                let data = frame.expect("it has no end").expect("it is whole").into_data().expect("it is data");
                let text = String::from_utf8(data.to_vec()).expect("it is text");
                if text.contains(r#""switch":"late""#) {
                    return text;
                }
            }
        }
    };
    let heard = server.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), hears).await });
    assert!(heard.expect("it is heard").starts_with("event: "));
    drop(body);

    let mut body = server.open(Call::get("/v1/events?label=all")).into_body();
    for _ in 0..400 {
        switch.admin().upgrade(2, "").expect("not refused");
        switch.admin().rollback("").expect("not refused");
    }
    let told = of("all", events(&server, &mut body, 1024));
    assert_eq!(told.len(), 1024);
    assert!(told.iter().all(|what| !matches!(what, Happened::Lost(_))));
    switch.admin().upgrade(2, "").expect("not refused");
    let lost = of("all", events(&server, &mut body, 1));
    assert!(matches!(lost[..], [Happened::Lost(lost)] if lost.events == 4 * 400 - 1024), "{lost:?}");
}

#[test]
fn threads_of_the_program_and_callers_from_outside_see_one_winner() {
    for round in 0..20 {
        let label = format!("mixed-{round}");
        let (switch, _fleet, server) = rig(&label);
        switch.admin().upgrade(2, "").expect("not refused");
        let status = switch.admin().status();
        let barrier = Arc::new(Barrier::new(2));
        let inside = {
            let (admin, barrier) = (switch.admin(), Arc::clone(&barrier));
            thread::spawn(move || {
                barrier.wait();
                admin.commit_with("", &hotswap::CommitOptions::default().expect(status.boot, status.epoch)).is_ok()
            })
        };
        let body = json!({"expect": {"epoch": status.epoch}, "wait_ms": 60_000});
        barrier.wait();
        let outside = server.post(&format!("/v1/switches/{label}/rollback"), &body);
        let inside = inside.join().expect("no panic");
        assert_ne!(inside, outside.status == 200, "{outside:?}");
        let said: Value = outside.json();
        assert!(inside != (switch.version() == 1), "{said}");
    }
}
