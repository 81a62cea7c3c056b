//! The signed envelope that an image comes in: its bytes, written and taken apart.
//!
//! ```text
//! magic       8 bytes   "hotimage"
//! format      u16       1
//! head length u16
//! key         8 bytes   what the key is called that signed
//! head        postcard  application, serial, created, expires, note, length and SHA-256 of the image
//! signature   64 bytes  ed25519, of all before it
//! image       bytes     as many as the head says, and no more
//! ```
//!
//! Integers are little-endian. The key's name stands before the head, so that the signature is checked first and only
//! a head that was signed is decoded. The signature covers the head, and the digest in it the image.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::key::{KeyId, SecretKey};
use super::trust::TrustError;

const MAGIC: [u8; 8] = *b"hotimage";
const FORMAT: u16 = 1;
/// Magic, format, head length, key.
const PREFIX: usize = 8 + 2 + 2 + 8;
const SIGNATURE: usize = 64;
/// All that can stand around an image.
pub(super) const MOST_AROUND: u64 = (PREFIX + u16::MAX as usize + SIGNATURE) as u64;
/// So many bytes an application id may have, and a note.
const LONGEST_ID: usize = 255;
const LONGEST_NOTE: usize = 4096;
/// For how long an image is good if its claims do not say.
const MONTH: Duration = Duration::from_hours(30 * 24);

/// What a signer claims about an image.
///
/// ```
/// use std::time::Duration;
/// use hotswap::load::Claims;
///
/// let claims = Claims::new("shop", 7).valid_for(Duration::from_secs(3600)).note("prices of may");
/// assert_eq!(claims.expires, claims.created + 3600);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Claims {
    /// Which program it is for: the id that this program's [`Trust`](super::Trust) was given.
    pub application: String,
    /// Its place in the order of this application's images: each new one has a higher serial than all before it.
    pub serial: u64,
    /// When it was signed, in Unix seconds.
    pub created: u64,
    /// From when on it is not taken any more, in Unix seconds.
    pub expires: u64,
    /// What its signer wants to say of it; nothing depends on it.
    pub note: String,
}

/// What the head of an envelope says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// The key that it says it was signed with.
    pub key: KeyId,
    /// What its signer claims.
    pub claims: Claims,
    /// The length of the image in bytes.
    pub length: u64,
    /// The digest of the image.
    pub digest: Digest,
}

/// The SHA-256 of an image; it prints as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest([u8; 32]);

/// Why an image is not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The application id is empty or too long.
    #[error("an application id has 1 to {LONGEST_ID} bytes, this one {bytes}")]
    Application {
        /// How many it has.
        bytes: usize,
    },
    /// The note is too long.
    #[error("a note has at most {LONGEST_NOTE} bytes, this one {bytes}")]
    Note {
        /// How many it has.
        bytes: usize,
    },
    /// It would have expired before it is valid.
    #[error("it would expire ({expires}) no later than it is created ({created}): give it a time to be valid for")]
    NeverValid {
        /// When it is created, in Unix seconds.
        created: u64,
        /// When it expires, in Unix seconds.
        expires: u64,
    },
    /// There is nothing to sign.
    #[error("the image is empty")]
    Empty,
    /// What was given is an envelope, not an image.
    #[error("this is signed already: sign the image that it was made of")]
    SignedAlready,
}

/// The head, as it is encoded.
#[derive(Serialize, Deserialize)]
struct Encoded {
    claims: Claims,
    length: u64,
    digest: Digest,
}

/// An envelope, taken apart as far as that goes without trusting a word of it.
pub(super) struct Parts<'a> {
    pub(super) key: KeyId,
    /// What the signature is of.
    pub(super) signed: &'a [u8],
    pub(super) signature: [u8; SIGNATURE],
    head: &'a [u8],
    image: &'a [u8],
}

impl Claims {
    /// For this application and with this serial; made now and good for 30 days.
    #[must_use]
    pub fn new(application: impl Into<String>, serial: u64) -> Self {
        let created = seconds(SystemTime::now());
        let expires = created + MONTH.as_secs();
        Self { application: application.into(), serial, created, expires, note: String::new() }
    }

    /// Made at this time, and as long good as before.
    #[must_use]
    pub fn created_at(mut self, time: SystemTime) -> Self {
        let valid = self.expires.saturating_sub(self.created);
        self.created = seconds(time);
        self.expires = self.created.saturating_add(valid);
        self
    }

    /// Good for so long from when it was made, in whole seconds.
    #[must_use]
    pub fn valid_for(mut self, time: Duration) -> Self {
        self.expires = self.created.saturating_add(time.as_secs());
        self
    }

    /// With this note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn check(&self) -> Result<(), SignError> {
        let (id, note) = (self.application.len(), self.note.len());
        if id == 0 || id > LONGEST_ID {
            return Err(SignError::Application { bytes: id });
        }
        if note > LONGEST_NOTE {
            return Err(SignError::Note { bytes: note });
        }
        if self.expires <= self.created {
            return Err(SignError::NeverValid { created: self.created, expires: self.expires });
        }
        Ok(())
    }
}

