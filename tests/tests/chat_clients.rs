//! Clients of `chat`'s version 1 stay connected, and miss nothing, while it goes from version 1 to 3 and back.

mod server;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hotswap_tests::Ending;
use hotswap_tests::programs;
use server::Server;

/// A bound on waiting for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

fn start(options: &[&str]) -> Server {
    static BINARY: LazyLock<String> = LazyLock::new(|| programs::program("chat"));
    Server::run(&BINARY, options)
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server takes a client");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Connects and comes into the room `lobby`; gives what it is shown there as well.
    fn join(server: &Server, nick: &str) -> (Self, Vec<String>) {
        let mut client = Self::connect(server);
        client.send(&format!("/join lobby {nick}"));
        let here = format!("* {nick} is here");
        let shown = client.until(|line| line == here);
        (client, shown)
    }

    fn send(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).expect("still connected");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("still connected");
        assert_eq!(line.pop(), Some('\n'), "the server has closed");
        line
    }

    fn ask(&mut self, line: &str) -> String {
        self.send(line);
        self.line()
    }

    /// All lines up to the first that is `last`.
    fn until(&mut self, last: impl Fn(&str) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.push(self.line());
            if last(&lines[lines.len() - 1]) {
                return lines;
            }
        }
    }
}

/// Talkers in threads; each waits for its own line before it says the next one.
#[test]
fn every_line_arrives_once_and_in_one_order_through_both_upgrades_and_back() {
    const NICKS: [&str; 4] = ["ann", "bob", "cat", "dan"];
    let server = start(&[]);
    let mut talkers = NICKS.map(|nick| Client::join(&server, nick).0);
    let (mut operator, _) = Client::join(&server, "op");
    for talker in &mut talkers {
        talker.until(|line| line == "* op is here");
    }

    let over = AtomicBool::new(false);
    let ending = Ending(&over);
    let says_end = |line: &&String| line.ends_with(": end");
    let all_ended = |heard: &[String]| heard.iter().filter(says_end).count() == NICKS.len();
    let (told, heard) = thread::scope(|scope| {
        let threads = talkers.iter_mut().zip(NICKS).map(|(talker, nick)| {
            let over = &over;
            scope.spawn(move || {
                let mut heard = Vec::new();
                for n in 0.. {
                    let text = if over.load(Ordering::Relaxed) { "end".to_owned() } else { n.to_string() };
                    talker.send(&text);
                    let own = format!("{nick}: {text}");
                    heard.extend(talker.until(|line| line == own));
                    if text == "end" {
                        break;
                    }
                }
                while !all_ended(&heard) {
                    heard.push(talker.line());
                }
                heard
            })
        });
        let threads: Vec<_> = threads.collect();

        let mut told = Vec::new();
        let mut heard = Vec::new();
        for to in [2, 3, 2, 1].repeat(3) {
            // everybody talks at each version
            let before = heard.len();
            let talks = |heard: &[String], nick| heard[before..].iter().filter(|line| line.starts_with(nick)).count();
            while NICKS.iter().any(|nick| talks(&heard, nick) < 20) {
                heard.push(operator.line());
            }
            operator.send(&format!("/hotswap upgrade {to}"));
            heard.extend(operator.until(|line| line.starts_with('#')));
            told.extend(heard.pop());
        }
        drop(ending);
        while !all_ended(&heard) {
            heard.push(operator.line());
        }
        let mut all = vec![heard];
        all.extend(threads.into_iter().map(|thread| thread.join().expect("it talked to the end")));
        (told, all)
    });

    let path = [1, 2, 3, 2].repeat(3);
    for (from, (to, told)) in path.iter().zip([2, 3, 2, 1].repeat(3).iter().zip(&told)) {
        let all_moved = "1 live, 1 moved, 0 held back, 0 gone, 0 not reached";
        assert_eq!(*told, format!("# upgrade {from} -> {to}: {all_moved}"));
    }
    for nick in NICKS {
        let said = heard[0].iter().filter_map(|line| line.strip_prefix(nick)?.strip_prefix(": "));
        let said: Vec<&str> = said.collect();
        let in_order: Vec<String> = (0..said.len() - 1).map(|n| n.to_string()).chain(["end".to_owned()]).collect();
        assert_eq!(said, in_order, "{nick}");
    }
    assert!(heard.iter().all(|others| *others == heard[0]), "all hear the same, in the same order");
}

