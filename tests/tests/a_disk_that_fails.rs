//! On a full disk, and in a folder that may not be written, what cannot be done is refused by name and changes nothing,
//! a rollback goes all the same, and the next start is whole.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

use hotswap::{AdminError, CommitOptions, OpenError, Phase, SaveError, UpgradeOptions};
use hotswap_tests::folder::Folder;
use hotswap_tests::tally::{Add, Fleet, Get, Switch, V1};

/// Root may write anywhere; this is somebody who may not.
const NOBODY: u32 = 65534;

/// A process of this file's own `process` test, in a role; what it printed after `said: `.
fn run(mut command: Command, role: &str, folder: &Path) -> Vec<String> {
    let output = command
        .args(["--exact", "process", "--nocapture"])
        .env("HOTSWAP_DISK", role)
        .env("HOTSWAP_DISK_FOLDER", folder)
        .stdin(Stdio::null())
        .output()
        .expect("this file runs");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}{}", String::from_utf8_lossy(&output.stderr));
    out.lines().filter_map(|line| line.split_once("said: ")).map(|(_, said)| said.to_owned()).collect()
}

fn this() -> Command {
    Command::new(env::current_exe().expect("this file"))
}

/// This file in a process whose files cannot grow beyond so many bytes, a multiple of 512: as on a disk that is full.
fn full_beyond(bytes: u64) -> Command {
    let mut command = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", bytes / 512);
    command.arg("-c").arg(script).arg(env::current_exe().expect("this file"));
    command
}

/// This file in a process that permissions bind: as root, in one of somebody else, who gets the folder.
fn nobody(folder: &Path, programs: &Folder) -> Command {
    if chown(folder, Some(NOBODY), Some(NOBODY)).is_err() {
        return this();
    }
    for file in files(folder).keys() {
        chown(file, Some(NOBODY), Some(NOBODY)).expect("as its folder");
    }
    // Where it was built is perhaps not for everybody. Another process copies it: what another test spawns from this one
    // meanwhile would inherit the file open for writing, and as long as anyone has it open so, it may not be run.
    let program = programs.path("program");
    let copied =
        Command::new("cp").arg(env::current_exe().expect("this file")).arg(&program).status().expect("cp runs");
    assert!(copied.success(), "room");
    let mut command = Command::new(program);
    command.uid(NOBODY).gid(NOBODY);
    command
}

#[test]
fn process() {
    let Ok(role) = env::var("HOTSWAP_DISK") else { return };
    let folder = PathBuf::from(env::var_os("HOTSWAP_DISK_FOLDER").expect("set with the role"));
    println!();
    match role.as_str() {
        "prepare" => prepare(&folder),
        "no room for a save" => no_room_for_a_save(&folder),
        "no room for the store" => no_room_for_the_store(&folder),
        "taken away" => taken_away(&folder),
        "no store" => no_store(&folder),
        "report" => {
            let (switch, fleet) = open(&folder);
            println!("said: {} {:?}", switch.version(), sums(&fleet));
        }
        _ => panic!("no role {role}"),
    }
}

fn open(folder: &Path) -> (Switch, Fleet<u64>) {
    let switch = Switch::builder().starting_at(1).open(folder.join("switch")).expect("whole");
    let fleet = switch.fleet();
    if folder.join("fleet").exists() {
        fleet.restore(folder.join("fleet")).expect("whole");
    }
    (switch, fleet)
}

fn sums(fleet: &Fleet<u64>) -> BTreeMap<u64, u64> {
    let mut keys = Vec::new();
    fleet.for_each(|key, _| keys.push(*key)).expect("outside");
    keys.into_iter().map(|key| (key, fleet.step(&key, Get).expect("serves"))).collect()
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(folder).expect("there").map(|file| file.expect("there").path());
    files.map(|file| (file.clone(), fs::read(file).expect("there"))).collect()
}

/// Three instances, saved, at version 2.
fn prepare(folder: &Path) {
    let (switch, fleet) = open(folder);
    for key in 0..3 {
        fleet.insert(key, V1 { sum: key, ..V1::default() }).expect("enters");
    }
    switch.admin().upgrade(2, "").expect("not refused");
    switch.admin().commit().expect("in probation");
    fleet.save(folder.join("fleet")).expect("room");
}

fn prepared() -> Folder {
    let folder = Folder::new();
    run(this(), "prepare", &folder.path(""));
    folder
}

const WHOLE: [&str; 1] = ["2 {0: 0, 1: 1, 2: 2}"];

fn too_large(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::FileTooLarge
}

