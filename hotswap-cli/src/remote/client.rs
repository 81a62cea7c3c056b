//! HTTP to a running program, over its Unix socket or a URL. What it refuses comes back as the problem that it names.

use std::fmt;
use std::io::Read;
use std::iter;
use std::time::Duration;

use hotswap::remote::wire::Problem;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::blocking::{Body, RequestBuilder, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::told;
use crate::facts::shown;

/// What of a segment of a path is not sent as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// No answer is longer: whatever listens there, it does not fill the memory.
const LONGEST: u64 = 256 << 20;
/// So many bytes a second go over a slow line.
const SLOW: u64 = 64 << 10;
/// So much of a strange answer is shown.
const EXCERPT: usize = 200;

/// A running program.
pub(crate) struct Client {
    pub(super) http: reqwest::blocking::Client,
    /// What paths are added to.
    pub(super) base: Url,
    /// What it is called in messages.
    pub(super) name: String,
    pub(super) token: Option<HeaderValue>,
    /// How long an answer may take.
    pub(super) patience: Duration,
}

/// Why there is no answer, or no good one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("{name} cannot be reached: {why}")]
    Unreachable { name: String, why: String },
    #[error("the connection to {name} broke: {why}")]
    Broken { name: String, why: String },
    #[error("{name} has not answered for {}: `--timeout` waits longer", humantime::format_duration(*.patience))]
    NoAnswer { name: String, patience: Duration },
    #[error("{name} is no program with hotswap's admin: it answered {status}{}", shown(.excerpt))]
    Strange { name: String, status: u16, excerpt: String },
    #[error("it cannot be sent: {0}")]
    Unsendable(String),
    /// The program said no: nothing has changed.
    #[error("{}", told(.0))]
    Refused(Box<Problem>),
    /// The program could not.
    #[error("{}", told(.0))]
    Failed(Box<Problem>),
}

impl ClientError {
    /// A name that stays, for programs.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Broken { .. } => "broken",
            Self::NoAnswer { .. } => "no-answer",
            Self::Strange { .. } => "strange",
            Self::Unsendable(_) => "unsendable",
            Self::Refused(problem) | Self::Failed(problem) => problem.name(),
        }
    }

    /// Whether what was sent may have been done all the same.
    pub(super) fn leaves_open(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::NoAnswer { .. } => true,
            // the server answered for a handler that goes on
            Self::Failed(problem) => problem.name() == "timed-out",
            Self::Unreachable { .. } | Self::Strange { .. } | Self::Unsendable(_) | Self::Refused(_) => false,
        }
    }
}

/// An answer to a command.
pub(super) struct Answer<T> {
    pub(super) body: T,
    /// The same command was given before, and this is its answer again.
    pub(super) replayed: bool,
}

/// What is sent.
pub(super) enum Sent {
    Nothing,
    Json(Result<Vec<u8>, serde_json::Error>),
    /// Bytes as they are read, and how many there are.
    Bytes(Box<dyn Read + Send>, u64),
}

impl Sent {
    pub(super) fn json(body: &impl Serialize) -> Self {
        Self::Json(serde_json::to_vec(body))
    }
}

impl Client {
    pub(super) fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, ClientError> {
        self.read(self.send(self.request(Method::GET, path))?)
    }

    /// An answer that is no JSON.
    pub(super) fn text(&self, path: &[&str]) -> Result<String, ClientError> {
        let bytes = self.bytes(self.send(self.request(Method::GET, path))?)?;
        String::from_utf8(bytes).map_err(|error| self.strange(200, error.as_bytes()))
    }

    /// As `get`, of one switch if one is named.
    pub(super) fn get_of<T: DeserializeOwned>(&self, path: &[&str], label: Option<&str>) -> Result<T, ClientError> {
        self.read(self.send(of(self.request(Method::GET, path), label))?)
    }

