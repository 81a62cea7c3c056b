//! Files that a real compiler, or the system, made and that are no image for this program; and an image that cannot leave.
//!
//! What no compiler here can make is made by hand in the loader's own tests: an image for another target, of which none but
//! this machine's is installed, and one whose note says that it aborts on a panic, which the macro does not let be compiled.

use std::fs;
use std::sync::mpsc::channel;
use std::thread;

use hotswap::load::{Images, InspectError, LetGo, LoadError, inspect};
use hotswap::{Encoded, RollbackOptions};
use hotswap_image_tally::tally::{Add, Cell, V1};
use hotswap_tests::folder::Folder;
use hotswap_tests::images::{Image, alone, built, signed, trusted};

fn v1() -> V1 {
    V1 { total: 0, label: "till".to_owned() }
}

fn maps() -> String {
    fs::read_to_string("/proc/self/maps").expect("it is there")
}

/// Without what is for a debugger, which is most of an image.
fn small(manifest: &str) -> String {
    format!("{manifest}\n[profile.dev]\nstrip = true\n")
}

#[test]
fn a_machine_that_aborts_on_a_panic_is_not_even_compiled() {
    let image = Image { krate: "images/tally", copy: "abort", features: "hotswap/image,three" };
    let aborting = |manifest: &str| format!("{manifest}\n[profile.dev]\npanic = \"abort\"\n");
    let said = image.changed(aborting, str::to_owned).expect_err("the macro refuses");
    assert!(said.contains("error: a machine needs `panic = \"unwind\"`"), "{said}");
    assert_eq!(
        said.matches("\nerror: ").count() + usize::from(said.starts_with("error: ")),
        2,
        "and nothing else: {said}"
    );
}

#[test]
fn cut_short_anywhere_it_is_cut_short() {
    let image = Image { krate: "images/tally", copy: "three-small", features: "hotswap/image,three" };
    let image = image.changed(small, str::to_owned).expect("it compiles");
    inspect(&image).expect("whole, it is an image");
    let expected = image.len() as u64;
    let (front, back) = (0..4096, image.len() - 4096..image.len());
    for end in front.chain(back).chain((0..image.len()).step_by(997)) {
        let error = inspect(&image[..end]).expect_err("it is not whole");
        match &error {
            // it does not say what it is, or where its tables are
            InspectError::NotElf => assert!(end < 5, "{end}"),
            InspectError::Malformed { .. } => assert!((5..64).contains(&end), "{end}: {error}"),
            other => assert_eq!(other, &InspectError::Truncated { expected, found: end as u64 }),
        }
    }
    // who signs what was cut signs what cannot be loaded
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let refused = images.load_bytes(&signed(&image[..image.len() / 2], &key, 1)).expect_err("it is half of one");
    assert!(matches!(refused, LoadError::Inspect(InspectError::Truncated { .. })), "{refused}");
}

#[test]
fn a_library_of_the_system_is_no_image() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let before = maps();
    let libc = before.lines().filter_map(|line| line.split_once('/')).map(|(_, path)| format!("/{path}"));
    let libc =
        libc.into_iter().find(|path| path.contains("/libc.so") || path.contains("/libc-")).expect("this runs on one");
    let libc = fs::read(libc).expect("it can be read");
    assert_eq!(inspect(&libc), Err(InspectError::NoNote));
    let refused = images.load_bytes(&signed(&libc, &key, 1)).expect_err("it has no machine");
    assert!(matches!(refused, LoadError::Inspect(InspectError::NoNote)), "{refused}");
    assert!(!maps().contains("/memfd:"), "nothing of it was mapped");
}

#[test]
fn new_bytes_under_the_same_path_are_another_image_and_change_nothing_of_the_first() {
    let _alone = alone();
    let folder = Folder::new();
    let (path, (key, trust)) = (folder.path("image"), trusted());
    let images = Images::new(trust);
    let cell = Cell::new(v1());
    let accepting = RollbackOptions::default().accept_loss(true);

    fs::write(&path, signed(&built("three"), &key, 1)).expect("a writable folder");
    let first = images.load(&path).expect("it fits").id;
    cell.admin().upgrade(3, "").expect("it is available");
    assert_eq!(cell.step(Add(1)).expect("version 3"), 100);
    // into the very file that it came from
    fs::write(&path, signed(&built("dearer"), &key, 2)).expect("a writable folder");
    assert_eq!(cell.step(Add(1)).expect("version 3"), 200, "it runs on from memory that nobody can change");
    cell.admin().rollback_with("", &accepting).expect("the loss is accepted");

    let second = images.load(&path).expect("nobody uses the first").id;
    assert_ne!(first, second);
    let [listed] = images.list().try_into().expect("the first gave way");
    assert_eq!((&listed.id, listed.serial, listed.from), (&second, Some(2), Some(path)));
    cell.admin().upgrade(3, "").expect("it is available");
    assert_eq!(cell.step(Add(1)).expect("version 3 of the second"), 303);
    drop(cell);
    assert_eq!(images.unload(&second).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn a_thread_local_with_a_destructor_pins_it_and_it_is_said_so() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = Cell::new(v1());
    let accepting = RollbackOptions::default().accept_loss(true);
    let pinned = images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits").id;
    cell.admin().upgrade(3, "").expect("it is available");

    let (left, is_left) = channel();
    let (end, may_end) = channel::<()>();
    thread::scope(|scope| {
        let cell = &cell;
        let thread = scope.spawn(move || {
            let leave = Encoded::json("Misbehave", &"ThreadLocal").expect("it is JSON");
            left.send(cell.step_encoded(leave).map(|output| output.to_string())).expect("it is waited for");
            let _ = may_end.recv();
        });
        let output = is_left.recv().expect("it is sent").expect("version 3 takes it");
        assert_eq!(output, r#"["Misbehave",{"Ok":""}]"#);
        cell.admin().rollback_with("", &accepting).expect("the loss is accepted");
        match images.unload(&pinned).expect("nobody uses it") {
            LetGo::Pinned { reason } => assert!(reason.contains("a destructor in a thread-local"), "{reason}"),
            other => panic!("{other:?}"),
        }
        assert!(maps().contains(&pinned), "the thread will run what is in it");

        // it is in nobody's way
        let other = images.load_bytes(&signed(&built("dearer"), &key, 2)).expect("it fits").id;
        cell.admin().upgrade(3, "").expect("it is available");
        assert_eq!(cell.step(Add(1)).expect("version 3 of the other"), 103);
        cell.admin().rollback_with("", &accepting).expect("the loss is accepted");
        assert_eq!(images.unload(&other).expect("nobody uses it"), LetGo::Gone);
        assert!(maps().contains(&pinned) && !maps().contains(&other));

        drop(end);
        thread.join().expect("no panic");
    });
    // whatever is let go next takes it along
    let last = images.load_bytes(&signed(&built("three"), &key, 3)).expect("it fits").id;
    assert_eq!(images.unload(&last).expect("nobody uses it"), LetGo::Gone);
    assert!(!maps().contains("/memfd:"), "the thread has ended");
}
