//! What a step costs over the same step without hotswap.
//!
//! Times differ from run to run and from machine to machine; ratios taken in one run, turn by turn, differ little.

use std::time::Instant;

use hotswap_benches::{Bare, BareMutex, BareTable, ByKey, Cells, INSTANCES, Kept, Owned, round};

const TURNS: usize = 301;
const ROUNDS: u32 = 200;

fn main() {
    println!("{:<16} {:>8}   {:<36} {:>8}   ratio (quartiles)", "with hotswap", "ns/step", "without", "ns/step");
    compare::<Owned, Bare>();
    compare::<Cells, BareMutex>();
    compare::<ByKey, BareTable>();
}

/// Prints the median of the ratios of turns that follow each other.
fn compare<With: Kept, Without: Kept>() {
    let (mut with, mut without) = (With::new(), Without::new());
    let mut turns: Vec<[f64; 3]> = (0..TURNS)
        .map(|_| {
            let (a, b) = (turn(&mut with), turn(&mut without));
            [a / b, a, b]
        })
        .collect();
    turns.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let [low, middle, high] = [1, 2, 3].map(|quarter| turns[TURNS * quarter / 4]);
    println!(
        "{:<16} {:>8.2}   {:<36} {:>8.2}   {:.2} ({:.2} to {:.2})",
        With::NAME,
        middle[1],
        Without::NAME,
        middle[2],
        middle[0],
        low[0],
        high[0]
    );
}

/// Nanoseconds a step.
fn turn<K: Kept>(kept: &mut K) -> f64 {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        round(kept);
    }
    let steps = f64::from(ROUNDS) * f64::from(INSTANCES);
    start.elapsed().as_secs_f64() * 1e9 / steps
}
