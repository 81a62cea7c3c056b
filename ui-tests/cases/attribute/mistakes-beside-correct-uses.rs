// errors: 3
//! A name that is taken, two inputs of one name, a generic state; and a program that is right to use all else.
use hotswap::machine;

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Outer;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Push(pub i64);

    pub mod inner {
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
        pub struct Push;
    }

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Cell;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
    }

    #[machine(version = 1)]
    pub fn push(_: &mut V1, _: Push) -> i64 {
        0
    }

    #[machine(version = 1)]
    pub fn push_inner(_: &mut V1, _: inner::Push) {}

    #[machine(version = 1)]
    pub fn outer(_: &mut V1, _: crate::Outer) -> bool {
        true
    }

    #[machine(version = 2, migrates_from = 1)]
    pub fn push_2(_: &mut V1, _: Push) -> i64 {
        2
    }

    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V3<T> {
        pub count: T,
    }

    #[machine(version = 3)]
    pub fn push_3(_: &mut V3<i64>, _: Push) -> i64 {
        3
    }

    #[machine(version = 3)]
    pub fn push_inner_3(_: &mut V3<i64>, _: inner::Push) {}

    #[machine(version = 3)]
    pub fn outer_3(_: &mut V3<i64>, _: crate::Outer) -> bool {
        true
    }

    #[machine(migrate)]
    fn up(old: &V1) -> V3<i64> {
        V3 { count: old.count }
    }

    #[machine(version = 4, migrates_from = 3)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V4 {
        pub count: i64,
    }

    #[machine(version = 4)]
    pub fn push_4(_: &mut V4, _: Push) -> i64 {
        4
    }

    #[machine(version = 4)]
    pub fn push_inner_4(_: &mut V4, _: inner::Push) {}

    #[machine(version = 4)]
    pub fn outer_4(_: &mut V4, _: crate::Outer) -> bool {
        true
    }
}

use counter::{AnyInput, AnyState, Instance, Push, Switch, V1, V4, Version, inner};

fn main() {
    let switch = Switch::builder().starting_at(Version::V4).build().expect("version 4 is there");
    let mut instance: Instance = switch.instance(V4 { count: 1 }).expect("it is a state of version 4");
    let _: i64 = instance.step(Push(1)).unwrap_or_default();
    let _: bool = instance.step(Outer).unwrap_or_default();
    instance.step(inner::Push).unwrap_or_default();
    let _ = [AnyInput::Push(Push(1)), inner::Push.into(), Outer.into()];
    let _ = [AnyState::V1(V1 { count: 1 }), V1 { count: 2 }.into(), V4 { count: 3 }.into()];
}
