//! `hotswap inspect`: what a file is, by its bytes alone.

use std::fs;
use std::path::PathBuf;

use hotswap::load::{self, Build, Digest, GuestLine, GuestVersion, Head, Manifest, TrustError};
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
            // from behind: what is before may be the image's own words
            let (fact, _) = why.rsplit_once("\n\nhelp: ").unwrap_or((&why, ""));
            (line("unfit here", fact), json!({ "unfit": why }))
        }
    }
}

fn text(manifest: &Manifest) -> String {
    let Manifest { build, machines, constructors, needed } = manifest;
    let Build { rustc, target, hotswap, unwind, .. } = build;
    let needed = if needed.is_empty() { "no libraries" } else { &needed.join(", ") };
    let mut text = line("built by", &format!("{rustc} for {target}, hotswap {hotswap}"));
    text += &line("panics", if *unwind { "unwind" } else { "abort" });
    text += &line("needs", needed);
    text += &line("constructors", &constructors.to_string());
    text.extend(machines.iter().map(machine));
    text
}

fn machine(guest: &GuestLine) -> String {
    let GuestLine { machine, module, krate, crate_version, .. } = guest;
    let head = line("machine", &format!("{machine} ({module} of {krate} {crate_version})"));
    let versions = guest.versions.iter().map(|version| {
        let GuestVersion { number, state, fingerprint, .. } = version;
        line("     version", &format!("{number} {state} {fingerprint}"))
    });
    std::iter::once(head).chain(versions).collect()
}

/// One line, whatever the image says.
fn line(name: &str, value: &str) -> String {
    format!("{name:<12} {}\n", facts::shown(value))
}
