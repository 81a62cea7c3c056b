//! The file of the calls that would change something, and of callers who were not let in: a line of JSON for each, as
//! `GET /v1/audit` shows the last of them.
//!
//! It is written by a thread of its own, so that a disk which is slow or full stops nobody: a line comes a moment after the answer.
//! It is opened anew for each line, so it may be moved away at any time, and is not synced: a power cut takes the last few
//! seconds of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::remote::api::Journal;
use crate::remote::wire::Call;

/// So many lines wait for a slow disk.
const WAITING: usize = 1024;
/// So many callers who are not let in may come in a row before lines of them are left out; one more comes each second.
const STRANGERS: f64 = 100.0;

/// The thread that writes.
pub(crate) struct Writer {
    /// Closed when it has written all there was.
    over: Receiver<()>,
}

/// What hears of every call, and the thread that writes them down, if there is a file that can be written.
pub(crate) fn open(path: &Path) -> io::Result<(Journal, Writer)> {
    append(path)?;
    let (to, lines) = sync_channel::<String>(WAITING);
    let (running, over) = channel();
    let path = path.to_owned();
    thread::Builder::new().name("hotswap-journal".to_owned()).spawn(move || {
        let _running: std::sync::mpsc::Sender<()> = running;
        let mut file = Lines { path, failing: false };
        for line in lines {
            file.write(&line);
        }
    })?;
    let ear = Mutex::new(Ear { to, allowance: Allowance { left: STRANGERS, at: Instant::now() }, full: false });
    let journal: Journal =
        Box::new(move |call| ear.lock().unwrap_or_else(std::sync::PoisonError::into_inner).hear(call));
    Ok((journal, Writer { over }))
}

impl Writer {
    /// Waits until all is written that was heard, but no longer than this. Whoever hears must have gone.
    pub(crate) fn wait(self, most: Duration) {
        if self.over.recv_timeout(most) == Err(RecvTimeoutError::Timeout) {
            tracing::error!(target: "hotswap", "the journal of remote calls is not written to its end");
        }
    }
}

/// Hears of calls and hands them on.
struct Ear {
    to: SyncSender<String>,
    allowance: Allowance,
    full: bool,
}

/// How many lines strangers may still have.
struct Allowance {
    left: f64,
    at: Instant,
}

impl Ear {
    fn hear(&mut self, call: &Call) {
        // a flood of strangers fills no disk
        if call.role.is_none() && !self.allowance.take(Instant::now()) {
            return;
        }
        let line = match serde_json::to_string(call) {
            Ok(line) => line,
            Err(error) => return tracing::error!(target: "hotswap", %error, "a remote call cannot be written down"),
        };
        match self.to.try_send(line) {
            Ok(()) => self.full = false,
            Err(TrySendError::Full(_)) if !self.full => {
                self.full = true;
                tracing::error!(target: "hotswap", "the disk is too slow for the journal of remote calls: calls are missing from it");
            }
            Err(_) => {}
        }
    }
}

impl Allowance {
    fn take(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.left = (self.left + since).min(STRANGERS);
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }
}

struct Lines {
    path: PathBuf,
    /// The last line could not be written, and perhaps only a part of it was.
    failing: bool,
}

impl Lines {
    /// A disk that fails costs the lines that it does not take, and is told of once until it takes them again.
    fn write(&mut self, line: &str) {
        // what may be half a line is ended before the next begins
        let begin = if self.failing { "\n" } else { "" };
        let written = append(&self.path).and_then(|mut file| file.write_all(format!("{begin}{line}\n").as_bytes()));
        let path = self.path.display();
        match written {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!(target: "hotswap", %path, "the journal of remote calls is written again");
            }
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::error!(target: "hotswap", %path, %error, "the journal of remote calls cannot be written: calls are missing from it");
            }
            _ => {}
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::remote::who::Role;

    fn call(number: u64, role: Option<Role>) -> Call {
        let (who, from, path) = ("alice".to_owned(), "tcp 127.0.0.1:5".to_owned(), "/a".to_owned());
        let (method, at_ms, status, why) = ("POST".to_owned(), 7, 409, "because".to_owned());
        Call { number, at_ms, who, from, role, method, path, key: None, status, problem: None, why }
    }

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("hotswap-journal-{}-{name}", std::process::id()))
    }

    fn read(path: &Path) -> Vec<Call> {
        let text = fs::read_to_string(path).expect("it is there");
        fs::remove_file(path).expect("it is there");
        text.lines().map(|line| serde_json::from_str(line).expect("a call")).collect()
    }

    #[test]
    fn every_call_of_a_caller_is_a_line_and_strangers_fill_no_disk() {
        let path = scratch("lines");
        let (journal, writer) = open(&path).expect("it can be opened");
        journal(&call(0, Some(Role::Viewer)));
        for number in 1..1000 {
            journal(&call(number, None));
        }
        drop(journal);
        writer.wait(Duration::from_mins(1));
        let lines = read(&path);
        assert_eq!(lines[0], call(0, Some(Role::Viewer)));
        // one may come for every second that this took, which is none
        assert!((101..200).contains(&lines.len()), "{}", lines.len());
    }

    #[test]
    fn strangers_have_a_hundred_lines_and_one_more_each_second() {
        let start = Instant::now();
        let mut allowance = Allowance { left: STRANGERS, at: start };
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!((0..1000).filter(|_| allowance.take(at(0))).count(), 100);
        assert_eq!((0..1000).filter(|_| allowance.take(at(3))).count(), 3);
        assert_eq!((0..1000).filter(|_| allowance.take(at(3000))).count(), 100);
    }

    #[test]
    fn a_disk_that_is_full_costs_its_lines_and_the_next_begins_anew() {
        let mut lines = Lines { path: "/dev/full".into(), failing: false };
        lines.write("lost");
        assert!(lines.failing);
        lines.path = scratch("full");
        fs::write(&lines.path, "half a li").expect("it is free");
        lines.write("whole");
        lines.write("next");
        let text = fs::read_to_string(&lines.path).expect("it is there");
        fs::remove_file(&lines.path).expect("it is there");
        assert_eq!((&*text, lines.failing), ("half a li\nwhole\nnext\n", false));
    }
}
