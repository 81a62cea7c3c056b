//! An example that serves on a free port, ended with the test, and what it holds in memory and descriptors.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longer than any server takes to say that it cannot serve.
const LONG: Duration = Duration::from_secs(120);

/// A server on a free port; it ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    /// Where it takes commands.
    pub(crate) admin: Vec<String>,
    /// Says again what the server says of errors, as this test's: it is shown where the test fails.
    says: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a program that prints first where it takes commands, if it does, and then its address.
    pub(crate) fn run(program: &str, options: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(["--port", "0"]).args(options).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut server = Self::started(&mut command);
        let errors = BufReader::new(server.child.stderr.take().expect("piped")).split(b'\n').map_while(Result::ok);
        let say = |line: Vec<u8>| eprintln!("{}", String::from_utf8_lossy(&line));
        server.says = Some(thread::spawn(move || errors.for_each(say)));
        let mut lines = BufReader::new(server.child.stdout.take().expect("piped")).lines();
        let line = loop {
            let line = lines.next().expect("it says where it serves").expect("text");
            match line.strip_prefix("commands are taken at ") {
                Some(address) => server.admin.push(address.to_owned()),
                None => break line,
            }
        };
        server.port = line
            .split_once("127.0.0.1:")
            .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
            .unwrap_or_else(|| panic!("no port in {line:?}"));
        server
    }

    /// One that has not said anything yet.
    fn started(command: &mut Command) -> Self {
        Self { child: command.spawn().expect("the program starts"), port: 0, admin: Vec::new(), says: None }
    }

    /// Runs a program that has to refuse to serve, and gives what it said. One that serves all the same is ended.
    pub(crate) fn refused(program: &str, options: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(options).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut server = Self::started(&mut command);
        let deadline = Instant::now() + LONG;
        let status = loop {
            if let Some(status) = server.child.try_wait().expect("a child") {
                break status;
            }
            assert!(Instant::now() < deadline, "{options:?}: it serves, and has to refuse");
            thread::sleep(Duration::from_millis(1));
        };
        // it has ended, and what it said is no more than a pipe holds
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        server.child.stdout.take().expect("piped").read_to_end(&mut stdout).expect("it is open");
        server.child.stderr.take().expect("piped").read_to_end(&mut stderr).expect("it is open");
        Output { status, stdout, stderr }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("the server ends")
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the server lives");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory is known");
        line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of KiB")
    }

    /// The images that are in its memory, whatever it says.
    pub(crate) fn images(&self) -> BTreeSet<String> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.child.id())).expect("the server lives");
        let names = maps.lines().filter_map(|line| line.split_once("/memfd:")?.1.split(' ').next().map(str::to_owned));
        names.filter(|name| name.starts_with("hotswap-")).collect()
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("the server lives").count()
    }

    /// Its threads.
    pub(crate) fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the server lives").count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.says.take().map(JoinHandle::join);
    }
}
