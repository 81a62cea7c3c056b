//! How many instructions a step takes: unlike times, nearly the same in every run of one build.
//!
//! It runs itself under valgrind's callgrind, few rounds and then many; what the difference took is the steps' alone.
//! It also simulates the caches for what does not fit in them, lists an instance's step instruction by instruction, and what is rare
//! function by function.
//! `check` compares with `benches/baseline.json` and fails where a step has come to take more, and in CI where that file is of
//! another compiler; `accept` writes it.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

mod functions;
mod profile;

use hotswap::load::{Claims, Images, PublicKey, SecretKey, Trust, sign};
use hotswap_benches::counter::{Add, Switch, V1};
use hotswap_benches::image::{How, Place};
use hotswap_benches::report::{Report, Row, rustc};
use hotswap_benches::turns::{exact, shuffled};
use hotswap_benches::{Bare, BareMutex, BareTable, ByKey, Cells, INSTANCES, Kept, Owned, V2, names, round};
use serde::{Deserialize, Serialize};

const FEW: u64 = 100;
const MANY: u64 = 2_100;

/// Of so many of each, all have their share of the rounds: a table draws the seed of its hashes when it is made, and with few keys
/// one draw makes a step five instructions longer than another.
const DRAWS: u64 = 20;

/// How much more than the baseline is let pass.
const MORE: f64 = 1.03;

/// So many rounds, each of a step of every instance in this order.
type Run = fn(rounds: u64, order: &[u32]);

/// So many do not fit in the first caches.
const CROWD: u32 = 100_000;
const FEW_OF_A_CROWD: u64 = 2;
const MANY_OF_A_CROWD: u64 = 12;

/// What is looked at with a crowd; each step is another instance's.
const CROWDS: [(&str, &str); 4] =
    [(Cells::NAME, IN_TURN), (BareMutex::NAME, IN_TURN), (ByKey::NAME, AT_RANDOM), (BareTable::NAME, AT_RANDOM)];

const IN_TURN: &str = "in turn";
const AT_RANDOM: &str = "at random";

const KEPT: [(&str, Run); 8] = [
    (Bare::NAME, run::<Bare>),
    (Owned::NAME, run::<Owned>),
    (SLAB, run_slab),
    (BareMutex::NAME, run::<BareMutex>),
    (Cells::NAME, run::<Cells>),
    (BareTable::NAME, run::<BareTable>),
    (ByKey::NAME, run::<ByKey>),
    (LOADED, run_loaded),
];

/// The steps of a slab's instances, together.
const SLAB: &str = "Slab::step_all";

/// A cell's step of a version that came as an image.
const LOADED: &str = "Cell::step, loaded";

/// Those whose counts are watched: the others are not ours.
const WATCHED: [&str; 5] = [Owned::NAME, SLAB, Cells::NAME, ByKey::NAME, LOADED];

/// The counts that were accepted.
#[derive(Debug, Serialize, Deserialize)]
struct Baseline {
    /// The compiler: another one's steps may take more or fewer.
    rustc: String,
    /// Instructions a step.
    instructions: BTreeMap<String, f64>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", name, rounds] => find(name)?(rounds.parse()?, &(0..INSTANCES).collect::<Vec<_>>()),
        ["crowd", name, rounds, IN_TURN] => find(name)?(rounds.parse()?, &(0..CROWD).collect::<Vec<_>>()),
        ["crowd", name, rounds, AT_RANDOM] => find(name)?(rounds.parse()?, &shuffled(CROWD)),
        ["rare", name] => rare(name)?,
        [] => report()?,
        ["check"] => return check(&counts(&WATCHED)?),
        ["accept"] => accept(counts(&WATCHED)?)?,
        _ => return Err("nothing, `check` or `accept`".into()),
    }
    Ok(ExitCode::SUCCESS)
}

// ---- counting

fn find(name: &str) -> Result<Run, String> {
    let found = KEPT.iter().find(|(kept, _)| *kept == name);
    found.map(|(_, run)| *run).ok_or_else(|| format!("nothing is called `{name}`"))
}

fn rare(name: &str) -> Result<(), String> {
    let found = functions::COUNTED.iter().find(|(counted, ..)| *counted == name);
    found.map(|(.., run)| run()).ok_or_else(|| format!("nothing rare is called `{name}`"))
}

fn run<K: Kept>(rounds: u64, order: &[u32]) {
    let draws = if order.len() < CROWD as usize { DRAWS } else { 1 };
    (0..draws).for_each(|_| draw::<K>(rounds / draws, order));
}

