//! Tokens: what a caller shows who cannot be known otherwise, and the file that says whose they are and what they may.
//!
//! The file has the SHA-256 of each, so that who reads it can show none of them:
//!
//! ```text
//! # empty lines, and lines like this one, say nothing
//! <SHA-256 of the token, 64 hexadecimal digits> <role> <name>
//! ```

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::who::Role;

/// How a token begins, so that one that is found somewhere is known for what it is.
const BEGINS: &str = "hst_";
/// No file of tokens is longer.
const LONGEST: u64 = 1 << 20;
const LONGEST_NAME: usize = 64;

/// A token that was just made. Its text is told once, to whom it is for; the file gets the line.
///
/// ```
/// use hotswap::remote::{NewToken, Role};
///
/// let token = NewToken::generate("alice", Role::Operator)?;
/// assert!(token.text().starts_with("hst_"));
/// assert!(token.line().ends_with(" operator alice"));
/// # Ok::<(), hotswap::remote::TokenError>(())
/// ```
pub struct NewToken {
    text: Zeroizing<String>,
    line: String,
}

/// Why there is no token, or no file of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The file could not be read.
    #[error("the file of tokens {path} cannot be read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner may read or change it.
    #[error(
        "others may read or change the file of tokens {path} (its mode is {mode:03o}): `chmod 600` takes that away"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// What its mode is.
        mode: u32,
    },
    /// It belongs to another user.
    #[error("the file of tokens {path} belongs to uid {uid}, who could let anybody in: have one of your own")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// A line is not one of a token.
    #[error("line {line} of the file of tokens {path} {what}: a line is `SHA-256 role name`")]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, the first being 1.
        line: usize,
        /// What is the matter with it.
        what: String,
    },
    /// A token cannot be called that.
    #[error("`{0}` cannot be a token's name: up to 64 letters, digits and any of `. _ - @`")]
    Name(String),
    /// The system gave no random bytes.
    #[error("the system gives no random bytes to make a token of: {0}")]
    Random(String),
}

impl NewToken {
    /// Makes one of 256 random bits.
    ///
    /// # Errors
    ///
    /// If a token cannot have that name, or the system gives no random bytes.
    pub fn generate(name: &str, role: Role) -> Result<Self, TokenError> {
        if !is_name(name) {
            return Err(TokenError::Name(name.to_owned()));
        }
        let mut bits = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bits).map_err(|error| TokenError::Random(error.to_string()))?;
        let digits = Zeroizing::new(base16ct::lower::encode_string(&*bits));
        let text = Zeroizing::new([BEGINS, &digits].concat());
        let line = format!("{} {role} {name}", base16ct::lower::encode_string(&digest(&text)));
        Ok(Self { text, line })
    }

    /// What its owner shows: the secret.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the file gets as a line of its own.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewToken({})", self.line)
    }
}

/// The tokens of a file, which is read again when it has changed.
pub(super) struct Tokens {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    stamp: Option<Stamp>,
    tokens: Vec<Token>,
}

struct Token {
    digest: [u8; 32],
    role: Role,
    name: String,
}

impl Tokens {
    /// Those of a file that is there, and is as it must be.
    pub(super) fn open(path: &Path) -> Result<Self, TokenError> {
        let tokens = Self { path: path.to_owned(), known: Mutex::default() };
        tokens.known().renew(path)?;
        Ok(tokens)
    }

    /// Whose token this is, and what they may.
    ///
    /// A file that has gone, or is no longer as it must be, lets nobody in: a token that was taken out of it would
    /// otherwise be good for as long as nobody mends the file.
    pub(super) fn owner(&self, text: &str) -> Result<Option<(String, Role)>, TokenError> {
        let digest = digest(text);
        let mut known = self.known();
        let stamp = Stamp::of_file(&self.path).map_err(|source| TokenError::Io { path: self.path.clone(), source })?;
        let fresh = known.stamp != Some(stamp);
        if fresh {
            known.renew(&self.path)?;
        }
        let mut owner = known.owner(&digest);
        if owner.is_none() && !fresh {
            // a change within one tick of the file system's clock leaves the stamp as it was
            known.renew(&self.path)?;
            owner = known.owner(&digest);
        }
        Ok(owner)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Compares with every one of them, whichever it is.
    fn owner(&self, digest: &[u8; 32]) -> Option<(String, Role)> {
        let mut owner = None;
        for token in &self.tokens {
            if bool::from(token.digest.ct_eq(digest)) {
                owner = Some(token);
            }
        }
        owner.map(|token| (token.name.clone(), token.role))
    }

    fn renew(&mut self, path: &Path) -> Result<(), TokenError> {
        *self = Self::default();
        *self = read(path)?;
        Ok(())
    }
}

/// What tells one content of a file from the next without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp([i64; 9]);

impl Stamp {
    pub(super) fn of_file(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&fs::metadata(path)?))
    }

    fn of(file: &Metadata) -> Self {
        let [device, inode, size] = [file.dev(), file.ino(), file.size()].map(u64::cast_signed);
        let [mode, uid] = [file.mode(), file.uid()].map(i64::from);
        Self([device, inode, size, mode, uid, file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()])
    }
}

fn read(path: &Path) -> Result<Known, TokenError> {
    let failed = |source| TokenError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // of what was opened, whatever has the name by now
    let metadata = file.metadata().map_err(failed)?;
    let (mode, uid) = (metadata.mode() & 0o777, metadata.uid());
    if mode & 0o077 != 0 {
        return Err(TokenError::Exposed { path: path.to_owned(), mode });
    }
    if uid != 0 && uid != rustix::process::geteuid().as_raw() {
        return Err(TokenError::Foreign { path: path.to_owned(), uid });
    }
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > LONGEST {
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than 1 MiB")));
    }
    let tokens = parse(&text).map_err(|(line, what)| TokenError::Line { path: path.to_owned(), line, what })?;
    Ok(Known { stamp: Some(Stamp::of(&metadata)), tokens })
}

