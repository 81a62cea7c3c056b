//! The keys that images are signed with: their text, their files, and what they are called.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const SECRET: &str = "hotswap-secret-key:1:";
const PUBLIC: &str = "hotswap-public-key:1:";
/// No key file is longer, with what an editor may have left around the line.
const LONGEST: usize = 256;

/// The key that an image is signed with. It is erased from memory when it is dropped, and never printed.
///
/// ```
/// use hotswap::load::SecretKey;
///
/// let key = SecretKey::generate()?;
/// assert_eq!(format!("{key:?}"), format!("SecretKey({})", key.public().id()));
/// # Ok::<(), hotswap::load::KeyError>(())
/// ```
pub struct SecretKey(SigningKey);

/// The key that a signature is checked with: what a program is given to say whom it trusts.
///
/// ```
/// use hotswap::load::{PublicKey, SecretKey};
///
/// let key = SecretKey::generate()?.public();
/// assert!(key.to_string().starts_with("hotswap-public-key:1:"));
/// assert_eq!(key.to_string().parse::<PublicKey>()?, key);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(VerifyingKey);

/// What a key is called: the first 8 bytes of the SHA-256 of the public key, in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) [u8; 8]);

/// A key that could not be had from a file, or put into one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file could not be read or written.
    #[error("the key file {path} cannot be used: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is a file already, and a key is not written over.
    #[error("there is a file {path} already: a key is never written over, so give another name or move it away")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// What is in the file is no such key.
    #[error("the key file {path}: {error}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: ParseKeyError,
    },
    /// Every user of the machine may read the secret key.
    #[error("every user may read the secret key {path}: take that right away with `chmod o-rwx`, or make a new key")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no random bytes.
    #[error("the system gives no random bytes to make a key of: {0}")]
    Random(String),
}

/// Why text is not the key that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseKeyError {
    /// It does not begin as a key does.
    #[error("this is no key: a {expected} is one line, `{begins}…`")]
    NotAKey {
        /// What was asked for: `public key` or `secret key`.
        expected: &'static str,
        /// How such a line begins.
        begins: &'static str,
    },
    /// A secret key stands where a public one is wanted.
    #[error("this is a secret key, and a public one is wanted here: take the `.pub` file beside it, and keep this one")]
    Secret,
    /// A public key stands where a secret one is wanted.
    #[error("this is a public key, and signing wants the secret one: take the file without `.pub`")]
    Public,
    /// A key of a format that this program does not know.
    #[error("this key is of a format that this program does not know: it knows 1")]
    Format,
    /// The right beginning, but not 64 hexadecimal digits after it, or no point of the curve that a key may be.
    #[error("this key is damaged: 64 hexadecimal digits of a valid key come after the last colon")]
    Damaged,
}

impl SecretKey {
    /// A new one, from the system's random bytes.
    ///
    /// # Errors
    ///
    /// If the system gives none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|error| KeyError::Random(error.to_string()))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// The one in a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, holds no secret key, or may be read by every user.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let key = text_of(path)?.parse().map_err(|error| KeyError::Parse { path: path.to_owned(), error })?;
        private(path)?;
        Ok(key)
    }

    /// Writes it to a new file, which only its owner may read.
    ///
    /// # Errors
    ///
    /// If there is such a file already, or it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), KeyError> {
        let digits = Zeroizing::new(base16ct::lower::encode_string(self.0.as_bytes()));
        let line = Zeroizing::new([SECRET, &digits, "\n"].concat());
        create(path.as_ref(), &line, 0o600)
    }

    /// The key that checks what this one signs.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl PublicKey {
    /// The one in a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or holds no public key.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        text_of(path)?.parse().map_err(|error| KeyError::Parse { path: path.to_owned(), error })
    }

    /// Writes it to a new file, which everybody may read.
    ///
    /// # Errors
    ///
    /// If there is such a file already, or it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), KeyError> {
        create(path.as_ref(), &format!("{self}\n"), 0o644)
    }

    /// What it is called.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let mut id = [0; 8];
        id.copy_from_slice(&Sha256::digest(self.0.as_bytes())[..8]);
        KeyId(id)
    }

    /// Whether this key's owner signed the message. Strictly: no second signature of the same message passes.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