/// The store fits; a fleet of this size does not.
fn no_room_for_a_save(folder: &Path) {
    let (switch, fleet) = open(folder);
    for key in 10..20_000 {
        fleet.insert(key, V1::default()).expect("enters");
    }
    let before = files(folder);
    for _ in 0..2 {
        let refused = fleet.save(folder.join("fleet")).expect_err("there is no room");
        assert!(matches!(&refused, SaveError::Io { source, .. } if too_large(source)), "{refused}");
        let refused = fleet.save_paused(folder.join("fleet")).expect_err("there is no room");
        assert!(matches!(&refused, SaveError::Io { source, .. } if too_large(source)), "{refused}");
        assert!(files(folder) == before, "what was saved is as it was, and nothing else lies about");
    }
    // in a probation, what was kept from before is not touched either
    let options = UpgradeOptions::default().accept_loss(true);
    switch.admin().upgrade_with(3, "", &options).expect("the store has room");
    fleet.save(folder.join("fleet")).expect_err("there is no room");
    let fleet_file = folder.join("fleet");
    assert!(files(folder)[&fleet_file] == before[&fleet_file]);
    fleet.step(&15, Add(1)).expect("it serves all the while");
}

/// Nothing fits.
fn no_room_for_the_store(folder: &Path) {
    let refused = Switch::builder().open(folder.join("switch")).map(|_: Switch| ()).expect_err("there is no room");
    assert!(matches!(&refused, OpenError::Io { source, .. } if too_large(source)), "{refused}");
    let refused = Switch::builder().open(folder.join("new")).map(|_: Switch| ()).expect_err("there is no room");
    assert!(matches!(&refused, OpenError::Io { source, .. } if too_large(source)), "{refused}");
    assert!(!folder.join("new").exists());
}

/// The folder may be written at first, and then no longer.
fn taken_away(folder: &Path) {
    let (switch, fleet) = open(folder);
    let admin = switch.admin();
    let lossy = UpgradeOptions::default().accept_loss(true);
    fs::set_permissions(folder, Permissions::from_mode(0o555)).expect("it is its own");
    let before = files(folder);
    let status = admin.status();
    let refused = admin.upgrade_with(3, "", &lossy).expect_err("it could not be stored");
    assert!(matches!(refused, AdminError::NotStored { .. }), "{refused}");
    assert_eq!(admin.status(), status);
    let refused = fleet.save(folder.join("fleet")).expect_err("it could not be stored");
    let denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    assert!(matches!(&refused, SaveError::Io { source, .. } if denied(source)), "{refused}");
    assert!(files(folder) == before);

    fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("it is its own");
    admin.upgrade_with(3, "", &lossy).expect("it can be again");
    fs::set_permissions(folder, Permissions::from_mode(0o555)).expect("it is its own");
    let before = files(folder);
    let status = admin.status();
    let leaving = CommitOptions::default().leave_held_back(true);
    let refused = admin.commit_with("", &leaving).expect_err("it could not be stored");
    assert!(matches!(refused, AdminError::NotStored { .. }), "{refused}");
    assert_eq!((admin.status(), status.phase), (status.clone(), Phase::Probation));
    fleet.step(&1, Add(10)).expect("it serves all the while");
    admin
        .rollback_with("", &hotswap::RollbackOptions::default().accept_loss(true))
        .expect("nothing may stand in the way of a rollback");
    assert_eq!((switch.version(), sums(&fleet)[&1]), (2, 11));
    assert!(files(folder) == before, "the store still tells of the probation: a restart undoes it as well");
    assert_eq!(admin.audit().refusals.last().expect("it is told").what, "write the store");
}

fn no_store(folder: &Path) {
    let before = files(folder);
    let refused = Switch::builder().open(folder.join("switch")).map(|_: Switch| ()).expect_err("it may not");
    let OpenError::Io { source, .. } = &refused else { panic!("{refused}") };
    assert_eq!(source.kind(), io::ErrorKind::PermissionDenied, "{refused}");
    assert!(files(folder) == before);
}

#[test]
fn a_save_for_which_there_is_no_room() {
    let folder = prepared();
    run(full_beyond(64 * 1024), "no room for a save", &folder.path(""));
    assert_eq!(run(this(), "report", &folder.path("")), WHOLE);
}

#[test]
fn a_store_for_which_there_is_no_room() {
    let folder = prepared();
    let before = files(&folder.path(""));
    run(full_beyond(0), "no room for the store", &folder.path(""));
    let after = files(&folder.path(""));
    assert!(before.iter().all(|(file, bytes)| after[file] == *bytes), "{:?}", after.keys());
    assert_eq!(run(this(), "report", &folder.path("")), WHOLE);
}

#[test]
fn a_folder_that_may_not_be_written() {
    let folder = prepared();
    let path = folder.path("");
    let programs = Folder::new();
    run(nobody(&path, &programs), "taken away", &path);
    run(nobody(&path, &programs), "no store", &path);
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("it is its own");
    assert_eq!(run(this(), "report", &path), WHOLE);
}
