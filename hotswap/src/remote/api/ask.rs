//! What a call says: its body, its path, its query and its headers, read or refused by name.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{CONTENT_TYPE, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use serde::de::DeserializeOwned;

use super::Shared;
use crate::options::Expect;
use crate::remote::drive::Asking;
use crate::remote::problem::{MEDIA_TYPE, Refused, STALE, UNREADABLE};
use crate::remote::who::Caller;
use crate::remote::wire;

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// So long a reason may be, in characters: the audit keeps a thousand of them. The document says the same.
const REASON: usize = 4096;

/// A body that is JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Shared> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, Refused> {
        if !is_of(request.headers(), "application/json") {
            return Err(Refused::new(MEDIA_TYPE, "the body is to be JSON, with `content-type: application/json`"));
        }
        let bytes = bytes(request, state).await?;
        // serde would read a list of the fields in their order as well
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Refused::new(UNREADABLE, "the body cannot be read: it is to be a JSON object"));
        }
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let body = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let (path, error) = (error.path().to_string(), error.into_inner());
            match path.as_str() {
                // what is no JSON has no fields
                field if field == "." || !error.is_data() => {
                    Refused::new(UNREADABLE, format!("the body cannot be read: {error}"))
                }
                field => Refused::field(field, format!("`{field}` of the body cannot be read: {error}")),
            }
        })?;
        json.end().map_err(|error| Refused::new(UNREADABLE, format!("the body cannot be read: {error}")))?;
        Ok(Self(body))
    }
}

/// A body that is bytes.
pub(super) struct Octets(pub(super) Bytes);

impl FromRequest<Shared> for Octets {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, Refused> {
        if !is_of(request.headers(), "application/octet-stream") {
            let said = "the body is to be bytes, with `content-type: application/octet-stream`";
            return Err(Refused::new(MEDIA_TYPE, said));
        }
        bytes(request, state).await.map(Self)
    }
}

async fn bytes(request: Request, state: &Shared) -> Result<Bytes, Refused> {
    Bytes::from_request(request, state).await.map_err(|error| Refused::new(UNREADABLE, error.body_text()))
}

/// Whether the body is of this type, whatever its parameters.
fn is_of(headers: &HeaderMap, expected: &str) -> bool {
    let said = headers.get(CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
}

/// What stands in the path.
pub(super) struct At<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Shared> for At<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Refused> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(at)| Self(at)).map_err(|error| Refused::new(UNREADABLE, error.body_text()))
    }
}

/// What stands in the query.
pub(super) struct Asks<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Shared> for Asks<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Refused> {
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(asks)| Self(asks)).map_err(|error| Refused::new(UNREADABLE, error.body_text()))
    }
}

/// What a call that changes something says of itself: who asks, under which key, and what they expect to find.
pub(super) struct Asked {
    pub(super) by: String,
    pub(super) key: Option<String>,
    pub(super) expect: Option<Expect>,
}

impl FromRequestParts<Shared> for Asked {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refused> {
        let caller = parts.extensions.get::<Caller>();
        Ok(Self {
            by: caller.map(Caller::to_string).unwrap_or_default(),
            key: key(&parts.headers)?,
            expect: if_match(&parts.headers)?,
        })
    }
}

impl Asked {
    /// With what the body expects; the header and the body may say it, and must not say two things.
    pub(super) fn expecting(mut self, expect: Option<&wire::Expect>) -> Result<Self, Refused> {
        let Some(said) = expect.map(read).transpose()? else { return Ok(self) };
        match self.expect {
            Some(header) if header != said => {
                Err(Refused::field("expect", "`If-Match` and `expect` name different releases"))
            }
            _ => {
                self.expect = Some(said);
                Ok(self)
            }
        }
    }

    pub(super) fn asking(self) -> Asking {
        Asking { by: self.by, expect: self.expect }
    }

    /// Refuses an expectation where there is no release to compare it with.
    pub(super) fn of_no_switch(self) -> Result<Self, Refused> {
        match self.expect {
            None => Ok(self),
            Some(_) => Err(Refused::field("if-match", "`If-Match` names the release of a switch, and this is none's")),
        }
    }
}

/// A reason that is not too long to be kept.
pub(super) fn reason(reason: &str) -> Result<(), Refused> {
    let length = reason.chars().count();
    if length <= REASON {
        return Ok(());
    }
    Err(Refused::field("reason", format!("`reason` has {length} characters, and {REASON} are kept")))
}

fn read(expect: &wire::Expect) -> Result<Expect, Refused> {
    let boot = |text: &String| {
        boot(text).ok_or_else(|| Refused::field("expect.boot", "`expect.boot` is to be 16 hexadecimal digits"))
    };
    Ok(Expect { boot: expect.boot.as_ref().map(boot).transpose()?, epoch: expect.epoch })
}

fn boot(text: &str) -> Option<u64> {
    let digits = text.len() == 16 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    digits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// The key of a call, if it has one.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let Some(value) = one(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    let visible = value.bytes().all(|byte| byte.is_ascii_graphic());
    if visible && (1..=255).contains(&value.len()) {
        return Ok(Some(value.to_owned()));
    }
    Err(Refused::field("idempotency-key", "`Idempotency-Key` is to be 1 to 255 visible ASCII characters"))
}

/// The release that `If-Match` names; any if it is `*`.
fn if_match(headers: &HeaderMap) -> Result<Option<Expect>, Refused> {
    let tag = match one(headers, &IF_MATCH)?.map(str::trim) {
        None | Some("*") => return Ok(None),
        Some(tag) => tag,
    };
    let said = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|tag| tag.split_once('-'));
    let said = said.and_then(|(run, epoch)| Some(Expect { boot: Some(boot(run)?), epoch: epoch.parse().ok()? }));
    // whatever else it is, it is no release that there ever was
    said.map(Some).ok_or_else(|| Refused::new(STALE, format!("`If-Match: {tag}` names no release of a switch")))
}

/// The header's one value, in ASCII.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refused> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    text.map(Some).ok_or_else(|| Refused::field(name.as_str(), format!("`{name}` is to be said once, in ASCII")))
}
