//! A caller of a program's doors that writes its requests by hand, so that it can also write wrong ones.

#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hotswap::remote::{Address, NewToken, Options, Remote, Role, serve};
use hotswap_tests::folder::Folder;
use serde_json::Value;

/// Longer than anything takes here, however slow the computer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads one, however it ends.
    pub(crate) fn read(stream: &mut impl Read) -> io::Result<Self> {
        let mut read = Vec::new();
        let head = loop {
            if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            let mut byte = [0];
            if stream.read(&mut byte)? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed"));
            }
            read.push(byte[0]);
        };
        let head = String::from_utf8(read[..head].to_vec()).expect("ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers: Vec<_> = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let mut answer = Self { status, headers, body: Vec::new() };
        if let Some(length) = answer.header("content-length") {
            answer.body = vec![0; length.parse().expect("a number")];
            stream.read_exact(&mut answer.body)?;
        }
        Ok(answer)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The name of the problem, which has the status of the answer, and its own media type.
    pub(crate) fn problem(&self) -> String {
        let json = self.json();
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(json["status"], self.status);
        let name = json["type"].as_str().and_then(|kind| kind.strip_prefix("urn:hotswap:problem:"));
        name.unwrap_or_else(|| panic!("no problem: {json}")).to_owned()
    }

    pub(crate) fn detail(&self) -> String {
        self.json()["detail"].as_str().expect("a problem").to_owned()
    }
}

/// The text of a request; `Host` is `localhost` unless it is among the headers.
pub(crate) fn request(what: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{what} HTTP/1.1\r\n");
    let named = |name: &str| headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    if !named("host") {
        text += "Host: localhost\r\n";
    }
    if !body.is_empty() {
        text += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text + "\r\n" + body
}

/// A request and its answer, on this connection.
pub(crate) fn on(stream: &mut (impl Read + Write), what: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    stream.write_all(request(what, headers, body).as_bytes()).expect("it is open");
    Answer::read(stream).expect("an answer")
}

/// A connection to a socket.
pub(crate) fn socket(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("not nought");
    stream
}

/// A connection to a port.
pub(crate) fn port(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("not nought");
    stream
}

/// A server with a socket and a port, whose tokens are one of each role.
pub(crate) struct Served {
    pub(crate) remote: Remote,
    pub(crate) address: SocketAddr,
    pub(crate) socket: PathBuf,
    pub(crate) tokens: [NewToken; 3],
    pub(crate) folder: Folder,
}

impl Served {
    pub(crate) fn new(with: impl FnOnce(Options) -> Options) -> Self {
        let folder = Folder::new();
        let tokens = [("vera", Role::Viewer), ("oscar", Role::Operator), ("alice", Role::Admin)];
        let tokens = tokens.map(|(name, role)| NewToken::generate(name, role).expect("random bytes"));
        let lines: Vec<_> = tokens.iter().map(NewToken::line).collect();
        private(&folder.path("tokens"), &lines.join("\n"));
        let options = Options::default().socket(folder.path("a.sock")).tcp(LOOPBACK.into());
        let remote = serve(with(options.tokens(folder.path("tokens")))).expect("it can be opened");
        let address = remote.addresses().iter().find_map(|address| match address {
            Address::Http(address) | Address::Https(address) => Some(*address),
            _ => None,
        });
        let (address, socket) = (address.expect("a port"), remote.socket().expect("a socket").to_owned());
        Self { remote, address, socket, tokens, folder }
    }

    /// One request over the port, with the token of this role if one is given.
    pub(crate) fn call(&self, role: Option<Role>, what: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let bearer = role.map(|role| format!("Bearer {}", self.token(role)));
        let mut all: Vec<_> = headers.to_vec();
        all.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        on(&mut port(self.address), what, &all, body)
    }

    pub(crate) fn token(&self, role: Role) -> &str {
        self.tokens[role as usize].text()
    }

    /// The last calls, as an operator sees them: method, path, who, status, problem, why.
    pub(crate) fn journal(&self) -> Vec<(String, String, String, u64, String, String)> {
        let audit = on(&mut socket(&self.socket), "GET /v1/audit", &[], "").json();
        let calls = audit["remote"].as_array().expect("a list").iter();
        let text = |call: &Value, field: &str| call[field].as_str().unwrap_or_default().to_owned();
        calls
            .map(|call| {
                let problem = text(call, "problem").replace("urn:hotswap:problem:", "");
                let status = call["status"].as_u64().expect("a number");
                (text(call, "method"), text(call, "path"), text(call, "who"), status, problem, text(call, "why"))
            })
            .collect()
    }
}

/// A free port of this machine's alone.
pub(crate) const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// Writes a file that is its owner's alone.
pub(crate) fn private(path: &Path, text: &str) {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("it can be written");
}

pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
