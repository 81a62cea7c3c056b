//! `hotswap inspect`: what a file is, by its bytes alone.

use std::fs;
use std::path::PathBuf;

use hotswap::load::{self, Digest, GuestLine, GuestVersion, Head, Manifest, TrustError};
use serde_json::{Value, json};

use crate::facts;
use crate::report::{Failure, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An image, signed or not
    file: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let bytes = fs::read(&args.file).map_err(|error| Failure::io(&args.file, error))?;
    match load::head(&bytes) {
        Ok(head) => {
            let facts = facts::text(&head);
            let (says, manifest) = says(&bytes[bytes.len().saturating_sub(length(&head))..]);
            let text =
                format!("signed image; the signature is not checked here, `hotswap verify` does that\n{facts}{says}");
            let envelope = facts::json(&head);
            let json = json!({ "file": args.file, "signed": true, "envelope": envelope, "manifest": manifest });
            Ok(Found { text, json })
        }
        Err(TrustError::Unsigned) => {
            let digest = Digest::of(&bytes).to_string();
            let (says, manifest) = says(&bytes);
            let size = bytes.len();
            let text = format!("image, not signed\n{:<12} {size} bytes\n{:<12} {digest}\n{says}", "image", "sha256");
            let image = json!({ "bytes": size, "sha256": digest });
            Ok(Found {
                text,
                json: json!({ "file": args.file, "signed": false, "image": image, "manifest": manifest }),
            })
        }
        Err(error) => Err(error.into()),
    }
}

fn length(head: &Head) -> usize {
    usize::try_from(head.length).unwrap_or(usize::MAX)
}

/// What an image says of itself, as text and as JSON; or why no program here could load it.
fn says(image: &[u8]) -> (String, Value) {
    match load::inspect(image).and_then(|manifest| manifest.check().map(|()| manifest)) {
        Ok(manifest) => (text(&manifest), json!(manifest)),
        Err(error) => {
            let why = error.to_string();
            let (fact, _) = why.split_once('\n').unwrap_or((&why, ""));
            (format!("{:<12} {fact}\n", "unfit here"), json!({ "unfit": why }))
        }
    }
}

fn text(manifest: &Manifest) -> String {
    let Manifest { build, machines, .. } = manifest;
    let built = format!("{:<12} {} for {}, hotswap {}\n", "built by", build.rustc, build.target, build.hotswap);
    std::iter::once(built).chain(machines.iter().map(machine)).collect()
}

fn machine(line: &GuestLine) -> String {
    let GuestLine { machine, module, krate, crate_version, .. } = line;
    let head = format!("{:<12} {machine} ({module} of {krate} {crate_version})\n", "machine");
    let versions = line.versions.iter().map(|version| {
        let GuestVersion { number, state, fingerprint, .. } = version;
        format!("{:>12} {number} {state} {fingerprint}\n", "version")
    });
    std::iter::once(head).chain(versions).collect()
}