    /// A call with a body; `id` makes it one that is done once.
    pub(super) fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: Sent,
        id: Option<&str>,
    ) -> Result<Answer<T>, ClientError> {
        let mut patience = self.patience;
        let mut request = self.request(method, path);
        request = match body {
            Sent::Nothing => request,
            Sent::Json(Ok(body)) => request.header(CONTENT_TYPE, "application/json").body(body),
            Sent::Json(Err(error)) => return Err(ClientError::Unsendable(error.to_string())),
            Sent::Bytes(bytes, length) => {
                // the answer's time begins when it has been sent, on a slow line too
                patience += Duration::from_secs(length / SLOW);
                request.header(CONTENT_TYPE, "application/octet-stream").body(Body::sized(bytes, length))
            }
        };
        if let Some(id) = id {
            request = request.header("idempotency-key", id);
        }
        let response = self.send_for(request, patience)?;
        let replayed = response.headers().get("idempotency-replayed").is_some_and(|value| value == "true");
        Ok(Answer { body: self.read(response)?, replayed })
    }

    /// An answer that goes on for as long as the program does.
    pub(super) fn stream(&self, path: &[&str], label: Option<&str>) -> Result<Response, ClientError> {
        let request = of(self.request(Method::GET, path), label).header(ACCEPT, "text/event-stream");
        self.good(request.send().map_err(|error| self.error(error))?)
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        // encoded here: what parses a URL leaves out tabs and line ends, and a key without them is another key
        let encoded = path.iter().map(|segment| utf8_percent_encode(segment, ENCODED).to_string());
        let whole = iter::once(url.path().trim_end_matches('/').to_owned()).chain(encoded).collect::<Vec<_>>();
        url.set_path(&whole.join("/"));
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token),
            None => request,
        }
    }

    fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        self.send_for(request, self.patience)
    }

    /// Sends it, and waits for the whole answer for so long.
    fn send_for(&self, request: RequestBuilder, patience: Duration) -> Result<Response, ClientError> {
        self.good(request.timeout(patience).send().map_err(|error| self.error(error))?)
    }

    fn good(&self, response: Response) -> Result<Response, ClientError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let is_problem = is(&response, "application/problem+json");
        let bytes = self.bytes(response)?;
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) if is_problem && status.is_server_error() => Err(ClientError::Failed(Box::new(problem))),
            Ok(problem) if is_problem => Err(ClientError::Refused(Box::new(problem))),
            _ => Err(self.strange(status.as_u16(), &bytes)),
        }
    }

    fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, ClientError> {
        let status = response.status().as_u16();
        let bytes = self.bytes(response)?;
        serde_json::from_slice(&bytes).map_err(|_| self.strange(status, &bytes))
    }

    fn bytes(&self, response: Response) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        match response.take(LONGEST).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => match error.downcast::<reqwest::Error>() {
                Ok(error) => Err(self.error(error)),
                Err(error) => Err(ClientError::Broken { name: self.name.clone(), why: error.to_string() }),
            },
        }
    }

    fn strange(&self, status: u16, bytes: &[u8]) -> ClientError {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(EXCERPT)]);
        let excerpt = if text.trim().is_empty() { String::new() } else { format!(" and `{}`", text.trim()) };
        ClientError::Strange { name: self.name.clone(), status, excerpt }
    }

    fn error(&self, error: reqwest::Error) -> ClientError {
        let name = self.name.clone();
        let error = error.without_url();
        if error.is_connect() {
            ClientError::Unreachable { name, why: cause(&error) }
        } else if error.is_timeout() {
            ClientError::NoAnswer { name, patience: self.patience }
        } else {
            ClientError::Broken { name, why: cause(&error) }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.name)
    }
}

fn of(request: RequestBuilder, label: Option<&str>) -> RequestBuilder {
    match label {
        Some(label) => request.query(&[("label", label)]),
        None => request,
    }
}

fn is(response: &Response, kind: &str) -> bool {
    let has = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    has.split(';').next().is_some_and(|has| has.trim().eq_ignore_ascii_case(kind))
}

/// The innermost reason: what is around it says that a request failed.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
