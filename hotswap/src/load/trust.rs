//! Whom a program trusts, and the one way to an image that may be loaded safely: through all the checks.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::envelope::{self, Claims, Digest, Head};
use super::key::{KeyId, PublicKey};
use super::memory::{Memory, MemoryError};

/// A signer's clock may be so far ahead of the program's.
const AHEAD: Duration = Duration::from_mins(5);
/// So long an image may be, if the program does not say.
const LIMIT: u64 = 256 << 20;

/// Whom a program trusts: the id it goes by, the keys it believes, and which images it has accepted.
///
/// An image is loaded in three steps: [`verify`](Self::verify), the loading itself, and [`accept`](Self::accept) once
/// that has worked. A load that fails uses no serial up, and can be tried again with the same file.
///
/// What was accepted is forgotten with the program, unless it is told to [`remember`](Self::remember): without that, an
/// old image that has not expired is taken again after a restart.
///
/// ```
/// use hotswap::load::{Claims, SecretKey, Trust, TrustError, sign};
///
/// let key = SecretKey::generate()?;
/// let trust = Trust::new("shop").key(key.public());
/// let second = sign(b"version 3", &key, &Claims::new("shop", 2))?;
/// let verified = trust.verify(&second)?;
/// // … load it, and then:
/// trust.accept(&verified)?;
///
/// let first = sign(b"version 2", &key, &Claims::new("shop", 1))?;
/// assert!(matches!(trust.verify(&first), Err(TrustError::Replayed { serial: 1, last: 2 })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Trust {
    application: String,
    keys: Vec<PublicKey>,
    limit: u64,
    memory: Mutex<Memory>,
}

/// An image whose envelope passed every check. That is the only way to have one, and what the loader asks for.
#[derive(Debug, Clone)]
pub struct Verified {
    head: Head,
    image: Arc<[u8]>,
}

/// Why a file is not trusted. Nothing in it has run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The bytes are no image, signed or not.
    #[error("this is no signed image: make one with `hotswap build` and `hotswap sign`")]
    NotAnEnvelope,
    /// It is an image without an envelope.
    #[error("the image is not signed: sign it with `hotswap sign`")]
    Unsigned,
    /// It was signed by a tool that writes another layout.
    #[error(
        "the signed image has format {found}, this program knows format {known}: sign it with a `hotswap` of its age"
    )]
    Format {
        /// The format that it has.
        found: u16,
        /// The format that this program reads.
        known: u16,
    },
    /// The file ends too early.
    #[error(
        "the signed image is cut short, {bytes} bytes of at least {expected}: copy it again, and rename it when whole"
    )]
    Truncated {
        /// How many bytes there are.
        bytes: u64,
        /// How many there must be, as far as the file got to say so.
        expected: u64,
    },
    /// Something comes after the end.
    #[error("{over} bytes come after the end of the signed image: copy it again")]
    TooLong {
        /// How many.
        over: u64,
    },
    /// It is larger than this program takes.
    #[error("the file is larger than an image of {limit} bytes: make a smaller image, or raise `Trust::limit`")]
    TooBig {
        /// The most bytes that an image may have.
        limit: u64,
    },
    /// The head was signed and cannot be decoded, or it was only looked at and is damaged.
    #[error("the head of the signed image cannot be read: {0}; sign the image again")]
    Head(String),
    /// It names a key that this program was not given.
    #[error("the image is signed with key {key}, which is not trusted here{}: sign it with one that is, or trust that", these(.trusted))]
    UnknownKey {
        /// What the key is called.
        key: KeyId,
        /// What the keys are called that are trusted.
        trusted: Vec<KeyId>,
    },
    /// The head is not what the key's owner signed.
    #[error(
        "the signature is not that of key {key}: the file was damaged or tampered with; get it from its signer again"
    )]
    BadSignature {
        /// What the key is called.
        key: KeyId,
    },
    /// It was signed for another program.
    #[error(
        "the image is for application `{found}`, this is `{expected}`: sign it for this one, if it is meant for it"
    )]
    WrongApplication {
        /// The application that it is for.
        found: String,
        /// The application that this is.
        expected: String,
    },
    /// Its time is over.
    #[error("the image expired {} ago: sign it again", span(.now.saturating_sub(*.expired)))]
    Expired {
        /// When it expired, in Unix seconds.
        expired: u64,
        /// What the clock said, in Unix seconds.
        now: u64,
    },
    /// It comes from the future.
    #[error("the image was signed {} from now: set the clock that is wrong, here or where it was signed", span(.created.saturating_sub(*.now)))]
    NotYetValid {
        /// When it was made, in Unix seconds.
        created: u64,
        /// What the clock said, in Unix seconds.
        now: u64,
    },
    /// It is not newer than what was accepted.
    #[error("the image has serial {serial}, and {last} was accepted already: sign what is newer with a higher serial")]
    Replayed {
        /// Its serial.
        serial: u64,
        /// The highest serial that was accepted.
        last: u64,
    },
    /// It was to be taken again, and was never accepted.
    #[error("the image with serial {serial} was not accepted before: load it as a new one")]
    NeverAccepted {
        /// Its serial.
        serial: u64,
    },
    /// The image is not the one that was signed.
    #[error(
        "the image was altered after it was signed: its digest is {found}, and {signed} was signed; get it from its signer again"
    )]
    Altered {
        /// The digest that it has.
        found: Digest,
        /// The digest that was signed.
        signed: Digest,
    },
    /// The file could not be read.
    #[error("the image {path} cannot be read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be kept that the image was accepted.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

