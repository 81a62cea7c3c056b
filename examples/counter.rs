//! A counter that learns to reset, and to count its ticks, while it runs; and goes back.
//!
//! What it does not know yet comes back to the caller, and the machine lives.

use std::error::Error;

use hotswap::machine;

/// A counter in three versions.
#[machine(derive(Debug))]
pub mod counter {
    use serde::{Deserialize, Serialize};

    /// Counts one.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;
    /// Asks for the count.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Get;
    /// Starts again from zero; known from version 2 on.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Reset;

    /// Counts.
    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        /// The count.
        pub count: i64,
    }

    #[machine(version = 1)]
    fn tick(state: &mut V1, _: Tick) {
        state.count += 1;
    }

    #[machine(version = 1)]
    fn get(state: &V1, _: Get) -> i64 {
        state.count
    }

    /// Counts, and counts its ticks.
    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        /// The count.
        pub count: i64,
        /// How many ticks there were since version 2.
        #[machine(added = 0)]
        pub ticks: u64,
    }

    #[machine(version = 2)]
    fn tick_counted(state: &mut V2, _: Tick) {
        state.count += 1;
        state.ticks += 1;
    }

    #[machine(version = 2)]
    fn get_2(state: &V2, _: Get) -> i64 {
        state.count
    }

    #[machine(version = 2)]
    fn reset(state: &mut V2, _: Reset) {
        state.count = 0;
    }

    // behaviour only: version 3 runs on version 2's state and inherits the steps it does not replace
    #[machine(version = 3, migrates_from = 2)]
    fn tick_twice(state: &mut V2, _: Tick) {
        state.count += 2;
        state.ticks += 1;
    }
}

use counter::{Get, Reset, Tick, V1, Version};

fn main() -> Result<(), Box<dyn Error>> {
    let counter = counter::Cell::new(V1 { count: 0 });
    let admin = counter.admin();
    let state = || admin.get_state(&counter.name());

    counter.step(Tick)?;
    println!("> tick");
    println!("> get\n{}", counter.step(Get)?);
    println!("state: {}", state()?);

    let refused = counter.step(Reset).expect_err("version 1 has no such step");
    println!("> reset\n{refused}");
    let reset: Reset = refused.input;

    println!("> upgrade 2\n{}", admin.upgrade(Version::V2, "add reset")?);
    println!("state: {}", state()?);
    println!("> tick\n> tick");
    counter.step(Tick)?;
    counter.step(Tick)?;
    println!("> get\n{}", counter.step(Get)?);
    println!("state: {}", state()?);

    println!("> reset");
    counter.step(reset)?;
    println!("> get\n{}", counter.step(Get)?);

    println!("> upgrade 3\n{}", admin.upgrade(Version::V3, "count double")?);
    counter.step(Tick)?;
    println!("> tick\n> get\n{}", counter.step(Get)?);

    println!("> rollback\n{}", admin.rollback("double was wrong")?);
    counter.step(Tick)?;
    println!("> tick\n> get\n{}", counter.step(Get)?);
    println!("state: {}", state()?);
    for version in admin.versions() {
        println!("{version}");
    }
    Ok(())
}
