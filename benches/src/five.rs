//! Machines of five versions, each the one before with a number more. One has nothing on the heap, the others a name and a list
//! of lines; one of those has its migrations written by hand, which borrow. And enums by hand that go up one by one.

/// Five versions without a heap.
#[hotswap::machine]
#[allow(missing_docs, reason = "each version is the one before with a number more")]
pub mod plain {
    use serde::{Deserialize, Serialize};

    /// Asks for the first number.
    #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
    pub struct Get;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V1 {
        pub a: u64,
        pub rest: [u64; 3],
    }

    #[machine(version = 1)]
    fn get_1(state: &V1, _: Get) -> u64 {
        state.a
    }

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V2 {
        pub a: u64,
        pub rest: [u64; 3],
        #[machine(added = 2)]
        pub b: u64,
    }

    #[machine(version = 2)]
    fn get_2(state: &V2, _: Get) -> u64 {
        state.a
    }

    #[machine(version = 3, migrates_from = 2, reversible)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V3 {
        pub a: u64,
        pub rest: [u64; 3],
        pub b: u64,
        #[machine(added = 3)]
        pub c: u64,
    }

    #[machine(version = 3)]
    fn get_3(state: &V3, _: Get) -> u64 {
        state.a
    }

    #[machine(version = 4, migrates_from = 3, reversible)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V4 {
        pub a: u64,
        pub rest: [u64; 3],
        pub b: u64,
        pub c: u64,
        #[machine(added = 4)]
        pub d: u64,
    }

    #[machine(version = 4)]
    fn get_4(state: &V4, _: Get) -> u64 {
        state.a
    }

    #[machine(version = 5, migrates_from = 4, reversible)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V5 {
        pub a: u64,
        pub rest: [u64; 3],
        pub b: u64,
        pub c: u64,
        pub d: u64,
        #[machine(added = 5)]
        pub e: u64,
    }

    #[machine(version = 5)]
    fn get_5(state: &V5, _: Get) -> u64 {
        state.a
    }
}

/// The versions of [`plain`] as an enum by hand.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "as there")]
pub enum Plain {
    V1(plain::V1),
    V2(plain::V2),
    V3(plain::V3),
    V4(plain::V4),
    V5(plain::V5),
}

impl Plain {
    /// One version up.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::V1(plain::V1 { a, rest }) => Self::V2(plain::V2 { a, rest, b: 2 }),
            Self::V2(plain::V2 { a, rest, b }) => Self::V3(plain::V3 { a, rest, b, c: 3 }),
            Self::V3(plain::V3 { a, rest, b, c }) => Self::V4(plain::V4 { a, rest, b, c, d: 4 }),
            Self::V4(plain::V4 { a, rest, b, c, d }) => Self::V5(plain::V5 { a, rest, b, c, d, e: 5 }),
            newest @ Self::V5(_) => newest,
        }
    }

    /// Up to version 5, one after the other.
    #[must_use]
    pub fn up(mut self) -> Self {
        while !matches!(self, Self::V5(_)) {
            self = self.next();
        }
        self
    }
}

/// Five versions with a name and a list of lines.
#[hotswap::machine]
#[allow(missing_docs, reason = "each version is the one before with a number more")]
pub mod heap {
    use serde::{Deserialize, Serialize};

    /// Asks for the first number.
    #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
    pub struct Get;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V1 {
        pub a: u64,
        pub name: String,
        pub list: Vec<String>,
    }

    #[machine(version = 1)]
    fn get_1(state: &V1, _: Get) -> u64 {
        state.a
    }

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V2 {
        pub a: u64,
        pub name: String,
        pub list: Vec<String>,
        #[machine(added = 2)]
        pub b: u64,
    }

    #[machine(version = 2)]
    fn get_2(state: &V2, _: Get) -> u64 {
        state.a
    }

    #[machine(version = 3, migrates_from = 2, reversible)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V3 {
        pub a: u64,
        pub name: String,
        pub list: Vec<String>,
        pub b: u64,
        #[machine(added = 3)]
        pub c: u64,
    }

    #[machine(version = 3)]
    fn get_3(state: &V3, _: Get) -> u64 {
        state.a
    }

    #[machine(version = 4, migrates_from = 3, reversible)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V4 {
        pub a: u64,
        pub name: String,
        pub list: Vec<String>,
        pub b: u64,
        pub c: u64,
        #[machine(added = 4)]
        pub d: u64,
    }

    #[machine(version = 4)]
    fn get_4(state: &V4, _: Get) -> u64 {
        state.a
    }

    #[machine(version = 5, migrates_from = 4, reversible)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V5 {
        pub a: u64,
        pub name: String,
        pub list: Vec<String>,
        pub b: u64,
        pub c: u64,
        pub d: u64,
        #[machine(added = 5)]
        pub e: u64,
    }

    #[machine(version = 5)]
    fn get_5(state: &V5, _: Get) -> u64 {
        state.a
    }
}