#[inline(never)]
fn draw<K: Kept>(rounds: u64, order: &[u32]) {
    let mut kept = K::new(u32::try_from(order.len()).expect("there are fewer"));
    let names = names::<K>(order);
    (0..rounds).for_each(|_| round(&mut kept, names.iter().copied()));
}

/// They have come up from the version before: so what is counted is also that they stand together again.
fn run_slab(rounds: u64, order: &[u32]) {
    let switch = Switch::builder().starting_at(1).build().expect("version 1 can run");
    let mut slab = switch.slab();
    for _ in order {
        slab.push(V1::default()).expect("it is at the version that runs");
    }
    switch.admin().upgrade(2, "bench").expect("it can go up");
    for _ in 0..rounds {
        std::hint::black_box(&mut slab).step_all(
            |_| Add(1),
            |_, sum| {
                std::hint::black_box(sum.expect("version 2 adds"));
            },
        );
    }
}

fn run_loaded(rounds: u64, order: &[u32]) {
    let folder = folder().join("load");
    let key = PublicKey::read(folder.join("count.pub")).expect("it was written");
    let images = Images::new(Trust::new("bench").key(key));
    let image = fs::read(folder.join("count.signed")).expect("it was written");
    let _ = images.load_bytes(&image).expect("it fits");
    let switch = Switch::builder().starting_at(3).build().expect("the image has it");
    let cells: Vec<_> = order.iter().map(|_| switch.cell(V2::default()).expect("it can come up")).collect();
    for cell in (0..rounds).flat_map(|_| &cells) {
        std::hint::black_box(cell.step(std::hint::black_box(Add(1))).expect("version 3 adds"));
    }
}

/// Builds the image, and signs it once: a check of another signature takes other instructions.
fn provide_image() -> Result<(), Box<dyn Error>> {
    let folder = folder();
    let image = fs::read(Place::new(&folder, How::AsTested).image(false))?;
    let key = SecretKey::generate()?;
    fs::write(folder.join("load/count.signed"), sign(&image, &key, &Claims::new("bench", 1))?)?;
    let public = folder.join("load/count.pub");
    let _ = fs::remove_file(&public); // a key is not written over another
    key.public().write(public)?;
    Ok(())
}

/// Cargo's folder for what benches write, which it names to benches only.
fn folder() -> PathBuf {
    let program = env::current_exe().expect("the program has a path");
    program.ancestors().nth(2).expect("it stands in a folder of the target's").join("tmp")
}

