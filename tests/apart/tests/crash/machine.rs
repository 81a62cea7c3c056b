//! The machine that is killed: who has seen which marks, with a body that follows from them, so that a torn state shows.
//!
//! Version 1 ⇄ 2 and 3 ⇄ 4 are reversible; from 3 there is no way down.

use hotswap::machine;

/// The last marks, and a body of some length that says the same.
#[machine]
pub mod marked {
    use super::{body, marked_by};
    use serde::{Deserialize, Serialize};

    /// Leaves a mark.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Mark(pub u64);
    /// Asks for the marks, and whether the body fits them.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Marks;

    /// Version 1.
    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V1 {
        /// The marks.
        pub marks: Vec<u64>,
        /// What follows from them.
        pub body: String,
    }
    #[machine(version = 1)]
    fn mark_1(state: &mut V1, input: Mark) {
        (state.marks, state.body) = marked_by(&state.marks, input.0);
    }
    #[machine(version = 1)]
    fn marks_1(state: &V1, _: Marks) -> (Vec<u64>, bool) {
        (state.marks.clone(), state.body == body(&state.marks))
    }

    /// Version 2.
    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V2 {
        /// The marks.
        pub marks: Vec<u64>,
        /// What follows from them.
        pub body: String,
        /// Marks since version 2.
        #[machine(added = 0)]
        pub since: u64,
    }
    #[machine(version = 2)]
    fn mark_2(state: &mut V2, input: Mark) {
        (state.marks, state.body) = marked_by(&state.marks, input.0);
        state.since += 1;
    }
    #[machine(version = 2)]
    fn marks_2(state: &V2, _: Marks) -> (Vec<u64>, bool) {
        (state.marks.clone(), state.body == body(&state.marks))
    }

    /// Version 3 has no way down.
    #[machine(version = 3, migrates_from = 2, removes(since))]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V3 {
        /// What follows from the marks.
        pub body: String,
        /// The marks.
        pub marks: Vec<u64>,
    }
    #[machine(version = 3)]
    fn mark_3(state: &mut V3, input: Mark) {
        (state.marks, state.body) = marked_by(&state.marks, input.0);
    }
    #[machine(version = 3)]
    fn marks_3(state: &V3, _: Marks) -> (Vec<u64>, bool) {
        (state.marks.clone(), state.body == body(&state.marks))
    }

    /// Version 4.
    #[machine(version = 4, migrates_from = 3, reversible)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V4 {
        /// The marks.
        pub marks: Vec<u64>,
        /// What follows from them.
        pub body: String,
        /// Marks since version 4.
        #[machine(added = 0)]
        pub since: u64,
    }
    #[machine(version = 4)]
    fn mark_4(state: &mut V4, input: Mark) {
        (state.marks, state.body) = marked_by(&state.marks, input.0);
        state.since += 1;
    }
    #[machine(version = 4)]
    fn marks_4(state: &V4, _: Marks) -> (Vec<u64>, bool) {
        (state.marks.clone(), state.body == body(&state.marks))
    }
}

/// So many marks tell a state from every other that there was.
const REMEMBERED: usize = 8;

fn marked_by(marks: &[u64], mark: u64) -> (Vec<u64>, String) {
    let last = &marks[marks.len().saturating_sub(REMEMBERED - 1)..];
    let marks = [last, &[mark]].concat();
    let body = body(&marks);
    (marks, body)
}

/// Long enough for a fleet to be several blocks.
fn body(marks: &[u64]) -> String {
    if marks.is_empty() {
        return String::new();
    }
    let marks: Vec<_> = marks.iter().map(u64::to_string).collect();
    let marks = marks.join(" ") + ";";
    marks.repeat(8 * 1024 / marks.len() + 1)
}

/// Whether there is a declared way between two versions.
pub(crate) fn way(from: u32, to: u32) -> bool {
    to >= from || (from - 1) / 2 == (to - 1) / 2
}
