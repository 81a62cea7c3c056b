//! What `kv` saved is there again: values, expiry and collections, at the version that was committed, from any version's files.

mod kv;

use std::fs;
use std::path::Path;
use std::process::Command;

use hotswap_tests::folder::Folder;
use kv::{Server, status, upgrade};
use redis::{Commands, cmd};

fn start(folder: &Path, options: &[&str]) -> Server {
    let folder = folder.to_str().expect("text");
    Server::start(&[&["--dir", folder], options].concat())
}

fn run(redis: &mut redis::Connection, words: &[&str]) -> redis::Value {
    cmd(words[0]).arg(&words[1..]).query(redis).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// Ends it as a service manager would, and waits until it has.
fn terminate(server: Server) {
    let killed = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
    assert!(server.wait().success());
}

#[test]
fn what_was_saved_survives_a_kill_and_what_came_after_does_not() {
    let folder = Folder::new();
    let server = start(&folder.path("kv"), &[]);
    let mut redis = server.client();
    let keys = (0..1000).map(|n| (format!("key:{n}"), n)).collect::<Vec<_>>();
    let _: () = redis.mset(&keys).unwrap();
    assert_eq!(run(&mut redis, &["SAVE"]), redis::Value::Okay);
    let _: () = redis.set("late", 1).unwrap();
    drop(server);

    let server = start(&folder.path("kv"), &[]);
    let mut redis = server.client();
    assert_eq!(
        redis.mget::<_, Vec<i64>>(keys.iter().map(|(key, _)| key).collect::<Vec<_>>()).unwrap(),
        (0..1000).collect::<Vec<_>>()
    );
    assert_eq!(redis.get::<_, Option<i64>>("late").unwrap(), None);
    // and at its end it saves by itself
    let _: () = redis.set("late", 2).unwrap();
    terminate(server);
    let server = start(&folder.path("kv"), &[]);
    assert_eq!(server.client().get::<_, i64>("late").unwrap(), 2);
}

#[test]
fn what_was_acknowledged_before_the_end_is_there_again_whatever_is_being_saved() {
    let folder = Folder::new();
    let server = start(&folder.path("kv"), &["--threads", "2"]);
    let mut redis = server.client();
    for from in (0..200_000).step_by(1000) {
        let keys = (from..from + 1000).map(|n| (format!("key:{n}"), n)).collect::<Vec<_>>();
        let _: () = redis.mset(&keys).unwrap();
    }
    let mut writer = server.client();
    let mut told = move |n: &u64| cmd("SET").arg("late").arg(*n).query::<()>(&mut writer).is_ok();
    assert!(told(&0));
    let writing = std::thread::spawn(move || (1..u64::MAX).take_while(told).last().unwrap_or(0));
    let _: String = cmd("BGSAVE").query(&mut redis).unwrap();
    terminate(server);
    let told = writing.join().unwrap();
    let server = start(&folder.path("kv"), &[]);
    let there: u64 = server.client().get("late").unwrap();
    assert!(there >= told, "{there} is there, and {told} was acknowledged");
}

#[test]
fn an_upgrade_without_commit_is_undone_and_one_with_it_stays() {
    let folder = Folder::new();
    let server = start(&folder.path("kv"), &[]);
    let mut redis = server.client();
    let _: () = redis.set("text", "v").unwrap();
    upgrade(&mut redis, 2);
    let _: () = redis.set_ex("brief", "b", 1000).unwrap();
    upgrade(&mut redis, 3);
    let _: () = redis.rpush("list", &["a", "b"]).unwrap();
    assert_eq!(run(&mut redis, &["SAVE"]), redis::Value::Okay);
    drop(server);

    // down by the declared way; the list has none, and serves on
    let server = start(&folder.path("kv"), &[]);
    let mut redis = server.client();
    assert_eq!((status(&mut redis)["version"], status(&mut redis)["held_back"]), (1, 1));
    assert_eq!(redis.mget::<_, Vec<String>>(&["text", "brief"]).unwrap(), ["v", "b"]);
    assert_eq!(redis.lrange::<_, Vec<String>>("list", 0, -1).unwrap(), ["a", "b"]);

    // what the list carries is of an undone probation, until somebody says that it may stay
    upgrade(&mut redis, 3);
    run(&mut redis, &["HOTSWAP", "COMMIT", "LEAVE-HELD-BACK"]);
    let _: () = redis.expire("text", 1000).unwrap();
    terminate(server);
    let server = start(&folder.path("kv"), &["--at", "1"]);
    let mut redis = server.client();
    assert_eq!((status(&mut redis)["version"], status(&mut redis)["held_back"]), (3, 0));
    assert!(redis.ttl::<_, i64>("text").unwrap() > 900);
    assert_eq!(redis.lrange::<_, Vec<String>>("list", 0, -1).unwrap(), ["a", "b"]);
}

#[test]
fn files_of_any_older_version_are_read() {
    let folder = Folder::new();
    for version in ["1", "2", "3"] {
        let path = folder.path(version);
        let server = start(&path, &["--at", version]);
        let _: () = server.client().set("k", version).unwrap();
        terminate(server);
        let newer = folder.path(&format!("{version}-newer"));
        fs::create_dir(&newer).unwrap();
        fs::copy(path.join("keys"), newer.join("keys")).unwrap();
        let server = start(&newer, &["--at", "3"]);
        assert_eq!(server.client().get::<_, String>("k").unwrap(), version);
    }
}

#[test]
fn without_a_folder_and_with_a_damaged_one_it_says_so() {
    let server = Server::start(&[]);
    let refused = cmd("SAVE").query::<()>(&mut server.client()).expect_err("in memory only");
    assert!(refused.to_string().contains("start kv with --dir"), "{refused}");

    let folder = Folder::new();
    let path = folder.path("kv");
    terminate(start(&path, &[]));
    let mut bytes = fs::read(path.join("keys")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path.join("keys"), bytes).unwrap();
    let started = Server::refused(kv::binary(), &["--port", "0", "--dir", path.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&started.stderr);
    assert!(!started.status.success() && said.contains("the checksum of a block does not fit"), "{said}");
}
