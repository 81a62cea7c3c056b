//! `hotswap rollout`: the same upgrade over many programs, in waves, with a gate after each.

mod course;
mod gate;
mod journal;
mod program;
mod report;
mod waves;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::course::Course;
use self::gate::Gate;
use self::journal::{Fact, Fault, Intent, Journal};
use self::waves::Wave;
use super::at::Who;
use super::error::RemoteError;
use super::order::fresh_id;
use crate::facts::shown;
use crate::report::{FAILED, Failure, Found, REFUSED, ROLLED_BACK, STOPPED, USAGE};

/// What the options of the gate are listed under.
const GATE: &str = "Gate";
/// The number of the layout of the journal.
const SCHEMA: u32 = 1;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The version to go to
    to: u32,
    /// The programs, in the order in which they are upgraded: sockets, or addresses `http://…` and `https://…`
    #[arg(value_name = "PROGRAM", required_unless_present = "programs")]
    named: Vec<String>,
    /// And those in this file, one a line; `-` for standard input
    #[arg(long, value_name = "FILE")]
    programs: Option<PathBuf>,
    /// How many are upgraded together, wave by wave: numbers, shares of all such as `25%`, or `rest`
    #[arg(long, value_name = "WAVES", value_delimiter = ',', default_value = "1,rest", value_parser = waves::wave)]
    wave: Vec<Wave>,
    /// How long a wave has to do well before it is passed
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pause: Duration,
    /// How long the instances of a program may take to move
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    patience: Duration,
    /// What is done where the gate does not let a wave pass: nothing more, or all that were upgraded go back
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = OnFailure::Rollback)]
    on_failure: OnFailure,
    /// Make the version permanent everywhere when the last wave has passed
    #[arg(long)]
    commit: bool,
    /// Keep what was done in this file: the same again goes on from there, whatever ended it
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Keep each state from before until the probation ends, for a rollback where no way down is declared, or a step panicked
    #[arg(long)]
    keep_previous: bool,
    /// Accept what the way loses, and what the way back does
    #[arg(long)]
    accept_loss: bool,
    /// Each program rolls back by itself at this many failures in probation
    #[arg(long, value_name = "N")]
    rollback_after: Option<u64>,
    /// Why, for the audits
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    gate: Gate,
    /// The label of the switch [default: the only one of each program]
    #[arg(long, value_name = "LABEL", env = "HOTSWAP_SWITCH")]
    switch: Option<String>,
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OnFailure {
    /// The programs stay as they are, for people to look at
    Stop,
    /// All that were upgraded go back to the version before
    Rollback,
}

/// How a rollout ended, or how it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ended {
    /// Every program runs the version, on probation.
    OnProbation,
    /// Every program runs the version for good.
    Committed,
    /// A gate held, and nothing more was done.
    Stopped,
    /// A gate held, and all that were upgraded have gone back.
    RolledBack,
}

/// Why a rollout did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RolloutError {
    #[error("no program is named")]
    NoPrograms,
    #[error("{program} is named twice, or is a program that has another name here")]
    Twice { program: String },
    #[error("another command uses the journal {path}")]
    JournalInUse { path: PathBuf },
    #[error("{path} is no journal of a rollout that can be read here: {why}")]
    Journal { path: PathBuf, why: String },
    #[error("{path} is the journal of a rollout with other {what}: give that one's, or another file")]
    AnotherRollout { path: PathBuf, what: &'static str },
    /// Before anything was done.
    #[error("{program} cannot be upgraded: {why}; nothing was changed anywhere")]
    Unfit { program: String, reason: &'static str, why: String },
    /// A program did not answer as it should, before anything was done or while nothing could be.
    #[error("{}", of(.program, &.source.to_string()))]
    Program { program: String, source: Box<Failure> },
    #[error("{}", stopped(.faults, *.how))]
    Gate { faults: Vec<Fault>, how: Ended, report: Box<Found> },
    /// Not everything went back, or was committed.
    #[error("{what}: the same again tries them once more{}", lines(.faults))]
    Unfinished { what: &'static str, reason: &'static str, faults: Vec<Fault>, report: Box<Found> },
}

fn stopped(faults: &[Fault], how: Ended) -> String {
    let end = match how {
        Ended::RolledBack => "all that were upgraded have gone back",
        _ => "nothing more was done",
    };
    format!("the rollout was stopped, and {end}{}", lines(faults))
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().fold(String::new(), |mut text, Fault { program, message, .. }| {
        let _ = write!(text, "\n  {}", shown(&of(program, message)));
        text
    })
}

/// What is said of a program, which may begin with its name already.
fn of(program: &str, message: &str) -> String {
    if message.starts_with(program) { message.to_owned() } else { format!("{program}: {message}") }
}

impl RolloutError {
    /// A name that stays, for programs.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::NoPrograms => "no-programs",
            Self::Twice { .. } => "program-twice",
            Self::JournalInUse { .. } => "journal-in-use",
            Self::Journal { .. } => "journal",
            Self::AnotherRollout { .. } => "another-rollout",
            Self::Unfit { reason, .. } | Self::Unfinished { reason, .. } => reason,
            Self::Program { source, .. } => source.reason(),
            Self::Gate { .. } => "gate",
        }
    }

    pub(crate) fn exit(&self) -> u8 {
        match self {
            Self::NoPrograms | Self::Twice { .. } | Self::AnotherRollout { .. } => USAGE,
            Self::JournalInUse { .. } | Self::Journal { .. } => FAILED,
            Self::Unfit { .. } => REFUSED,
            Self::Program { source, .. } => source.exit(),
            Self::Gate { how: Ended::RolledBack, .. } => ROLLED_BACK,
            Self::Gate { .. } | Self::Unfinished { .. } => STOPPED,
        }
    }

    /// What programs are told beside the message.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Gate { faults, report, .. } | Self::Unfinished { faults, report, .. } => {
                crate::report::with(json!({ "faults": faults }), report.json.clone())
            }
            Self::Unfit { program, .. } => json!({ "program": program }),
            Self::Program { program, source } => {
                crate::report::with(json!({ "program": program }), source.found().json)
            }
            _ => json!({}),
        }
    }

    /// What people are told on standard output: how every program stands.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Gate { report, .. } | Self::Unfinished { report, .. } => report.text.clone(),
            _ => String::new(),
        }
    }
}

