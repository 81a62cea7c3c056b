//! `hotswap sign`: an image in a signed envelope.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hotswap::load::{self, Claims, SecretKey};
use serde_json::json;

use crate::facts;
use crate::report::{Failure, Found};
use crate::write;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image, as `hotswap build` made it
    image: PathBuf,
    /// The file of the secret key to sign with
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The id of the application that it is for, as that program gives it to its `Trust`
    #[arg(long, value_name = "ID")]
    application: String,
    /// Its place in the order of this application's images, above those of all before it [default: the time in microseconds]
    #[arg(long, value_name = "N")]
    serial: Option<u64>,
    /// For how long programs take it as a new one: `30d`, `12h`, `1h 30m`
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = humantime::parse_duration)]
    expires: Duration,
    /// What there is to say of it
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Where the signed image goes [default: the image's name with `.signed`]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let key = SecretKey::read(&args.key)?;
    let image = fs::read(&args.image).map_err(|error| Failure::io(&args.image, error))?;
    let now = SystemTime::now();
    // finer than two images of one script can follow each other
    let since = || now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    let serial = args.serial.unwrap_or_else(|| u64::try_from(since()).unwrap_or(u64::MAX));
    let claims = Claims::new(&args.application, serial).created_at(now).valid_for(args.expires).note(&args.note);
    let file = load::sign(&image, &key, &claims)?;
    let out = args.out.clone().unwrap_or_else(|| signed(&args.image));
    write::whole(&out, &file)?;
    let head = load::head(&file)?;
    let text = format!("{:<12} {}\n{}", "signed", out.display(), facts::text(&head));
    Ok(Found { text, json: json!({ "file": out, "envelope": facts::json(&head) }) })
}

fn signed(image: &Path) -> PathBuf {
    let mut name = image.as_os_str().to_owned();
    name.push(".signed");
    name.into()
}
