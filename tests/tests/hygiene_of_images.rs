//! What `hygiene.rs` promises of generated code holds for what the feature `image` adds to it: the same sources are images.

use hotswap::load::inspect;
use hotswap_tests::images::Image;

/// The machines of an image, each with its versions.
fn machines(image: &[u8]) -> Vec<(String, Vec<u32>)> {
    let manifest = inspect(image).expect("an image");
    manifest.check().expect("it fits");
    let mut machines: Vec<_> = manifest
        .machines
        .into_iter()
        .map(|line| {
            let module = line.module.split_once("::").expect("a module of the crate").1.to_owned();
            (module, line.versions.iter().map(|version| version.number).collect())
        })
        .collect();
    machines.sort();
    machines
}

/// The file forbids warnings, the prelude and unsafe code, and shadows what generated code names.
#[test]
fn among_shadowed_names_and_under_forbidding_lints() {
    let manifest = |text: &str| {
        let (head, rest) = text.split_once("[features]").expect("it has features");
        let (_, dependencies) = rest.split_once("[dependencies]").expect("it has dependencies");
        format!("{head}[features]\nlater = []\n\n[dependencies]{dependencies}")
            .replace("hotswap-image-tally", "hotswap-image-hygiene")
    };
    let hygiene = |copy, features| {
        let image = Image { krate: "images/tally", copy, features };
        let image = image.changed(manifest, |_| include_str!("hygiene.rs").to_owned());
        machines(&image.unwrap_or_else(|said| panic!("it does not compile: {said}")))
    };
    let expected = |absent: &[u32], empty: &[u32]| {
        [
            ("absent", absent),
            ("empty", empty),
            ("first", &[1, 2]),
            ("linted", &[1, 2]),
            ("nested::first", &[1, 2]),
            ("renamed", &[1]),
            ("shadowed", &[1, 2]),
        ]
        .map(|(module, versions)| (module.to_owned(), versions.to_vec()))
    };
    assert_eq!(hygiene("hygiene", "hotswap/image"), expected(&[1], &[]));
    assert_eq!(hygiene("hygiene-later", "hotswap/image,later"), expected(&[1, 2], &[1]));
}

#[test]
fn in_another_edition_under_another_name_of_the_crate() {
    let image = Image { krate: "renamed", copy: "renamed", features: "runtime/image" };
    // the workspace's lints stay behind with the workspace
    let image = image.changed(|text| text.replace("[lints]\nworkspace = true\n", ""), str::to_owned);
    let image = image.unwrap_or_else(|said| panic!("it does not compile: {said}"));
    assert_eq!(machines(&image), [("counter".to_owned(), vec![1, 2])]);
}