fn counts(names: &[&'static str]) -> Result<BTreeMap<String, f64>, Box<dyn Error>> {
    if names.contains(&LOADED) {
        provide_image()?;
    }
    let steps = exact((MANY - FEW) * u64::from(INSTANCES));
    let mut counts = BTreeMap::new();
    for name in names {
        let taken = count(name, MANY)? - count(name, FEW)?;
        counts.insert((*name).to_owned(), (exact(taken) / steps * 10.0).round() / 10.0);
    }
    Ok(counts)
}

/// The instructions of a whole run, as callgrind counts them.
fn count(name: &str, rounds: u64) -> Result<u64, Box<dyn Error>> {
    let said = valgrind(&["--tool=callgrind", "--callgrind-out-file=/dev/null"], &["run", name, &rounds.to_string()])?;
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    let (_, collected) = collected.ok_or_else(|| format!("callgrind counted nothing: {said}"))?;
    Ok(collected.trim().parse()?)
}

/// How often a step of a crowd misses the first and the last data cache, of caches as large as this machine's.
fn misses(name: &str, order: &str) -> Result<[f64; 2], Box<dyn Error>> {
    let of = |rounds: u64| -> Result<[f64; 2], Box<dyn Error>> {
        let said = valgrind(
            &["--tool=cachegrind", "--cache-sim=yes", "--cachegrind-out-file=/dev/null"],
            &["crowd", name, &rounds.to_string(), order],
        )?;
        let figure = |of: &str| -> Result<f64, Box<dyn Error>> {
            let line = said.lines().find_map(|line| line.split_once(of));
            let (_, line) = line.ok_or_else(|| format!("cachegrind says nothing of `{of}`: {said}"))?;
            let number = line.split_whitespace().next().unwrap_or_default();
            Ok(number.replace(',', "").parse()?)
        };
        Ok([figure("D1  misses:")?, figure("LLd misses:")?])
    };
    let (few, many) = (of(FEW_OF_A_CROWD)?, of(MANY_OF_A_CROWD)?);
    let steps = exact((MANY_OF_A_CROWD - FEW_OF_A_CROWD) * u64::from(CROWD));
    Ok([(many[0] - few[0]) / steps, (many[1] - few[1]) / steps])
}

/// What valgrind says of this program when it is told so.
fn valgrind(options: &[&str], told: &[&str]) -> Result<String, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(options)
        .arg(env::current_exe()?)
        .args(told)
        .output()
        .map_err(|error| format!("valgrind does not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(said) } else { Err(format!("valgrind failed: {said}").into()) }
}

// ---- what is made of the counts

fn report() -> Result<(), Box<dyn Error>> {
    let counts = counts(&KEPT.map(|(name, _)| name))?;
    let mut report = Report::new(&folder(), "count");
    for (name, _) in KEPT {
        report.add(Row::of(name, "instructions a step", &[counts[name]]));
    }
    let more = |what: &str, one: &str, other: &str| Row::of(what, "instructions", &[counts[one] - counts[other]]);
    let instance = more("an Instance's step over the step on the bare state", Owned::NAME, Bare::NAME);
    report.add(instance.at_most(6.0).limit(
        "The profile below lists each. Five are the check: where the instance stands, its switch there, the switch's word, the comparison and the branch. Three look at which version's \
         state it is. One is for an address that is used more than once, and one for a state that is moved through memory, where the bare one's two numbers fit in one register. Four for a check and two for a version \
         would be six, and leave none for an address and memory. With switch and stamp in the instance it would be one less, and 88 bytes for the 72 of a state, 1.22 times: another row asks for 1.15.",
    ));
    report.add(more("a Cell's over that under a mutex", Cells::NAME, BareMutex::NAME));
    report.add(more("a Fleet's over that in a table behind mutexes", ByKey::NAME, BareTable::NAME));
    for (name, order) in CROWDS {
        let [first, last] = misses(name, order)?;
        let what = format!("{name}, 100,000 {order}: the first data cache is missed");
        let row = Row::of(&what, "times a step", &[first]);
        report.add(
            row.beside(&format!(
                "the last one {last:.3} times; caches of this machine's sizes, simulated by cachegrind"
            )),
        );
    }
    fs::create_dir_all(folder())?;
    let steps = exact(MANY * u64::from(INSTANCES));
    for name in [Bare::NAME, Owned::NAME, BareMutex::NAME, Cells::NAME] {
        let text = profile::profile(&folder(), &["run", name, &MANY.to_string()], steps)?;
        report.profile(&format!("Each instruction of a step: {name}"), text);
    }
    for (name, what, _) in functions::COUNTED {
        report.profile(&format!("Where the instructions are: {what}"), functions::functions(&folder(), name)?);
    }
    report.close();
    Ok(())
}

fn baseline_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.json")
}

fn accept(instructions: BTreeMap<String, f64>) -> Result<(), Box<dyn Error>> {
    let baseline = Baseline { rustc: rustc(), instructions };
    fs::write(baseline_path(), serde_json::to_string_pretty(&baseline)? + "\n")?;
    println!("{baseline:#?}");
    Ok(())
}

fn check(counts: &BTreeMap<String, f64>) -> Result<ExitCode, Box<dyn Error>> {
    let baseline: Baseline = serde_json::from_str(&fs::read_to_string(baseline_path())?)?;
    let mut grown = false;
    println!("{:<24} {:>9} {:>9}   instructions a step", "", "accepted", "now");
    for (name, now) in counts {
        let accepted = *baseline.instructions.get(name).ok_or_else(|| format!("the baseline has no `{name}`"))?;
        let more = *now > accepted * MORE;
        grown |= more;
        println!("{name:<24} {accepted:>9.1} {now:>9.1}   {}", if more { "more than 3 % up" } else { "" });
    }
    let rustc = rustc();
    if rustc != baseline.rustc {
        println!("\nNot judged: this is {rustc}, and the baseline was counted with {}.", baseline.rustc);
        // else nothing would be watched from the day that the compiler is another
        if env::var_os("CI").is_some_and(|ci| ci == "true") {
            println!("Run `cargo xtask bench count -- accept` with this compiler, and commit benches/baseline.json.");
            return Ok(ExitCode::FAILURE);
        }
        println!("`cargo xtask bench count -- accept` writes one for this compiler.");
        return Ok(ExitCode::SUCCESS);
    }
    if !grown {
        return Ok(ExitCode::SUCCESS);
    }
    let program = env::current_exe()?;
    println!(
        "\nA step has come to take more instructions than benches/baseline.json allows.\n\
         To see where they are:\n\
         \x20   valgrind --tool=callgrind --dump-instr=yes --callgrind-out-file=step.out \"{program}\" run \"Instance::step\" {MANY}\n\
         \x20   callgrind_annotate step.out\n\
         and the same of the commit before. If they are worth what they do, `cargo xtask bench count -- accept` writes the new\n\
         counts; commit the file with the change and say why.",
        program = program.display()
    );
    Ok(ExitCode::FAILURE)
}
