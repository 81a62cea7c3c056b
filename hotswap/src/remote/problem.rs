//! Refusals as `application/problem+json` (RFC 9457): which status each has, and what stands in the way.

use std::io;

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::drive::{NotSaved, NotStepped};
use super::who::Role;
use super::wire::{Blocker, Problem};
use crate::convert::ConvertError;
use crate::encoded::EncodedError;
use crate::error::{AdminError, StepError, VersionError, Why};
use crate::save::{RestoreError, SaveError};

/// A call that was refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) problem: Box<Problem>,
    /// Something has been done all the same: the same call again would do it again.
    pub(super) done: bool,
}

/// The answer is to be kept for the same call again, although it is a refusal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done;

/// A kind of problem: its name, its status, and what it is in a few words.
pub(super) type Sort = (&'static str, StatusCode, &'static str);

pub(super) const UNREADABLE: Sort = ("unreadable", StatusCode::BAD_REQUEST, "the request cannot be read");
pub(super) const UNKNOWN: Sort = ("unknown-caller", StatusCode::UNAUTHORIZED, "nobody knows who asks");
pub(super) const FORBIDDEN: Sort = ("forbidden", StatusCode::FORBIDDEN, "the caller's role does not allow it");
pub(super) const NO_ROUTE: Sort = ("no-route", StatusCode::NOT_FOUND, "there is nothing at this path");
pub(super) const NO_SWITCH: Sort = ("no-switch", StatusCode::NOT_FOUND, "no switch has this label");
pub(super) const NO_COMMAND: Sort = ("no-command", StatusCode::NOT_FOUND, "no command that is kept has this id");
pub(super) const NO_METHOD: Sort = ("no-method", StatusCode::METHOD_NOT_ALLOWED, "the path does not take this method");
pub(super) const STALE: Sort = ("stale", StatusCode::PRECONDITION_FAILED, "another release is the present one");
pub(super) const TOO_LARGE: Sort = ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
pub(super) const MEDIA_TYPE: Sort =
    ("media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is not of the type that is read here");
pub(super) const ID_REUSED: Sort =
    ("id-reused", StatusCode::UNPROCESSABLE_ENTITY, "the key was used before, for something else");
pub(super) const TOO_MANY: Sort = ("too-many", StatusCode::TOO_MANY_REQUESTS, "too many calls wait already");
pub(super) const ABSENT: Sort = ("absent", StatusCode::SERVICE_UNAVAILABLE, "this program does not offer it");
pub(super) const BROKEN: Sort = ("broken", StatusCode::INTERNAL_SERVER_ERROR, "the call ended in the middle");

impl Refused {
    pub(super) fn new((name, status, title): Sort, detail: impl Into<String>) -> Self {
        let problem = Problem {
            kind: format!("{}{name}", Problem::PREFIX),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            blocker: None,
        };
        Self { problem: Box::new(problem), done: false }
    }

    pub(super) fn because(mut self, blocker: Blocker) -> Self {
        self.problem.blocker = Some(blocker);
        self
    }

    /// A field of the body or a header that cannot be read.
    pub(super) fn field(name: &str, detail: impl Into<String>) -> Self {
        Self::new(UNREADABLE, detail).because(Blocker::Field { name: name.to_owned() })
    }

    pub(super) fn no_switch(label: &str) -> Self {
        Self::new(NO_SWITCH, format!("no live switch is labelled `{label}`"))
    }

    pub(super) fn role(needs: Role, has: Role) -> Self {
        let detail = format!("this takes the role `{needs}`, and the caller's is `{has}`");
        Self::new(FORBIDDEN, detail).because(Blocker::Role { needs, has })
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&*self.problem)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.done {
            response.extensions_mut().insert(Done);
        }
        // whoever keeps the account of the calls need not read the body again
        response.extensions_mut().insert(self.problem);
        response
    }
}

