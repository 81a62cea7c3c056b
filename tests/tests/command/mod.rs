//! The `hotswap` command as it is run, in an environment of the test's own.

#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use hotswap_tests::folder::Folder;
use hotswap_tests::programs;
use serde_json::Value;

pub(crate) mod program;

static BINARY: LazyLock<String> = LazyLock::new(|| programs::program("hotswap"));

/// Where the command is run: its default folder of sockets is in here.
pub(crate) struct Place {
    folder: Folder,
}

impl Place {
    pub(crate) fn new() -> Self {
        // built before anything waits for it
        LazyLock::force(&BINARY);
        let place = Self { folder: Folder::new() };
        make(&place.sockets());
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    /// The folder of sockets of programs that give no path, here.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.folder.path("hotswap")
    }

    /// The command, not run yet.
    pub(crate) fn hotswap(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&*BINARY);
        self.set(&mut command);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Gives a program this place's environment and no other.
    pub(crate) fn set(&self, command: &mut Command) {
        let foreign = std::env::vars_os().map(|(name, _)| name);
        for name in foreign.filter(|name| name.to_string_lossy().starts_with("HOTSWAP_")) {
            command.env_remove(name);
        }
        command.current_dir(self.folder.path("")).env("XDG_RUNTIME_DIR", self.folder.path(""));
    }

    /// Runs the command.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        Said::of(self.hotswap(args).output().expect("the command runs"))
    }

    /// What a command that goes well prints.
    pub(crate) fn done(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!((said.code, &*said.err), (0, ""), "{args:?}: {}", said.out);
        said.out
    }

    /// The object that it prints with `--json`, and its exit code.
    pub(crate) fn json(&self, args: &[&str]) -> (Value, i32) {
        let said = self.run(&[args, &["--json"]].concat());
        (said.json(), said.code)
    }
}

fn make(folder: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(folder).expect("the folder can be made");
}

/// What the command said, and its exit code.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it ends by itself"),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// The one object on its one line.
    pub(crate) fn json(&self) -> Value {
        assert!(self.out.ends_with('\n') && self.out.matches('\n').count() == 1, "{self:?}");
        let value: Value = serde_json::from_str(&self.out).expect("one object");
        assert_eq!((&value["schema"], &value["ok"]), (&1.into(), &(self.code == 0).into()), "{value}");
        value
    }
}
