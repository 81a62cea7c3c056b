//! A signed image that is sent to a running program brings its versions, which are stepped with inputs that the program has no
//! types for; what is not trusted or in use is refused, and who sent it is in the audit.

use std::sync::mpsc::channel;
use std::thread;

use axum::http::Method;
use hotswap::load::Images;
use hotswap::remote::wire::{Arrived, Fate, LetGo, Outcome};
use hotswap::remote::{Api, Role};
use hotswap_image_tally::tally::{Add, Cell, V1};
use hotswap_tests::images::{alone, built, signed, trusted};
use hotswap_tests::remote::{Call, Server, caller};
use serde_json::{Value, json};

fn push(file: Vec<u8>) -> Call {
    Call::new(Method::POST, "/v1/images").bytes("application/octet-stream", file)
}

#[test]
fn a_pushed_version_is_switched_to_stepped_and_let_go_again() {
    let _alone = alone();
    let (key, trust) = trusted();
    let server = Server::new(Api::default().images(Images::new(trust)));
    let cell = Cell::new(V1 { total: 0, label: "till".to_owned() });
    let admin = cell.admin();
    let path = |rest: &str| format!("/v1/switches/{}{rest}", admin.status().label);
    let image = signed(&built("three"), &key, 1);

    assert_eq!(server.call(push(image.clone()).by(caller(Role::Operator))).problem(), (403, "forbidden".into()));
    assert_eq!(server.call(push(built("three"))).problem(), (422, "not-trusted".into()));
    let mut damaged = image.clone();
    *damaged.last_mut().expect("it has bytes") ^= 1;
    assert_eq!(server.call(push(damaged)).problem(), (422, "not-trusted".into()));
    assert_eq!(server.call(push(image.clone()).header("if-match", "*")).status, 200);
    assert_eq!(server.call(push(image)).problem(), (409, "nothing-new".into()));

    let images = server.get("/v1/images").json();
    let id = images["images"][0]["id"].as_str().expect("it is listed").to_owned();
    assert_eq!(
        (&images["images"][0]["serial"], &images["images"][0]["holders"], &images["pinned"]),
        (&json!(1), &json!([]), &json!([]))
    );
    let versions = server.get(&path("/versions")).json();
    let third = versions["versions"].as_array().expect("a list").last().expect("it has some").clone();
    assert_eq!((&third["number"], &third["standing"], &third["image"]), (&json!(3), &json!("available"), &json!(id)));

    let step = |input: &str, value: Value| {
        server.post(&path("/instances/cell-1/step"), &json!({"input": input, "value": value}))
    };
    assert_eq!(step("Misbehave", json!("Fail")).problem(), (422, "input-refused".into()));
    let upgraded: Outcome = server.post(&path("/upgrades"), &json!({"to": 3, "wait_ms": 60_000})).read();
    assert_eq!((upgraded.moved, upgraded.settled), (1, true));
    let misbehaved = step("Misbehave", json!("Fail"));
    assert_eq!(misbehaved.json(), json!({"output": "Misbehave", "value": {"Err": "as it was asked to"}}));
    assert_eq!(step("Misbehave", json!("Juggle")).problem(), (422, "no-input".into()));
    assert_eq!(step("Add", json!(1)).json(), json!({"output": "Add", "value": 100}));
    let state = || server.get(&path("/instances/cell-1/state")).json();
    assert_eq!(state()["version"], json!(3));

    // a state of it is shown, and cannot be made of JSON; one of a version that is compiled in goes up to it
    let put = |body: &Value| server.call(Call::put(&path("/instances/cell-1/state"), body));
    let shown = state();
    assert_eq!(put(&shown).problem(), (422, "not-replaced".into()));
    assert_eq!(state(), shown);
    assert_eq!(put(&json!({"version": 1, "state": {"total": 5, "label": "till"}})).json()["version"], json!(3));
    assert_eq!(cell.step(Add(1)).expect("version 3"), 105);

    let let_go = || server.call(Call::new(Method::DELETE, &format!("/v1/images/{id}")));
    let refused = let_go();
    assert_eq!(refused.problem(), (409, "in-use".into()));
    let holder = json!({"switch": admin.status().label, "version": 3, "current": true, "permanent": false, "live": 1});
    assert_eq!(refused.blocker(), json!({"kind": "holders", "holders": [holder]}));
    assert_eq!(server.post(&path("/rollback"), &json!({"accept_loss": true, "wait_ms": 60_000})).status, 200);
    assert_eq!(let_go().read::<LetGo>(), LetGo { image: id.clone(), fate: Fate::Gone, reason: None });
    assert_eq!(let_go().problem(), (404, "no-image".into()));

    let by = "alice via a test";
    let audit = admin.audit();
    let changes: Vec<_> = audit.changes.iter().map(|it| (&*it.what, &*it.by)).collect();
    assert!(changes.contains(&(&*format!("load {id}: version 3 available"), by)), "{changes:?}");
    assert!(changes.contains(&(&*format!("let go {id}"), by)), "{changes:?}");
    let refused: Vec<_> = audit.refusals.iter().map(|it| (&*it.what, &*it.by)).collect();
    assert_eq!(refused.iter().filter(|it| **it == ("load an image", by)).count(), 3, "{refused:?}");
    drop(cell);
}

