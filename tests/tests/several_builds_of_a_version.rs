//! Of a version that several images have, each switch runs one build, and it is said which; none goes or comes unsaid.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use hotswap::load::{Digest, Images, LetGo, LoadError, SecretKey, Trust};
use hotswap::{Encoded, RollbackOptions, UpgradeOptions};
use hotswap_image_tally::tally::{Add, Admin, Cell, Switch, V1, Version};
use hotswap_tests::Ending;
use hotswap_tests::folder::Folder;
use hotswap_tests::images::{APPLICATION, alone, built, changed, signed, trusted};

fn v1() -> V1 {
    V1 { total: 0, label: "till".to_owned() }
}

/// Version 3 as it is, and a fourth.
fn three_and_four() -> Vec<u8> {
    let fourth = "#[cfg(feature = \"three\")]
        #[machine(version = 4, migrates_from = 3)]
        pub fn add_much(state: &mut V3, Add(by): Add) -> i64 { state.total += by * 10_000; state.total }";
    changed("four", str::to_owned, |source| format!("{}{fourth}\n}}\n", &source[..source.rfind('}').expect("an end")]))
}

fn accepting() -> RollbackOptions {
    RollbackOptions::default().accept_loss(true)
}

fn leave_all(images: &Images) {
    for image in images.list() {
        assert_eq!(images.unload(&image.id).expect("nobody uses it"), LetGo::Gone);
    }
}

/// A program that is started again and again, with two builds of version 3 in its folder: the second costs more.
struct Program {
    folder: Folder,
    key: SecretKey,
}

impl Program {
    fn new() -> Self {
        let (folder, key) = (Folder::new(), trusted().0);
        fs::create_dir(folder.path("images")).expect("the folder can be made");
        for (name, features, serial) in [("a", "three", 1), ("b", "dearer", 2)] {
            let file = folder.path("images").join(name);
            fs::write(file, signed(&built(features), &key, serial)).expect("it can be written");
        }
        Self { folder, key }
    }

    fn images(&self) -> Images {
        let memory = self.folder.path("trust");
        let trust = Trust::new(APPLICATION).key(self.key.public()).remember(memory).expect("it is free");
        Images::new(trust).folder(self.folder.path("images"))
    }

    fn open(&self, images: &Images) -> Switch {
        let builder = Switch::builder().starting_at(Version::V1).images(images);
        builder.open(self.folder.path("store")).expect("it comes up")
    }

    fn start(&self) -> (Images, Switch) {
        let images = self.images();
        let switch = self.open(&images);
        (images, switch)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path("images").join(name)
    }
}

/// What a switch that has come up at version 3 asks for one, and what its audit says of that.
fn comes_up(program: &Program) -> (i64, Vec<String>) {
    let (images, switch) = program.start();
    assert_eq!(switch.version(), 3);
    let cell = switch.cell(v1()).expect("it can come up");
    let asks = cell.step(Add(1)).expect("version 3");
    let refusals = switch.admin().audit().refusals;
    drop((cell, switch));
    leave_all(&images);
    (asks, refusals.into_iter().map(|refusal| format!("{}: {}", refusal.what, refusal.why)).collect())
}

#[test]
fn a_restart_comes_up_with_the_build_that_was_committed() {
    let _alone = alone();
    let program = Program::new();
    let (images, switch) = program.start();
    let admin = switch.admin();
    images.load(program.file("a")).expect("it fits");
    admin.upgrade(3, "").expect("it is available");
    admin.rollback_with("", &accepting()).expect("the loss is accepted");
    images.load(program.file("b")).expect("nobody uses the first");
    admin.upgrade(3, "").expect("it is available");
    admin.commit().expect("nothing is held back");
    drop((switch, admin));
    leave_all(&images);
    drop(images);
    assert_eq!(comes_up(&program), (103, vec![]), "the first of the folder was undone");

    // the older of them once more, and for good
    let (images, switch) = program.start();
    let admin = switch.admin();
    admin.upgrade_with(2, "", &UpgradeOptions::default().accept_loss(true)).expect("there is a way");
    admin.commit().expect("nothing is held back");
    images.load_again(program.file("a")).expect("nobody uses the second");
    admin.upgrade(3, "").expect("it is available");
    admin.commit().expect("nothing is held back");
    drop((switch, admin));
    leave_all(&images);
    drop(images);
    assert_eq!(comes_up(&program), (100, vec![]), "the one that was signed last is another");

    // without it, it is said that another one runs; and that is not taken for what was committed
    let (here, away) = (program.file("a"), program.folder.path("away"));
    fs::rename(&here, &away).expect("it can be moved");
    for _ in 0..2 {
        let (asks, refusals) = comes_up(&program);
        let [refusal] = refusals.as_slice() else { panic!("{refusals:?}") };
        assert_eq!(asks, 103);
        let (digest, other) = (Digest::of(&built("three")), Digest::of(&built("dearer")));
        let says =
            format!("start at version 3 as it was committed: that was of image {digest}; here it is of hotswap-");
        assert!(refusal.starts_with(&says) && refusal.ends_with(&format!(", which is {other}")), "{refusal}");
    }
    fs::rename(&away, &here).expect("it can be moved");
    assert_eq!(comes_up(&program), (100, vec![]));

    // another one that is here already gives way to it, and if that is in use it is said that it does not
    for in_use in [false, true] {
        let images = program.images();
        images.load_again(program.file("b")).expect("nothing is here");
        let user = in_use.then(|| Switch::builder().label("user").starting_at(3).build().expect("it is here"));
        let switch = program.open(&images);
        let asks = switch.cell(v1()).expect("it can come up").step(Add(1)).expect("version 3");
        let refusals: Vec<_> = switch.admin().audit().refusals.into_iter().map(|refusal| refusal.why).collect();
        match refusals.as_slice() {
            [] => assert_eq!((in_use, asks), (false, 100)),
            [why] => assert!(in_use && asks == 103 && why.contains(" is in use"), "{why}"),
            more => panic!("{more:?}"),
        }
        drop((user, switch));
        leave_all(&images);
    }
}