impl From<AdminError> for Refused {
    fn from(error: AdminError) -> Self {
        let detail = error.to_string();
        let (sort, blocker) = match error {
            AdminError::Version(error) => version(error),
            AdminError::NoWay { from, to, missing } => (
                ("no-way", StatusCode::UNPROCESSABLE_ENTITY, "no way is declared"),
                Blocker::NoWay { from, to, missing },
            ),
            AdminError::NoWayBack { from, to, missing } => (
                ("no-way-back", StatusCode::UNPROCESSABLE_ENTITY, "no way back is declared"),
                Blocker::NoWay { from, to, missing },
            ),
            AdminError::Stale { expected, present } => (STALE, Blocker::Stale { expected, present }),
            AdminError::Pending { id } => {
                (("pending", StatusCode::CONFLICT, "another command runs"), Blocker::Pending { id })
            }
            AdminError::NotTheLast { last, .. } => (
                ("superseded", StatusCode::CONFLICT, "another command came after it"),
                Blocker::Superseded { by: last },
            ),
            AdminError::IdReused { id, was } => (ID_REUSED, Blocker::IdReused { id, was }),
            AdminError::NotStored { .. } => return Self::new(NOT_STORED, detail),
            AdminError::NothingToCommit { permanent } => (
                ("nothing-to-commit", StatusCode::CONFLICT, "the switch is not in probation"),
                Blocker::Permanent { version: permanent },
            ),
            AdminError::NothingToRollBack { permanent } => (
                ("nothing-to-roll-back", StatusCode::CONFLICT, "the switch is not in probation"),
                Blocker::Permanent { version: permanent },
            ),
            AdminError::CanaryRuns { percent, before, to } => {
                (("canary-runs", StatusCode::CONFLICT, "a canary runs"), Blocker::Canary { percent, before, to })
            }
            AdminError::NothingToPromote { .. } => {
                return Self::new(("nothing-to-promote", StatusCode::CONFLICT, "no canary runs"), detail);
            }
            AdminError::NotAShare { .. } => (
                ("not-a-share", StatusCode::UNPROCESSABLE_ENTITY, "a canary takes 1 to 99 percent"),
                Blocker::Field { name: "canary".to_owned() },
            ),
            AdminError::LossNotAccepted { to, losses } => (
                ("loss-not-accepted", StatusCode::CONFLICT, "something would be lost"),
                Blocker::Losses { to, losses: losses.into_iter().map(Into::into).collect() },
            ),
            AdminError::HeldBack { count, named } => {
                (("held-back", StatusCode::CONFLICT, "instances are held back"), Blocker::HeldBack { count, named })
            }
            AdminError::NoInstance { key } => (
                ("no-instance", StatusCode::NOT_FOUND, "no instance that can be reached has this key"),
                Blocker::Instance { key },
            ),
            AdminError::InUse { key } => {
                (("in-use", StatusCode::CONFLICT, "the instance is in use"), Blocker::Instance { key })
            }
            AdminError::Ambiguous { key, .. } => {
                (("ambiguous", StatusCode::CONFLICT, "several instances have this key"), Blocker::Instance { key })
            }
            AdminError::NotReplaced { key, .. } => (
                ("not-replaced", StatusCode::UNPROCESSABLE_ENTITY, "the state cannot be used"),
                Blocker::Instance { key },
            ),
            AdminError::NotShown { key, .. } => {
                (("not-shown", StatusCode::CONFLICT, "the state cannot be shown"), Blocker::Instance { key })
            }
        };
        Self::new(sort, detail).because(blocker)
    }
}

const NOT_STORED: Sort = ("not-stored", StatusCode::SERVICE_UNAVAILABLE, "the disk does not take it");

fn version(error: VersionError) -> (Sort, Blocker) {
    match error {
        VersionError::Unknown { asked, known, .. } => (
            ("no-version", StatusCode::NOT_FOUND, "the machine has no such version"),
            Blocker::Version { asked, known },
        ),
        VersionError::Retired { asked, known, .. } => {
            (("retired", StatusCode::NOT_FOUND, "the version is retired"), Blocker::Version { asked, known })
        }
        VersionError::DecodeOnly { asked, .. } => (
            ("decode-only", StatusCode::UNPROCESSABLE_ENTITY, "the version has no steps"),
            Blocker::Version { asked, known: Vec::new() },
        ),
    }
}

impl From<NotStepped> for Refused {
    fn from(error: NotStepped) -> Self {
        let detail = error.to_string();
        match error {
            NotStepped::Admin(error) => error.into(),
            NotStepped::Encoded(EncodedError::NotTaken(StepError { why, .. })) => {
                let sort = match why {
                    Why::Refused { .. } => {
                        ("input-refused", StatusCode::UNPROCESSABLE_ENTITY, "the version does not take this input")
                    }
                    Why::Poisoned => ("poisoned", StatusCode::CONFLICT, "an earlier step of this instance panicked"),
                    Why::Reentered | Why::NoKey | Why::NotMade => {
                        ("not-taken", StatusCode::CONFLICT, "the instance does not take it now")
                    }
                };
                Self::new(sort, detail)
            }
            NotStepped::Encoded(EncodedError::Undecodable { .. }) => {
                let sort = (
                    "no-input",
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "the machine has no such input, or not of this shape",
                );
                Self::new(sort, detail)
            }
            NotStepped::Encoded(EncodedError::Unencodable { .. }) => {
                let sort = ("output-lost", StatusCode::UNPROCESSABLE_ENTITY, "the step ran, and its output is lost");
                Self { done: true, ..Self::new(sort, detail) }
            }
            NotStepped::Panicked(_) => {
                let sort = ("step-panicked", StatusCode::UNPROCESSABLE_ENTITY, "the step panicked");
                Self { done: true, ..Self::new(sort, detail) }
            }
        }
    }
}

