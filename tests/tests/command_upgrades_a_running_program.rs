//! From another terminal a program is upgraded while it runs: its state is kept, what it refuses changes nothing, and what was
//! begun ends although the command was killed that began it.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hotswap::machine;
use hotswap::remote::{Address, Options, Remote, serve};
use hotswap_tests::tally::{Mood, V1 as Sum, V2 as CountedSum};
use hotswap_tests::{Stop, paused, tally};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};

mod command;

use command::program::{Program, role, say, told};
use command::{Place, Said};

/// Longer than anything takes here, however slow the computer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The counter of the other terminal: version 2 also counts the ticks, and can be reset.
#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Get;
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Reset;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
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

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub count: i64,
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
}

#[test]
fn the_program() {
    match role().as_deref() {
        None => {}
        Some("counter") => {
            let switch = counter::Switch::builder().starting_at(1).build().expect("a free label");
            let _cell = switch.named_cell("counter", counter::V1 { count: 0 }).expect("it enters");
            serving(Options::default().snapshots("snapshots"));
        }
        Some("tallies") => {
            let switch = tally::Switch::builder().starting_at(2).build().expect("a free label");
            let fleet = switch.fleet::<String>();
            for at in 0..10 {
                let mood = if at == 7 { Mood::Unwilling } else { Mood::Willing };
                let state = CountedSum { sum: at, mood, additions: 0 };
                fleet.insert(format!("tally-{at}"), state).expect("there is none");
            }
            serving(Options::default().snapshots("snapshots"));
        }
        Some("two") => {
            let one = tally::Switch::builder().label("one").build().expect("a free label");
            let _cell = one.named_cell("a", Sum::default()).expect("it enters");
            let _two = tally::Switch::builder().label("two").build().expect("a free label");
            serving(Options::default());
        }
        Some("stopped") => {
            let switch = paused::Switch::builder().starting_at(1).build().expect("a free label");
            let (stop, hook) = Stop::new();
            let _first = switch.named_cell("first", paused::V1 { sum: 1, hook }).expect("it enters");
            let _second = switch.named_cell("second", paused::V1 { sum: 2, ..Default::default() }).expect("it enters");
            let _remote = serve(Options::default()).expect("it can be opened");
            say("ready");
            stop.wait();
            say("stopped");
            told().next();
            stop.let_go();
            told().last();
        }
        Some("tokens") => {
            let _switch = counter::Switch::builder().starting_at(1).build().expect("a free label");
            serving(Options::default().without_socket().tcp(([127, 0, 0, 1], 0).into()).tokens("tokens"));
        }
        Some("certificates") => {
            let _switch = counter::Switch::builder().starting_at(1).build().expect("a free label");
            let options = Options::default().without_socket().tcp(([127, 0, 0, 1], 0).into());
            serving(options.tls("server.pem", "server.key").client_ca("callers.pem"));
        }
        Some(role) => panic!("{role}"),
    }
}

/// Says where it serves, and goes on until the test has ended.
fn serving(options: Options) {
    fs::create_dir_all("snapshots").expect("the place is ours");
    let remote = serve(options).expect("it can be opened");
    say(&address(&remote));
    told().last();
}

fn address(remote: &Remote) -> String {
    match &remote.addresses()[0] {
        Address::Socket(path) => path.display().to_string(),
        address => address.to_string().replace("127.0.0.1", "localhost"),
    }
}

fn ready(place: &Place, role: &str) -> (Program, String) {
    let mut program = Program::start(place, role);
    let address = program.says();
    (program, address)
}

/// What the program shows of its switches, but for what looking itself would change: nothing.
fn seen(place: &Place) -> (Value, Value) {
    (place.json(&["status"]).0["switches"].clone(), place.json(&["versions"]).0["versions"].clone())
}

fn standings(place: &Place) -> Vec<(u64, String)> {
    let versions = place.json(&["versions"]).0;
    let of = |it: &Value| (it["number"].as_u64().expect("a number"), it["standing"].as_str().expect("text").to_owned());
    versions["versions"].as_array().expect("a list").iter().map(of).collect()
}

fn standing(all: &[(u64, &str)]) -> Vec<(u64, String)> {
    all.iter().map(|&(number, standing)| (number, standing.to_owned())).collect()
}

