//! A service that sells milk gets a new price, and then a question that nobody had thought of, from another terminal and while a
//! customer is connected; whatever else it is asked, it goes on. The program was built without either version.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use hotswap_tests::images::Image;
use hotswap_tests::programs;
use serde_json::{Value, json};

mod command;

use command::Place;

/// What the price goes up by.
const DEARER: &str = "
    #[machine(version = 2, migrates_from = 1)]
    fn dearer(state: &mut Service, input: Price) -> Option<Cents> {
        state.asked += 1;
        (input.0 == \"milk\").then_some(Cents(103))
    }
";
/// What nobody had thought of.
const WHICH_VERSION: &str = "
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct WhichVersion;

    #[machine(version = 3, migrates_from = 2)]
    fn which_version(_: &Service, _: WhichVersion) -> u32 {
        3
    }
";

/// The example `reload`, which commands come to from outside; it ends when this is dropped.
struct Service {
    child: Child,
    port: u16,
    /// It reads commands of its own for as long as this is open.
    _open: ChildStdin,
    _said: BufReader<ChildStdout>,
}

impl Service {
    fn start(place: &Place) -> Self {
        let mut command = Command::new(programs::program("reload"));
        place.set(&mut command);
        command.args(["--key", "release.pub", "--port", "0", "--admin=reload.sock", "shop"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut said = BufReader::new(child.stdout.take().expect("piped"));
        let port = loop {
            let mut line = String::new();
            assert_ne!(said.read_line(&mut line).expect("text"), 0, "it says where it serves");
            if let Some((_, rest)) = line.split_once(" serves at 127.0.0.1:") {
                break rest.split(',').next().and_then(|port| port.parse().ok()).expect("a port");
            }
        };
        Self { port, _open: child.stdin.take().expect("piped"), _said: said, child }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Customer(BufReader<TcpStream>);

impl Customer {
    fn of(service: &Service) -> Self {
        Self(BufReader::new(TcpStream::connect(("127.0.0.1", service.port)).expect("it listens")))
    }

    fn asks(&mut self, product: &str) -> String {
        writeln!(self.0.get_mut(), "{product}").expect("it is open");
        let mut said = String::new();
        self.0.read_line(&mut said).expect("an answer");
        said
    }
}

/// Builds the crate with these versions added, signs it and pushes it.
fn push(place: &Place, name: &str, versions: &[&str], serial: &str) {
    let manifest = |text: &str| text.replace("[lints]\nworkspace = true\n", "");
    let source = |text: &str| {
        let open = text.trim_end().strip_suffix('}').expect("the machine ends the file");
        format!("{open}{}}}\n", versions.concat())
    };
    let image = Image { krate: "../examples/reload/pricing", copy: name, features: "hotswap/image" };
    let image = image.changed(manifest, source).unwrap_or_else(|said| panic!("it does not compile: {said}"));
    fs::write(place.path(name), image).expect("a file");
    place.done(&["sign", name, "--key", "release", "--application", "pricing", "--serial", serial]);
    place.done(&["push", &format!("{name}.signed"), "--socket", "reload.sock"]);
}

/// Seed 001.
#[test]
fn the_price_of_milk_goes_up_and_the_service_learns_to_say_its_version() {
    let place = Place::new();
    place.done(&["key", "new", "release"]);
    let service = Service::start(&place);
    let mut customer = Customer::of(&service);
    let command = |args: &[&str]| place.done(&[args, &["--socket", "reload.sock"]].concat());
    let standings = || {
        let (versions, _) = place.json(&["versions", "--socket", "reload.sock"]);
        let versions = versions["versions"].as_array().expect("a list");
        versions.iter().map(|it| json!([it["number"], it["standing"]])).collect::<Value>()
    };
    assert_eq!(customer.asks("milk"), "The price of milk is: $0.99\n");

    // that there is a new version changes nothing yet
    push(&place, "pricing-2", &[DEARER], "2");
    assert_eq!(standings(), json!([[1, "permanent"], [2, "available"]]));
    assert_eq!(customer.asks("milk"), "The price of milk is: $0.99\n");
    command(&["upgrade", "2", "--wait"]);
    assert_eq!(customer.asks("milk"), "The price of milk is: $1.03\n");
    assert_eq!(standings(), json!([[1, "permanent"], [2, "current"]]));
    command(&["commit"]);

    // nor is two all that there may be
    push(&place, "pricing-3", &[DEARER, WHICH_VERSION], "3");
    assert_eq!(standings(), json!([[1, "old"], [2, "permanent"], [3, "available"]]));
    assert_eq!(customer.asks("milk"), "The price of milk is: $1.03\n");
    let refused = |args: &[&str], reason: &str| {
        let (said, code) = place.json(&[args, &["--socket", "reload.sock"]].concat());
        assert_eq!((&said["reason"], code), (&json!(reason), 3), "{args:?}: {said}");
    };
    refused(&["step", "cell-1", "WhichVersion"], "input-refused");
    command(&["upgrade", "3", "--wait"]);
    assert_eq!(command(&["step", "cell-1", "WhichVersion"]), "3\n");
    assert_eq!(command(&["step", "cell-1", "Price", "\"milk\""]), "103\n");

    // what is no question of its, or none of anybody's, is refused by name, and it has been asked nothing
    let asked = || place.json(&["state", "get", "cell-1", "--socket", "reload.sock"]).0["state"]["asked"].clone();
    assert_eq!(asked(), json!(5));
    for (input, value) in [("Price", "17"), ("Price", "{}"), ("Price", "null"), ("WhichVersion", "\"now\"")] {
        refused(&["step", "cell-1", input, value], "no-input");
    }
    refused(&["step", "cell-1", "Prize", "\"milk\""], "no-input");
    refused(&["step", "cell-2", "Price", "\"milk\""], "no-instance");
    assert_eq!(customer.asks("a line that is no product"), "No a line that is no product today\n");
    let mut stranger = TcpStream::connect(("127.0.0.1", service.port)).expect("it listens");
    stranger.write_all(b"\xff\xfe\0\n").expect("it is open");
    assert_eq!(customer.asks("milk"), "The price of milk is: $1.03\n");
    assert_eq!(asked(), json!(7), "and its state has been through all of it");
}