#[test]
fn a_refusal_to_let_go_leaves_every_switch_what_it_has() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cells = [Cell::new(v1()), Cell::new(v1())];
    let [one, other] = cells.each_ref().map(Cell::admin);
    let third = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    for admin in [&one, &other] {
        admin.upgrade(3, "").expect("it is available");
    }
    let further = images.load_bytes(&signed(&three_and_four(), &key, 2)).expect("it goes on").id;
    one.rollback_with("", &accepting()).expect("the loss is accepted");
    let before = [&one, &other].map(Admin::versions);

    let refused = images.unload(&third).expect_err("the other one runs it");
    assert!(matches!(&refused, LoadError::InUse { holders, .. } if holders.len() == 1), "{refused}");
    assert_eq!([&one, &other].map(Admin::versions), before);
    let owners: Vec<_> = before[0].iter().map(|version| version.image.as_deref()).collect();
    assert_eq!(owners, [None, None, Some(&*third), Some(&*further)]);
    one.upgrade(4, "").expect("it is still available");
    assert_eq!(cells[0].step(Add(1)).expect("version 4"), 10_000);
    drop((cells, one, other));
    leave_all(&images);
}

#[test]
fn an_image_that_gives_way_and_cannot_leave_is_told_of() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1());
    let admin = cell.admin();
    let first = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    admin.upgrade(3, "").expect("it is available");
    let (left, wait) = (channel(), channel::<()>());
    let thread = thread::spawn({
        let cell = cell.clone();
        move || {
            cell.step_encoded(Encoded::json("Misbehave", &"ThreadLocal").expect("it is JSON")).expect("it is taken");
            left.0.send(()).expect("it is waited for");
            let _ = wait.1.recv();
        }
    });
    left.1.recv().expect("it says so");
    admin.rollback_with("", &accepting()).expect("the loss is accepted");

    let arrived = images.load_bytes(&signed(&built("dearer"), &key, 2)).expect("nobody uses the first");
    let [(id, LetGo::Pinned { reason })] = arrived.let_go.as_slice() else { panic!("{:?}", arrived.let_go) };
    assert!(*id == first && reason.contains("thread-local"), "{id}: {reason}");
    let pinned: Vec<_> = images.pinned().into_iter().map(|pinned| (pinned.image, pinned.reason)).collect();
    assert_eq!(pinned, [(first.clone(), reason.clone())]);
    let said = format!("let go {first}: {} has all that it had", arrived.id);
    assert!(admin.audit().changes.iter().any(|entry| entry.what == said), "{:?}", admin.audit().changes);
    drop(wait.0);
    thread.join().expect("it ends");
    assert_eq!(images.pinned(), []);
    drop((cell, admin));
    leave_all(&images);
}

#[test]
fn who_looks_at_the_list_holds_nothing() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let _cell = Cell::new(v1());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let ending = Ending(&over);
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                std::hint::black_box(images.list());
            }
        });
        let fates: Vec<_> = (1..=100)
            .map(|serial| {
                let id = images.load_bytes(&signed(&built("three"), &key, serial)).expect("it fits").id;
                images.unload(&id).expect("nobody uses it")
            })
            .collect();
        drop(ending);
        assert_eq!(fates, vec![LetGo::Gone; 100]);
    });
}