impl From<NotSaved> for Refused {
    fn from(error: NotSaved) -> Self {
        let detail = error.to_string();
        let sort = match error {
            NotSaved::Admin(error) => return error.into(),
            NotSaved::Convert(error) => return not_converted(error),
            NotSaved::NoFleet => ("no-fleet", StatusCode::CONFLICT, "the switch has no fleet"),
            NotSaved::Save(error) => not_saved(&error),
        };
        Self::new(sort, detail)
    }
}

fn not_saved(error: &SaveError) -> Sort {
    match error {
        SaveError::Io { .. } | SaveError::NotLasting { .. } => NOT_STORED,
        SaveError::Occupied { .. } => ("occupied", StatusCode::CONFLICT, "the file is of something else"),
        SaveError::State { .. } => ("not-encoded", StatusCode::UNPROCESSABLE_ENTITY, "a state cannot be written"),
        SaveError::Busy { .. } | SaveError::Unsteady | SaveError::Reentered => {
            ("busy", StatusCode::CONFLICT, "something else is being done to it")
        }
    }
}

fn not_converted(error: ConvertError) -> Refused {
    let detail = error.to_string();
    let sort = match error {
        ConvertError::Refused(error) => return error.into(),
        ConvertError::NotWritten(error) => not_saved(&error),
        ConvertError::NotRead(RestoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            ("no-file", StatusCode::NOT_FOUND, "no file has this name")
        }
        ConvertError::NotRead(RestoreError::Io { .. } | RestoreError::Reentered) => {
            ("not-read", StatusCode::SERVICE_UNAVAILABLE, "the file cannot be read")
        }
        ConvertError::NotRead(RestoreError::Snapshot { .. }) => {
            ("not-a-fleet", StatusCode::UNPROCESSABLE_ENTITY, "it is no whole file of such a fleet")
        }
        ConvertError::OnProbation { .. } | ConvertError::OtherStore { .. } => {
            ("on-probation", StatusCode::CONFLICT, "the file was saved in a probation that may be undone")
        }
        ConvertError::NotMoved { failed, failures, .. } => {
            let sort = ("not-moved", StatusCode::CONFLICT, "instances cannot come along");
            let failures = failures.into_iter().map(Into::into).collect();
            return Refused::new(sort, detail).because(Blocker::NotMoved { count: failed, failures });
        }
    };
    Refused::new(sort, detail)
}

#[cfg(feature = "load")]
impl From<crate::load::LoadError> for Refused {
    fn from(error: crate::load::LoadError) -> Self {
        use crate::load::{LoadError, TrustError};
        let detail = error.to_string();
        let sort = match error {
            LoadError::InUse { holders, .. } => {
                let holders = holders.into_iter().map(Into::into).collect();
                let sort = ("in-use", StatusCode::CONFLICT, "switches use the image");
                return Self::new(sort, detail).because(Blocker::Holders { holders });
            }
            LoadError::NoImage { .. } => ("no-image", StatusCode::NOT_FOUND, "no image has this id"),
            LoadError::AlreadyHere { .. } | LoadError::NothingNew => {
                ("nothing-new", StatusCode::CONFLICT, "the image has nothing that is not here")
            }
            LoadError::Trust(TrustError::Memory(_)) => NOT_STORED,
            LoadError::Trust(TrustError::TooBig { .. }) => TOO_LARGE,
            LoadError::Trust(_) => ("not-trusted", StatusCode::UNPROCESSABLE_ENTITY, "the image is not trusted"),
            LoadError::Inspect(_) | LoadError::Unfit(_) | LoadError::NoMachine { .. } => {
                ("unfit", StatusCode::UNPROCESSABLE_ENTITY, "the image does not fit this program")
            }
            LoadError::Map(_) => ("not-loaded", StatusCode::UNPROCESSABLE_ENTITY, "the image cannot be loaded"),
        };
        Self::new(sort, detail)
    }
}