/// Which images are let through.
#[derive(Clone, Copy)]
enum Taken {
    /// What is newer than all that were accepted, at this time.
    New(SystemTime),
    /// What was accepted.
    Again,
}

impl Trust {
    /// For the application with this id, which its images are signed for; it trusts no key yet.
    #[must_use]
    pub fn new(application: impl Into<String>) -> Self {
        Self { application: application.into(), keys: Vec::new(), limit: LIMIT, memory: Mutex::default() }
    }

    /// Trusts this key as well. A key is given up by leaving it out: none of its images is taken then, new or again.
    #[must_use]
    pub fn key(mut self, key: PublicKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Takes images of at most so many bytes; else 256 MiB.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Keeps what is accepted in this file, and knows what is in it. The file is this program's alone while it runs.
    ///
    /// # Errors
    ///
    /// If the file cannot be used, is open elsewhere, is another application's, or is damaged.
    pub fn remember(mut self, path: impl AsRef<Path>) -> Result<Self, MemoryError> {
        self.memory = Mutex::new(Memory::open(path.as_ref(), &self.application)?);
        Ok(self)
    }

    /// The id that images must be signed for.
    #[must_use]
    pub fn application(&self) -> &str {
        &self.application
    }

    /// The highest serial that was accepted.
    #[must_use]
    pub fn last_serial(&self) -> Option<u64> {
        self.memory().last()
    }

    /// Checks the bytes of a signed image that is to be loaded for the first time.
    ///
    /// # Errors
    ///
    /// The first check that fails, in this order: the layout, the key, the signature, the application, the times, the
    /// serial, the digest.
    pub fn verify(&self, file: &[u8]) -> Result<Verified, TrustError> {
        self.verify_at(file, SystemTime::now())
    }

    /// [`verify`](Self::verify) as if it were this time.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn verify_at(&self, file: &[u8], now: SystemTime) -> Result<Verified, TrustError> {
        self.check(file, Taken::New(now))
    }

    /// Checks the bytes of a signed image that was accepted before: for a program that starts again and needs the version
    /// that it ran.
    ///
    /// The image must be the very one that was accepted, and its key still be trusted. It may have expired since: the
    /// expiry says until when it may come in, and a program that could not start again for it would lose its state.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify), without the times; and where the image was not accepted,
    /// [`Replayed`](TrustError::Replayed) or, with a serial above all, [`NeverAccepted`](TrustError::NeverAccepted).
    pub fn verify_again(&self, file: &[u8]) -> Result<Verified, TrustError> {
        self.check(file, Taken::Again)
    }

