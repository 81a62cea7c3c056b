//! How many instructions a step takes: unlike times, the same in every run of one build.
//!
//! It runs itself under valgrind's callgrind, few rounds and then many; what the difference took is the steps' alone.

use std::env;
use std::error::Error;
use std::process::Command;

use hotswap_benches::{Bare, BareMutex, BareTable, ByKey, Cells, INSTANCES, Kept, Owned, round};

const FEW: u64 = 100;
const MANY: u64 = 300;

type Run = fn(rounds: u64);

const KEPT: [(&str, Run); 6] = [
    (Bare::NAME, run::<Bare>),
    (Owned::NAME, run::<Owned>),
    (BareMutex::NAME, run::<BareMutex>),
    (Cells::NAME, run::<Cells>),
    (BareTable::NAME, run::<BareTable>),
    (ByKey::NAME, run::<ByKey>),
];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().collect();
    if let [_, run, name, rounds] = &args[..]
        && run == "run"
    {
        let (_, run) = KEPT.iter().find(|(kept, _)| kept == name).ok_or("no such way")?;
        run(rounds.parse()?);
        return Ok(());
    }
    println!("{:<36} instructions/step", "");
    for (name, _) in KEPT {
        let steps = (MANY - FEW) * u64::from(INSTANCES);
        let tenths = (count(name, MANY)? - count(name, FEW)?) * 10 / steps;
        println!("{name:<36} {:>15}.{}", tenths / 10, tenths % 10);
    }
    Ok(())
}

fn run<K: Kept>(rounds: u64) {
    let mut kept = K::new();
    (0..rounds).for_each(|_| round(&mut kept));
}

/// The instructions of a whole run, as callgrind counts them.
fn count(name: &str, rounds: u64) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["run", name, &rounds.to_string()])
        .output()
        .map_err(|error| format!("valgrind does not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected =
        said.lines().find_map(|line| line.split_once("Collected :")).map(|(_, number)| number.trim().parse());
    Ok(collected.ok_or_else(|| format!("callgrind counted nothing: {said}"))??)
}
