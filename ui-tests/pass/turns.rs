//! Functions of `with` and `back` that take what the field dereferences to, or spell its type in another way.

use hotswap::machine;

pub type Wide = u64;
pub type Lent<'a> = &'a u64;

fn halved(number: &Wide) -> u32 {
    u32::try_from(*number / 2).unwrap_or_default()
}

#[machine]
pub mod turns {
    use serde::{Deserialize, Serialize};

    use super::{Lent, Wide, halved};

    type Number = u64;
    type Borrowed<'a> = &'a Number;

    #[derive(Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    #[derive(Serialize, Deserialize)]
    pub struct V1 {
        pub name: String,
        pub bytes: Vec<u8>,
        pub boxed: Box<u64>,
        pub pair: (u8, u64),
        pub number: u64,
        pub array: [u8; 4],
        pub kept: Box<u64>,
    }
    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Serialize, Deserialize)]
    pub struct V2 {
        #[machine(from = name, with = length, back = spaces)]
        pub length: usize,
        #[machine(with = copied, back = self::copied)]
        pub bytes: Vec<u8>,
        #[machine(with = shown, back = boxed)]
        pub boxed: String,
        #[machine(with = first, back = again)]
        pub pair: u8,
        #[machine(with = halved, back = doubled)]
        pub number: u32,
        #[machine(with = sum, back = spread)]
        pub array: Wide,
        #[machine(with = taken, back = boxed_again)]
        pub kept: u32,
    }
    #[machine(version = 2)]
    pub fn tick_2(_: &mut V2, _: Tick) {}

    fn length(name: &str) -> usize {
        name.len()
    }
    fn spaces(length: &usize) -> String {
        " ".repeat(*length)
    }
    fn copied(bytes: &[u8]) -> std::vec::Vec<u8> {
        bytes.to_vec()
    }
    fn shown(of: Borrowed<'_>) -> String {
        of.to_string()
    }
    fn boxed(text: &str) -> Box<Number> {
        Box::new(text.parse().unwrap_or_default())
    }
    fn taken(kept: &u64) -> u32 {
        u32::try_from(*kept).unwrap_or_default()
    }
    fn boxed_again(kept: &u32) -> Box<u64> {
        Box::new(u64::from(*kept))
    }
    fn first<'a>(pair: &'a (u8, Number)) -> u8 {
        pair.0
    }
    fn again<T: Copy + Into<u64>>(first: &T) -> (T, u64) {
        (*first, (*first).into())
    }
    fn doubled(number: &impl ToString) -> u64 {
        number.to_string().parse::<u64>().unwrap_or_default() * 2
    }
    const fn sum(array: &[u8; 2 * 2]) -> u64 {
        array[0] as u64 + array[3] as u64
    }
    fn spread(_: Lent<'_>) -> [u8; 4] {
        [0; 4]
    }
}

fn main() {
    use turns::{Cell, Tick, V1, Version};

    let (name, bytes, boxed) = ("name".into(), vec![1, 2], Box::new(3));
    let cell = Cell::new(V1 { name, bytes, boxed, pair: (4, 5), number: 6, array: [7; 4], kept: Box::new(8) });
    cell.admin().upgrade(Version::V2, "all of it is turned").expect("it goes up");
    assert!(cell.step(Tick).is_ok());
}
