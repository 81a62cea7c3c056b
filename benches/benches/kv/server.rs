//! The servers: `kv` and `redis-server`, on loopback, ended with who started them.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{env, fs};

use crate::bare;
use crate::process::Spent;

/// A server that runs.
pub(crate) struct Server {
    program: String,
    child: Child,
    /// Kept open: what it still has to say must not end it.
    said: BufReader<ChildStdout>,
    pub(crate) port: u16,
}

/// Builds the example and gives its path.
pub(crate) fn build_kv() -> String {
    let output = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--message-format=json",
            "--profile",
            "bench",
            "-p",
            "hotswap-examples",
            "--example",
            "kv",
        ])
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "kv builds");
    String::from_utf8(output.stdout)
        .expect("JSON is text")
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(str::to_owned))
        .expect("cargo names the program's file")
}

impl Server {
    /// `kv` with one thread.
    pub(crate) fn kv(program: &str, options: &[&str]) -> Self {
        let mut arguments = vec!["--port", "0"];
        arguments.extend(options);
        Self::that_serves(program, &arguments)
    }

    /// `kv` with one thread, of which callgrind counts each instruction, and writes the count when it ends.
    pub(crate) fn counted(program: &str, out: &Path) -> Self {
        let out = format!("--callgrind-out-file={}", out.display());
        Self::that_serves("valgrind", &["--tool=callgrind", &out, program, "--port", "0"])
    }

    fn that_serves(program: &str, arguments: &[&str]) -> Self {
        let (child, said, line) = start(program, arguments, "kv serves ");
        let port = line.split_once("127.0.0.1:").expect("its address").1;
        let port = port.split(|c: char| !c.is_ascii_digit()).next().and_then(|port| port.parse().ok());
        Self { program: program.to_owned(), child, said, port: port.expect("a port") }
    }

    /// `redis-server` that keeps nothing on disk.
    pub(crate) fn redis() -> Self {
        // it takes no 0 for a free port; one that was free a moment ago is
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let text = port.to_string();
        let program = "redis-server";
        let arguments = ["--port", &text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let (child, said, _) = start(program, &arguments, "Ready to accept connections");
        Self { program: program.to_owned(), child, said, port }
    }

    /// One that only answers, and is busy for so long more with each command.
    pub(crate) fn bare(busy: Duration) -> Self {
        let program = env::current_exe().expect("the program has a path").to_str().expect("it is text").to_owned();
        let (child, said, line) = start(&program, &[bare::NAME, &busy.as_nanos().to_string()], bare::READY);
        let port = line.trim().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        Self { program, child, said, port: port.expect("a port") }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn spent(&self) -> Spent {
        Spent::by(&self.child)
    }

    /// Ends it as a service manager would.
    pub(crate) fn end(&mut self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("it can be told");
        assert!(self.child.wait().expect("it ends").success(), "it saves and ends");
    }

    /// Ends it, and starts another on its port.
    pub(crate) fn restart(&mut self, options: &[&str]) {
        self.end();
        let port = self.port.to_string();
        let mut arguments = vec!["--port", &port];
        arguments.extend(options);
        let program = self.program.clone();
        (self.child, self.said, _) = start(&program, &arguments, "kv serves ");
    }
}

/// Starts a program and waits until it says so; the line in which it did.
fn start(program: &str, arguments: &[&str], ready: &str) -> (Child, BufReader<ChildStdout>, String) {
    // it must not outlive a bench that is killed: it ends with the thread that starts it
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", program])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it can be started");
    let mut said = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    while !line.contains(ready) {
        line.clear();
        let read = said.read_line(&mut line).expect("it says something");
        assert!(read > 0, "{program} ended: {:?}", child.wait());
    }
    (child, said, line)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder that goes with this.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("kv-{}-{count}", process::id())))
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("the target's folder is text")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