#[test]
fn what_a_version_does_not_know_is_refused_and_the_room_lives() {
    let server = start(&[]);
    let (mut ann, _) = Client::join(&server, "ann");
    let (mut bob, _) = Client::join(&server, "bob");
    assert_eq!(ann.line(), "* bob is here");

    let refused = |ann: &mut Client| {
        assert_eq!(ann.ask("/me waves"), "! /me: version 1 does not take this input");
        assert_eq!(ann.ask("/tell bob psst"), "! /tell: version 1 does not take this input");
        assert_eq!(ann.ask("/who"), "# here: ann, bob");
    };
    let taken = |ann: &mut Client, bob: &mut Client| {
        assert_eq!(ann.ask("/me waves"), "* ann waves");
        assert_eq!(bob.line(), "* ann waves");
        ann.send("/tell bob psst");
        assert_eq!(bob.line(), "ann whispers: psst");
        assert_eq!(ann.ask("/tell eve psst"), "! nobody here has that nickname");
    };

    refused(&mut ann);
    assert_eq!(ann.ask("first"), "ann: first");
    assert!(ann.ask("/hotswap upgrade 2").starts_with("# upgrade 1 -> 2"));
    assert_eq!(bob.line(), "ann: first");
    taken(&mut ann, &mut bob);
    assert!(ann.ask("/hotswap upgrade 3").starts_with("# upgrade 2 -> 3"));
    taken(&mut ann, &mut bob);
    assert_eq!(ann.ask("second"), "ann: second");
    assert_eq!(ann.ask("/who"), "# here, and lines said: ann (1), bob (0)");

    // what was said before there were times has none
    let (_, shown) = Client::join(&server, "cat");
    assert_eq!(shown[0], "- ann: first");
    let (time, line) = shown[1].strip_prefix("- ").and_then(|line| line.split_once(' ')).expect("a time");
    assert!(time.len() == 5 && time.contains(':') && line == "ann: second", "{shown:?}");
    assert_eq!([ann.line(), ann.line()], ["* cat is here", "* cat has left"]);

    assert!(ann.ask("/hotswap upgrade 2").starts_with("# upgrade 3 -> 2"));
    assert_eq!(bob.until(|line| line == "* cat has left").len(), 3);
    taken(&mut ann, &mut bob);
    assert!(ann.ask("/hotswap rollback").starts_with("# rollback 2 -> 1"));
    refused(&mut ann);
    let (_, shown) = Client::join(&server, "cat");
    assert_eq!(shown, ["- ann: first", "- ann: second", "* cat is here"]);
}

#[test]
fn a_timer_that_was_set_before_an_upgrade_is_heard_after_it() {
    let server = start(&[]);
    let (mut ann, _) = Client::join(&server, "ann");
    ann.send("/later 1 replaced");
    ann.send("/later 1 tea");
    for to in [2, 3] {
        assert!(ann.ask(&format!("/hotswap upgrade {to}")).starts_with("# upgrade"));
    }
    assert_eq!(ann.line(), "ann: tea");
    assert_eq!(ann.ask("/later 3601 x"), "! a timer takes 0 to 3600 seconds");
}

#[test]
fn an_operator_is_told_what_came_of_a_command() {
    let server = start(&[]);
    let (mut ann, _) = Client::join(&server, "ann");
    assert_eq!(ann.ask("/hotswap commit"), "! nothing to commit: version 1 is permanent");
    assert_eq!(ann.ask("/hotswap upgrade 9"), "! machine `chat` has no version 9; it has 1, 2, 3");
    assert!(ann.ask("/hotswap upgrade two").starts_with("! `two` is no version number"));
    assert!(ann.ask("/hotswap dance").starts_with("! usage: /hotswap status"));
    assert!(ann.ask("/hotswap upgrade 3 times and counts").starts_with("# upgrade 1 -> 3"));
    assert_eq!(
        ann.ask("/hotswap status"),
        "# chat: version 3 on probation, version 1 permanent; 1 live, 0 held back, 0 not reached"
    );
    assert!(ann.ask("/hotswap commit").starts_with("# commit"));
    assert!(ann.ask("/hotswap rollback").starts_with("! nothing to roll back"));
    ann.send("/hotswap versions");
    assert_eq!([ann.line(), ann.line(), ann.line()].map(|line| line[..3].to_owned()), ["# 1", "# 2", "# 3"]);
}

