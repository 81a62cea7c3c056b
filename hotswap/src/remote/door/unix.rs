//! The door for this machine's users: a Unix socket that is its owner's alone from its first moment, and whose callers the
//! kernel names.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::remote::serve::ServeError;

/// How often a stale socket may be found where one was just taken away, before it is said that something is wrong there.
const TRIES: usize = 16;
/// How long a folder's lock is tried for, in milliseconds.
const LONG: usize = 5_000;
/// The longest path that a socket can have, in bytes.
const LONGEST: usize = 107;

/// A socket that listens under its name, until this is dropped.
pub(crate) struct Socket {
    path: PathBuf,
    /// Which file it is: the name may be another's by the end.
    file: (u64, u64),
    listener: UnixListener,
}

impl Socket {
    /// Listens under this name, with this mode.
    ///
    /// It is bound and given its mode in a private folder, and gets its name when it is ready: so there is no moment at
    /// which others could come in, nor one at which the name has a socket that nobody listens at.
    pub(crate) fn bind(path: &Path, mode: u32) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Socket { path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let private = Private::within(folder).map_err(failed)?;
        let unnamed = private.0.join("s");
        if [path, &unnamed].iter().any(|path| path.as_os_str().len() > LONGEST) {
            let most = LONGEST - (unnamed.as_os_str().len() - folder.as_os_str().len());
            return Err(ServeError::SocketPath { path: path.to_owned(), longest: LONGEST, folder: most });
        }
        let listener = UnixListener::bind(&unnamed).map_err(failed)?;
        fs::set_permissions(&unnamed, Permissions::from_mode(mode)).map_err(failed)?;
        let metadata = fs::symlink_metadata(&unnamed).map_err(failed)?;
        for _ in 0..TRIES {
            match fs::hard_link(&unnamed, path) {
                Ok(()) => {
                    listener.set_nonblocking(true).map_err(failed)?;
                    let file = (metadata.dev(), metadata.ino());
                    return Ok(Self { path: path.to_owned(), file, listener });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => take_away(path, folder)?,
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "sockets of programs that ended keep coming back")))
    }

    /// Another handle of what listens.
    pub(crate) fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = |metadata: fs::Metadata| (metadata.dev(), metadata.ino()) == self.file;
        if fs::symlink_metadata(&self.path).is_ok_and(ours) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A folder that only its owner can enter, removed with what is in it.
struct Private(PathBuf);

impl Private {
    fn within(folder: &Path) -> io::Result<Self> {
        let mut number = [0; 4];
        getrandom::fill(&mut number).map_err(|error| io::Error::other(error.to_string()))?;
        let path = folder.join(format!(".hs{}", base16ct::lower::encode_string(&number)));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Takes a socket away at which nobody listens, and refuses to where somebody does, or where it is no socket.
///
/// Who takes away has the folder's lock: else it might be the socket of one that has just done the same. Who gives a name
/// needs none, for a name that is taken is not given.
fn take_away(path: &Path, folder: &Path) -> Result<(), ServeError> {
    let failed = |source| ServeError::Socket { path: path.to_owned(), source };
    let folder = File::open(folder).map_err(failed)?;
    lock(&folder).map_err(failed)?;
    let taken = match what_is(path).map_err(failed)? {
        Found::Nothing => Ok(()),
        Found::Other => Err(ServeError::NotASocket { path: path.to_owned() }),
        Found::Live => Err(ServeError::SocketInUse { path: path.to_owned() }),
        Found::Stale => fs::remove_file(path).map_err(failed),
    };
    // closing it may not be enough: a process that is just being started has it open too
    let _ = folder.unlock();
    taken
}

/// Whoever has it gives it back in microseconds. In a folder that others can open one may keep it, and is not waited for.
fn lock(folder: &File) -> io::Result<()> {
    for _ in 0..LONG {
        match folder.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::WouldBlock, "somebody has the folder locked"))
}

enum Found {
    Nothing,
    Other,
    Live,
    Stale,
}

fn what_is(path: &Path) -> io::Result<Found> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => return Ok(Found::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    }
    // without waiting: at a socket with a long queue a plain `connect` would
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) | Err(Errno::AGAIN) => Ok(Found::Live),
        Err(Errno::CONNREFUSED) => Ok(Found::Stale),
        Err(Errno::NOENT) => Ok(Found::Nothing),
        // one of datagrams: not ours, whoever has it
        Err(Errno::PROTOTYPE) => Ok(Found::Other),
        Err(error) => Err(error.into()),
    }
}