    /// Reads a signed image from a file, as far as the [`limit`](Self::limit) goes, for [`verify`](Self::verify).
    ///
    /// # Errors
    ///
    /// If it cannot be read, is no plain file, or is larger than an image may be.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>, TrustError> {
        let path = path.as_ref();
        let most = self.limit.saturating_add(envelope::MOST_AROUND);
        let read = || {
            // a pipe would have to be waited for
            if !std::fs::metadata(path)?.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"));
            }
            let mut bytes = Vec::new();
            File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|source| TrustError::Io { path: path.to_owned(), source })?;
        if bytes.len() as u64 > most { Err(TrustError::TooBig { limit: self.limit }) } else { Ok(bytes) }
    }

    /// Uses the image's serial up, now that it was loaded: nothing older is taken from here on, and after a restart if
    /// this is to be remembered. Doing it again for the same image changes nothing.
    ///
    /// # Errors
    ///
    /// [`Replayed`](TrustError::Replayed) if another image was accepted since this one was verified, and it is not older;
    /// [`WrongApplication`](TrustError::WrongApplication) if another application's `Trust` verified it; or if the memory
    /// cannot be written. The image must not be used then.
    pub fn accept(&self, verified: &Verified) -> Result<(), TrustError> {
        let Head { claims, digest, .. } = &verified.head;
        self.check_application(claims)?;
        let mut memory = self.memory();
        if memory.knows(claims.serial, digest) {
            return Ok(());
        }
        check_newer(&memory, claims.serial)?;
        Ok(memory.add(claims.serial, *digest)?)
    }

    fn check(&self, file: &[u8], taken: Taken) -> Result<Verified, TrustError> {
        let parts = envelope::parts(file)?;
        let key = self.keys.iter().find(|key| key.id() == parts.key).ok_or_else(|| self.unknown(parts.key))?;
        if !key.signed(parts.signed, &parts.signature) {
            return Err(TrustError::BadSignature { key: parts.key });
        }
        // from here on it is what a trusted signer wrote
        let (head, image) = parts.open()?;
        self.check_application(&head.claims)?;
        if head.length > self.limit {
            return Err(TrustError::TooBig { limit: self.limit });
        }
        match taken {
            Taken::New(now) => {
                check_times(&head.claims, now)?;
                check_newer(&self.memory(), head.claims.serial)?;
            }
            Taken::Again => check_known(&self.memory(), &head)?,
        }
        let found = Digest::of(image);
        if found != head.digest {
            return Err(TrustError::Altered { found, signed: head.digest });
        }
        Ok(Verified { head, image: image.into() })
    }

    fn check_application(&self, claims: &Claims) -> Result<(), TrustError> {
        if claims.application == self.application {
            return Ok(());
        }
        let (found, expected) = (claims.application.clone(), self.application.clone());
        Err(TrustError::WrongApplication { found, expected })
    }

    fn unknown(&self, key: KeyId) -> TrustError {
        TrustError::UnknownKey { key, trusted: self.keys.iter().map(PublicKey::id).collect() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verified {
    /// The image's bytes.
    #[must_use]
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// What its signer said of it.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }
}

impl TrustError {
    /// What it is called where programs read it: stable, lower case, with hyphens.
    ///
    /// ```
    /// use hotswap::load::Trust;
    ///
    /// assert_eq!(Trust::new("shop").verify(b"?").expect_err("no image").code(), "not-an-envelope");
    /// ```
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAnEnvelope => "not-an-envelope",
            Self::Unsigned => "unsigned",
            Self::Format { .. } => "format",
            Self::Truncated { .. } => "truncated",
            Self::TooLong { .. } => "too-long",
            Self::TooBig { .. } => "too-big",
            Self::Head(_) => "head",
            Self::UnknownKey { .. } => "unknown-key",
            Self::BadSignature { .. } => "bad-signature",
            Self::WrongApplication { .. } => "wrong-application",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::Replayed { .. } => "replayed",
            Self::NeverAccepted { .. } => "never-accepted",
            Self::Altered { .. } => "altered",
            Self::Io { .. } => "io",
            Self::Memory(_) => "memory",
        }
    }
}

fn check_times(claims: &Claims, now: SystemTime) -> Result<(), TrustError> {
    let now = envelope::seconds(now);
    let &Claims { created, expires: expired, .. } = claims;
    if created > now.saturating_add(AHEAD.as_secs()) {
        return Err(TrustError::NotYetValid { created, now });
    }
    if now >= expired { Err(TrustError::Expired { expired, now }) } else { Ok(()) }
}

fn check_newer(memory: &Memory, serial: u64) -> Result<(), TrustError> {
    match memory.last() {
        Some(last) if serial <= last => Err(TrustError::Replayed { serial, last }),
        _ => Ok(()),
    }
}

fn check_known(memory: &Memory, head: &Head) -> Result<(), TrustError> {
    let serial = head.claims.serial;
    if memory.knows(serial, &head.digest) {
        return Ok(());
    }
    check_newer(memory, serial)?;
    Err(TrustError::NeverAccepted { serial })
}

/// The keys in brackets, for a message.
fn these(keys: &[KeyId]) -> String {
    if keys.is_empty() {
        return " (no key is)".to_owned();
    }
    let keys: Vec<_> = keys.iter().map(KeyId::to_string).collect();
    format!(" (trusted: {})", keys.join(", "))
}

/// A time as people say it, in the largest unit that it fills.
fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