fn parse(text: &str) -> Result<Vec<Token>, (usize, String)> {
    let (mut tokens, mut digests) = (Vec::new(), HashSet::new());
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let token = token(line).map_err(|what| (at + 1, what))?;
        if !digests.insert(token.digest) {
            return Err((at + 1, "has a token that an earlier line has".to_owned()));
        }
        tokens.push(token);
    }
    Ok(tokens)
}

fn token(line: &str) -> Result<Token, String> {
    if line.starts_with(BEGINS) {
        return Err("begins with a token itself, which belongs in no file of the server's".to_owned());
    }
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let [digits, role, name] = words[..] else { return Err(format!("has {} words, not 3", words.len())) };
    let mut digest = [0; 32];
    match base16ct::mixed::decode(digits, &mut digest) {
        Ok(decoded) if decoded.len() == 32 => {}
        _ => return Err("does not begin with 64 hexadecimal digits".to_owned()),
    }
    let role = role.parse().map_err(|error| format!("names no role: {error}"))?;
    if is_name(name) {
        Ok(Token { digest, role, name: name.to_owned() })
    } else {
        Err(format!("has `{}` for a name", name.escape_debug()))
    }
}

fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-@".contains(letter);
    !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(fits)
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A file that goes with the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn with(name: &str, text: &str) -> Self {
            let path = std::env::temp_dir().join(format!("hotswap-tokens-{}-{name}", std::process::id()));
            fs::write(&path, text).expect("it can be written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
            Self(path)
        }

        fn write(&self, text: &str) {
            fs::write(&self.0, text).expect("it can be written");
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_token_is_known_by_its_text_alone_and_the_file_has_only_its_digest() {
        let [alice, bob] = ["alice", "bob"].map(|name| NewToken::generate(name, Role::Operator).expect("made"));
        assert_ne!(alice.text(), bob.text());
        assert_eq!((alice.text().len(), alice.line().len()), (4 + 64, 64 + 1 + 8 + 1 + 5));
        assert!(!alice.line().contains(&alice.text()[4..]) && !format!("{alice:?}").contains(&alice.text()[4..]));
        let file = Scratch::with("known", &format!("# ours\n\n{}\n  {}\t\n", alice.line(), bob.line()));
        let tokens = Tokens::open(&file.0).expect("it is as it must be");
        for (token, name) in [(&alice, "alice"), (&bob, "bob")] {
            let owner = tokens.owner(token.text()).expect("readable");
            assert_eq!(owner, Some((name.to_owned(), Role::Operator)));
        }
        for wrong in ["", "hst_", alice.line(), &alice.line()[..64], &alice.text()[..67], &alice.text().to_uppercase()]
        {
            assert_eq!(tokens.owner(wrong).expect("readable"), None, "{wrong}");
        }
    }

    #[test]
    fn a_file_that_changes_is_read_again_and_one_that_is_spoilt_lets_nobody_in() {
        let [alice, bob] = ["alice", "bob"].map(|name| NewToken::generate(name, Role::Admin).expect("made"));
        let file = Scratch::with("changes", alice.line());
        let tokens = Tokens::open(&file.0).expect("it is as it must be");
        let known = |token: &NewToken| tokens.owner(token.text()).map(|owner| owner.is_some());
        assert!(known(&alice).unwrap() && !known(&bob).unwrap());
        file.write(&format!("{}\n{}\n", alice.line(), bob.line()));
        assert!(known(&alice).unwrap() && known(&bob).unwrap());
        file.write(bob.line());
        assert!(!known(&alice).unwrap() && known(&bob).unwrap());
        file.write(&format!("{}\nwhat is this\n", bob.line()));
        assert!(matches!(known(&bob), Err(TokenError::Line { line: 2, .. })));
        file.write(bob.line());
        assert!(known(&bob).unwrap());
        fs::set_permissions(&file.0, fs::Permissions::from_mode(0o640)).expect("it is ours");
        assert!(matches!(known(&bob), Err(TokenError::Exposed { mode: 0o640, .. })));
        fs::remove_file(&file.0).expect("it is there");
        assert!(matches!(known(&bob), Err(TokenError::Io { .. })));
    }

    #[test]
    fn what_is_no_line_of_a_token_is_named() {
        let line = NewToken::generate("a", Role::Viewer).expect("made").line;
        let (digits, rest) = line.split_at(64);
        for (text, at, what) in [
            ("\n#\nx".to_owned(), 3, "has 1 words, not 3"),
            (format!("{digits} viewer a b"), 1, "has 4 words, not 3"),
            (format!("{}{rest}", &digits[1..]), 1, "does not begin with 64 hexadecimal digits"),
            (format!("{digits}0{rest}"), 1, "does not begin with 64 hexadecimal digits"),
            (format!("{digits} root a"), 1, "names no role: `root` is no role: `viewer`, `operator` or `admin`"),
            (format!("{digits} viewer a/b"), 1, "has `a/b` for a name"),
            (
                format!("hst_{digits} viewer a"),
                1,
                "begins with a token itself, which belongs in no file of the server's",
            ),
            (format!("{line}\n{digits} admin b"), 2, "has a token that an earlier line has"),
        ] {
            assert_eq!(parse(&text).map(|tokens| tokens.len()), Err((at, what.to_owned())), "{text}");
        }
        for name in ["", "a b", "é", &"x".repeat(65)] {
            assert!(matches!(NewToken::generate(name, Role::Viewer), Err(TokenError::Name(_))), "{name}");
        }
    }
}
