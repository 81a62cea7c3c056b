//! The table in `README.md` has a row for every scenario, and names every test that holds one and none that is not there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names of tests in a text: `scenario_`, two digits and what follows.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| {
        word.strip_prefix("scenario_").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

#[test]
fn names_every_test_in_its_file() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(here.join("README.md")).expect("the table");
    let mut there = BTreeSet::new();
    let folders = ["tests", "apart/tests"].map(|folder| fs::read_dir(here.join(folder)).expect("the tests"));
    for file in folders.into_iter().flatten() {
        let path = file.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.file_name().expect("a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("a test");
            there.extend(names(&text).map(|name| (file.clone(), name.to_owned())));
        }
    }
    let mut told = BTreeSet::new();
    let mut rows = 0;
    for row in table.lines().filter_map(|line| line.strip_prefix("| ")).filter(|row| !row.starts_with('#')) {
        rows += 1;
        let (number, held_by) = row.split_once(" | ").expect("three columns");
        assert_eq!(number, rows.to_string());
        for part in held_by.split("<br>") {
            let file =
                part.split('`').find(|word| Path::new(word).extension().is_some_and(|extension| extension == "rs"));
            for name in names(part) {
                assert!(name.starts_with(&format!("scenario_{rows:02}_")), "{name} stands under {rows}");
                told.insert((file.expect("the file of a test").to_owned(), name.to_owned()));
            }
        }
    }
    let differ: Vec<_> = told.symmetric_difference(&there).collect();
    assert_eq!((rows, differ), (48, vec![]), "in the table or in the tests, and not in both");
}