impl From<RolloutError> for Failure {
    fn from(error: RolloutError) -> Self {
        RemoteError::from(error).into()
    }
}

/// Each fact is told as it is known; with `--json` each is an object on a line of its own.
pub(crate) fn run(args: &Args, as_json: bool) -> Result<Found, Failure> {
    let asked = intent(args)?;
    let (mut journal, facts) = Journal::open(args.journal.as_deref())?;
    let (rollout, intent) = if let Some(Fact::Begun { rollout, intent }) = facts.first() {
        same(args, intent, &asked)?;
        // as it was then: what is given again under an id has to be the same
        (rollout.clone(), (**intent).clone())
    } else {
        let (rollout, intent) = (fresh_id("rollout-")?, Box::new(asked.clone()));
        let fact = Fact::Begun { rollout: rollout.clone(), intent };
        // on the disk before any id that is made of it is used
        journal.write(&fact)?;
        report::event(&fact, as_json);
        (rollout, asked)
    };
    Course::new(args, intent, rollout, journal, &facts, as_json).run()
}

fn intent(args: &Args) -> Result<Intent, Failure> {
    let mut programs = args.named.clone();
    if let Some(path) = &args.programs {
        programs.extend(listed(path)?);
    }
    if programs.is_empty() {
        return Err(RolloutError::NoPrograms.into());
    }
    let mut seen = BTreeSet::new();
    if let Some(program) = programs.iter().find(|program| !seen.insert(*program)) {
        return Err(RolloutError::Twice { program: program.clone() }.into());
    }
    Ok(Intent {
        schema: SCHEMA,
        to: args.to,
        waves: waves::sizes(&args.wave, programs.len()),
        programs,
        switch: args.switch.clone(),
        keep_previous: args.keep_previous,
        accept_loss: args.accept_loss,
        rollback_after: args.rollback_after,
        reason: args.reason.clone(),
    })
}

/// The programs of a file: one a line; what begins with `#` is a remark.
fn listed(path: &Path) -> Result<Vec<String>, Failure> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    let text = text.map_err(|error| Failure::io(path, error))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

/// Refuses to go on with a rollout that is another one than was asked for.
fn same(args: &Args, was: &Intent, asked: &Intent) -> Result<(), RolloutError> {
    // that a loss is accepted may be said when the way back asks for it
    let asked = &Intent { accept_loss: was.accept_loss, ..asked.clone() };
    let what = match was {
        _ if was == asked => return Ok(()),
        _ if was.to != asked.to => "target version",
        _ if was.programs != asked.programs => "programs",
        _ if was.waves != asked.waves => "waves",
        _ if was.switch != asked.switch => "switch",
        _ if was.reason != asked.reason => "reason",
        _ => "terms",
    };
    Err(RolloutError::AnotherRollout { path: args.journal.clone().unwrap_or_default(), what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_gone_on_with_by_the_same_rollout_only() {
        let parse = |more: &[&str]| {
            #[derive(clap::Parser)]
            struct Line {
                #[command(flatten)]
                args: Args,
            }
            let line = <Line as clap::Parser>::parse_from([&["rollout", "2", "a", "b", "c"], more].concat());
            let asked = intent(&line.args).expect("programs");
            (line.args, asked)
        };
        let (args, was) = parse(&[]);
        assert_eq!(was.waves, [1, 2]);
        let what = |more: &[&str]| match same(&args, &was, &parse(more).1) {
            Ok(()) => "",
            Err(RolloutError::AnotherRollout { what, .. }) => what,
            Err(error) => panic!("{error}"),
        };
        for same in [
            &["--commit"][..],
            &["--pause", "1s"],
            &["--on-failure", "stop"],
            &["--max-panics", "3"],
            &["--accept-loss"],
        ] {
            assert_eq!(what(same), "", "{same:?}");
        }
        assert_eq!(what(&["d"]), "programs");
        assert_eq!(what(&["--wave", "2"]), "waves");
        assert_eq!(what(&["--switch", "x"]), "switch");
        assert_eq!(what(&["--reason", "x"]), "reason");
        assert_eq!(what(&["--keep-previous"]), "terms");
    }
}