#[test]
fn a_client_that_never_reads_is_let_go_and_the_others_do_not_notice() {
    let server = start(&["--stalled-after", "60"]);
    let (mut ann, _) = Client::join(&server, "ann");
    let (mut bob, _) = Client::join(&server, "bob");
    let (mut mute, _) = Client::join(&server, "mute");
    assert_eq!([ann.line(), ann.line(), bob.line()], ["* bob is here", "* mute is here", "* mute is here"]);

    let text = |n| format!("{n:0>500}");
    let mut said = 0;
    let last = loop {
        ann.send(&text(said));
        assert_eq!(ann.line(), format!("ann: {}", text(said)));
        assert_eq!(bob.line(), format!("ann: {}", text(said)));
        said += 1;
        assert!(said < 100_000, "it is still there");
        // the line that does not fit any more is the one after which it leaves
        ann.send("/who");
        let who = ann.line();
        if who == "* mute has left" {
            break ann.line();
        }
        assert_eq!(who, "# here: ann, bob, mute");
    };
    assert_eq!(last, "# here: ann, bob");
    assert_eq!(bob.line(), "* mute has left");

    // when it reads at last: what was on its way, nothing left out, and why there is no more
    let mut rest = String::new();
    mute.0.read_to_string(&mut rest).expect("closed in order");
    let lines: Vec<&str> = rest.lines().collect();
    let (farewell, lines) = lines.split_last().expect("some lines");
    assert_eq!(*farewell, "! let go: more lines were waiting for you than you read");
    assert!((256..said).contains(&lines.len()), "{} of {said}", lines.len());
    assert!(lines.iter().enumerate().all(|(n, line)| *line == format!("ann: {}", text(n))));
    assert_eq!(ann.ask("on we go"), "ann: on we go");
}

#[test]
fn a_client_that_never_reads_costs_nothing_that_stays() {
    let server = start(&["--stalled-after", "1"]);
    let (mut ann, _) = Client::join(&server, "ann");
    let before = server.descriptors();
    let (mute, _) = Client::join(&server, "mute");
    ann.line();
    let text = "x".repeat(500);
    while ann.ask(&text) != "* mute has left" {}
    ann.line();
    // it is still connected here, and not there
    while server.descriptors() > before {
        assert_eq!(ann.ask("/who"), "# here: ann");
    }
    drop(mute);
}

#[test]
fn who_reads_is_not_let_go_however_fast_others_write() {
    const CROWD: usize = 16;
    const LINES: usize = 250;
    let server = start(&[]);
    let mut crowd: Vec<Client> = (0..CROWD).map(|n| Client::join(&server, &format!("n{n}")).0).collect();
    thread::scope(|scope| {
        for client in &mut crowd {
            let mut hasty = client.0.get_ref().try_clone().unwrap();
            scope.spawn(move || hasty.write_all("much\n".repeat(LINES).as_bytes()).expect("still connected"));
            scope.spawn(move || {
                let mut heard = 0;
                while heard < CROWD * LINES {
                    heard += usize::from(client.line().ends_with(": much"));
                }
            });
        }
    });
}

#[test]
fn a_line_that_is_too_long_is_refused_by_name() {
    let server = start(&[]);
    let (mut ann, _) = Client::join(&server, "ann");
    let fits = "x".repeat(512);
    assert_eq!(ann.ask(&fits), format!("ann: {fits}"));
    for much in [513, 1 << 20] {
        assert_eq!(ann.ask(&"x".repeat(much)), "! line too long: it may have 512 bytes");
    }
    assert_eq!(ann.ask("short"), "ann: short");
}

#[test]
fn every_crowd_has_a_bound() {
    let server = start(&["--max-clients", "65"]);
    let (mut ann, _) = Client::join(&server, "ann");
    let mut others: Vec<Client> = (1..64).map(|n| Client::join(&server, &format!("n{n}")).0).collect();
    let mut late = Client::connect(&server);
    assert_eq!(late.ask("/join lobby late"), "! the room is full");
    assert_eq!(late.ask("hello?"), "! you are not in this room");
    assert_eq!(late.ask("/join other ann"), "* ann is here", "a nickname is one room's");
    assert_eq!(Client::connect(&server).line(), "! the server is full");

    ann.until(|line| line == "* n63 is here");
    for n in 0..30 {
        assert_eq!(ann.ask(&n.to_string()), format!("ann: {n}"));
    }
    others.pop();
    assert_eq!(ann.line(), "* n63 has left");
    let (_, shown) = Client::join(&server, "new");
    let kept: Vec<String> = (10..30).map(|n| format!("- ann: {n}")).collect();
    assert_eq!(shown[..shown.len() - 1], kept);

    assert!(late.ask("/dance").starts_with("! usage: /join ROOM NICK"));
    for name in ["", "a b", "a/b", &"x".repeat(25)] {
        late.send(&format!("/join {name} nick"));
        late.until(|line| line.starts_with("! "));
    }
}