#[test]
fn the_same_push_under_the_same_key_is_done_once() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let server = Server::new(Api::default().images(images.clone()));
    let _cell = Cell::new(V1 { total: 0, label: "till".to_owned() });
    let image = signed(&built("three"), &key, 1);
    let first = server.call(push(image.clone()).key("a"));
    let again = server.call(push(image).key("a"));
    assert_eq!((first.status, first.read::<Arrived>()), (200, again.read()));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let other = server.call(push(signed(&built("three"), &key, 2)).key("a"));
    assert_eq!(other.problem(), (422, "id-reused".into()));
    assert_eq!(images.list().len(), 1);
    images.unload(&first.read::<Arrived>().id).expect("nobody uses it");
}

#[test]
fn scenario_48_an_image_is_pushed_while_another_command_runs() {
    let _alone = alone();
    let (key, trust) = trusted();
    let server = Server::new(Api::default().images(Images::new(trust)));
    let cell = Cell::new(V1 { total: 7, label: "till".to_owned() });
    let path = format!("/v1/switches/{}", cell.admin().status().label);
    let image = signed(&built("three"), &key, 1);
    let (held, is_held) = channel();
    let (let_go, may_go) = channel::<()>();
    thread::scope(|scope| {
        let (cell, let_go) = (&cell, let_go);
        scope.spawn(move || {
            cell.inspect(|_| {
                held.send(()).expect("it is waited for");
                let _ = may_go.recv();
            })
        });
        is_held.recv().expect("it is held");
        let begun: Outcome = server.post(&format!("{path}/upgrades"), &json!({"to": 2})).read();
        assert_eq!((begun.settled, begun.not_reached), (false, 1));

        let arrived: Arrived = server.call(push(image)).read();
        let third = server.get(&format!("{path}/versions")).json()["versions"][2].clone();
        assert_eq!((&third["number"], &third["image"]), (&json!(3), &json!(arrived.id)));
        let told = server.post(&format!("{path}/upgrades"), &json!({"to": 3}));
        assert_eq!((told.problem(), told.blocker()["id"].clone()), ((409, "pending".into()), json!(begun.id)));
        let gone = server.call(Call::new(Method::DELETE, &format!("/v1/images/{}", arrived.id)));
        assert_eq!(gone.read::<LetGo>().fate, Fate::Gone);
        let_go.send(()).expect("it waits");
        // attached to, it is waited for
        let ended: Outcome = server
            .call(Call::post(&format!("{path}/upgrades"), &json!({"to": 2, "wait_ms": 60_000})).key(&begun.id))
            .read();
        assert_eq!((ended.id, ended.settled, ended.moved), (begun.id, true, 1));
    });
}

#[test]
fn scenario_48_of_two_images_pushed_with_one_number_one_wins_and_the_other_is_told() {
    let _alone = alone();
    let (key, trust) = trusted();
    let server = Server::new(Api::default().images(Images::new(trust)));
    let cell = Cell::new(V1 { total: 0, label: "till".to_owned() });
    let path = format!("/v1/switches/{}", cell.admin().status().label);
    // what is signed for one place in the order cannot both come in
    let images = ["three", "dearer"].map(built);
    let replies = server.runtime.block_on(async {
        let mut replies = Vec::new();
        for push in images.each_ref().map(|image| tokio::spawn(server.begin(push(signed(image, &key, 1))))) {
            replies.push(push.await.expect("no panic"));
        }
        replies
    });
    let won: Vec<_> = (0..2).filter(|&at| replies[at].status == 200).collect();
    let [winner] = won[..] else { panic!("{replies:?}") };
    let told = &replies[1 - winner];
    assert_eq!(told.problem(), (422, "not-trusted".into()));
    assert!(told.json()["detail"].as_str().is_some_and(|why| why.contains("1 was accepted already")), "{told:?}");
    let stays = replies[winner].read::<Arrived>();
    let listed = || {
        let images = server.get("/v1/images").json()["images"].clone();
        images.as_array().expect("a list").iter().map(|image| image["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(listed(), [json!(stays.id)]);

    // nor does a later one push out what runs
    let upgraded: Outcome = server.post(&format!("{path}/upgrades"), &json!({"to": 3, "wait_ms": 60_000})).read();
    assert_eq!((upgraded.moved, upgraded.settled), (1, true));
    let refused = server.call(push(signed(&images[1 - winner], &key, 2)));
    assert_eq!(refused.problem(), (422, "unfit".into()));
    assert!(refused.json()["detail"].as_str().is_some_and(|why| why.contains(&stays.id)), "{refused:?}");
    assert_eq!(listed(), [json!(stays.id)]);
    drop(cell);
    let gone = server.call(Call::new(Method::DELETE, &format!("/v1/images/{}", stays.id)));
    assert_eq!(gone.read::<LetGo>().fate, Fate::Gone);
}
