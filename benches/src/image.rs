//! The benches' machine as an image: a crate of its own, with a third version that does what the second does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

const THIRD: &str = "
    /// Adds as version 2 does.
    #[machine(version = 3, migrates_from = 2)]
    pub fn add_loaded(state: &mut V2, input: Add) -> u64 {
        state.additions += 1;
        state.count += input.0;
        state.count
    }
}
";

/// How the command `hotswap` is built that builds images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// For those who look at how long it takes.
    Fast,
    /// As `cargo test` has built it, most likely: for those who want an image soon.
    AsTested,
}

/// A crate of its own with the machine and its third version.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    cargo: PathBuf,
    hotswap: PathBuf,
}

impl Place {
    /// Beside the builds under `temporary`, cargo's folder for what benches write. The command `hotswap` is built for it.
    ///
    /// # Panics
    ///
    /// If that cannot be built, or nothing can be written there.
    #[must_use]
    pub fn new(temporary: &Path, command: How) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = temporary.join("load");
        fs::create_dir_all(folder.join("src")).expect("the folder can be made");
        let manifest = format!(
            "[package]\nname = \"hotswap-benches\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
             hotswap = {{ path = '{}' }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n\
             # as the workspace has it\n[profile.release]\nlto = \"thin\"\ncodegen-units = 1\n",
            root.join("hotswap").display()
        );
        fs::write(folder.join("Cargo.toml"), manifest).expect("the manifest can be written");
        // the versions of the workspace, so that nothing is resolved or fetched
        fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file can be copied");
        let cargo = PathBuf::from(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let (arguments, built): (&[&str], _) = match command {
            How::Fast => (&["--release", "--package", "hotswap-cli"], "release"),
            How::AsTested => (&["--workspace", "--bins", "--examples"], "debug"),
        };
        let mut command = Command::new(&cargo);
        // what cargo told this program of its package is nothing to the dependencies of that one, which would be built anew for it
        let of_a_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_a_package)) {
            command.env_remove(name);
        }
        let status = command.args(["build", "--quiet", "--offline"]).args(arguments).current_dir(&root).status();
        assert!(status.expect("cargo can be started").success(), "the command does not compile");
        let target = temporary.parent().expect("a folder of the target's");
        let hotswap = target.join(built).join("hotswap");
        Self { folder, cargo, hotswap }
    }

    /// The image, as `hotswap build` makes it, or optimised at link time as the program is (`--lto`).
    ///
    /// # Panics
    ///
    /// If it does not build.
    #[must_use]
    pub fn image(&self, lto: bool) -> PathBuf {
        self.change(0);
        let mut build = self.hotswap_build();
        if lto {
            build.arg("--lto");
        }
        self.seconds(build);
        self.path()
    }

    /// The seconds of each of so many builds again after a change: by cargo alone, and by `hotswap build`.
    ///
    /// # Panics
    ///
    /// If it does not build.
    #[must_use]
    pub fn builds(&self, builds: usize) -> Vec<[f64; 2]> {
        self.change(0);
        self.seconds(self.cargo_build());
        self.seconds(self.hotswap_build());
        let seconds = |round| {
            self.change(round);
            let plain = self.seconds(self.cargo_build());
            [plain, self.seconds(self.hotswap_build())]
        };
        (1..=builds).map(seconds).collect()
    }

    fn path(&self) -> PathBuf {
        self.folder.join("image.so")
    }

    fn cargo_build(&self) -> Command {
        let mut cargo = Command::new(&self.cargo);
        cargo.args(["build", "--quiet", "--offline", "--release"]);
        cargo
    }

    fn hotswap_build(&self) -> Command {
        let mut hotswap = Command::new(&self.hotswap);
        hotswap.args(["build", "--offline", "--json", "--out"]).arg(self.path());
        hotswap
    }

    /// Writes the machine as the benches have it, with its third version, and something that is new in every round.
    fn change(&self, round: usize) {
        let source = include_str!("lib.rs");
        let begin = source.find("#[hotswap::machine]").expect("the machine is there");
        let machine = source[begin..].split_once("\n}\n").expect("it ends").0;
        let text = format!("//! A machine.\n\n{machine}\n{THIRD}\n/// New.\npub const ROUND: usize = {round};\n");
        fs::write(self.folder.join("src/lib.rs"), text).expect("the source can be written");
    }

    fn seconds(&self, mut command: Command) -> f64 {
        command.current_dir(&self.folder).env("CARGO", &self.cargo).env("CARGO_TARGET_DIR", self.folder.join("target"));
        let start = Instant::now();
        let output = command.output().expect("it can be started");
        let took = start.elapsed();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        took.as_secs_f64()
    }
}
