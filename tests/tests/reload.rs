//! A program takes in versions that did not exist when it was built, while customers are served: the README's example,
//! as it stands there, with a compiler and processes of its own.

#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, fs};

use hotswap_tests::programs;

/// Longer than anything takes on a machine that does ten other things.
const LONG: Duration = Duration::from_secs(120);
const CUSTOMERS: usize = 4;
const PORT_OF_README: &str = "127.0.0.1:6392";

#[test]
fn the_price_goes_up_and_the_version_is_told_and_all_of_it_taken_back_without_a_restart() {
    let place = Place::new();
    let mut program: Option<Program> = None;
    let mut customers = None;

    for block in story() {
        if block.contains("#[machine(version") {
            place.add_to_machine(&block);
            continue;
        }
        for line in block.lines().filter(|line| !line.is_empty()) {
            if let Some(arguments) = line.strip_prefix("$ cargo run -p reload -- ") {
                program = Some(Program::start(&place, arguments));
            } else if let Some(command) = line.strip_prefix("$ ") {
                place.shell(command);
            } else if let Some(command) = line.strip_prefix("> ") {
                program.as_mut().expect("started before").type_in(command);
            } else {
                let program = program.as_mut().expect("started before");
                program.says(&line.replace(PORT_OF_README, &program.address.to_string()));
            }
            customers = customers.or_else(|| program.as_ref().map(|program| Customers::of(program.address)));
        }
        if let Some(customers) = &customers {
            customers.are_answered();
        }
    }
    let (mut program, customers) = (program.expect("the README starts it"), customers.expect("it serves"));
    assert_eq!(program.mapped(), ["hotswap-000001"], "the other was let go");

    // what is not as it was signed, or not signed, changes nothing
    program.type_in("versions");
    program.says("1    old        0 live, can be retired");
    program.says("2    permanent  1 live");
    place
        .shell("hotswap sign shop/images/pricing-0.1.0.so --key release --application pricing --serial 4 --out signed");
    for (file, altered) in [("signed", "altered"), ("shop/images/pricing-2", "altered-2")] {
        let mut bytes = fs::read(place.folder.join(file)).expect("a signed image");
        *bytes.last_mut().expect("bytes") ^= 1;
        fs::write(place.folder.join(altered), bytes).expect("a writable folder");
        place.shell(&format!("mv {altered} shop/images/{altered}"));
        program.begins(&format!("{altered} is refused: the image was altered after it was signed: its digest is "));
    }
    place.shell("hotswap key new stranger");
    place.shell(
        "hotswap sign shop/images/pricing-0.1.0.so --key stranger --application pricing --out shop/images/strange",
    );
    program.begins("strange is refused: the image is signed with key ");
    program.type_in("versions");
    program.says("1    old        0 live, can be retired");
    program.says("2    permanent  1 live");
    program.type_in("images");
    program.says("hotswap-000001 has service 1, 2; used by service: version 2 runs and is permanent (1 live)");
    assert_eq!(program.mapped(), ["hotswap-000001"]);
    customers.are_answered();

    // the first price again, and what a rollback would need is not let go
    program.type_in("upgrade 1");
    program.says("upgrade 2 -> 1: 1 live, 1 moved, 0 held back, 0 gone, 0 not reached");
    customers.are_answered();
    program.type_in("unload hotswap-000001");
    program.says("refused: image hotswap-000001 is in use: service: version 2 is permanent");
    program.type_in("rollback");
    program.says("rollback 1 -> 2: 1 live, 1 moved, 0 held back, 0 gone, 0 not reached");
    customers.are_answered();

    let (asked, heard) = customers.go();
    for prices in heard {
        assert_eq!(prices, ["$0.99", "$1.03", "$0.99", "$1.03"], "in this order, and no other answer");
    }
    // the state has been through all of it: each question was stepped once, and the operator's own are counted with them
    let own = program.said.iter().filter(|line| line.starts_with("> ask Price")).count() as u64;
    program.type_in("state");
    program.says(&format!("[2,{{\"asked\":{}}}]", asked + own));
    assert!(program.child.try_wait().expect("a child").is_none(), "it is still the same process");
    eprintln!("{asked} questions of {CUSTOMERS} customers were answered");
    drop(program);

    // killed, it comes up at what was committed, and finds that among the images
    let mut program = Program::start(&place, "--key release.pub shop");
    program.says(&format!("version 2 serves at {}, images come in shop/images", program.address));
    program.begins("pricing-0.1.0.so is refused");
    program.says("pricing-2 is hotswap-000001");
    program.says("pricing-3 is hotswap-000002, available: service 3");
    program.begins("altered is refused");
    program.begins("altered-2 is refused");
    program.begins("strange is refused");
    program.type_in(r#"ask Price "milk""#);
    program.says(r#"["Price",103]"#);
    program.type_in("upgrade 1");
    program.says("upgrade 2 -> 1: 1 live, 1 moved, 0 held back, 0 gone, 0 not reached");
    program.type_in("commit");
    program.says("commit 1 -> 1: 1 live, 1 moved, 0 held back, 0 gone, 0 not reached");
    for image in ["hotswap-000001", "hotswap-000002"] {
        program.type_in(&format!("unload {image}"));
        program.says(&format!("{image} is gone from memory"));
    }
    program.type_in("images");
    program.says("no images");
    assert_eq!(program.mapped(), [""; 0]);
    program.type_in(r#"ask Price "milk""#);
    program.says(r#"["Price",99]"#);
}

/// What the README shows of it: the blocks of its section.
fn story() -> Vec<String> {
    let readme = include_str!("../../README.md");
    let section = readme.split("\n## Versions that did not exist when the program was built\n").nth(1);
    let section = section.expect("the section is there").split("\n## ").next().expect("it has an end");
    let blocks: Vec<_> = section.split("```").skip(1).step_by(2).collect();
    blocks.into_iter().map(|block| block.strip_prefix("text\n").expect("not to be compiled").to_owned()).collect()
}

// ---- the place

/// A workspace of its own with the machine's crate, and both programs.
struct Place {
    folder: PathBuf,
    hotswap: PathBuf,
    reload: PathBuf,
}

impl Place {
    fn new() -> Self {
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = temporary.join("reload");
        let _ = fs::remove_dir_all(&folder);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member of the workspace");
        let pricing = "examples/reload/pricing";
        fs::create_dir_all(folder.join(pricing).join("src")).expect("a writable folder");
        for file in ["Cargo.toml", "src/lib.rs"] {
            fs::copy(root.join(pricing).join(file), folder.join(pricing).join(file)).expect("a file");
        }
        // the same versions of all that it depends on: nothing has to be fetched
        fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("a file");
        let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
        let shared = manifest.find("[workspace.package]").expect("there")..manifest.find("[profile.").expect("there");
        let here = format!("path = \"{}\"", root.join("hotswap").display());
        let shared = manifest[shared].replace("path = \"hotswap\"", &here);
        let manifest = format!("[workspace]\nresolver = \"3\"\nmembers = [\"{pricing}\"]\n\n{shared}");
        fs::write(folder.join("Cargo.toml"), manifest).expect("a writable folder");
        // where the tests of the command build their images too, so that hotswap is built as an image once
        let target = temporary.join("target");
        fs::create_dir_all(&target).expect("a writable folder");
        std::os::unix::fs::symlink(target, folder.join("target")).expect("a writable folder");

        let [hotswap, reload] = ["hotswap", "reload"].map(|name| programs::program(name).into());
        Self { folder, hotswap, reload }
    }

    fn add_to_machine(&self, text: &str) {
        let file = self.folder.join("examples/reload/pricing/src/lib.rs");
        let source = fs::read_to_string(&file).expect("a file");
        let open = source.trim_end().strip_suffix('}').expect("the machine ends the file");
        fs::write(file, format!("{open}\n{text}}}\n")).expect("a writable folder");
    }

    fn shell(&self, line: &str) {
        let mut words = line.split_whitespace();
        let program = match words.next().expect("a command") {
            "hotswap" => self.hotswap.as_path(),
            "mv" => Path::new("mv"),
            other => panic!("the test does not know the command `{other}`"),
        };
        let mut command = Command::new(program);
        command.args(words).current_dir(&self.folder).env_remove("CARGO_TARGET_DIR").env("CARGO", env!("CARGO"));
        command.env("CARGO_NET_OFFLINE", "true").stdout(Stdio::null());
        let started = Instant::now();
        assert!(command.status().expect("it runs").success(), "{line}");
        eprintln!("{:>8.1?}  {line}", started.elapsed());
    }
}

// ---- the program

/// The program, and its operator. It is killed when this is dropped.
struct Program {
    child: Child,
    operator: ChildStdin,
    lines: Receiver<String>,
    address: SocketAddr,
    /// Said, and not looked at yet.
    first: Option<String>,
    said: Vec<String>,
}

impl Program {
    fn start(place: &Place, arguments: &str) -> Self {
        let mut child = Command::new(&place.reload)
            .args(arguments.split_whitespace())
            .args(["--port", "0"])
            .current_dir(&place.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let (send, lines) = channel();
        let out = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let operator = child.stdin.take().expect("piped");
        let first = lines.recv_timeout(LONG).expect("it says where it serves");
        let address = first.split_whitespace().find_map(|word| word.trim_end_matches(',').parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {first:?}"));
        Self { child, operator, lines, address, first: Some(first), said: Vec::new() }
    }

    fn type_in(&mut self, command: &str) {
        self.said.push(format!("> {command}"));
        writeln!(self.operator, "{command}").expect("it reads");
    }

    fn next(&mut self) -> String {
        let line = self.first.take().or_else(|| self.lines.recv_timeout(LONG).ok());
        let line = line.unwrap_or_else(|| panic!("nothing more after:\n{}", self.said.join("\n")));
        self.said.push(line.clone());
        line
    }

    fn says(&mut self, expected: &str) {
        let line = self.next();
        assert_eq!(line, expected, "after:\n{}", self.said.join("\n"));
    }

    fn begins(&mut self, expected: &str) {
        let line = self.next();
        assert!(line.starts_with(expected), "{expected}, after:\n{}", self.said.join("\n"));
    }

    /// The images that are in its memory, whatever it says.
    fn mapped(&self) -> Vec<String> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.child.id())).expect("it runs");
        let names = maps.lines().filter_map(|line| line.split_once("/memfd:")?.1.split(' ').next().map(str::to_owned));
        let mut names: Vec<_> = names.filter(|name| name.starts_with("hotswap-")).collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ---- the customers

/// Customers who each ask again when they are answered, on one connection from the beginning to the end.
struct Customers {
    all: Vec<(JoinHandle<u64>, Arc<Mutex<Heard>>)>,
    enough: Arc<AtomicBool>,
}

#[derive(Default)]
struct Heard {
    answers: u64,
    /// Without the same one twice in a row.
    prices: Vec<String>,
}

impl Customers {
    fn of(address: SocketAddr) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let customer = |_| {
            let (heard, enough) = (Arc::<Mutex<Heard>>::default(), Arc::clone(&enough));
            let hears = Arc::clone(&heard);
            (thread::spawn(move || buy(address, &hears, &enough)), heard)
        };
        Self { all: (0..CUSTOMERS).map(customer).collect(), enough }
    }

    /// Waits until each has been answered a question that was asked after this was.
    fn are_answered(&self) {
        let answers = |heard: &Mutex<Heard>| heard.lock().expect("no customer fails").answers;
        let deadline = Instant::now() + LONG;
        // the first of two may be of a question that was on its way
        let until: Vec<_> = self.all.iter().map(|(_, heard)| answers(heard) + 2).collect();
        while self.all.iter().zip(&until).any(|((_, heard), until)| answers(heard) < *until) {
            assert!(self.all.iter().all(|(customer, _)| !customer.is_finished()), "a customer was cut off");
            assert!(Instant::now() < deadline, "a customer is not answered");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// How many questions they asked, and what each heard.
    fn go(self) -> (u64, Vec<Vec<String>>) {
        self.enough.store(true, Ordering::Relaxed);
        let mut asked = 0;
        let heard = self.all.into_iter().map(|(customer, heard)| {
            let questions = customer.join().expect("no customer fails");
            let heard = heard.lock().expect("no customer fails");
            assert_eq!(heard.answers, questions, "each question has its answer");
            asked += questions;
            heard.prices.clone()
        });
        let heard = heard.collect();
        (asked, heard)
    }
}

/// Asks until it is enough, or an answer does not come; how often it asked.
fn buy(address: SocketAddr, heard: &Mutex<Heard>, enough: &AtomicBool) -> u64 {
    let mut to = TcpStream::connect(address).expect("it listens");
    to.set_read_timeout(Some(LONG)).expect("a timeout");
    let mut from = BufReader::new(to.try_clone().expect("a connection")).lines();
    let mut asked = 0;
    while !enough.load(Ordering::Relaxed) {
        asked += 1;
        let _ = to.write_all(b"milk\n");
        let Some(Ok(answer)) = from.next() else { return asked };
        let price = answer.strip_prefix("The price of milk is: ").unwrap_or_else(|| panic!("told {answer:?}"));
        let mut heard = heard.lock().expect("it is read only");
        heard.answers += 1;
        if heard.prices.last().is_none_or(|last| last != price) {
            heard.prices.push(price.to_owned());
        }
        drop(heard);
        // a customer thinks: the compiler works on the same processors
        thread::sleep(Duration::from_millis(1));
    }
    asked
}