impl Digest {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// From its 64 digits.
    pub(super) fn parse(digits: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let length = base16ct::lower::decode(digits, &mut bytes).ok()?.len();
        (length == bytes.len()).then_some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base16ct::lower::encode_string(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Puts an image into an envelope that says these claims, signed with the key.
///
/// # Errors
///
/// If the claims are such that no program would take it, or it is no image.
///
/// ```
/// use hotswap::load::{Claims, SecretKey, Trust, sign};
///
/// let key = SecretKey::generate()?;
/// let file = sign(b"an image", &key, &Claims::new("shop", 1))?;
/// assert_eq!(Trust::new("shop").key(key.public()).verify(&file)?.image(), b"an image");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(clippy::missing_panics_doc, reason = "the claims were checked: such a head can be encoded, and is short")]
pub fn sign(image: &[u8], key: &SecretKey, claims: &Claims) -> Result<Vec<u8>, SignError> {
    claims.check()?;
    if image.is_empty() {
        return Err(SignError::Empty);
    }
    if image.starts_with(&MAGIC) {
        return Err(SignError::SignedAlready);
    }
    let head = Encoded { claims: claims.clone(), length: image.len() as u64, digest: Digest::of(image) };
    let head = postcard::to_allocvec(&head).expect("plain data is encoded");
    let length = u16::try_from(head.len()).expect("its parts have their limits");
    let mut file = Vec::with_capacity(PREFIX + head.len() + SIGNATURE + image.len());
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&FORMAT.to_le_bytes());
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&key.public().id().0);
    file.extend_from_slice(&head);
    let signature = key.sign(&file);
    file.extend_from_slice(&signature);
    file.extend_from_slice(image);
    Ok(file)
}

/// What an envelope says of itself, believed by nobody: its signature is **not** checked, nor its image looked at.
///
/// # Errors
///
/// If the bytes are no whole envelope: [`NotAnEnvelope`](TrustError::NotAnEnvelope), [`Unsigned`](TrustError::Unsigned),
/// [`Format`](TrustError::Format), [`Truncated`](TrustError::Truncated), [`TooLong`](TrustError::TooLong) or
/// [`Head`](TrustError::Head).
///
/// ```
/// use hotswap::load::{Claims, SecretKey, head, sign};
///
/// let file = sign(b"an image", &SecretKey::generate()?, &Claims::new("shop", 1))?;
/// assert_eq!(head(&file)?.claims.application, "shop");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn head(file: &[u8]) -> Result<Head, TrustError> {
    Ok(parts(file)?.open()?.0)
}

/// Takes a file apart up to its image, whose length is not known before the head is believed.
pub(super) fn parts(file: &[u8]) -> Result<Parts<'_>, TrustError> {
    let bytes = file.len() as u64;
    let truncated = |expected: usize| TrustError::Truncated { bytes, expected: expected as u64 };
    if !file.starts_with(&MAGIC) {
        let begun = !file.is_empty() && MAGIC.starts_with(file);
        return Err(if begun { truncated(PREFIX) } else { no_envelope(file) });
    }
    let (prefix, rest) = file.split_first_chunk::<PREFIX>().ok_or_else(|| truncated(PREFIX))?;
    let [.., f0, f1, l0, l1, k0, k1, k2, k3, k4, k5, k6, k7] = *prefix;
    let (format, length) = (u16::from_le_bytes([f0, f1]), usize::from(u16::from_le_bytes([l0, l1])));
    if format != FORMAT {
        return Err(TrustError::Format { found: format, known: FORMAT });
    }
    let whole = || truncated(PREFIX + length + SIGNATURE);
    let (head, rest) = rest.split_at_checked(length).ok_or_else(whole)?;
    let (signature, image) = rest.split_first_chunk().ok_or_else(whole)?;
    let signed = &file[..PREFIX + length];
    Ok(Parts { key: KeyId([k0, k1, k2, k3, k4, k5, k6, k7]), signed, signature: *signature, head, image })
}

/// What else it is.
fn no_envelope(file: &[u8]) -> TrustError {
    // the magic of the files that this system can load
    if file.starts_with(b"\x7fELF") { TrustError::Unsigned } else { TrustError::NotAnEnvelope }
}

impl<'a> Parts<'a> {
    /// The head, and an image that is as long as it says.
    pub(super) fn open(&self) -> Result<(Head, &'a [u8]), TrustError> {
        let (Encoded { claims, length, digest }, rest) =
            postcard::take_from_bytes(self.head).map_err(|error| TrustError::Head(error.to_string()))?;
        if !rest.is_empty() {
            return Err(TrustError::Head(format!("{} bytes are left over", rest.len())));
        }
        let bytes = self.image.len() as u64;
        if bytes < length {
            let around = (self.signed.len() + SIGNATURE) as u64;
            return Err(TrustError::Truncated { bytes: around + bytes, expected: around.saturating_add(length) });
        }
        if bytes > length {
            return Err(TrustError::TooLong { over: bytes - length });
        }
        Ok((Head { key: self.key, claims, length, digest }, self.image))
    }
}

/// Unix seconds; a time before 1970 is none of any signer's.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
