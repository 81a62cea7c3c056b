//! `hotswap snapshot`: the file of a fleet, of a switch or with one state, looked at without the program that has its versions; and
//! `save` and `convert`, which ask such a program for one.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use hotswap::snapshot::{FleetMark, Survey, SurveyError, survey};
use serde_json::json;

use crate::facts;
use crate::remote::{convert, save};
use crate::report::{Failure, Found};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Have a running program save the fleets of a switch in its folder of snapshots
    Save(Box<save::Args>),
    /// Have a running program write a file in its folder of snapshots anew, all its states at one version
    Convert(Box<convert::Args>),
    /// Say whose a file is, of when and how much; needs no program
    Inspect {
        /// The file of a fleet, of a switch, or with one state
        file: PathBuf,
    },
    /// Check that a file is whole: every checksum fits and nothing is missing; needs no program
    Verify {
        /// The file of a fleet, of a switch, or with one state
        file: PathBuf,
    },
}

/// What the verb is called, and how it went.
pub(crate) fn run(verb: &Verb) -> (&'static str, Result<Found, Failure>) {
    match verb {
        Verb::Save(args) => ("snapshot save", save::run(args)),
        Verb::Convert(args) => ("snapshot convert", convert::run(args)),
        Verb::Inspect { file } => ("snapshot inspect", inspect(file)),
        Verb::Verify { file } => ("snapshot verify", verify(file)),
    }
}

fn inspect(file: &Path) -> Result<Found, Failure> {
    Ok(found(file, &survey(file)?))
}

fn verify(file: &Path) -> Result<Found, Failure> {
    let survey = survey(file)?;
    match &survey.whole {
        Ok(_) => Ok(found(file, &survey)),
        Err(error) => Err(SurveyError::Snapshot { path: file.to_owned(), source: error.clone() }.into()),
    }
}

fn found(file: &Path, survey: &Survey) -> Found {
    let Survey { header, bytes, fleet, whole, .. } = survey;
    let mut facts = vec![
        ("file", file.display().to_string()),
        ("holds", header.holds.to_string()),
        ("machine", header.machine.clone()),
        ("version", format!("{} {}", header.version, header.fingerprint)),
        ("codec", header.codec.clone()),
        ("bytes", bytes.to_string()),
    ];
    if let Some(FleetMark { versions, permanent, epoch, on_probation, a_key, .. }) = fleet {
        let numbers: Vec<_> = versions.iter().map(|(number, _)| number.to_string()).collect();
        let phase = if *on_probation { ", in a probation" } else { "" };
        facts.push(("permanent", format!("version {permanent} of {}", numbers.join(", "))));
        facts.push(("written at", format!("epoch {epoch}{phase}")));
        facts.extend(a_key.clone().map(|key| ("a key", key)));
    }
    match whole {
        Ok(Some(instances)) => facts.push(("instances", instances.to_string())),
        Ok(None) => {}
        Err(error) => facts.push(("not whole", error.to_string())),
    }
    let json = json!({
        "file": file,
        "header": header,
        "bytes": bytes,
        "fleet": fleet,
        "instances": whole.as_ref().ok().copied().flatten(),
        "whole": whole.is_ok(),
        "not_whole": whole.as_ref().err().map(ToString::to_string),
    });
    Found { text: facts::lines(&facts), json }
}
