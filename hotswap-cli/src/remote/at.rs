//! Which program is spoken to, which of its switches, and as whom: the options, the environment, and the folder in which
//! programs have their sockets.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hotswap::remote::{socket_folder, wire};
use reqwest::header::HeaderValue;
use reqwest::{Certificate, Identity, Url, redirect};
use rustls::crypto::ring;
use zeroize::Zeroizing;

use super::RemoteError;
use super::client::Client;
use crate::report::Failure;

const HEADING: &str = "Which program";
/// No token file is longer.
const LONGEST: u64 = 4096;

#[derive(Debug, clap::Args)]
pub(crate) struct At {
    /// Its Unix socket [env: `HOTSWAP_SOCKET`] [default: the one in the default folder that is live]
    #[arg(long, value_name = "FILE", conflicts_with = "url", help_heading = HEADING)]
    socket: Option<PathBuf>,
    /// Its address, `http://…` or `https://…` [env: `HOTSWAP_URL`]
    #[arg(long, value_name = "URL", help_heading = HEADING)]
    url: Option<String>,
    #[command(flatten)]
    who: Who,
}

/// As whom programs are spoken to, and how long they may take.
#[derive(Debug, clap::Args)]
pub(crate) struct Who {
    /// The file with the token that says who you are
    #[arg(long, value_name = "FILE", env = "HOTSWAP_TOKEN_FILE", help_heading = HEADING)]
    token_file: Option<PathBuf>,
    /// The authorities whose certificates are trusted (PEM) [default: the system's]
    #[arg(long, value_name = "FILE", env = "HOTSWAP_CA", help_heading = HEADING)]
    ca: Option<PathBuf>,
    /// The certificate that says who you are (PEM)
    #[arg(long, value_name = "FILE", env = "HOTSWAP_CLIENT_CERT", requires = "client_key", help_heading = HEADING)]
    client_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", env = "HOTSWAP_CLIENT_KEY", requires = "client_cert", help_heading = HEADING)]
    client_key: Option<PathBuf>,
    /// How long an answer may take
    #[arg(
        long, value_name = "TIME", env = "HOTSWAP_TIMEOUT", default_value = "1m",
        value_parser = humantime::parse_duration, help_heading = HEADING
    )]
    timeout: Duration,
}

/// One switch of a program.
#[derive(Debug, clap::Args)]
pub(crate) struct AtSwitch {
    #[command(flatten)]
    pub(super) at: At,
    /// The label of the switch [default: the only one]
    #[arg(long, value_name = "LABEL", env = "HOTSWAP_SWITCH", help_heading = HEADING)]
    pub(super) switch: Option<String>,
}

/// Why it is not known whom to speak to, or as whom.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AtError {
    #[error("no program with hotswap's admin is live in {folder}: name one with `--socket` or `--url`")]
    NoProgram { folder: PathBuf },
    #[error("{} programs are live in {folder}: name one with `--socket`{}", .sockets.len(), lines(.sockets))]
    SeveralPrograms { folder: PathBuf, sockets: Vec<String> },
    #[error("{folder} is not yours alone, and its sockets may be anybody's: name yours with `--socket`")]
    Foreign { folder: PathBuf },
    #[error("the program has no live switch")]
    NoSwitch,
    #[error("the program has {} switches: name one with `--switch`{}", .labels.len(), lines(.labels))]
    SeveralSwitches { labels: Vec<String> },
    #[error("both HOTSWAP_SOCKET and HOTSWAP_URL are set: name the one that is meant with `--socket` or `--url`")]
    Both,
    #[error("`{url}` is no address of a program: {why}")]
    Url { url: String, why: String },
    #[error("{path} has no token: it is one line, `hst_…`")]
    Token { path: PathBuf },
    #[error("every user may read the token in {path} (its mode is {mode:03o}): `chmod 600` takes that away")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("a token would go to {host} for everybody on the way to read: use `https://`, or a tunnel to this machine")]
    InTheClear { host: String },
    #[error("{path} has no {what} in PEM: {why}")]
    Pem { path: PathBuf, what: &'static str, why: String },
    #[error("no connection can be made with these certificates: {0}")]
    Tls(String),
}

impl AtError {
    /// A name that stays, for programs.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::NoProgram { .. } => "no-program",
            Self::SeveralPrograms { .. } => "which-program",
            Self::Foreign { .. } => "foreign-folder",
            Self::NoSwitch => "no-switch",
            Self::SeveralSwitches { .. } => "which-switch",
            Self::Both => "both",
            Self::Url { .. } => "url",
            Self::Token { .. } | Self::Exposed { .. } => "token",
            Self::InTheClear { .. } => "in-the-clear",
            Self::Pem { .. } | Self::Tls(_) => "certificate",
        }
    }
}

fn lines(names: &[String]) -> String {
    names.iter().flat_map(|name| ["\n  ", name]).collect()
}

/// Where a program is.
pub(super) enum Place {
    Socket(PathBuf),
    Url(String),
}

impl At {
    /// The program; nothing is sent to it yet.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        self.who.client(self.place()?)
    }

    fn place(&self) -> Result<Place, RemoteError> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        match (&self.socket, &self.url) {
            (Some(socket), _) => return Ok(Place::Socket(socket.clone())),
            (None, Some(url)) => return Ok(Place::Url(url.clone())),
            (None, None) => {}
        }
        match (set("HOTSWAP_SOCKET"), set("HOTSWAP_URL")) {
            (Some(_), Some(_)) => Err(AtError::Both.into()),
            (Some(socket), None) => Ok(Place::Socket(socket.into())),
            (None, Some(url)) => Ok(Place::Url(url.to_string_lossy().into_owned())),
            (None, None) => Ok(Place::Socket(only_live()?)),
        }
    }
}

