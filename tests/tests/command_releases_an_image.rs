//! A release script mends a typo of a running program: it builds the new version as an image, signs it, pushes it, switches to it
//! and makes it permanent; `versions` says permanent and old, as it did before. The program was built without that version.

#![cfg(target_os = "linux")]

use std::fs;

use hotswap::load::{Images, PublicKey, Trust};
use hotswap::remote::{Options, serve};
use hotswap_image_hello::hello::{Switch, V1};
use hotswap_tests::images::Image;
use serde_json::{Value, json};

mod command;

use command::Place;
use command::program::{Program, role, say, told};

#[test]
fn the_program() {
    if role().is_none() {
        return;
    }
    let switch = Switch::builder().build().expect("a free label");
    let _cell = switch.named_cell("helloworld", V1 { greeted: 0 }).expect("it enters");
    let key = PublicKey::read("release.pub").expect("the test made it");
    let images = Images::new(Trust::new("helloworld").key(key));
    let _remote = serve(Options::default().images(images)).expect("it can be opened");
    say("ready");
    told().last();
}

fn standings(place: &Place) -> Value {
    let (versions, code) = place.json(&["versions"]);
    assert_eq!(code, 0, "{versions}");
    let versions = versions["versions"].as_array().expect("a list");
    versions.iter().map(|it| json!([it["number"], it["standing"], it["image"], it["live"]])).collect()
}

/// Seed 003.
#[test]
fn a_typo_is_mended_while_the_program_runs_and_the_new_version_made_permanent() {
    let place = Place::new();
    place.done(&["key", "new", "release"]);
    let mut program = Program::start(&place, "helloworld");
    assert_eq!(program.says(), "ready");
    assert_eq!(standings(&place), json!([[1, "permanent", null, 1]]));
    assert_eq!(place.done(&["step", "helloworld", "HelloWorld"]), "\"Helo, world!\"\n");

    let image = Image { krate: "images/hello", copy: "hello-2", features: "hotswap/image,two" }.built();
    fs::write(place.path("hello-2"), &image).expect("a file");
    place.done(&["sign", "hello-2", "--key", "release", "--application", "helloworld", "--serial", "2"]);
    let (refused, code) = place.json(&["push", "hello-2"]);
    assert_eq!((&refused["reason"], code), (&"not-trusted".into(), 3), "{refused}");
    let (refused, code) = place.json(&["upgrade", "2"]);
    assert_eq!(
        (&refused["reason"], &refused["problem"]["blocker"]["known"], code),
        (&"no-version".into(), &json!([1]), 3)
    );

    let (pushed, code) = place.json(&["push", "hello-2.signed", "--id", "release-2"]);
    assert_eq!(
        (&pushed["arrived"]["brought"], code),
        (&json!([{ "switch": "helloworld", "versions": [2] }]), 0),
        "{pushed}"
    );
    let id = pushed["arrived"]["id"].as_str().expect("an id");
    let (again, code) = place.json(&["push", "hello-2.signed", "--id", "release-2"]);
    assert_eq!((&again["arrived"], &again["replayed"], code), (&pushed["arrived"], &true.into(), 0));
    let (refused, code) = place.json(&["push", "hello-2.signed"]);
    assert_eq!((&refused["reason"], code), (&"nothing-new".into(), 3));
    assert_eq!(standings(&place), json!([[1, "permanent", null, 1], [2, "available", id, 0]]));
    let said = place.done(&["images"]);
    assert!(said.starts_with("image ") && said.contains("helloworld 1, 2"), "{said}");

    place.done(&["upgrade", "2", "--wait", "--reason", "the typo"]);
    assert_eq!(standings(&place), json!([[1, "permanent", null, 0], [2, "current", id, 1]]));
    let (refused, code) = place.json(&["unload", id]);
    assert_eq!((&refused["reason"], code), (&"in-use".into(), 3));
    place.done(&["commit"]);
    assert_eq!(standings(&place), json!([[1, "old", null, 0], [2, "permanent", id, 1]]));
    assert_eq!(place.done(&["step", "helloworld", "HelloWorld"]), "\"Hello, world!\"\n");
    let (state, _) = place.json(&["state", "get", "helloworld"]);
    assert_eq!(state["version"], 2);

    // back to the typo, for then the image can go
    place.done(&["upgrade", "1", "--wait"]);
    place.done(&["commit"]);
    let (gone, code) = place.json(&["unload", id]);
    assert_eq!((&gone["let_go"], code), (&json!({ "image": id, "fate": "gone", "reason": null }), 0));
    assert_eq!(standings(&place), json!([[1, "permanent", null, 1]]));
    assert_eq!(place.done(&["images"]), "no images\n");
    assert_eq!(place.done(&["step", "helloworld", "HelloWorld"]), "\"Helo, world!\"\n");
}
