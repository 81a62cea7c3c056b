//! A program in a process of its own: this test file's own test `the_program`, in a role.

use std::env;
use std::io::{BufRead, BufReader, Lines, Write, stdin, stdout};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::Place;

const ROLE: &str = "HOTSWAP_TEST_ROLE";
const SAYS: &str = "program: ";

/// A running program; it ends when this is dropped.
pub(crate) struct Program {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts it, and waits until it says that it is there.
    pub(crate) fn start(place: &Place, role: &str) -> Self {
        let mut command = Command::new(env::current_exe().expect("this file"));
        place.set(&mut command);
        command.args(["--exact", "the_program", "--nocapture"]).env(ROLE, role);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let said = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, said }
    }

    /// The next thing that it says.
    pub(crate) fn says(&mut self) -> String {
        let mut lines = self.said.by_ref().map(|line| line.expect("text"));
        lines.find_map(|line| line.strip_prefix(SAYS).map(str::to_owned)).expect("it says something")
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_ref().expect("piped"), "{line}").expect("it reads");
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was killed");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the program: its role; none in a test.
pub(crate) fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// In the program: says something.
pub(crate) fn say(what: &str) {
    // on a line of its own, whatever the test harness has printed
    println!("\n{SAYS}{what}");
    stdout().flush().expect("the test reads");
}

/// In the program: what it is told, until the test has ended.
pub(crate) fn told() -> impl Iterator<Item = String> {
    stdin().lines().map_while(Result::ok)
}