/// As [`heap`], with migrations written by hand: they borrow, so that the old state is whole until the new one is there.
#[hotswap::machine]
#[allow(missing_docs, reason = "each version is the one before with a number more")]
pub mod written {
    use serde::{Deserialize, Serialize};

    /// Asks for the first number.
    #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
    pub struct Get;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V1 {
        pub a: u64,
        pub name: String,
        pub list: Vec<String>,
    }

    #[machine(version = 1)]
    fn get_1(state: &V1, _: Get) -> u64 {
        state.a
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V2 {
        pub a: u64,
        pub name: String,
        pub list: Vec<String>,
        pub b: u64,
    }

    #[machine(version = 2)]
    fn get_2(state: &V2, _: Get) -> u64 {
        state.a
    }

    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V3 {
        pub a: u64,
        pub name: String,
        pub list: Vec<String>,
        pub b: u64,
        pub c: u64,
    }

    #[machine(version = 3)]
    fn get_3(state: &V3, _: Get) -> u64 {
        state.a
    }

    #[machine(version = 4, migrates_from = 3)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V4 {
        pub a: u64,
        pub name: String,
        pub list: Vec<String>,
        pub b: u64,
        pub c: u64,
        pub d: u64,
    }

    #[machine(version = 4)]
    fn get_4(state: &V4, _: Get) -> u64 {
        state.a
    }

    #[machine(version = 5, migrates_from = 4)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V5 {
        pub a: u64,
        pub name: String,
        pub list: Vec<String>,
        pub b: u64,
        pub c: u64,
        pub d: u64,
        pub e: u64,
    }

    #[machine(version = 5)]
    fn get_5(state: &V5, _: Get) -> u64 {
        state.a
    }

    #[machine(migrate)]
    fn up_2(old: &V1) -> V2 {
        V2 { a: old.a, name: old.name.clone(), list: old.list.clone(), b: 2 }
    }

    #[machine(migrate)]
    fn up_3(old: &V2) -> V3 {
        V3 { a: old.a, name: old.name.clone(), list: old.list.clone(), b: old.b, c: 3 }
    }

    #[machine(migrate)]
    fn up_4(old: &V3) -> V4 {
        V4 { a: old.a, name: old.name.clone(), list: old.list.clone(), b: old.b, c: old.c, d: 4 }
    }

    #[machine(migrate)]
    fn up_5(old: &V4) -> V5 {
        V5 { a: old.a, name: old.name.clone(), list: old.list.clone(), b: old.b, c: old.c, d: old.d, e: 5 }
    }
}

/// The versions of [`heap`] as an enum by hand.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "as there")]
pub enum Heap {
    V1(heap::V1),
    V2(heap::V2),
    V3(heap::V3),
    V4(heap::V4),
    V5(heap::V5),
}

impl Heap {
    /// One version up.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::V1(heap::V1 { a, name, list }) => Self::V2(heap::V2 { a, name, list, b: 2 }),
            Self::V2(heap::V2 { a, name, list, b }) => Self::V3(heap::V3 { a, name, list, b, c: 3 }),
            Self::V3(heap::V3 { a, name, list, b, c }) => Self::V4(heap::V4 { a, name, list, b, c, d: 4 }),
            Self::V4(heap::V4 { a, name, list, b, c, d }) => Self::V5(heap::V5 { a, name, list, b, c, d, e: 5 }),
            newest @ Self::V5(_) => newest,
        }
    }

    /// Up to version 5, one after the other.
    #[must_use]
    pub fn up(mut self) -> Self {
        while !matches!(self, Self::V5(_)) {
            self = self.next();
        }
        self
    }
}

/// The declared migrations of one of these machines from version 1 up, one after the other.
///
/// # Panics
///
/// If one is written by hand.
#[must_use]
pub fn way_up<M: hotswap::Machine>() -> Vec<fn(&mut Option<M::AnyState>)> {
    let (mut way, mut at) = (Vec::new(), 1);
    while at < M::FUSED_TO {
        let up = M::EDGES.iter().find(|edge| edge.from == at && edge.to > at).expect("it goes up");
        match up.how {
            hotswap::How::Derived { run, .. } => way.push(run),
            _ => unreachable!("all of its migrations are derived"),
        }
        at = up.to;
    }
    way
}
