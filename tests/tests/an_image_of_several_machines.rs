//! One image brings further versions of several machines, or of the one of them that the program has.

use std::sync::LazyLock;

use hotswap::load::{Images, LetGo, LoadError, Unfit, inspect};
use hotswap_image_pair::{stock, till};
use hotswap_image_tally::tally;
use hotswap_tests::images::{Image, alone, changed, signed, trusted};

const PAIR: Image<'_> = Image { krate: "images/pair", copy: "pair", features: "hotswap/image,two" };

/// Version 2 of both machines.
fn pair() -> &'static [u8] {
    static BUILT: LazyLock<Vec<u8>> = LazyLock::new(|| PAIR.built());
    &BUILT
}

fn things(things: &[(&str, u32)]) -> Vec<(String, u32)> {
    things.iter().map(|(thing, many)| ((*thing).to_owned(), *many)).collect()
}

fn eggs(many: u32) -> stock::Add {
    stock::Add("eggs".to_owned(), many)
}

#[test]
fn each_machine_goes_on_by_itself_and_the_image_goes_when_none_uses_it() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let money = till::Cell::new(till::V1 { cents: 100 });
    let goods = stock::Cell::new(stock::V1::default());
    let labels = [money.admin().status().label, goods.admin().status().label];

    let arrived = images.load_bytes(&signed(pair(), &key, 1)).expect("it fits");
    let mut brought = arrived.brought;
    brought.sort();
    let mut expected = labels.clone().map(|label| (label, vec![2]));
    expected.sort();
    assert_eq!(brought, expected);
    let [listed] = images.list().try_into().expect("one image");
    let mut machines = listed.machines;
    machines.sort();
    assert_eq!(machines, [("stock".to_owned(), vec![1, 2]), ("till".to_owned(), vec![1, 2])]);

    // one of them, while the other stays; they do not hear of each other
    money.admin().upgrade(2, "").expect("it is available");
    assert_eq!((money.step(till::Add(100)).expect("version 2"), money.version()), (210, Some(2)));
    goods.step(eggs(6)).expect("version 1");
    assert_eq!(goods.step(eggs(6)).expect("version 1"), things(&[("eggs", 6), ("eggs", 6)]));
    goods.admin().upgrade(2, "").expect("it is available");
    assert_eq!(goods.step(eggs(1)).expect("version 2"), things(&[("eggs", 7), ("eggs", 6)]));
    // and a switch that is made now has it as well
    let switch = till::Switch::builder().starting_at(2).build().expect("the image has it");
    let other = switch.cell(till::V1 { cents: 0 }).expect("it can come up");
    assert_eq!(other.step(till::Add(10)).expect("version 2"), 11);

    let holders = |error: &LoadError| match error {
        LoadError::InUse { holders, .. } => holders.iter().map(|holder| holder.switch.clone()).collect::<Vec<_>>(),
        other => panic!("{other}"),
    };
    drop((other, switch));
    money.admin().rollback("").expect("nothing is lost");
    assert_eq!(money.step(till::Add(1)).expect("version 1"), 211);
    let refused = images.unload(&arrived.id).expect_err("one of them uses it");
    assert_eq!(holders(&refused), [labels[1].clone()]);
    assert_eq!(goods.step(eggs(1)).expect("version 2"), things(&[("eggs", 8), ("eggs", 6)]), "it still does");
    drop(goods);
    assert_eq!(images.unload(&arrived.id).expect("nobody uses it"), LetGo::Gone);
    assert_eq!(money.step(till::Add(1)).expect("version 1"), 212);
}

#[test]
fn of_a_machine_that_the_program_lacks_nothing_comes_in() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let cell = tally::Cell::new(tally::V1 { total: 0, label: "till".to_owned() });
    let same = |text: &str| text.to_owned();
    let image = changed("with-another", same, |source| {
        let another = "#[hotswap::machine] pub mod another {
            #[derive(serde::Serialize, serde::Deserialize)] pub struct Go;
            #[machine(version = 1)] #[derive(serde::Serialize, serde::Deserialize)] pub struct V1;
            #[machine(version = 1)] pub fn go(_: &V1, _: Go) -> u8 { 1 }
        }";
        format!("{source}\n{another}\n")
    });
    let machines = inspect(&image).expect("an image").machines;
    let mut names: Vec<_> = machines.iter().map(|line| line.machine.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["another", "tally"]);

    let arrived = images.load_bytes(&signed(&image, &key, 1)).expect("one of its machines is here");
    assert_eq!(arrived.brought, [(cell.admin().status().label, vec![3])]);
    cell.admin().upgrade(3, "").expect("it is available");
    assert_eq!(cell.step(tally::Add(1)).expect("version 3"), 100);
    assert!(hotswap::machines().all(|(identity, _)| identity.name != "another"));
    drop(cell);
    assert_eq!(images.unload(&arrived.id).expect("nobody uses it"), LetGo::Gone);
}

#[test]
fn if_one_of_them_does_not_fit_none_comes_in() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let money = till::Cell::new(till::V1 { cents: 0 });
    let image = Image { copy: "pair-changed", ..PAIR }
        .changed(str::to_owned, |source| {
            source
                .replace("pub things: Vec<(String, u32)>", "pub goods: Vec<(String, u32)>")
                .replace("state.things", "state.goods")
        })
        .expect("it compiles");
    let refused = images.load_bytes(&signed(&image, &key, 1)).expect_err("version 1 was released");
    let LoadError::Unfit(Unfit::Changed { machine, version: 1, .. }) = &refused else { panic!("{refused}") };
    assert_eq!((machine.as_str(), money.admin().versions().len(), images.list()), ("stock", 1, vec![]));
}

#[test]
fn one_whose_machines_are_all_unknown_is_refused_with_their_names() {
    let _alone = alone();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    let renamed =
        |source: &str| source.replace("pub mod till", "pub mod purse").replace("pub mod stock", "pub mod shelf");
    let image = Image { copy: "pair-renamed", ..PAIR }.changed(str::to_owned, renamed).expect("it compiles");
    let refused = images.load_bytes(&signed(&image, &key, 1)).expect_err("neither is here");
    let LoadError::NoMachine { mut found } = refused else { panic!("{refused}") };
    found.sort();
    assert_eq!((found, images.list()), (vec!["purse".to_owned(), "shelf".to_owned()], vec![]));
}