/// For a key that comes from elsewhere than a file, as from a build server's secrets. The text is the caller's to erase.
impl FromStr for SecretKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        Ok(Self(SigningKey::from_bytes(&*bytes_of(text, SECRET)?)))
    }
}

impl FromStr for PublicKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let key = VerifyingKey::from_bytes(&*bytes_of(text, PUBLIC)?).map_err(|_| ParseKeyError::Damaged)?;
        // one that everybody can sign for
        if key.is_weak() { Err(ParseKeyError::Damaged) } else { Ok(Self(key)) }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}{}", base16ct::lower::encode_string(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public().id())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base16ct::lower::encode_string(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The 32 bytes of the key in one line of text, which must begin like that.
fn bytes_of(text: &str, begins: &'static str) -> Result<Zeroizing<[u8; 32]>, ParseKeyError> {
    let text = text.trim();
    let digits = text.strip_prefix(begins).ok_or_else(|| other_than(text, begins))?;
    let mut bytes = Zeroizing::new([0; 32]);
    match base16ct::mixed::decode(digits, &mut *bytes) {
        Ok(decoded) if decoded.len() == 32 => Ok(bytes),
        _ => Err(ParseKeyError::Damaged),
    }
}

/// What is the matter with text that does not begin as wanted.
fn other_than(text: &str, begins: &'static str) -> ParseKeyError {
    let kind = |begins: &str| begins.trim_end_matches("1:").to_owned();
    if text.starts_with(&kind(begins)) {
        return ParseKeyError::Format;
    }
    match begins {
        PUBLIC if text.starts_with(&kind(SECRET)) => ParseKeyError::Secret,
        SECRET if text.starts_with(&kind(PUBLIC)) => ParseKeyError::Public,
        PUBLIC => ParseKeyError::NotAKey { expected: "public key", begins },
        _ => ParseKeyError::NotAKey { expected: "secret key", begins },
    }
}

/// What is in a key file, erased after use. It is read into one buffer that never grows: growing would leave copies.
fn text_of(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let failed = |source| KeyError::Io { path: path.to_owned(), source };
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * LONGEST));
    fs::File::open(path).map_err(failed)?.take(LONGEST as u64).read_to_end(&mut bytes).map_err(failed)?;
    // whatever is no text is no key, and is said to be none when it is parsed
    Ok(Zeroizing::new(std::str::from_utf8(&bytes).unwrap_or_default().to_owned()))
}

fn create(path: &Path, line: &str, mode: u32) -> Result<(), KeyError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists { path: path.to_owned() },
        _ => KeyError::Io { path: path.to_owned(), source },
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    permit(&mut options, mode);
    let mut file = options.open(path).map_err(failed)?;
    let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|source| {
        // half a key is of no use, and would stand in the way of a whole one
        let _ = fs::remove_file(path);
        failed(source)
    })
}

#[cfg(unix)]
fn permit(options: &mut OpenOptions, mode: u32) {
    std::os::unix::fs::OpenOptionsExt::mode(options, mode);
}

/// A file's mode is known on Unix alone; elsewhere the folder's rights decide.
#[cfg(not(unix))]
fn permit(_: &mut OpenOptions, _: u32) {}

/// Refuses a secret that is none. A group may share one, where its owner says so.
#[cfg(unix)]
fn private(path: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt;

    let metadata = fs::metadata(path).map_err(|source| KeyError::Io { path: path.to_owned(), source })?;
    let open = metadata.permissions().mode() & 0o007 != 0;
    if open { Err(KeyError::Exposed { path: path.to_owned() }) } else { Ok(()) }
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as where files have owners")]
fn private(_: &Path) -> Result<(), KeyError> {
    Ok(())
}
