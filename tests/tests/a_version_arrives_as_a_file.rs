//! A version that did not exist when the program was built: it comes as a file, and works as those that are compiled in.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{TryRecvError, channel};
use std::thread;

use hotswap::load::{Images, InspectError, LetGo, LoadError, TrustError, Unfit};
use hotswap::snapshot::SnapshotError;
use hotswap::{
    AdminError, Encoded, EncodedError, Event, OpenError, RollbackOptions, SaveError, Standing, SwitchError,
    UpgradeOptions, Why, load,
};
use hotswap_image_tally::tally::{Add, AnyState, Cell, Fleet, Label, Machine, Switch, V1, Version};
use hotswap_tests::AtEachEvent;
use hotswap_tests::folder::Folder;
use hotswap_tests::images::{alone, built, changed, signed, trusted};
use hotswap_tests::quietly;

fn v1(label: &str) -> V1 {
    V1 { total: 0, label: label.to_owned() }
}

/// An image with a fourth version, which changes behaviour only.
fn four() -> Vec<u8> {
    changed("four", str::to_owned, four_in)
}

fn four_in(source: &str) -> String {
    let end = source.rfind('}').expect("the module ends");
    let fourth = "#[cfg(feature = \"three\")]
        #[machine(version = 4, migrates_from = 3)]
        pub fn add_much(state: &mut V3, Add(by): Add) -> i64 { state.total += by * 10_000; state.total }";
    format!("{}{fourth}\n}}\n", &source[..end])
}

fn accepting() -> RollbackOptions {
    RollbackOptions::default().accept_loss(true)
}

