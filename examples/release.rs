//! A greeter with a typo, and the operator's way to a release without it: install, look, make permanent, or go back.
//!
//! What runs, and what was commanded, is in a folder: so the program can be ended, or killed, at any moment and comes up
//! again at the version that was last committed, with every greeting counted.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use hotswap::{Kind, UpgradeOptions, machine};
use hotswap_examples::admin::AdminOptions;

/// Greets, and counts how often.
#[machine(derive(Debug))]
pub mod greeter {
    use serde::{Deserialize, Serialize};

    /// Asks for a greeting of the one who is named.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Greet(pub String);

    /// How often somebody was greeted.
    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct Greeter {
        /// Greetings so far.
        pub greeted: u64,
    }

    #[machine(version = 1)]
    fn greet(state: &mut Greeter, input: Greet) -> String {
        state.greeted += 1;
        format!("Helo, {}! ({})", input.0, state.greeted)
    }

    #[machine(version = 2, migrates_from = 1)]
    fn greet_spelt_right(state: &mut Greeter, input: Greet) -> String {
        state.greeted += 1;
        format!("Hello, {}! ({})", input.0, state.greeted)
    }
}

use greeter::{Greet, Greeter, Switch, Version};

/// A greeter that is upgraded while it runs, and may be restarted at any time.
#[derive(Debug, Parser)]
#[command(name = "release")]
struct Options {
    /// The folder in which it keeps what must survive a restart; made if it is not there
    folder: PathBuf,
    #[command(flatten)]
    admin: AdminOptions,
}

const HELP: &str = "say [NAME] | versions | status | upgrade N [ID] | commit | rollback | outcome ID | quit";

struct Program {
    switch: Switch,
    /// Who is greeted is a key: everybody has a count of their own.
    greeters: greeter::Fleet<String>,
    file: PathBuf,
}

impl Program {
    fn open(folder: &Path) -> Result<Self, Box<dyn Error>> {
        std::fs::create_dir_all(folder)?;
        let switch = Switch::builder().starting_at(Version::V1).open(folder.join("switch"))?;
        let program = Self { greeters: switch.fleet(), switch, file: folder.join("greeters") };
        if program.file.try_exists()? {
            program.greeters.restore(&program.file)?;
        }
        Ok(program)
    }

    /// What an operator wants to know first: what came up, and why it is not what ran before.
    fn hello(&self) -> String {
        let admin = self.switch.admin();
        let undone = admin.outcomes().pop().filter(|last| last.kind == Kind::Start && !last.reason.is_empty());
        let why = undone.map_or_else(String::new, |start| format!(" ({})", start.reason));
        format!("{}{why}", admin.status())
    }

    /// Does one line, and says what came of it; `None` when it was the last one.
    fn run(&self, line: &str) -> Result<Option<String>, Box<dyn Error>> {
        let admin = self.switch.admin();
        let words: Vec<_> = line.split_whitespace().collect();
        let said = match words[..] {
            ["say"] => self.say("world")?,
            ["say", name] => self.say(name)?,
            ["versions"] => {
                let versions: Vec<_> = admin.versions().iter().map(ToString::to_string).collect();
                versions.join("\n")
            }
            ["status"] => admin.status().to_string(),
            ["upgrade", to] => admin.upgrade(to.parse::<u32>()?, "asked for")?.to_string(),
            ["upgrade", to, id] => {
                let options = UpgradeOptions::default().id(id);
                admin.upgrade_with(to.parse::<u32>()?, "asked for", &options)?.to_string()
            }
            ["commit"] => admin.commit()?.to_string(),
            ["rollback"] => admin.rollback("asked for")?.to_string(),
            ["outcome", id] => admin.outcome(id).ok_or("no command has this id")?.to_string(),
            ["quit"] => return Ok(None),
            [] => String::new(),
            _ => HELP.to_owned(),
        };
        Ok(Some(said))
    }

    /// A greeting that was said is on the disk: it stays counted, however the program ends.
    fn say(&self, name: &str) -> Result<String, Box<dyn Error>> {
        let said = self.greeters.step_or_insert_with(name.to_owned(), Greeter::default, Greet(name.to_owned()))?;
        self.greeters.save(&self.file)?;
        Ok(said)
    }
}

fn main() -> ExitCode {
    let Options { folder, admin } = Options::parse();
    match serve(&folder, &admin) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("release: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn serve(folder: &Path, admin: &AdminOptions) -> Result<(), Box<dyn Error>> {
    let program = Program::open(folder)?;
    let _open = admin.serve(|options| options.snapshots(folder))?;
    println!("{}", program.hello());
    let mut line = String::new();
    loop {
        if io::stdin().is_terminal() {
            print!("> ");
            io::stdout().flush()?;
        }
        line.clear();
        if io::stdin().read_line(&mut line)? == 0 {
            return Ok(());
        }
        match program.run(&line) {
            Ok(Some(said)) => println!("{said}"),
            Ok(None) => return Ok(()),
            Err(refused) => println!("refused: {refused}"),
        }
    }
}
