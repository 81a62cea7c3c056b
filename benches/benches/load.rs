//! What a version costs that came as a file, against what it may cost.
//!
//! The machine of the other benches is built as an image, with a third version that does what the second does: so the one step
//! is compiled in and the other loaded. What is compared takes turns. The least of each is judged, for whatever else runs on the
//! machine only adds; it fails where one is over.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use std::{env, fs};

use hotswap::load::{Claims, Images, SecretKey, Trust, inspect, sign};
use hotswap_benches::counter::{Add, Cell, Switch};
use hotswap_benches::{INSTANCES, V2};

const TURNS: usize = 101;
const ROUNDS: u32 = 100;
/// A build takes seconds.
const BUILDS: usize = 5;

const THIRD: &str = "
    /// Adds as version 2 does.
    #[machine(version = 3, migrates_from = 2)]
    pub fn add_loaded(state: &mut V2, input: Add) -> u64 {
        state.additions += 1;
        state.count += input.0;
        state.count
    }
}
";

fn main() -> ExitCode {
    let place = Place::new();
    let (image, builds) = place.builds();
    let image = fs::read(image).expect("an image");
    println!("{:<34} {:>10}   {:>10} {:>10} {:>10}", "", "at most", "min", "median", "max");
    let (compiled, loaded, over) = steps(&image);
    let (loads, inspects) = loads(&image);
    let plain: Vec<_> = builds.iter().map(|[plain, _]| *plain).collect();
    let hotswap: Vec<_> = builds.iter().map(|[_, hotswap]| *hotswap).collect();
    print("a step that is compiled in, ns", None, &compiled);
    print("a step that is loaded, ns", None, &loaded);
    print("cargo build --release again, s", None, &plain);
    print("hotswap build again, s", None, &hotswap);
    println!("{} bytes of image", image.len());
    let longer: Vec<_> = builds.iter().map(|[plain, it]| it - plain).collect();
    let within = [
        print("loaded over compiled in, ns", Some((60.0, least(&loaded) - least(&compiled))), &over),
        print("load, ms", Some((5.0, least(&loads))), &loads),
        print("inspect, ms", Some((1.0, least(&inspects))), &inspects),
        print("hotswap build over cargo build, s", Some((3.0, least(&hotswap) - least(&plain))), &longer),
    ];
    if within == [true; 4] { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn least(turns: &[f64]) -> f64 {
    turns.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Whether it is within what it may be, of which it is told with what to judge by it.
fn print(what: &str, most: Option<(f64, f64)>, turns: &[f64]) -> bool {
    let mut turns = turns.to_vec();
    turns.sort_by(f64::total_cmp);
    let (min, median, max) = (turns[0], turns[turns.len() / 2], turns[turns.len() - 1]);
    let verdict = match most {
        None => String::new(),
        Some((most, judged)) if judged <= most => format!("   {judged:.3} is within"),
        Some((_, judged)) => format!("   {judged:.3} is OVER"),
    };
    let most = most.map(|(most, _)| most.to_string()).unwrap_or_default();
    println!("{what:<34} {most:>10}   {min:>10.3} {median:>10.3} {max:>10.3}{verdict}");
    !verdict.contains("OVER")
}

/// The key that images are signed with, and those who take them.
fn images() -> (SecretKey, Images) {
    let key = SecretKey::generate().expect("there is randomness");
    let images = Images::new(Trust::new("bench").key(key.public()));
    (key, images)
}

fn signed(image: &[u8], key: &SecretKey, serial: u64) -> Vec<u8> {
    sign(image, key, &Claims::new("bench", serial)).expect("it can be signed")
}

// ---- steps

/// Nanoseconds for a step that is compiled in, for one that is loaded, and by how much that is more, turn by turn.
fn steps(image: &[u8]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (key, images) = images();
    let cells = |switch: &Switch| -> Vec<Cell> {
        (0..INSTANCES).map(|_| switch.cell(V2::default()).expect("it can come up")).collect()
    };
    let switch = Switch::new();
    let compiled = cells(&switch);
    let id = images.load_bytes(&signed(image, &key, 1)).expect("it fits").id;
    let switch = Switch::builder().starting_at(3).build().expect("the image has it");
    let loaded = cells(&switch);
    assert!(
        compiled.iter().all(|cell| cell.version() == Some(2)) && loaded.iter().all(|cell| cell.version() == Some(3))
    );
    let mut took = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let (one, other) = (turn(&compiled), turn(&loaded));
        took.0.push(one);
        took.1.push(other);
        took.2.push(other - one);
    }
    drop((loaded, switch));
    images.unload(&id).expect("nobody uses it");
    took
}

/// Nanoseconds a step.
fn turn(cells: &[Cell]) -> f64 {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        for cell in cells {
            std::hint::black_box(cell.step(std::hint::black_box(Add(1))).expect("both versions add"));
        }
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS) / f64::from(INSTANCES)
}

// ---- images

/// Milliseconds to take an image in, its signature included, while a switch of its machine is live; and to look at it.
fn loads(image: &[u8]) -> (Vec<f64>, Vec<f64>) {
    let (key, images) = images();
    let switch = Switch::new();
    let milliseconds = |took: Duration| took.as_secs_f64() * 1e3;
    let (mut loads, mut inspects) = (Vec::new(), Vec::new());
    for serial in 1..=TURNS as u64 {
        let file = signed(image, &key, serial);
        let start = Instant::now();
        let arrived = images.load_bytes(&file).expect("it fits");
        loads.push(milliseconds(start.elapsed()));
        assert_eq!(arrived.brought, [(switch.admin().status().label, vec![3])]);
        images.unload(&arrived.id).expect("nobody uses it");
        let start = Instant::now();
        std::hint::black_box(inspect(std::hint::black_box(image)).expect("an image"));
        inspects.push(milliseconds(start.elapsed()));
    }
    (loads, inspects)
}

// ---- builds

/// A crate of its own with the machine and its third version.
struct Place {
    folder: PathBuf,
    cargo: PathBuf,
    hotswap: PathBuf,
}

impl Place {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("load");
        fs::create_dir_all(folder.join("src")).expect("the folder can be made");
        let manifest = format!(
            "[package]\nname = \"hotswap-benches\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
             hotswap = {{ path = '{}' }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n",
            root.join("hotswap").display()
        );
        fs::write(folder.join("Cargo.toml"), manifest).expect("the manifest can be written");
        // the versions of the workspace, so that nothing is resolved or fetched
        fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file can be copied");
        let cargo = PathBuf::from(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let status = Command::new(&cargo)
            .args(["build", "--quiet", "--offline", "--release", "--package", "hotswap-cli"])
            .current_dir(&root)
            .status();
        assert!(status.expect("cargo can be started").success(), "the command does not compile");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder of the target's");
        let hotswap = target.join("release/hotswap");
        Self { folder, cargo, hotswap }
    }

    /// The image, and the seconds of each build again after a change: by cargo alone, and by `hotswap build`.
    fn builds(&self) -> (PathBuf, Vec<[f64; 2]>) {
        let image = self.folder.join("image.so");
        let plain = || {
            let mut cargo = Command::new(&self.cargo);
            cargo.args(["build", "--quiet", "--offline", "--release"]);
            cargo
        };
        let built = || {
            let mut hotswap = Command::new(&self.hotswap);
            hotswap.args(["build", "--offline", "--json", "--out"]).arg(&image);
            hotswap
        };
        self.change(0);
        self.seconds(plain());
        self.seconds(built());
        let mut builds = Vec::new();
        for round in 1..=BUILDS {
            self.change(round);
            let first = self.seconds(plain());
            builds.push([first, self.seconds(built())]);
        }
        (image, builds)
    }

    /// Writes the machine as the benches have it, with its third version, and something that is new in every round.
    fn change(&self, round: usize) {
        let source = include_str!("../src/lib.rs");
        let begin = source.find("#[hotswap::machine]").expect("the machine is there");
        let machine = source[begin..].split_once("\n}\n").expect("it ends").0;
        let text = format!("//! A machine.\n\n{machine}\n{THIRD}\n/// New.\npub const ROUND: usize = {round};\n");
        fs::write(self.folder.join("src/lib.rs"), text).expect("the source can be written");
    }

    fn seconds(&self, mut command: Command) -> f64 {
        command.current_dir(&self.folder).env("CARGO", &self.cargo).env("CARGO_TARGET_DIR", self.folder.join("target"));
        let start = Instant::now();
        let output = command.output().expect("it can be started");
        let took = start.elapsed();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        took.as_secs_f64()
    }
}
