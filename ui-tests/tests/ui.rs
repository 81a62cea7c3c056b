//! What the compiler says of every mistake, and that it says nothing of machines without one.
//!
//! Each case states in its first line how many errors it must give: one for each mistake in it, not more.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::expect_file;

/// What stands above the list of cases.
const LIST: &str = "\
# What the compiler says

`pass/` holds machines without a mistake. Each file in `cases/` holds one with mistakes, and beside it, in `.stderr`, what
the compiler says of them: one message for each mistake, as many as the file's first line declares. Below is every case
with the first thing that is said. `evolution/` holds changes that a year of a real program brings, each made wrongly; the
other folders go through the rules one by one.

    cargo test -p hotswap-ui-tests                                      # all of it
    cargo test -p hotswap-ui-tests every_mistake -- trybuild=NAME       # the cases whose name contains NAME

After a change of messages run with `TRYBUILD=overwrite` and read every difference; then run `every_case_is_on_the_list`
with `UPDATE_EXPECT=1`, which writes this list.
";

#[test]
fn machines_without_mistakes_compile() {
    trybuild::TestCases::new().pass("pass/*.rs");
}

#[test]
fn every_mistake_has_its_message() {
    trybuild::TestCases::new().compile_fail("cases/*/*.rs");
}

#[test]
fn one_mistake_gives_one_error() {
    let cases = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"));
    assert!(cases.len() >= 250, "only {} cases were found", cases.len());
    for case in cases {
        let source = fs::read_to_string(&case).expect("a case can be read");
        let declared = source.lines().next().and_then(|line| line.strip_prefix("// errors: "));
        let declared: usize = declared
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("{} does not begin with `// errors: N`", case.display()));
        let said = fs::read_to_string(case.with_extension("stderr"))
            .unwrap_or_else(|_| panic!("{} has no .stderr", case.display()));
        let errors = said.lines().filter(|line| line.starts_with("error")).count();
        assert_eq!(errors, declared, "{} should give {declared} error(s):\n{said}", case.display());
    }
}

#[test]
fn every_case_is_on_the_list() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut list = LIST.to_owned();
    let mut topic = None;
    for case in sources(&cases) {
        let path = case.strip_prefix(&cases).expect("a case is among the cases").with_extension("");
        let mut parts = path.iter().map(|part| part.to_str().expect("a case has a readable name"));
        let (folder, name) = (parts.next().map(str::to_owned), parts.next().expect("a case has a name"));
        if folder != topic {
            writeln!(list, "\n## {}\n", folder.as_deref().unwrap_or_default()).expect("a string can be written");
            topic = folder;
        }
        let said = fs::read_to_string(case.with_extension("stderr")).unwrap_or_default();
        let mut facts = said.lines().filter_map(|line| line.strip_prefix("error")?.split_once(": "));
        let fact = facts.next().map_or("", |(_, fact)| fact);
        let more = match facts.count() {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let path = path.display();
        writeln!(list, "- [{name}](cases/{path}.rs): {fact}{more}").expect("a string can be written");
    }
    expect_file!["../README.md"].assert_eq(&list);
}

#[test]
fn a_program_that_aborts_on_panic_is_refused() {
    let check = |panic: &str| {
        Command::new(env!("CARGO"))
            .args(["rustc", "--quiet", "--profile", "check", "--package", "hotswap-ui-tests", "--example", "unwinds"])
            .args(["--", "-C", &format!("panic={panic}")])
            .output()
            .expect("cargo runs")
    };
    assert!(check("unwind").status.success(), "the same program that unwinds compiles");
    let refused = check("abort");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("a machine needs `panic = \"unwind\"`"), "{said}");
}

/// Every `.rs` file in the topic folders.
fn sources(cases: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).expect("the folder of cases can be read");
        entries.map(|entry| entry.expect("an entry can be read").path()).collect()
    };
    let topics = entries(cases).into_iter().filter(|path| path.is_dir());
    let mut sources: Vec<PathBuf> = topics.flat_map(|topic| entries(&topic)).collect();
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    sources.sort();
    sources
}
