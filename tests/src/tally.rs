// The machine that most tests run. Included, so that it is the same one in each build of hotswap.

/// A sum that can be told to fail, to panic, and to refuse to move.
///
/// Version 1 ⇄ 2 is reversible, 2 ⇄ 3 is written and fallible, 4 changes behaviour only, and from 5 there is no way down.
#[machine(derive(Debug, Clone, PartialEq))]
pub mod tally {
    use serde::{Deserialize, Serialize};

    /// Adds to the sum; from version 4 on, twice.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Add(pub u64);
    /// Asks for the sum.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Get;
    /// Panics half-way through a change.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Boom;
    /// Returns an error.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Fail;
    /// Sets what the next migrations are to do.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Prepare(pub Mood);
    /// How many inputs version 3 and later have seen; earlier ones do not take it.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Seen;

    /// What a migration of this state is to do.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub enum Mood {
        /// Move.
        #[default]
        Willing,
        /// Fail.
        Unwilling,
        /// Panic.
        Explosive,
    }

    impl Mood {
        fn check(self) -> Result<(), &'static str> {
            match self {
                Self::Willing => Ok(()),
                Self::Unwilling => Err("unwilling"),
                Self::Explosive => panic!("explosive"),
            }
        }
    }

    /// Version 1.
    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V1 {
        /// The sum.
        pub sum: u64,
        /// What migrations do.
        pub mood: Mood,
    }

    #[machine(version = 1)]
    fn add_1(state: &mut V1, input: Add) {
        state.sum += input.0;
    }
    #[machine(version = 1)]
    fn get_1(state: &V1, _: Get) -> u64 {
        state.sum
    }
    #[machine(version = 1)]
    fn boom_1(state: &mut V1, _: Boom) {
        state.sum = u64::MAX;
        panic!("boom");
    }
    #[machine(version = 1)]
    fn fail_1(_: &mut V1, _: Fail) -> Result<(), String> {
        Err("told to".into())
    }
    #[machine(version = 1)]
    fn prepare_1(state: &mut V1, input: Prepare) {
        state.mood = input.0;
    }

    /// Version 2 also counts additions.
    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V2 {
        /// The sum.
        pub sum: u64,
        /// What migrations do.
        pub mood: Mood,
        /// How many additions there were.
        #[machine(added = 0)]
        pub additions: u64,
    }

    #[machine(version = 2)]
    fn add_2(state: &mut V2, input: Add) {
        state.sum += input.0;
        state.additions += 1;
    }
    #[machine(version = 2)]
    fn get_2(state: &V2, _: Get) -> u64 {
        state.sum
    }
    #[machine(version = 2)]
    fn boom_2(state: &mut V2, _: Boom) {
        state.sum = u64::MAX;
        panic!("boom");
    }
    #[machine(version = 2)]
    fn fail_2(_: &mut V2, _: Fail) -> Result<(), String> {
        Err("told to".into())
    }
    #[machine(version = 2)]
    fn prepare_2(state: &mut V2, input: Prepare) {
        state.mood = input.0;
    }

    /// Version 3 remembers additions one by one.
    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V3 {
        /// The sum before this version.
        pub before: u64,
        /// Every addition since.
        pub since: Vec<u64>,
        /// How many additions there were before.
        pub additions: u64,
        /// What migrations do.
        pub mood: Mood,
        /// How many inputs it has seen.
        pub seen: u64,
    }

    #[machine(migrate)]
    fn up_3(old: &V2) -> Result<V3, &'static str> {
        old.mood.check()?;
        Ok(V3 { before: old.sum, since: Vec::new(), additions: old.additions, mood: old.mood, seen: 0 })
    }
    #[machine(migrate, loses = "what was seen")]
    fn down_3(old: &V3) -> Result<V2, &'static str> {
        old.mood.check()?;
        let additions = old.additions + old.since.len() as u64;
        Ok(V2 { sum: old.before + old.since.iter().sum::<u64>(), mood: old.mood, additions })
    }

    #[machine(version = 3)]
    fn add_3(state: &mut V3, input: Add) {
        state.since.push(input.0);
        state.seen += 1;
    }
    #[machine(version = 3)]
    fn get_3(state: &V3, _: Get) -> u64 {
        state.before + state.since.iter().sum::<u64>()
    }
    #[machine(version = 3)]
    fn boom_3(state: &mut V3, _: Boom) {
        state.before = u64::MAX;
        panic!("boom");
    }
    #[machine(version = 3)]
    fn fail_3(_: &mut V3, _: Fail) -> Result<(), String> {
        Err("told to".into())
    }
    #[machine(version = 3)]
    fn prepare_3(state: &mut V3, input: Prepare) {
        state.mood = input.0;
    }
    #[machine(version = 3)]
    fn seen_3(state: &V3, _: Seen) -> u64 {
        state.seen
    }

    // version 4: behaviour only
    #[machine(version = 4, migrates_from = 3)]
    fn add_4(state: &mut V3, input: Add) {
        state.since.push(input.0);
        state.since.push(input.0);
        state.seen += 1;
    }

    /// Version 5 keeps only the sum: there is no way down.
    #[machine(version = 5, migrates_from = 4, drops(Seen))]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V5 {
        /// The sum.
        pub sum: u64,
        /// What migrations do.
        pub mood: Mood,
    }

    #[machine(migrate)]
    fn up_5(old: &V3) -> Result<V5, &'static str> {
        old.mood.check()?;
        Ok(V5 { sum: old.before + old.since.iter().sum::<u64>(), mood: old.mood })
    }

    #[machine(version = 5)]
    fn add_5(state: &mut V5, input: Add) {
        state.sum += input.0 * 2;
    }
    #[machine(version = 5)]
    fn get_5(state: &V5, _: Get) -> u64 {
        state.sum
    }
    #[machine(version = 5)]
    fn boom_5(state: &mut V5, _: Boom) {
        state.sum = u64::MAX;
        panic!("boom");
    }
    #[machine(version = 5)]
    fn fail_5(_: &mut V5, _: Fail) -> Result<(), String> {
        Err("told to".into())
    }
    #[machine(version = 5)]
    fn prepare_5(state: &mut V5, input: Prepare) {
        state.mood = input.0;
    }
}
