//! What a program says of its routes in `/openapi.json` is so: schemathesis makes calls of it, sound ones and unsound ones,
//! and finds no answer that the document does not have, and none that blames the server.

#![cfg(target_os = "linux")]

mod doors;
mod kv;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use doors::{on, private, socket};
use hotswap::load::SecretKey;
use hotswap::remote::{NewToken, Role};
use hotswap_tests::folder::Folder;
use kv::{Server, missing};
use redis::Commands;
use serde_json::json;

/// The one that `cargo xtask test` installed, or the one on the path.
fn schemathesis() -> Option<PathBuf> {
    let beside = |python: String| Path::new(&python).with_file_name("schemathesis");
    let program = env::var("HOTSWAP_PYTHON").map_or_else(|_| "schemathesis".into(), beside);
    let version = Command::new(&program).arg("--version").output();
    let there = version.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains("version 4."));
    (!missing("schemathesis 4", there)).then_some(program)
}

#[test]
fn no_answer_contradicts_the_document() {
    let Some(schemathesis) = schemathesis() else {
        return;
    };
    let folder = Folder::new();
    let path = |name: &str| folder.path(name).display().to_string();
    let token = NewToken::generate("schemathesis", Role::Admin).expect("random bytes");
    private(&folder.path("tokens"), token.line());
    // all that a program can offer is to be tried
    fs::write(folder.path("key"), SecretKey::generate().expect("random bytes").public().to_string())
        .expect("it is free");
    fs::create_dir(folder.path("images")).expect("it is free");
    let admin = format!("--admin={}", path("kv.sock"));
    let server = Server::start(&[
        &admin,
        "--admin-port",
        "0",
        "--admin-tokens",
        &path("tokens"),
        "--dir",
        &path("keys"),
        "--images",
        &path("images"),
        "--key",
        &path("key"),
        "--at",
        "3",
    ]);
    let url = server.admin.iter().find(|address| address.starts_with("http://")).expect("a port");
    let mut redis = server.client();
    let _: () = redis.set("text", "x").expect("taken");
    let _: () = redis.set("number", 1).expect("taken");
    let _: () = redis.rpush("list", "x").expect("taken");
    let _: () = redis.sadd("set", "x").expect("taken");
    let _: () = redis.hset("hash", "field", "x").expect("taken");

    let output = Command::new(schemathesis)
        .args(["--config-file", concat!(env!("CARGO_MANIFEST_DIR"), "/python/schemathesis.toml")])
        .args(["run", &format!("{url}/openapi.json"), "--header"])
        .arg(format!("Authorization: Bearer {}", token.text()))
        .args(["--seed", "6", "--max-examples", "25", "--request-timeout", "30", "--generation-database", "none"])
        .args(["--no-color"])
        .current_dir(folder.path(""))
        .output()
        .expect("it runs");
    let said = [&*output.stdout, &output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");

    // and it goes on as if nothing had been
    let mut admin = socket(&folder.path("kv.sock"));
    let shown = on(&mut admin, "GET /v1/switches/kv", &[], "").json();
    let poisoned = shown["since"].as_array().expect("a list").iter().filter(|it| it["poisoned"] != json!(0)).count();
    assert_eq!(poisoned, 0, "{shown}");
    // a collection that somebody told to go down stays where it is
    let reasons: Vec<_> = shown["held"].as_array().expect("a list").iter().map(|it| it["reason"].to_string()).collect();
    assert!(reasons.iter().all(|reason| reason.starts_with("\"version 2 cannot hold a ")), "{shown}");
    let _: () = redis.set("after", "x").expect("taken");
    let audit = on(&mut admin, "GET /v1/audit", &[], "").json();
    println!(
        "{} calls that would change something",
        audit["remote"].as_array().map_or(0, Vec::len) as u64 + audit["remote_lost"].as_u64().expect("a number")
    );
}