/// The folder of the sockets that programs of this user have where they give no path: `$XDG_RUNTIME_DIR/hotswap`, or where
/// there is no such folder of this user, `hotswap-<uid>` among the temporary files.
///
/// The sockets in it are named `<program>-<pid>.sock`. One that refuses connections was left by a program that was killed.
#[must_use]
pub fn socket_folder() -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    let is_ours = |folder: &PathBuf| {
        folder.is_absolute() && fs::metadata(folder).is_ok_and(|folder| folder.is_dir() && folder.uid() == uid)
    };
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(is_ours) {
        Some(runtime) => runtime.join("hotswap"),
        None => std::env::temp_dir().join(format!("hotswap-{uid}")),
    }
}

/// Where a program's socket is that gives no path. Its folder is made if it is not there, and must be of this user alone.
pub(crate) fn default_path() -> Result<PathBuf, ServeError> {
    let folder = socket_folder();
    let failed = |source| ServeError::SocketFolder { path: folder.clone(), source };
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(failed)?,
    }
    // not where a link leads: somebody else may have laid it
    let metadata = fs::symlink_metadata(&folder).map_err(failed)?;
    let ours = metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw();
    if !ours || metadata.mode() & 0o077 != 0 {
        return Err(ServeError::SharedFolder { path: folder });
    }
    forget_the_dead(&folder);
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(Path::file_stem).map(|name| name.to_string_lossy().into_owned());
    let fits = |letter: &char| letter.is_ascii_alphanumeric() || "._-".contains(*letter);
    let program: String = program.unwrap_or_default().chars().filter(fits).take(32).collect();
    Ok(folder.join(format!("{program}-{}.sock", std::process::id())))
}

/// Takes away what programs left that were killed: nobody else would, for their names do not come again.
fn forget_the_dead(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for socket in entries.filter(|path| path.extension().is_some_and(|extension| extension == "sock")) {
        // a live one stays, and that is no failure here
        let _ = take_away(&socket, folder);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("hotswap-unix-{}-{name}", std::process::id()));
            fs::create_dir(&path).expect("it is new");
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let names = fs::read_dir(&self.0).expect("it is there").flatten();
            names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_live_socket_is_refused_by_name_a_stale_one_is_replaced_and_ours_is_removed() {
        let folder = Folder::new("names");
        let path = folder.0.join("a.sock");
        // as a program leaves it that is killed
        drop(UnixListener::bind(&path).expect("it is free"));
        let socket = Socket::bind(&path, 0o600).expect("nobody listens");
        assert_eq!(fs::metadata(&path).expect("it is there").mode() & 0o777, 0o600);
        UnixStream::connect(&path).expect("it listens");
        let second = Socket::bind(&path, 0o600).map(drop);
        assert!(matches!(second, Err(ServeError::SocketInUse { path: named }) if named == path));
        UnixStream::connect(&path).expect("it still does");
        assert_eq!(folder.names(), ["a.sock"]);
        drop(socket);
        assert_eq!(folder.names(), [""; 0]);
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let folder = Folder::new("others");
        let path = folder.0.join("b.sock");
        fs::write(&path, "dear").expect("it is free");
        assert!(matches!(Socket::bind(&path, 0o600).map(drop), Err(ServeError::NotASocket { .. })));
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "dear");
        fs::remove_file(&path).expect("it is there");
        // the name became another's while this one listened
        let socket = Socket::bind(&path, 0o600).expect("it is free");
        fs::remove_file(&path).expect("it is there");
        let other = Socket::bind(&path, 0o600).expect("it is free");
        drop(socket);
        UnixStream::connect(&path).expect("the other still has it");
        drop(other);
        let long = folder.0.join("x".repeat(100));
        assert!(matches!(Socket::bind(&long, 0o600).map(drop), Err(ServeError::SocketPath { .. })));
        assert!(matches!(Socket::bind(&folder.0.join("no/c"), 0o600).map(drop), Err(ServeError::Socket { .. })));
        assert_eq!(folder.names(), [""; 0]);
    }

    #[test]
    fn of_many_that_find_a_stale_one_at_once_one_has_the_name() {
        let folder = Folder::new("race");
        let path = folder.0.join("c.sock");
        for _ in 0..50 {
            drop(UnixListener::bind(&path).expect("it is free"));
            let bound: Vec<_> = std::thread::scope(|scope| {
                let racers: Vec<_> = (0..4).map(|_| scope.spawn(|| Socket::bind(&path, 0o600))).collect();
                racers.into_iter().map(|racer| racer.join().expect("no panic")).collect()
            });
            let won: Vec<_> = bound.iter().flatten().collect();
            assert_eq!(won.len(), 1);
            UnixStream::connect(&path).expect("the winner listens");
            drop(bound);
            assert_eq!(folder.names(), [""; 0]);
        }
    }
}