/// Seed 000: tick, look, upgrade from another terminal, tick twice, look.
#[test]
fn a_counter_is_upgraded_from_another_terminal_and_keeps_its_count() {
    let place = Place::new();
    let (_program, socket) = ready(&place, "counter");
    assert_eq!(Path::new(&socket).parent(), Some(&*place.sockets()));
    assert_eq!(place.done(&["step", "counter", "Tick"]), "null\n");
    assert_eq!(place.done(&["step", "counter", "Get"]), "1\n");
    let (refused, code) = place.json(&["step", "counter", "Reset"]);
    assert_eq!((&refused["reason"], code), (&"input-refused".into(), 3));
    let state: Value = serde_json::from_str(&place.done(&["state", "get", "counter"])).expect("JSON");
    assert_eq!(state, json!({ "version": 1, "state": { "count": 1 } }));
    assert_eq!(standings(&place), standing(&[(1, "permanent"), (2, "available")]));

    let (planned, code) = place.json(&["upgrade", "2", "--dry-run"]);
    assert_eq!((&planned["plan"]["path"], &planned["plan"]["examined"], code), (&json!([1, 2]), &1.into(), 0));
    assert_eq!(standings(&place), standing(&[(1, "permanent"), (2, "available")]));
    let said = place.done(&["upgrade", "2", "--wait", "--reason", "add reset", "--id", "reset-1"]);
    assert!(said.starts_with("upgraded from version 1 to version 2, on probation\nid           reset-1\n"), "{said}");
    assert!(
        said.contains("\nlive         1\nmoved        1\nheld back    0\ngone         0\nnot reached  0\n"),
        "{said}"
    );
    assert_eq!(standings(&place), standing(&[(1, "permanent"), (2, "current")]));
    let said = place.done(&["versions"]);
    let head: Vec<_> = said.lines().map(|line| line.split_whitespace().take(4).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(head, ["version standing live state", "1 permanent 0 V1", "2 current 1 V2"]);

    place.done(&["step", "counter", "Tick"]);
    place.done(&["step", "counter", "Tick"]);
    assert_eq!(place.done(&["step", "counter", "Get"]), "3\n");
    assert_eq!(place.done(&["step", "counter", "Reset"]), "null\n");
    // the same again is the same command, and its outcome
    let (again, code) = place.json(&["upgrade", "2", "--reason", "add reset", "--id", "reset-1"]);
    assert_eq!((&again["replayed"], &again["outcome"]["epoch"], code), (&true.into(), &2.into(), 0), "{again}");
    let (other, code) = place.json(&["upgrade", "1", "--id", "reset-1"]);
    assert_eq!((&other["reason"], code), (&"id-reused".into(), 3), "{other}");

    place.done(&["rollback", "--wait", "--reason", "reset is wrong"]);
    assert_eq!(standings(&place), standing(&[(1, "permanent"), (2, "old")]));
    place.done(&["upgrade", "2", "--wait"]);
    place.done(&["commit", "--reason", "it is right after all"]);
    assert_eq!(standings(&place), standing(&[(1, "old"), (2, "permanent")]));
    assert_eq!(place.done(&["step", "counter", "Get"]), "0\n");

    let (audit, _) = place.json(&["audit"]);
    let changes = audit["switches"]["counter"]["changes"].as_array().expect("a list");
    let whys: Vec<_> = changes.iter().map(|change| change["why"].as_str().expect("text")).collect();
    for why in ["add reset", "reset is wrong", "it is right after all"] {
        assert_eq!(whys.iter().filter(|it| **it == why).count(), 1, "{why}: {whys:?}");
    }
    let by = changes.last().expect("a commit")["by"].as_str().expect("text").to_owned();
    assert!(by.starts_with("uid ") && by.contains(" via unix pid "), "{by}");
    let said = place.done(&["audit"]);
    assert!(said.contains(&by) && said.contains("POST /v1/switches/counter/upgrades"), "{said}");
}

#[test]
fn what_is_refused_changes_nothing() {
    let place = Place::new();
    let (_program, _) = ready(&place, "tallies");
    let before = seen(&place);
    for (args, reason) in [
        (&["upgrade", "9"][..], "no-version"),
        (&["upgrade", "3", "--expect", "7"], "stale"),
        (&["upgrade", "3", "--expect", "00c0ffee00c0ffee-0"], "stale"),
        (&["upgrade", "5", "--rollback-after", "1"], "no-way-back"),
        (&["commit"], "nothing-to-commit"),
        (&["rollback"], "nothing-to-roll-back"),
        (&["retry", "nobody"], "no-command"),
        (&["status", "--id", "nobody"], "no-command"),
        (&["step", "tally-0", "Add", "\"text\""], "no-input"),
        (&["step", "nobody", "Get"], "no-instance"),
        (&["step", "tally-0", "Seen"], "input-refused"),
        (&["state", "get", "nobody"], "no-instance"),
        (&["snapshot", "save", "../outside"], "unreadable"),
        (&["unload", "image-1"], "absent"),
        (&["versions", "--switch", "nobody"], "no-switch"),
    ] {
        let (refused, code) = place.json(args);
        let exit = if reason == "absent" { 1 } else { 3 };
        assert_eq!((&refused["reason"], code), (&reason.into(), exit), "{args:?}: {refused}");
    }
    assert_eq!(seen(&place), before);
}

#[test]
fn who_is_held_back_is_named_and_healed_and_tried_again() {
    let place = Place::new();
    let (_program, _) = ready(&place, "tallies");
    let (planned, code) = place.json(&["plan", "3"]);
    assert_eq!((&planned["reason"], &planned["plan"]["failed"], code), (&"held-back".into(), &1.into(), 5));
    assert_eq!(planned["plan"]["failures"][0]["who"], "tally-7");
    let said = place.run(&["upgrade", "3", "--wait", "--id", "third"]);
    assert_eq!((said.code, &*said.err), (5, "error: done, but 1 of 10 instances are held back\n"));
    assert!(
        said.out.contains("\nmoved        9\nheld back    1\n") && said.out.contains("tally-7  fleet "),
        "{}",
        said.out
    );
    let (refused, code) = place.json(&["commit"]);
    assert_eq!(
        (&refused["reason"], &refused["problem"]["blocker"]["count"], code),
        (&"held-back".into(), &1.into(), 3)
    );

    fs::write(place.path("healed"), r#"{"version":2,"state":{"sum":7,"mood":"Willing","additions":0}}"#)
        .expect("a file");
    let (set, code) = place.json(&["state", "set", "tally-7", "healed"]);
    assert_eq!((&set["version"], code), (&3.into(), 0), "{set}");
    let (retried, code) = place.json(&["retry", "--wait"]);
    assert_eq!((&retried["outcome"]["id"], &retried["outcome"]["held_back"], code), (&"third".into(), &0.into(), 0));
    place.done(&["commit"]);
    assert_eq!(place.done(&["step", "tally-7", "Get"]), "7\n");

    // what is saved is told, and can be looked at here
    let (saved, code) = place.json(&["snapshot", "save", "tallies"]);
    assert_eq!((&saved["files"][0]["instances"], code), (&10.into(), 0), "{saved}");
    let (found, code) = place.json(&["snapshot", "verify", saved["files"][0]["file"].as_str().expect("a path")]);
    assert_eq!((&found["instances"], &found["header"]["version"], code), (&10.into(), &3.into(), 0));
}

#[test]
fn a_few_go_first_are_compared_and_the_others_follow() {
    let place = Place::new();
    let (_program, _) = ready(&place, "tallies");
    for percent in ["0", "100", "x"] {
        assert_eq!(place.run(&["upgrade", "4", "--canary", percent]).code, 2);
    }
    let (refused, code) = place.json(&["promote"]);
    assert_eq!((&refused["reason"], code), (&"nothing-to-promote".into(), 3));
    let said = place.run(&["upgrade", "1", "--canary", "50", "--wait"]).out;
    let head = "version 1 runs as a canary, on probation, and the others stay at version 2\n";
    assert!(said.starts_with(head), "{said}");
    for key in 0..10 {
        place.done(&["step", &format!("tally-{key}"), "Get"]);
    }
    let (status, _) = place.json(&["status"]);
    let canary = &status["switches"][0]["canary"];
    let count = |side: &str, of: &str| canary[side][of].as_u64().expect("a number");
    let (before, went) = (count("before", "live"), count("canary", "live"));
    assert_eq!((canary["percent"].as_u64(), before + went), (Some(50), 10));
    assert_eq!((count("before", "steps"), count("canary", "steps")), (before, went));
    assert!(said.contains(&format!("\nmoved        {went}\nstayed       {before}\n")), "{said}");
    let status = place.done(&["status"]);
    assert!(status.contains("1 for 50 % of the keys, on probation, a rollback goes to version 2\n"), "{status}");
    let row = format!(" canary {went} {went} 0 0 ");
    let rows = status.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    assert_eq!(rows.filter(|line| line.contains(&row) && line.starts_with('1')).count(), 1, "{status}");

    let refused = place.run(&["commit"]);
    assert_eq!(refused.code, 3);
    assert!(refused.err.contains("\n\nhelp: `hotswap promote` takes everybody there"), "{}", refused.err);
    let said = place.done(&["promote", "--wait", "--reason", "no worse"]);
    assert!(said.starts_with("took everybody from version 2 to version 1\n"), "{said}");
    assert_eq!(place.json(&["status"]).0["switches"][0]["canary"], Value::Null);
    place.done(&["commit"]);
}

#[test]
fn of_several_programs_and_switches_one_is_named() {
    let place = Place::new();
    let (_one, first) = ready(&place, "two");
    assert_eq!(place.json(&["upgrade", "2"]).0["switches"], json!(["one", "two"]));
    let (mut two, second) = ready(&place, "counter");
    let (several, code) = place.json(&["status"]);
    let mut sockets = [&*first, &*second];
    sockets.sort_unstable();
    assert_eq!((&several["sockets"], code), (&json!(sockets), 2));
    let labels = |args: &[&str]| {
        let (status, _) = place.json(args);
        status["switches"].as_array().expect("a list").iter().map(|it| it["label"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(labels(&["status", "--socket", &first]), ["one", "two"]);
    assert_eq!(labels(&["status", "--socket", &first, "--switch", "two"]), ["two"]);
    assert_eq!(labels(&["status", "--socket", &second]), ["counter"]);
    // one that was killed is passed over, although its socket is there
    two.kill();
    assert!(Path::new(&second).exists());
    assert_eq!(labels(&["status"]), ["one", "two"]);
}

#[test]
fn an_upgrade_goes_on_without_the_command_that_began_it() {
    let place = Place::new();
    let mut program = Program::start(&place, "stopped");
    assert_eq!(program.says(), "ready");
    let mut client = Client(place.hotswap(&["upgrade", "2", "--wait", "--id", "night"]).spawn().expect("it runs"));
    assert_eq!(program.says(), "stopped");
    // the flip is done, the first instance is in the middle of its migration, and the command waits
    let outcome = until(&place, &["status", "--id", "night"], |it| it["ok"] == true);
    assert_eq!((&outcome["outcome"]["settled"], &outcome["outcome"]["live"]), (&false.into(), &2.into()));
    client.0.kill().expect("it waits");
    client.0.wait().expect("it was killed");
    program.tell("go on");
    let outcome = until(&place, &["status", "--id", "night"], |it| it["outcome"]["settled"] == true);
    assert_eq!((&outcome["outcome"]["moved"], &outcome["outcome"]["held_back"]), (&2.into(), &0.into()));
    assert_eq!(standings(&place)[1], (2, "current".to_owned()));
}

struct Client(Child);

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks until it is so.
fn until(place: &Place, args: &[&str], is: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (value, _) = place.json(args);
        if is(&value) {
            return value;
        }
        assert!(Instant::now() < deadline, "{value}");
    }
}

#[test]
fn events_are_heard_while_they_happen() {
    let place = Place::new();
    let (_program, _) = ready(&place, "counter");
    let mut events = Client(place.hotswap(&["events", "--json", "--count", "4"]).spawn().expect("it runs"));
    let deadline = Instant::now() + PATIENCE;
    // until it has heard enough: nobody says when it has begun to listen
    while events.0.try_wait().expect("a child").is_none() {
        assert!(Instant::now() < deadline, "it hears nothing");
        place.done(&["upgrade", "2", "--wait"]);
        place.done(&["rollback", "--wait"]);
        thread::yield_now();
    }
    let stdout = events.0.stdout.take().expect("piped");
    let lines: Vec<Value> =
        serde_json::Deserializer::from_reader(stdout).into_iter().map(|it| it.expect("JSON")).collect();
    let names: Vec<_> = lines[..4].iter().map(|it| it["event"].as_str().expect("a name")).collect();
    assert!(names.iter().all(|name| ["flip", "outcome"].contains(name)), "{names:?}");
    assert!(lines[..4].iter().all(|it| it["switch"] == "counter" && it["kind"].is_string()), "{lines:?}");
    assert_eq!((&lines[4]["events"], &lines[4]["ok"], lines.len()), (&4.into(), &true.into(), 5));
}

#[test]
fn over_tcp_a_token_says_who_commands_and_what_they_may() {
    let place = Place::new();
    for (name, role) in [("vera", "viewer"), ("olga", "operator")] {
        let out = format!("{name}.token");
        let (made, code) = place.json(&["token", "new", name, "--role", role, "--tokens", "tokens", "--out", &out]);
        assert_eq!((&made["token"], &made["role"], code), (&Value::Null, &role.into(), 0));
        let token = fs::read_to_string(place.path(&out)).expect("a token");
        let tokens = fs::read_to_string(place.path("tokens")).expect("the lines");
        assert!(
            token.starts_with("hst_")
                && !tokens.contains(token.trim())
                && tokens.contains(made["line"].as_str().expect("a line"))
        );
        // neither of them is written over
        assert_eq!(place.json(&["token", "new", name, "--role", role, "--out", &out]).1, 1);
    }
    let (_program, url) = ready(&place, "tokens");
    let with = |token: &str, args: &[&str]| place.json(&[args, &["--url", &url, "--token-file", token]].concat());
    let (refused, code) = place.json(&["status", "--url", &url]);
    assert_eq!((&refused["problem"]["status"], code), (&401.into(), 3), "{refused}");
    assert_eq!(with("vera.token", &["status"]).1, 0);
    let (refused, code) = with("vera.token", &["upgrade", "2"]);
    assert_eq!(
        (&refused["reason"], &refused["problem"]["blocker"]["needs"], code),
        (&"forbidden".into(), &"operator".into(), 3)
    );
    let (done, code) = with("olga.token", &["upgrade", "2", "--wait"]);
    assert_eq!((&done["outcome"]["to"], code), (&2.into(), 0));
    let (audit, _) = with("olga.token", &["audit"]);
    let changes = audit["switches"]["counter"]["changes"].as_array().expect("a list");
    let by = changes.last().expect("an upgrade")["by"].as_str().expect("text");
    assert!(by.starts_with("olga via tcp 127.0.0.1:"), "{by}");
}

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca(name: &str) -> Ca {
    let mut params = CertificateParams::new([]).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("random bytes")).expect("signed")
}

/// Writes a certificate of this CA and its key to `<file>.pem` and `<file>.key`.
fn issue(place: &Place, ca: &Ca, file: &str, names: &[&str], unit: Option<&str>) {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, file);
    if let Some(unit) = unit {
        params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
    }
    let key = KeyPair::generate().expect("random bytes");
    private(&place.path(&format!("{file}.pem")), &params.signed_by(&key, ca).expect("signed").pem());
    private(&place.path(&format!("{file}.key")), &key.serialize_pem());
}

fn private(path: &Path, text: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).expect("a new file");
    file.write_all(text.as_bytes()).expect("room");
}

#[test]
fn over_tls_a_certificate_says_so() {
    let place = Place::new();
    let (servers, callers) = (ca("servers"), ca("callers"));
    private(&place.path("servers.pem"), &servers.pem());
    private(&place.path("callers.pem"), &callers.pem());
    issue(&place, &servers, "server", &["localhost"], None);
    issue(&place, &callers, "carol", &[], Some("hotswap-operator"));
    let (_program, url) = ready(&place, "certificates");
    assert!(url.starts_with("https://localhost:"), "{url}");
    let carol = ["--url", &url, "--client-cert", "carol.pem", "--client-key", "carol.key", "--ca", "servers.pem"];
    let (done, code) = place.json(&[&["upgrade", "2", "--wait"], &carol[..]].concat());
    assert_eq!((&done["outcome"]["to"], code), (&2.into(), 0), "{done}");
    // a server of an authority that is not trusted is not spoken to
    let (other, code) = place.json(&[&["status"], &carol[..6], &["--ca", "callers.pem"]].concat());
    assert_eq!((&other["reason"], code), (&"unreachable".into(), 4), "{other}");
    for (args, reason, exit) in [
        (&["--client-cert", "carol.pem", "--client-key", "servers.pem", "--ca", "servers.pem"][..], "certificate", 1),
        (&["--ca", "carol.key"], "certificate", 1),
        (&["--ca", "none"], "io", 1),
    ] {
        let (refused, code) = place.json(&[&["status", "--url", &url], args].concat());
        assert_eq!((&refused["reason"], code), (&reason.into(), exit), "{args:?}: {refused}");
    }
    assert_eq!(
        Said::of(
            place.hotswap(&["status", "--client-cert", "carol.pem"]).stdin(Stdio::null()).output().expect("it runs")
        )
        .code,
        2
    );
}

#[test]
fn the_words_are_completed_by_every_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.done(&["completions", shell]);
        assert!(["upgrade", "keep-previous", "rollback"].iter().all(|word| script.contains(word)), "{shell}");
        assert_eq!(place.json(&["completions", shell]).0["script"], script);
    }
}