impl Who {
    /// The program at this place; nothing is sent to it yet.
    pub(super) fn client(&self, place: Place) -> Result<Client, Failure> {
        // an error says that there is one already
        let _ = ring::default_provider().install_default();
        let http = reqwest::blocking::Client::builder()
            .user_agent(concat!("hotswap/", env!("CARGO_PKG_VERSION")))
            .timeout(None)
            .connect_timeout(self.timeout)
            .redirect(redirect::Policy::none())
            // a program on this machine is not behind the proxy that leads out of it
            .no_proxy();
        let token = self.token_file.as_deref().map(token).transpose()?;
        let (http, base, name) = match place {
            Place::Socket(path) => (http.unix_socket(&*path), local()?, path.display().to_string()),
            Place::Url(text) => {
                let base = base(&text)?;
                if token.is_some() && base.scheme() == "http" && !is_here(&base) {
                    let host = base.host_str().unwrap_or_default().to_owned();
                    return Err(RemoteError::from(AtError::InTheClear { host }).into());
                }
                (self.certified(http)?, base, text)
            }
        };
        let http = http.build().map_err(|error| AtError::Tls(error.to_string())).map_err(RemoteError::from)?;
        Ok(Client { http, base, name, token, patience: self.timeout })
    }

    fn certified(
        &self,
        mut http: reqwest::blocking::ClientBuilder,
    ) -> Result<reqwest::blocking::ClientBuilder, Failure> {
        let read = |path: &Path| fs::read(path).map_err(|error| Failure::io(path, error));
        let bad = |path: &Path, what, why: String| RemoteError::from(AtError::Pem { path: path.to_owned(), what, why });
        if let Some(path) = &self.ca {
            let certificates =
                Certificate::from_pem_bundle(&read(path)?).map_err(|why| bad(path, "certificate", why.to_string()))?;
            if certificates.is_empty() {
                return Err(bad(path, "certificate", "there is none".to_owned()).into());
            }
            http = http.tls_certs_only(certificates);
        }
        if let (Some(certificate), Some(key)) = (&self.client_cert, &self.client_key) {
            let pem = Zeroizing::new([read(key)?, b"\n".to_vec(), read(certificate)?].concat());
            let identity =
                Identity::from_pem(&pem).map_err(|why| bad(key, "key with a certificate", why.to_string()))?;
            http = http.identity(identity);
        }
        Ok(http)
    }
}

impl AtSwitch {
    /// The program, and the label of the switch.
    pub(super) fn open(&self) -> Result<(Client, String), Failure> {
        let client = self.at.client()?;
        let label = match &self.switch {
            Some(label) => label.clone(),
            None => only_switch(&client)?,
        };
        Ok((client, label))
    }
}

pub(super) fn only_switch(client: &Client) -> Result<String, RemoteError> {
    let wire::Switches { switches } = client.get(&["v1", "switches"])?;
    let mut labels: Vec<_> = switches.into_iter().map(|switch| switch.label).collect();
    match labels.len() {
        0 => Err(AtError::NoSwitch.into()),
        1 => Ok(labels.swap_remove(0)),
        _ => Err(AtError::SeveralSwitches { labels }.into()),
    }
}

/// The only socket of the folder behind which somebody listens.
fn only_live() -> Result<PathBuf, AtError> {
    let folder = socket_folder();
    let uid = rustix::process::geteuid().as_raw();
    // not where a link leads, nor what somebody else laid there: commands, and a token, would be theirs
    let ours = |folder: &Metadata| folder.is_dir() && folder.uid() == uid && folder.mode() & 0o022 == 0;
    match fs::symlink_metadata(&folder) {
        Ok(metadata) if !ours(&metadata) => return Err(AtError::Foreign { folder }),
        _ => {}
    }
    let mut live = live(&folder).unwrap_or_default();
    match live.len() {
        0 => Err(AtError::NoProgram { folder }),
        1 => Ok(live.swap_remove(0)),
        _ => {
            live.sort();
            let sockets = live.iter().map(|path| path.display().to_string()).collect();
            Err(AtError::SeveralPrograms { folder, sockets })
        }
    }
}

/// A program that was killed leaves its socket behind.
fn live(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut live = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_socket = fs::metadata(&path).is_ok_and(|file| file.file_type().is_socket());
        if is_socket && UnixStream::connect(&path).is_ok() {
            live.push(path);
        }
    }
    Ok(live)
}

/// What stands for the program in requests over its socket.
fn local() -> Result<Url, RemoteError> {
    base("http://localhost")
}

fn base(text: &str) -> Result<Url, RemoteError> {
    let wrong = |why: String| RemoteError::from(AtError::Url { url: text.to_owned(), why });
    let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(wrong("it begins with `http://` or `https://`".to_owned()));
    }
    if url.username() != "" || url.password().is_some() {
        return Err(wrong("who you are is said by `--token-file`, not in the address".to_owned()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("nothing follows the path".to_owned()));
    }
    Ok(url)
}

/// Whether it is an address of this machine, whatever names mean elsewhere.
fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn token(path: &Path) -> Result<HeaderValue, Failure> {
    let failed = |error| Failure::io(path, error);
    let file = fs::File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o004 != 0 {
        return Err(RemoteError::from(AtError::Exposed { path: path.to_owned(), mode }).into());
    }
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
    let none = || RemoteError::from(AtError::Token { path: path.to_owned() });
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(none().into());
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| none())?;
    value.set_sensitive(true);
    Ok(value)
}