#[test]
fn it_is_available_runs_and_goes_back_like_any_other() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let admin = cell.admin();
    assert!(matches!(admin.upgrade(3, ""), Err(AdminError::Version(_))));

    let arrived = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits");
    assert_eq!(arrived.brought, [(admin.status().label, vec![3])]);
    let third = admin.versions().pop().expect("it is listed");
    assert_eq!((third.number, third.standing, third.image), (3, Standing::Available, Some(arrived.id.clone())));

    assert_eq!(cell.step(Add(1)).expect("version 1"), 1);
    let plan = admin.plan(3).expect("there is a way");
    assert_eq!((plan.path, plan.examined, plan.failed), (vec![1, 2, 3], 1, 0));
    let outcome = admin.upgrade(3, "it has come").expect("nothing is in the way");
    assert_eq!((outcome.live, outcome.moved, outcome.held_back), (1, 1, 0));
    assert_eq!(cell.version(), Some(3));

    // the caller's types are those of version 1
    assert_eq!(cell.step(Add(2)).expect("version 3"), 201);
    assert_eq!(cell.step(Label).expect("version 3"), "till after 1 steps");
    let state = cell.inspect(|state| serde_json::to_string(state).expect("it can be shown"));
    assert_eq!(state.as_deref(), Some(r#"[3,{"label":"till","log":[],"steps":1,"total":201}]"#));

    let refused = admin.rollback("").expect_err("the log would be lost");
    assert!(matches!(refused, AdminError::LossNotAccepted { .. }), "{refused}");
    admin.rollback_with("", &accepting()).expect("the loss is accepted");
    assert_eq!((cell.version(), cell.step(Add(1)).expect("version 1")), (Some(1), 202));
    assert_eq!(images.unload(&arrived.id).expect("nobody uses it"), LetGo::Gone);
    assert!(matches!(admin.upgrade(3, ""), Err(AdminError::Version(_))));
    assert_eq!(images.list(), []);
}

#[test]
fn an_input_that_the_program_has_no_type_for_comes_encoded() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let fail = || Encoded::json("Misbehave", &"Fail").expect("it is JSON");

    let unknown = cell.step_encoded(fail()).expect_err("nobody knows it");
    assert!(matches!(&unknown, EncodedError::Undecodable { input, .. } if *input == fail()), "{unknown}");
    let arrived = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits");
    match cell.step_encoded(fail()) {
        Err(EncodedError::NotTaken(error)) => assert_eq!((error.why, error.input), (Why::Refused { at: 1 }, fail())),
        other => panic!("{other:?}"),
    }
    cell.admin().upgrade(3, "").expect("it is available");
    let output = cell.step_encoded(fail()).expect("version 3 takes it");
    assert_eq!(output.to_string(), r#"["Misbehave",{"Err":"as it was asked to"}]"#);
    let bad = Encoded::json("Misbehave", &"Juggle").expect("it is JSON");
    assert!(matches!(cell.step_encoded(bad), Err(EncodedError::Undecodable { .. })));
    // and one that it has a type for
    let total = cell.step_encoded(Encoded::postcard("Add", &Add(1)).expect("it is postcard")).expect("it is taken");
    assert_eq!(total.value::<i64>().expect("a number"), 100);

    drop(cell);
    assert_eq!(images.unload(&arrived.id).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn a_panic_is_the_callers_with_its_text_and_poisons() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let arrived = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits");
    cell.admin().upgrade(3, "").expect("it is available");

    let panic = Encoded::json("Misbehave", &serde_json::json!({ "Panic": "no more" })).expect("it is JSON");
    let payload = catch_unwind(AssertUnwindSafe(|| cell.step_encoded(panic))).expect_err("it panics");
    assert_eq!(payload.downcast_ref::<String>().map(String::as_str), Some("no more"));
    assert_eq!(cell.step(Add(1)).map_err(|error| error.why), Err(Why::Poisoned));
    assert_eq!(cell.admin().status().held_back, 1);

    drop(cell);
    assert_eq!(images.unload(&arrived.id).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn a_migration_that_refuses_or_panics_leaves_the_old_version_running() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let switch = Switch::builder().starting_at(Version::V1).build().expect("version 1 runs");
    let fleet: Fleet<String> = switch.fleet();
    for label in ["till", "refuse", "panic"] {
        fleet.insert(label.to_owned(), v1(label)).expect("it is new");
    }
    let arrived = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits");
    let outcome = switch.admin().upgrade(3, "").expect("it is available");
    assert_eq!((outcome.moved, outcome.held_back), (1, 2));
    let mut reasons: Vec<_> =
        outcome.held.iter().map(|held| (held.who.as_str(), held.version, &*held.reason)).collect();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [("panic", 1, "it panicked: it is labelled `panic`"), ("refuse", 1, "it is labelled `refuse`")]
    );
    assert_eq!(fleet.step("refuse", Add(1)).expect("version 1"), 1);
    assert_eq!(fleet.step("till", Add(1)).expect("version 3"), 100);

    let refused = images.unload(&arrived.id).expect_err("it runs");
    assert!(
        matches!(&refused, LoadError::InUse { holders, .. } if holders[0].live == 1 && holders[0].current),
        "{refused}"
    );
    switch.admin().rollback_with("", &accepting()).expect("the loss is accepted");
    assert_eq!(images.unload(&arrived.id).expect("nobody uses it"), LetGo::Gone);
    assert_eq!(fleet.step("till", Add(1)).expect("version 1"), 101);
}

#[test]
fn those_of_a_slab_run_it_one_by_one_and_stand_together_again_after() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let switch = Switch::builder().starting_at(Version::V1).build().expect("version 1 runs");
    let mut slab = switch.slab();
    (0..1500).for_each(|_| slab.push(v1("till")).expect("enters"));
    let arrived = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits");
    switch.admin().upgrade(3, "").expect("it is available");
    slab.step_all(|_| Add(1), |_, total| assert_eq!(total.expect("version 3"), 100));
    assert_eq!((slab.version(1499), slab.apart()), (Some(3), 1500));
    slab.push(v1("a later one")).expect("enters");
    let encoded = Encoded::json("Add", &Add(1)).expect("it is JSON");
    assert_eq!(slab.step_encoded(1499, encoded).expect("version 3").to_string(), r#"["Add",200]"#);

    switch.admin().rollback_with("", &accepting()).expect("the loss is accepted");
    let mut totals = Vec::new();
    slab.step_all(|_| Add(1), |_, total| totals.push(total.expect("version 1")));
    assert_eq!(totals, [vec![101; 1499], vec![201, 1]].concat());
    assert_eq!(slab.apart(), 0);
    assert_eq!(images.unload(&arrived.id).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn what_a_fleet_saves_with_it_comes_back_with_it() {
    let _alone = alone();
    let folder = Folder::new();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let switch = Switch::builder().starting_at(Version::V1).build().expect("version 1 runs");
    let fleet: Fleet<String> = switch.fleet();
    fleet.insert("a".to_owned(), v1("till")).expect("it is new");
    let file = folder.path("fleet");
    let arrived = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits");
    switch.admin().upgrade(3, "").expect("it is available");
    assert_eq!(fleet.step("a", Add(1)).expect("version 3"), 100);
    assert_eq!(fleet.save(&file).expect("it can be saved").instances, 1);

    fleet.step("a", Add(1)).expect("version 3");
    assert_eq!(fleet.restore(&file).expect("the version is here").instances, 1);
    assert_eq!(fleet.step("a", Label).expect("version 3"), "till after 1 steps");
    let later = Switch::builder().starting_at(3).build().expect("an image has it");
    let other: Fleet<String> = later.fleet();
    other.restore(&file).expect("the version is here");
    assert_eq!(other.step("a", Add(1)).expect("version 3"), 200);

    drop((other, later));
    switch.admin().rollback_with("", &accepting()).expect("the loss is accepted");
    assert_eq!(images.unload(&arrived.id).expect("nobody uses it"), LetGo::Gone);
    assert!(fleet.restore(&file).is_err(), "nobody knows version 3 any more");
    assert_eq!(fleet.step("a", Add(0)).expect("it is as it was"), 100);
}

#[test]
fn a_restart_finds_it_in_the_folder_or_says_why_not() {
    let _alone = alone();
    let folder = Folder::new();
    let (store, memory, dir) = (folder.path("store"), folder.path("trust"), folder.path("images"));
    std::fs::create_dir(&dir).expect("the folder can be made");
    let (key, _) = trusted();
    let trust = || {
        load::Trust::new(hotswap_tests::images::APPLICATION).key(key.public()).remember(&memory).expect("it is free")
    };
    let image = dir.join("three");
    std::fs::write(&image, signed(&built("three"), &key, 1)).expect("it can be written");

    let images = Images::new(trust()).folder(&dir);
    let switch = Switch::builder().starting_at(Version::V1).images(&images).open(&store).expect("it is new");
    images.load(&image).expect("it fits");
    switch.admin().upgrade(3, "").expect("it is available");
    switch.admin().commit().expect("nothing is held back");
    let id = images.list()[0].id.clone();
    drop(switch);
    assert_eq!(images.unload(&id).expect("nobody uses it"), LetGo::Gone);
    drop(images);

    // as a program that starts again
    let without = Switch::builder().open(&store).map(|switch: Switch| switch.version());
    assert!(matches!(without, Err(OpenError::Permanent { .. })), "{without:?}");
    let images = Images::new(trust()).folder(&dir);
    let switch: Switch = Switch::builder().images(&images).open(&store).expect("the folder has it");
    assert_eq!((switch.version(), switch.admin().status().permanent), (3, 3));
    let cell = switch.cell(v1("till")).expect("it can come up");
    assert_eq!(cell.step(Add(1)).expect("version 3"), 100);
    drop((cell, switch));
    images.unload(&images.list()[0].id).expect("nobody uses it");
    drop(images);

    std::fs::write(&image, b"what is left of it").expect("it can be written");
    let images = Images::new(trust()).folder(&dir);
    let switch: Switch = Switch::builder().images(&images).open(&store).expect("it comes up");
    assert_eq!(switch.version(), 2);
    let refusals = switch.admin().audit().refusals;
    let [refusal] = refusals.as_slice() else { panic!("{refusals:?}") };
    assert_eq!(refusal.what, "start at version 2: machine `tally` has no version 3; it has 1, 2");
    assert!(refusal.why.contains("no signed image"), "{}", refusal.why);
    drop((switch, images));

    // the file is mended: what was committed is not forgotten
    std::fs::write(&image, signed(&built("three"), &key, 1)).expect("it can be written");
    let images = Images::new(trust()).folder(&dir);
    let switch: Switch = Switch::builder().images(&images).open(&store).expect("it comes up");
    let refusals = switch.admin().audit().refusals;
    assert_eq!(switch.version(), 3, "{refusals:?}");
    drop(switch);
    assert_eq!(images.unload(&images.list()[0].id).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn what_does_not_fit_changes_nothing_and_is_in_the_audit() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let three = built("three");
    let load = |bytes: &[u8]| images.load_bytes(bytes).expect_err("it does not fit");

    assert!(matches!(load(&three), LoadError::Trust(TrustError::Unsigned)));
    assert!(matches!(load(&signed(b"no image", &key, 1)), LoadError::Inspect(_)));
    assert!(matches!(load(&signed(&built(""), &key, 1)), LoadError::NothingNew));
    assert_eq!(cell.admin().versions().len(), 2);
    assert_eq!(cell.admin().audit().refusals.len(), 3);

    let file = signed(&three, &key, 2);
    let id = images.load_bytes(&file).expect("no serial was used up").id;
    assert!(matches!(load(&file), LoadError::AlreadyHere { id: there } if there == id));
    assert!(matches!(
        load(&signed(&built("dearer"), &key, 1)),
        LoadError::Trust(TrustError::Replayed { serial: 1, last: 2 })
    ));
    let mut altered = file.clone();
    altered[file.len() - 1] ^= 1;
    assert!(matches!(load(&altered), LoadError::Trust(TrustError::Altered { .. })));
    assert!(matches!(load(&signed(&three, &key, 1)), LoadError::Trust(TrustError::Replayed { serial: 1, last: 2 })));
    drop(cell);
    assert_eq!(images.unload(&id).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn what_was_built_otherwise_is_refused_by_name_and_changes_nothing() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let admin = cell.admin();
    let three = built("three");
    let target = load::inspect(&three).expect("an image").build.target;
    let find = |from: usize, what: &[u8]| {
        three[from..].windows(what.len()).position(|window| window == what).expect("it is in there") + from
    };
    // the build note: its kind, the owner's name, then the boundary, the flags, the texts
    let build = find(0, b"\x01\0\0\0hotswap\0\x01\0\0\0") + 12;
    let mut whys = Vec::new();
    let mut refused = |serial: u64, at: usize, to: u8| {
        let mut image = three.clone();
        image[at] = to;
        let error = images.load_bytes(&signed(&image, &key, serial)).expect_err("it was built otherwise");
        whys.push(error.to_string());
        let LoadError::Inspect(error) = error else { panic!("{error}") };
        error
    };
    assert_eq!(refused(1, build, 9), InspectError::Abi { expected: 1, found: 9 });
    assert_eq!(refused(2, build + 4, 0), InspectError::PanicAbort);
    let found = format!("X{}", &target[1..]);
    let other = InspectError::Target { expected: target.clone(), found };
    assert_eq!(refused(3, find(build, target.as_bytes()), b'X'), other);

    let audit = admin.audit();
    let kept: Vec<_> = audit.refusals.iter().map(|refusal| (&*refusal.what, &refusal.why)).collect();
    assert_eq!(kept, whys.iter().map(|why| ("load an image", why)).collect::<Vec<_>>());
    assert_eq!((audit.changes.len(), admin.versions().len(), images.list()), (1, 2, vec![]));
    assert_eq!(images.trust().last_serial(), None);
    assert!(matches!(admin.upgrade(3, ""), Err(AdminError::Version(_))));
    assert_eq!((cell.version(), cell.step(Add(1)).expect("version 1")), (Some(1), 1));
}

#[test]
fn scenario_48_of_two_images_with_one_number_the_one_in_use_stays() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let id = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    cell.admin().upgrade(3, "").expect("it is available");
    let dearer = images.load_bytes(&signed(&built("dearer"), &key, 2)).expect_err("3 is in use");
    let LoadError::Unfit(Unfit::Taken { version: 3, image, .. }) = &dearer else { panic!("{dearer}") };
    assert_eq!((image, cell.step(Add(1)).expect("version 3")), (&id, 100));

    // one that nobody uses gives way to another build of it
    cell.admin().rollback_with("", &accepting()).expect("the loss is accepted");
    let other = images.load_bytes(&signed(&built("dearer"), &key, 3)).expect("nobody uses the first").id;
    assert_eq!(images.list().iter().map(|image| image.id.as_str()).collect::<Vec<_>>(), [other.as_str()]);
    cell.admin().upgrade(3, "").expect("it is available");
    assert_eq!(cell.step(Add(1)).expect("version 3"), 203);
    drop(cell);
    assert_eq!(images.unload(&other).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn scenario_48_an_image_comes_while_another_command_runs() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let admin = cell.admin();
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
        let events = admin.subscribe();
        let upgrade = scope.spawn(|| admin.upgrade(2, "").expect("nothing is in the way"));
        assert!(matches!(events.next(), Some(Event::Flip { to: 2, .. })));

        let arrived = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits");
        assert_eq!(admin.versions().len(), 3);
        assert!(matches!(admin.upgrade(3, ""), Err(AdminError::Pending { .. })));
        assert_eq!(images.unload(&arrived.id).expect("nobody uses it"), LetGo::Gone);
        let_go.send(()).expect("it waits");
        assert_eq!(upgrade.join().expect("no panic").moved, 1);
    });
}

#[test]
fn scenario_37_one_number_with_two_shapes_is_refused_at_load() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let same = |text: &str| text.to_owned();
    let image = changed("shape", same, |source| source.replace("pub steps: u32", "pub steps: u64"));
    let refused = images.load_bytes(&signed(&image, &key, 1)).expect_err("version 2 was released");
    let LoadError::Unfit(Unfit::Changed { version: 2, found, here, .. }) = &refused else { panic!("{refused}") };
    let second = cell.admin().versions().pop().expect("it is compiled in");
    assert_eq!((second.number, &second.fingerprint), (2, here));
    assert_ne!(found, here);
    let image = changed("input", same, |source| {
        source
            .replace("pub struct Add(pub i64)", "pub struct Add(pub i64, #[serde(default)] pub u8)")
            .replace("Add(by): Add", "Add(by, _): Add")
    });
    let refused = images.load_bytes(&signed(&image, &key, 1)).expect_err("the input was released");
    assert!(matches!(&refused, LoadError::Unfit(Unfit::InputChanged { input, .. }) if input == "Add"), "{refused}");
    let image = changed("other", |manifest| manifest.replace("hotswap-image-tally", "hotswap-image-other"), same);
    let refused = images.load_bytes(&signed(&image, &key, 1)).expect_err("it is another machine");
    assert!(matches!(&refused, LoadError::Unfit(Unfit::OtherMachine { name, .. }) if name == "tally"), "{refused}");
    assert_eq!((cell.admin().versions().len(), images.list()), (2, vec![]));
}

#[test]
fn scenario_05_what_nobody_uses_is_let_go_and_the_others_are_untouched() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let admin = cell.admin();
    let third = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    admin.upgrade(3, "").expect("it is available");
    admin.commit().expect("nothing is held back");
    let arrived = images.load_bytes(&signed(&four(), &key, 2)).expect("it goes on");
    assert_eq!(arrived.brought, [(admin.status().label, vec![4])]);

    // from one image to another and back, and never at home in between
    admin.upgrade(4, "").expect("it is available");
    assert_eq!(cell.step(Add(1)).expect("version 4"), 10_000);
    assert!(matches!(images.unload(&third), Err(LoadError::InUse { .. })), "a rollback goes there");
    admin.rollback("").expect("nothing is lost");
    assert_eq!(cell.step(Add(1)).expect("version 3"), 10_100);
    assert_eq!(images.unload(&arrived.id).expect("nobody uses it"), LetGo::Gone);
    assert_eq!(images.list().iter().map(|image| image.id.as_str()).collect::<Vec<_>>(), [third.as_str()]);
    assert_eq!(admin.versions().iter().map(|version| version.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(cell.step(Add(1)).expect("version 3"), 10_200);
    drop((cell, admin));
    assert_eq!(images.unload(&third).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn a_state_that_was_taken_out_of_its_switch_holds_its_image() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let switch = Switch::builder().starting_at(Version::V1).build().expect("version 1 runs");
    let instance = switch.instance(v1("till")).expect("it comes up");
    let id = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    switch.admin().upgrade(3, "").expect("it is available");
    let mut instance = instance;
    instance.refresh();
    let state = instance.into_state().expect("it is whole");
    drop(switch);
    assert_eq!(images.unload(&id).expect("no switch uses it"), LetGo::Held);
    let (AnyState::Loaded(one), AnyState::Loaded(copy)) = (&state, state.clone()) else { panic!("an image has it") };
    assert_eq!((copy.version(), one), (3, &copy));
    let refused = hotswap::snapshot::encode::<Machine>(&state).expect_err("nobody could read it back");
    assert!(
        matches!(&refused, SnapshotError::Unencodable(what) if what.contains("version 3 came as a file")),
        "{refused}"
    );
}

#[test]
fn two_builds_of_one_number_never_read_each_others_states() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let admin = cell.admin();
    let further = images.load_bytes(&signed(&four(), &key, 1)).expect("it fits").id;
    assert_eq!(admin.versions().iter().map(|version| version.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    // its version 3 is replaced by another build of it, and with it goes its version 4, which would read that in its own way
    let third = images.load_bytes(&signed(&built("three"), &key, 2)).expect("nobody uses the first").id;
    assert_eq!(admin.versions().iter().map(|version| version.number).collect::<Vec<_>>(), [1, 2, 3]);
    admin.upgrade(3, "").expect("it is available");
    assert_eq!((admin.plan(3).expect("it is there").failed, cell.step(Add(1)).expect("version 3")), (0, 100));
    drop((cell, admin));
    assert_eq!(images.unload(&further).expect("nobody uses it"), LetGo::Gone);
    assert_eq!(images.unload(&third).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn its_steps_are_counted_and_traced_like_any_other() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let id = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    cell.admin().upgrade(3, "").expect("it is available");
    cell.admin().count_steps(true);
    cell.step(Add(1)).expect("version 3");
    cell.step_encoded(Encoded::json("Label", &()).expect("it is JSON")).expect("version 3");
    let bad = Encoded::json("Misbehave", &"Juggle").expect("it is JSON");
    assert!(cell.step_encoded(bad).is_err());
    let statistics = cell.admin().statistics();
    assert_eq!((statistics.steps, statistics.refused, statistics.panicked), (2, 1, 0));
    drop(cell);
    assert_eq!(images.unload(&id).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn a_restart_in_its_probation_comes_down_by_it_or_from_the_file_kept_before() {
    let _alone = alone();
    let folder = Folder::new();
    let (store, memory, dir) = (folder.path("store"), folder.path("trust"), folder.path("images"));
    let (states, before) = (folder.path("fleet"), folder.path("fleet.before"));
    std::fs::create_dir(&dir).expect("the folder can be made");
    let (key, _) = trusted();
    let image = dir.join("three");
    std::fs::write(&image, signed(&built("three"), &key, 1)).expect("it can be written");
    let images = || {
        let trust = load::Trust::new(hotswap_tests::images::APPLICATION).key(key.public());
        Images::new(trust.remember(&memory).expect("it is free")).folder(&dir)
    };

    let first = images();
    let switch: Switch = Switch::builder().starting_at(2).images(&first).open(&store).expect("it is new");
    let fleet: Fleet<String> = switch.fleet();
    fleet.insert("a".to_owned(), v1("till")).expect("it is new");
    assert_eq!(fleet.step("a", Add(1)).expect("version 2"), 1);
    fleet.save(&states).expect("it can be saved");
    let id = first.load(&image).expect("it fits").id;
    switch.admin().upgrade(3, "").expect("it is available");
    assert_eq!(fleet.step("a", Add(1)).expect("version 3"), 101);
    assert_eq!(fleet.save(&states).expect("it can be saved").instances, 1);
    assert!(before.exists());
    drop((fleet, switch));
    assert_eq!(first.unload(&id).expect("nobody uses it"), LetGo::Gone);
    drop(first);

    // the folder has it: what was done since comes down
    let second = images();
    let switch: Switch = Switch::builder().images(&second).open(&store).expect("its permanent version is compiled in");
    assert_eq!((switch.version(), second.list()), (2, vec![]));
    let fleet: Fleet<String> = switch.fleet();
    let restored = fleet.restore(&states).expect("the folder has its version");
    assert_eq!((restored.instances, restored.moved, restored.from_before, restored.held_back), (1, 1, 0, 0));
    assert_eq!(fleet.step("a", Add(0)).expect("version 2"), 101);
    drop((fleet, switch));
    assert_eq!(second.unload(&second.list()[0].id).expect("nobody uses it"), LetGo::Gone);
    drop(second);

    // it has gone: what was saved before it is what there is
    std::fs::remove_file(&image).expect("it can be removed");
    let third = images();
    let switch: Switch = Switch::builder().images(&third).open(&store).expect("its permanent version is compiled in");
    let fleet: Fleet<String> = switch.fleet();
    let restored = fleet.restore(&states).expect("it was kept");
    assert_eq!((restored.instances, restored.from_before, restored.held_back), (1, 1, 0));
    assert_eq!(fleet.step("a", Add(0)).expect("version 2"), 1);

    // nothing is: it says which version is missing, and changes nothing
    std::fs::remove_file(&before).expect("it can be removed");
    let refused = fleet.restore(&states).expect_err("nobody knows version 3").to_string();
    assert!(refused.ends_with("machine `tally` has no version 3; it has 1, 2"), "{refused}");
    assert_eq!((fleet.len(), fleet.step("a", Add(0)).expect("version 2")), (1, 1));
}

#[test]
fn a_state_that_was_taken_out_comes_down_by_its_own_image_wherever_it_is_put() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let switch = Switch::builder().starting_at(Version::V1).build().expect("version 1 runs");
    let mut instance = switch.instance(v1("till")).expect("it comes up");
    let id = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    switch.admin().upgrade(3, "").expect("it is available");
    assert_eq!(instance.step(Add(1)).expect("version 3"), 100);
    let state = instance.into_state().expect("it is whole");
    switch.admin().rollback_with("", &accepting()).expect("the loss is accepted");
    assert_eq!(images.unload(&id).expect("no switch uses it"), LetGo::Held);

    let mut instance = switch.instance(state).expect("its image knows the way");
    assert_eq!((instance.version(), instance.step(Add(1)).expect("version 1")), (1, 101));
    let again = images.load_bytes(&signed(&built("three"), &key, 2)).expect("the first has gone").id;
    assert_eq!(images.unload(&again).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn no_switch_is_made_of_what_has_gone() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let file = signed(&built("three"), &key, 1);
    images.trust().accept(&images.trust().verify(&file).expect("it is new")).expect("it is new");
    let folder = Folder::new();
    let path = folder.path("three");
    std::fs::write(&path, &file).expect("it can be written");
    let make = || Switch::builder().starting_at(3).build();
    thread::scope(|scope| {
        let (going_on, is_going_on) = channel::<()>();
        scope.spawn(move || {
            while matches!(is_going_on.try_recv(), Err(TryRecvError::Empty)) {
                let Ok(switch) = make() else { continue };
                let cell = switch.cell(v1("till")).expect("version 3 is there");
                assert_eq!(cell.step(Add(1)).expect("version 3"), 100);
            }
        });
        for _ in 0..50 {
            let id = images.load_again(&path).expect("it fits").id;
            // a switch that was made of it meanwhile may still use it
            while let Err(error) = images.unload(&id) {
                assert!(matches!(error, LoadError::InUse { .. }), "{error}");
            }
        }
        drop(going_on);
    });
    assert!(matches!(make(), Err(SwitchError::Version(_))));
    let id = images.load_again(&path).expect("it fits").id;
    assert_eq!(make().expect("it is here").version(), 3);
    assert_eq!(images.unload(&id).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn an_input_that_an_image_brought_must_not_change_while_that_is_in_use() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let id = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    let further =
        |source: &str| source.replace("Long(usize)", "Long(u32)").replace("repeat(length)", "repeat(length as usize)");
    let image = changed("longer", str::to_owned, |source| further(&four_in(source)));
    cell.admin().upgrade(3, "").expect("it is available");
    let refused = images.load_bytes(&signed(&image, &key, 2)).expect_err("the input is in use");
    assert!(
        matches!(&refused, LoadError::Unfit(Unfit::InputChanged { input, .. }) if input == "Misbehave"),
        "{refused}"
    );

    cell.admin().rollback_with("", &accepting()).expect("the loss is accepted");
    let other = images.load_bytes(&signed(&image, &key, 3)).expect("nobody uses the first").id;
    assert_eq!(images.list().iter().map(|image| image.id.as_str()).collect::<Vec<_>>(), [other.as_str()]);
    assert_ne!(id, other);
    drop(cell);
    assert_eq!(images.unload(&other).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn an_encoded_input_is_taken_whole_or_not_at_all() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let id = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    let long = || Encoded::postcard("Add", &(Add(1), 7_u8)).expect("it is postcard");
    for version in [1, 3] {
        let undecodable = cell.step_encoded(long()).expect_err("a byte is left over");
        assert!(
            matches!(&undecodable, EncodedError::Undecodable { reason, .. } if reason == "1 bytes are left over"),
            "at {version}: {undecodable}"
        );
        cell.admin().upgrade(3, "").expect("it is available");
    }
    assert_eq!(cell.step(Add(0)).expect("version 3"), 0);
    drop(cell);
    assert_eq!(images.unload(&id).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn a_restore_ends_whole_although_the_image_goes_in_the_middle() {
    let _alone = alone();
    let folder = Folder::new();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let file = folder.path("fleet");
    let switch = Switch::builder().starting_at(2).build().expect("version 2 runs");
    let fleet: Fleet<u32> = switch.fleet();
    // more than are told of at once
    for key in 0..3000 {
        fleet.insert(key, v1("till")).expect("it is new");
    }
    let id = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    switch.admin().upgrade(3, "").expect("it is available");
    fleet.save(&file).expect("it is whole");
    switch.admin().rollback_with("", &accepting()).expect("the loss is accepted");
    fleet.clear().expect("outside");

    let mut gone = None;
    let tell = |_| {
        gone.get_or_insert_with(|| images.unload(&id).expect("no switch uses it"));
    };
    let restored = fleet.restore_telling(&file, tell).expect("what was read once can be read again");
    assert_eq!((restored.instances, restored.moved, restored.held_back, fleet.len()), (3000, 3000, 0, 3000));
    assert_eq!(gone, Some(LetGo::Held));
    assert_eq!(fleet.step(&2999, Add(1)).expect("version 2"), 1);
    let again = images.load_bytes(&signed(&built("three"), &key, 2)).expect("the first has gone").id;
    assert_eq!(images.unload(&again).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn what_an_older_image_brought_goes_over_to_a_later_one_that_has_it_too() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let admin = cell.admin();
    let third = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    admin.upgrade(3, "").expect("it is available");
    let further = images.load_bytes(&signed(&four(), &key, 2)).expect("it goes on").id;
    admin.upgrade(4, "").expect("it is available");
    admin.commit().expect("nothing is held back");

    assert_eq!(images.unload(&third).expect("nobody uses it"), LetGo::Gone);
    let versions = admin.versions();
    let of: Vec<_> = versions.iter().map(|version| (version.number, version.image.as_deref())).collect();
    assert_eq!(of, [(1, None), (2, None), (3, Some(&*further)), (4, Some(&*further))]);
    assert_eq!(admin.plan(3).expect("there is a way").failed, 0);
    admin.upgrade(3, "").expect("the later image has it");
    assert_eq!(cell.step(Add(1)).expect("version 3"), 100);
    drop((cell, admin));
    assert_eq!(images.unload(&further).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn an_image_that_retired_a_version_takes_its_states_on_from_the_next() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let folder = Folder::new();
    let file = folder.path("fleet");
    let old: Fleet<u8> = Switch::builder().starting_at(Version::V1).build().expect("version 1 runs").fleet();
    old.insert(1, v1("till")).expect("it is new");
    old.step(&1, Add(7)).expect("version 1");
    old.save(&file).expect("it is whole");
    drop(old);

    let without_first = |source: &str| {
        let (head, rest) = source.split_once("    #[machine(version = 1)]\n").expect("version 1 is there");
        let (_, rest) = rest.split_once("    #[machine(version = 2, migrates_from = 1, reversible)]").expect("and 2");
        let head = head.replace("derive(Debug, Clone)", "derive(Debug, Clone), retired(1)");
        format!("{head}    #[machine(version = 2)]{}", rest.replace("        #[machine(added = 0)]\n", ""))
    };
    let image = changed("retired", str::to_owned, without_first);
    let switch = Switch::builder().starting_at(2).build().expect("version 2 runs");
    let id = images.load_bytes(&signed(&image, &key, 1)).expect("nobody uses version 1").id;
    switch.admin().upgrade(3, "").expect("it is available");
    let fleet: Fleet<u8> = switch.fleet();
    let restored = fleet.restore(&file).expect("version 1 is compiled in");
    assert_eq!((restored.moved, restored.held_back), (1, 0));
    assert_eq!(fleet.step(&1, Add(1)).expect("version 3"), 107);
    drop((fleet, switch));
    assert_eq!(images.unload(&id).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn an_output_that_has_no_place_in_json_is_said_to_have_none() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let pairs = |source: &str| {
        let end = source.rfind('}').expect("the module ends");
        let step = "#[derive(Debug, Clone, Serialize, Deserialize)]
            pub struct Pairs;
            #[cfg(feature = \"three\")]
            #[machine(version = 3)]
            pub fn pairs(_: &V3, _: Pairs) -> std::collections::BTreeMap<(u8, u8), u8> { [((1, 2), 3)].into() }";
        format!("{}{step}\n}}\n", &source[..end])
    };
    let cell = Cell::new(v1("till"));
    let id = images.load_bytes(&signed(&changed("pairs", str::to_owned, pairs), &key, 1)).expect("it fits").id;
    cell.admin().upgrade(3, "").expect("it is available");
    let unencodable = cell.step_encoded(Encoded::json("Pairs", &()).expect("it is JSON")).expect_err("a key is a pair");
    assert!(
        matches!(&unencodable, EncodedError::Unencodable { reason } if reason == "key must be a string"),
        "{unencodable}"
    );
    assert_eq!(cell.step(Add(1)).expect("it is whole"), 100);
    let output =
        cell.step_encoded(Encoded::postcard("Pairs", &()).expect("it is postcard")).expect("postcard has a place");
    assert_eq!(output.value::<std::collections::BTreeMap<(u8, u8), u8>>().expect("pairs"), [((1, 2), 3)].into());
    let refused = cell.step_encoded(Encoded::json("Pears", &()).expect("it is JSON")).expect_err("nobody knows it");
    assert_eq!(refused.to_string(), "this is no input of the machine's: machine `tally` has no input `Pears`");
    cell.admin().rollback_with("", &accepting()).expect("the loss is accepted");
    let refused = cell.step_encoded(Encoded::json("Pairs", &()).expect("it is JSON")).expect_err("version 3 has it");
    assert_eq!(refused.to_string(), "input `Pairs` was not taken: version 1 does not take this input");
    drop(cell);
    assert_eq!(images.unload(&id).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn a_save_that_images_come_into_each_time_is_not_made() {
    let _alone = alone();
    let folder = Folder::new();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let file = folder.path("fleet");
    let switch = Switch::builder().starting_at(2).build().expect("version 2 runs");
    let fleet: Fleet<u8> = switch.fleet();
    fleet.insert(1, v1("till")).expect("it is new");
    fleet.save(&file).expect("nothing comes between");
    let saved = std::fs::read(&file).expect("it is there");
    fleet.step(&1, Add(1)).expect("version 2");

    let (mut serial, mut here) = (0, None);
    let mut come_or_go = |until: u64| {
        if serial == until {
            return;
        }
        serial += 1;
        match here.take() {
            None => here = Some(images.load_bytes(&signed(&built("three"), &key, serial)).expect("it fits").id),
            Some(id) => assert_eq!(images.unload(&id).expect("nobody uses it"), LetGo::Gone),
        }
    };
    let unsteady = fleet.save_telling(&file, |_| come_or_go(3)).expect_err("three attempts are all there are");
    assert!(matches!(unsteady, SaveError::Unsteady));
    assert_eq!(
        unsteady.to_string(),
        "the versions, or the release of a switch with a store, changed while states were saved, 3 times"
    );
    assert_eq!(std::fs::read(&file).expect("it is there"), saved);
    // the one that came last goes in the first attempt, and nothing comes into the second
    assert_eq!(fleet.save_telling(&file, |_| come_or_go(4)).expect("the second is steady").instances, 1);
    assert_ne!(std::fs::read(&file).expect("it is there"), saved);
    assert_eq!(images.list(), []);
}

/// How many errors hotswap reports of itself meanwhile.
fn errors<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let errors = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&errors);
    let at_each_event = AtEachEvent(move |event: &tracing::Event<'_>| {
        let about = event.metadata();
        if about.target() == "hotswap" && *about.level() == tracing::Level::ERROR {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let done = tracing::subscriber::with_default(at_each_event, run);
    (done, errors.load(Ordering::Relaxed))
}

#[test]
fn an_input_that_an_image_has_retired_is_refused_there_and_not_called_unreadable() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    // nothing takes a label any more, and the number 13 cannot be read
    let without_label = |source: &str| {
        let mut text = source.replace(
            "#[derive(Debug, Clone, Serialize, Deserialize)]\n    pub struct Add(pub i64);",
            "#[derive(Debug, Clone, Serialize)]
            pub struct Add(pub i64);
            impl<'de> Deserialize<'de> for Add {
                fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                    let by = i64::deserialize(from)?;
                    if by == 13 { Err(serde::de::Error::custom(by)) } else { Ok(Self(by)) }
                }
            }",
        );
        for (number, name) in [(1, "label"), (2, "label_2"), (3, "label_3")] {
            let step = format!("#[machine(version = {number})]\n    pub fn {name}(");
            let (before, rest) = text.split_once(&step).expect("the step is there");
            let (_, after) = rest.split_once("\n    }\n").expect("it ends");
            text = format!("{}{after}", before.strip_suffix("#[cfg(feature = \"three\")]\n    ").unwrap_or(before));
        }
        text
    };
    let cell = Cell::new(v1("till"));
    let image = changed("without-label", str::to_owned, without_label);
    let id = images.load_bytes(&signed(&image, &key, 1)).expect("it fits").id;
    cell.admin().upgrade(3, "").expect("it is available");

    let (refused, logged) = errors(|| cell.step(Label).expect_err("it has gone"));
    assert_eq!((refused.why, logged), (Why::Refused { at: 3 }, 0));
    for label in [Encoded::json("Label", &()), Encoded::postcard("Label", &())] {
        let label = label.expect("it is nothing");
        match cell.step_encoded(label.clone()) {
            Err(EncodedError::NotTaken(error)) => {
                assert_eq!((error.why, error.input), (Why::Refused { at: 3 }, label));
            }
            other => panic!("{other:?}"),
        }
    }
    // what nobody knows is no input
    let pears = cell.step_encoded(Encoded::json("Pears", &()).expect("it is JSON"));
    assert!(matches!(pears, Err(EncodedError::Undecodable { .. })), "{pears:?}");

    // and what it says it knows, and cannot read, is worth an error
    let (refused, logged) = errors(|| cell.step(Add(13)).expect_err("it cannot be read"));
    assert_eq!((refused.why, refused.input.0, logged), (Why::Refused { at: 3 }, 13, 1));
    let unread = cell.step_encoded(Encoded::postcard("Add", &Add(13)).expect("it is postcard"));
    assert!(matches!(unread, Err(EncodedError::Undecodable { .. })), "{unread:?}");
    assert_eq!(cell.step(Add(1)).expect("version 3"), 100);
    drop(cell);
    assert_eq!(images.unload(&id).expect("nobody uses it"), LetGo::Gone);
}

/// An input that version 3 alone knows.
fn misbehave(how: &impl serde::Serialize) -> Encoded {
    Encoded::json("Misbehave", how).expect("it is JSON")
}

/// Version 4 of an image, which panics over the number 13.
fn four_that_panics() -> Vec<u8> {
    let unlucky = |source: &str| {
        four_in(source)
            .replace("state.total += by * 10_000;", "assert!(by != 13, \"unlucky\"); state.total += by * 10_000;")
    };
    changed("unlucky", str::to_owned, unlucky)
}

#[test]
fn it_goes_back_by_itself_at_the_threshold_of_errors_and_panics() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let switch = Switch::builder().starting_at(Version::V1).build().expect("version 1 runs");
    let admin = switch.admin();
    let cell = switch.named_cell("till", v1("till")).expect("it comes up");
    let id = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    let last = || {
        let last = admin.audit().changes.pop().expect("it is kept");
        (last.what, last.why)
    };
    let back = ("rollback 3 -> 1".to_owned(), |n: u8| format!("failures in probation: {n}"));

    let options = UpgradeOptions::default().rollback_after(3);
    let refused = admin.upgrade_with(3, "", &options).expect_err("going back would lose the log");
    assert!(matches!(refused, AdminError::LossNotAccepted { to: 1, .. }), "{refused}");
    admin.upgrade_with(3, "", &options.accept_loss(true)).expect("the loss is accepted");
    for _ in 0..2 {
        cell.step_encoded(misbehave(&"Fail")).expect("version 3 takes it");
        cell.step(Add(1)).expect("version 3");
    }
    // what is refused is no failure
    assert!(cell.step_encoded(misbehave(&"Juggle")).is_err());
    assert_eq!(admin.status().version, 3);
    let third = cell.step_encoded(misbehave(&"Fail")).expect("version 3 takes it");
    assert_eq!(third.to_string(), r#"["Misbehave",{"Err":"as it was asked to"}]"#);
    assert_eq!((admin.status().version, last()), (1, (back.0.clone(), back.1(3))));
    assert_eq!((cell.step(Add(1)).expect("version 1"), cell.version()), (201, Some(1)));

    // where it panicked there is no state to come down with
    admin.upgrade_with(3, "", &UpgradeOptions::default().accept_loss(true).rollback_after(1)).expect("accepted");
    let panic = misbehave(&serde_json::json!({ "Panic": "no more" }));
    quietly(|| catch_unwind(AssertUnwindSafe(|| cell.step_encoded(panic)))).expect_err("it panics");
    assert_eq!((admin.status().version, last()), (1, (back.0, back.1(1))));
    assert_eq!(cell.step(Add(1)).map_err(|error| error.why), Err(Why::Poisoned));
    let refused = images.unload(&id).expect_err("the poisoned state is of it");
    assert!(
        matches!(&refused, LoadError::InUse { holders, .. } if holders[0].live == 1 && !holders[0].current),
        "{refused}"
    );
    admin.replace_state("till", |_| Ok::<_, String>(v1("another"))).expect("it is healed");
    assert_eq!((cell.step(Add(1)).expect("version 1"), admin.status().held_back), (1, 0));
    assert_eq!(images.unload(&id).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn what_was_kept_comes_back_when_it_is_left() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let admin = cell.admin();
    cell.step(Add(7)).expect("version 1");
    let id = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    let keeping = UpgradeOptions::default().keep_previous(true);
    admin.upgrade_with(3, "", &keeping.clone().accept_loss(true).rollback_after(1)).expect("accepted");
    assert_eq!(cell.step(Add(1)).expect("version 3"), 107);
    let panic = misbehave(&serde_json::json!({ "Panic": "no more" }));
    quietly(|| catch_unwind(AssertUnwindSafe(|| cell.step_encoded(panic)))).expect_err("it panics");
    assert_eq!((cell.step(Add(1)).expect("version 1, as it was"), cell.version()), (8, Some(1)));

    // and by command: where there is a way down, what was done since comes along
    admin.upgrade_with(3, "", &keeping).expect("nothing is lost on the way up");
    assert_eq!(cell.step(Add(1)).expect("version 3"), 108);
    admin.rollback_with("", &accepting()).expect("the loss is accepted");
    assert_eq!((cell.step(Add(1)).expect("version 1"), cell.version()), (109, Some(1)));
    drop((cell, admin));
    assert_eq!(images.unload(&id).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn what_was_kept_of_it_comes_back_when_a_later_one_is_left() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1("till"));
    let admin = cell.admin();
    let third = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    admin.upgrade(3, "").expect("it is available");
    admin.commit().expect("nothing is held back");
    assert_eq!(cell.step(Add(1)).expect("version 3"), 100);
    let fourth = images.load_bytes(&signed(&four_that_panics(), &key, 2)).expect("it goes on").id;

    let keeping = UpgradeOptions::default().keep_previous(true).rollback_after(1);
    admin.upgrade_with(4, "", &keeping).expect("nothing is lost");
    assert_eq!(cell.step(Add(1)).expect("version 4"), 10_100);
    let payload = quietly(|| catch_unwind(AssertUnwindSafe(|| cell.step(Add(13))))).expect_err("it panics");
    assert_eq!(payload.downcast_ref::<String>().map(String::as_str), Some("unlucky"));
    let label = cell.step(Label).expect("version 3, as it was");
    assert_eq!((label.as_str(), cell.version()), ("till after 1 steps", Some(3)));
    assert_eq!(cell.step(Add(1)).expect("version 3"), 200);

    // after a commit nothing is kept, and nothing holds it
    admin.upgrade_with(4, "", &keeping).expect("nothing is lost");
    assert!(matches!(images.unload(&third), Err(LoadError::InUse { .. })), "a rollback goes there");
    admin.commit().expect("nothing is held back");
    assert_eq!(images.unload(&third).expect("nobody uses it"), LetGo::Gone);
    assert_eq!(cell.step(Add(1)).expect("version 4"), 10_200);
    drop((cell, admin));
    assert_eq!(images.unload(&fourth).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn a_poisoned_state_of_it_is_healed_by_another_of_any_version() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let switch = Switch::builder().starting_at(Version::V1).build().expect("version 1 runs");
    let admin = switch.admin();
    let cell = switch.named_cell("till", v1("till")).expect("it comes up");
    let id = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    admin.upgrade(3, "").expect("it is available");
    assert_eq!(cell.step(Add(1)).expect("version 3"), 100);
    let poison = || {
        let panic = misbehave(&serde_json::json!({ "Panic": "no more" }));
        quietly(|| catch_unwind(AssertUnwindSafe(|| cell.step_encoded(panic)))).expect_err("it panics");
        assert_eq!(cell.step(Label).map_err(|error| error.why), Err(Why::Poisoned));
        assert_eq!(admin.status().held_back, 1);
    };
    let shown = |state: &AnyState| serde_json::to_string(state).expect("it can be shown");

    poison();
    // what it was when it panicked is there to be looked at, and to be kept
    let left = r#"[3,{"label":"till","log":["no more"],"steps":1,"total":100}]"#;
    let same = |state: Option<&AnyState>| {
        let state = state.ok_or("it was lost")?;
        if shown(state) == left { Ok(state.clone()) } else { Err("it is another") }
    };
    admin.replace_state("till", same).expect("it is healed");
    assert_eq!((cell.step(Add(1)).expect("version 3"), admin.status().held_back), (200, 0));

    poison();
    let refused = admin.replace_state("till", |_| Ok::<_, String>(v1("refuse"))).expect_err("it does not come up");
    assert!(
        matches!(&refused, AdminError::NotReplaced { reason, .. } if reason.contains("it is labelled `refuse`")),
        "{refused}"
    );
    assert_eq!(cell.step(Label).map_err(|error| error.why), Err(Why::Poisoned));
    admin.replace_state("till", |_| Ok::<_, String>(v1("another"))).expect("it is healed");
    assert_eq!((cell.step(Label).expect("version 3"), cell.version()), ("another after 0 steps".to_owned(), Some(3)));
    assert_eq!(admin.status().held_back, 0);

    drop((cell, admin, switch));
    assert_eq!(images.unload(&id).expect("nobody uses it"), LetGo::Gone);
}
