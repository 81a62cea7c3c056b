//! Opening a program to commands from outside: where, to whom, within which bounds, and until when.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::api::{Api, Calls, Metrics, router};
use super::door::guard::{Guard, Life};
use super::door::journal::{self, Writer};
use super::door::tcp::{self, Guarded};
use super::door::tls::{Files, Tls, TlsError};
use super::door::unix::{self, Socket};
use super::door::{Door, Way};
use super::token::{TokenError, Tokens};
use super::who::Role;

/// Calls are done on so many threads at the most, which are started when they are needed. The lanes of the routes say how many
/// are done at once; beyond those there are the sweeps, of which each switch has one, or two where a rollback came into it.
const THREADS: usize = 512;

/// Where a program is open to commands, to whom, and within which bounds.
///
/// By default that is one Unix socket, in a folder of its user's, which nobody else can open.
///
/// ```no_run
/// use hotswap::remote::{self, Options, Role};
///
/// let options = Options::default().tcp(([127, 0, 0, 1], 7070).into()).tokens("/etc/shop/tokens").journal("remote.jsonl");
/// let remote = remote::serve(options)?;
/// for address in remote.addresses() {
///     println!("listening at {address}");
/// }
/// # Ok::<(), remote::ServeError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Options {
    socket: Where,
    uids: Vec<(u32, Role)>,
    tcp: Vec<SocketAddr>,
    loopback: Option<Role>,
    hosts: Vec<String>,
    tls: Option<(PathBuf, PathBuf)>,
    client_ca: Option<PathBuf>,
    tokens: Option<PathBuf>,
    journal: Option<PathBuf>,
    api: Api,
    header_timeout: Duration,
    request_timeout: Duration,
    connections: usize,
    grace: Duration,
}

#[derive(Debug, Clone)]
enum Where {
    Default,
    At(PathBuf),
    Nowhere,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            socket: Where::Default,
            uids: Vec::new(),
            tcp: Vec::new(),
            loopback: None,
            hosts: Vec::new(),
            tls: None,
            client_ca: None,
            tokens: None,
            journal: None,
            api: Api::default(),
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_mins(1),
            connections: 512,
            grace: Duration::from_secs(5),
        }
    }
}

impl Options {
    /// Has the socket at this path, in place of [the default one](super::socket_folder).
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Where::At(path.into());
        self
    }

    /// Has no socket.
    pub fn without_socket(mut self) -> Self {
        self.socket = Where::Nowhere;
        self
    }

    /// Lets another user of this machine in by the socket, beside the program's own, who may do all. Root is another user,
    /// too.
    ///
    /// The socket is then open to all, and the kernel says who calls: so it needs a [path](Self::socket) in a folder that
    /// those users can reach.
    pub fn allow_uid(mut self, uid: u32, role: Role) -> Self {
        self.uids.push((uid, role));
        self
    }

    /// Has a TCP port as well; port 0 takes one that is free. May be given several times.
    ///
    /// It is refused for an address of this machine alone without [`tokens`](Self::tokens), [`client_ca`](Self::client_ca) or
    /// [`trust_loopback`](Self::trust_loopback), since every user of the machine can reach it, and for any other without
    /// [`tls`](Self::tls) and one of the first two.
    pub fn tcp(mut self, address: SocketAddr) -> Self {
        self.tcp.push(address);
        self
    }

    /// Lets everybody who is on this machine do this much over its TCP ports, without showing a token.
    pub fn trust_loopback(mut self, role: Role) -> Self {
        self.loopback = Some(role);
        self
    }

    /// A name that the server is called by, without a port: the `Host` of a request has to be one of these, the address that
    /// was called, or `localhost` on this machine.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Speaks TLS on every TCP port, with the chain of certificates and the key in these PEM files. They are read again when
    /// they have changed.
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some((certificate.into(), key.into()));
        self
    }

    /// Lets those in who have a certificate of a CA in this PEM file. What they may is an organizational unit of its subject:
    /// `OU=hotswap-viewer`, `OU=hotswap-operator` or `OU=hotswap-admin`; who they are is its common name.
    pub fn client_ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_ca = Some(path.into());
        self
    }

    /// Lets those in over TCP who have a token of this file: see [`NewToken`](super::NewToken). It must be its owner's alone
    /// (mode 0600), and is read again when it has changed.
    pub fn tokens(mut self, path: impl Into<PathBuf>) -> Self {
        self.tokens = Some(path.into());
        self
    }

    /// Appends every call that would change something to this file, and every caller who was not let in: a line of JSON for
    /// each, as `GET /v1/audit` shows the last of them.
    pub fn journal(mut self, path: impl Into<PathBuf>) -> Self {
        self.journal = Some(path.into());
        self
    }

    /// Takes in images, lists them and lets them go.
    #[cfg(feature = "load")]
    pub fn images(mut self, images: crate::load::Images) -> Self {
        self.api = self.api.images(images);
        self
    }

    /// Saves fleets to files in this folder. It is made if it is not there, for this user alone.
    pub fn snapshots(mut self, folder: impl Into<PathBuf>) -> Self {
        self.api = self.api.snapshots(folder);
        self
    }

    /// Renders the metrics: of a program that has metrics of its own and a recorder for them. It calls
    /// [`metrics::refresh`](crate::metrics::refresh) first. If nothing is given, what hotswap tells of the switches is rendered.
    pub fn metrics(mut self, render: Metrics) -> Self {
        self.api = self.api.metrics(render);
        self
    }

    /// No body but an image is longer than this many bytes; 1 MiB if nothing is said.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.api = self.api.body_limit(bytes);
        self
    }

    /// No image is longer than this many bytes as it is sent; 256 MiB if nothing is said.
    pub fn image_limit(mut self, bytes: usize) -> Self {
        self.api = self.api.image_limit(bytes);
        self
    }

    /// How long a connection may take to say what it wants, and may wait before it asks for more; 10 s if nothing is said.
    pub fn header_timeout(mut self, time: Duration) -> Self {
        self.header_timeout = time;
        self
    }

    /// How long a request's body may take to come, and its answer to be found; 60 s if nothing is said. A command that takes
    /// longer goes on, and its outcome can be asked for.
    pub fn request_timeout(mut self, time: Duration) -> Self {
        self.request_timeout = time;
        self
    }

    /// How many connections each door has at once; 512 if nothing is said. When there are more, the one that has been idle
    /// longest is closed.
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = most.max(1);
        self
    }

    /// How long a stop waits for calls that are being answered; 5 s if nothing is said.
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }
}

/// Why a program cannot be opened to commands.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// There would be no way in.
    #[error("there is no way in: neither a socket nor a TCP address was given")]
    Nowhere,
    /// Another program listens at the socket, or this one does already.
    #[error("somebody listens at the socket {path} already: stop that program, or give another path")]
    SocketInUse {
        /// The socket.
        path: PathBuf,
    },
    /// There is something else in the socket's place.
    #[error("{path} is there already and is no socket of ours: it is left alone, so give another path")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The path is too long for a socket.
    #[error("{path} is too long for a socket: {longest} bytes are the most, of which its folder may have {folder}")]
    SocketPath {
        /// The path.
        path: PathBuf,
        /// The most bytes it may have.
        longest: usize,
        /// The most of them that its folder may have.
        folder: usize,
    },
    /// The socket could not be made.
    #[error("the socket {path} cannot be made: {source}")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The folder for sockets could not be made.
    #[error("the folder {path} for the socket cannot be made: {source}; or give a path for the socket")]
    SocketFolder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others have, or can enter, the folder for sockets.
    #[error(
        "the folder {path} for the socket is not this user's alone: `chmod 700` makes it so, or give a path for the socket"
    )]
    SharedFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Other users may come in, but could not.
    #[error("uid {uid} may come in, but cannot reach a socket in a folder of this user's: give a path for the socket")]
    OutOfReach {
        /// Who may.
        uid: u32,
    },
    /// Other machines could reach the port without being stopped.
    #[error("{address} can be reached from other machines, and {lacks}: give both, or listen at 127.0.0.1")]
    Exposed {
        /// The address.
        address: SocketAddr,
        /// What is missing.
        lacks: &'static str,
    },
    /// Every user of this machine could reach the port without being stopped.
    #[error(
        "every user of this machine can reach {address}, and neither tokens nor a client CA say who may come in: give \
         one, or say with `trust_loopback` what all of them may"
    )]
    OpenLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The port could not be had.
    #[error("{address} cannot be listened at: {source}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A client CA was given, and no certificate of the server's own.
    #[error("there is a client CA, but no TLS to ask for certificates in: give the server a certificate of its own")]
    NoTls,
    /// The tokens cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The journal cannot be written.
    #[error("the journal {path} cannot be written: {source}")]
    Journal {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no folder for snapshots.
    #[error("the folder {path} for snapshots cannot be made: {source}")]
    Snapshots {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system gives no thread, or no means to wait for callers.
    #[error("the system does not give what a server needs: {0}")]
    System(io::Error),
}

/// Where a program is open to commands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A Unix socket.
    Socket(PathBuf),
    /// A TCP port.
    Http(SocketAddr),
    /// A TCP port with TLS.
    Https(SocketAddr),
}

/// `unix:/run/user/1000/hotswap/shop-4242.sock`, `http://127.0.0.1:7070`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
            Self::Http(address) => write!(f, "http://{address}"),
            Self::Https(address) => write!(f, "https://{address}"),
        }
    }
}

/// A program that is open to commands, until this is dropped.
#[derive(Debug)]
#[must_use = "the server stops when this is dropped"]
pub struct Remote {
    addresses: Vec<Address>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Remote {
    /// Where it is open.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Its socket, if it has one.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        self.addresses.iter().find_map(|address| match address {
            Address::Socket(path) => Some(path.as_path()),
            _ => None,
        })
    }

    /// Closes all doors, and waits as long as [`Options::grace`] says for calls that are being answered. Commands that take
    /// longer go on.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // it does not wait for itself, should a command have come to drop this
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.end();
    }
}

/// Opens the program to commands: every switch that is live in it can then be looked at and driven from outside.
///
/// It takes a thread of its own, and returns when all doors are open. The program needs no tokio.
///
/// # Errors
///
/// If one of the doors cannot be opened, or would be open to whoever comes by. None is open then.
pub fn serve(options: Options) -> Result<Remote, ServeError> {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(THREADS).build();
    let runtime = runtime.map_err(ServeError::System)?;
    let grace = options.grace;
    let opened = {
        let _entered = runtime.enter();
        open(options)
    };
    let Opened { addresses, doors, writer } = match opened {
        Ok(opened) => opened,
        Err(error) => {
            // dropping it would wait, which a caller that is itself on a runtime must not
            runtime.shutdown_background();
            return Err(error);
        }
    };
    let (stop, stopped) = watch::channel(false);
    let thread = thread::Builder::new().name("hotswap-remote".to_owned());
    let thread = thread.spawn(move || run(runtime, doors, stopped, grace, writer)).map_err(ServeError::System)?;
    Ok(Remote { addresses, stop, thread: Some(thread) })
}

/// Doors that are open, and nobody keeps them yet.
struct Opened {
    addresses: Vec<Address>,
    doors: Vec<Door>,
    writer: Option<Writer>,
}

fn open(options: Options) -> Result<Opened, ServeError> {
    let guarded = Guarded {
        tls: options.tls.is_some(),
        known: options.tokens.is_some() || options.client_ca.is_some(),
        loopback: options.loopback.is_some(),
    };
    if options.client_ca.is_some() && !guarded.tls {
        return Err(ServeError::NoTls);
    }
    let tokens = options.tokens.as_deref().map(Tokens::open).transpose()?;
    let journal = options
        .journal
        .as_deref()
        .map(|path| journal::open(path).map_err(|source| ServeError::Journal { path: path.to_owned(), source }));
    let (journal, writer) = journal.transpose()?.unzip();
    options.api.make_folder().map_err(|(path, source)| ServeError::Snapshots { path, source })?;
    // last, so that nobody comes to a door that is not opened after all
    let ways = ways(&options, guarded)?;
    let calls = Arc::new(journal.map_or_else(Calls::default, Calls::told_to));
    let guard = Arc::new(Guard {
        routes: router(options.api.calls(Arc::clone(&calls))),
        tokens,
        hosts: options.hosts,
        calls,
        request_timeout: options.request_timeout,
    });
    let addresses = ways.iter().map(|(address, _)| address.clone()).collect();
    let door = |(_, way)| Door {
        way,
        guard: Arc::clone(&guard),
        connections: options.connections,
        header_timeout: options.header_timeout,
    };
    Ok(Opened { addresses, doors: ways.into_iter().map(door).collect(), writer })
}

/// Binds everything there is to bind.
fn ways(options: &Options, guarded: Guarded) -> Result<Vec<(Address, Way)>, ServeError> {
    let own = rustix::process::geteuid().as_raw();
    let mut ways = Vec::new();
    let others: Vec<_> = options.uids.iter().filter(|(uid, _)| *uid != own).copied().collect();
    let path = match &options.socket {
        Where::Nowhere => None,
        Where::At(path) => Some(path.clone()),
        Where::Default => match others.iter().find(|(uid, _)| *uid != 0) {
            // root reaches it wherever it is
            Some(&(uid, _)) => return Err(ServeError::OutOfReach { uid }),
            None => Some(unix::default_path()?),
        },
    };
    if let Some(path) = path {
        let mode = if others.iter().any(|(uid, _)| *uid != 0) { 0o666 } else { 0o600 };
        let socket = Socket::bind(&path, mode)?;
        let listener = socket.listener().and_then(UnixListener::from_std);
        let listener = listener.map_err(|source| ServeError::Socket { path: path.clone(), source })?;
        let uids = [(own, Role::Admin)].into_iter().chain(others).collect();
        ways.push((Address::Socket(path), Way::Unix { listener, uids, _socket: socket }));
    }
    let tls = options.tls.as_ref().map(|(certificate, key)| {
        let (certificate, key, client_ca) = (certificate.clone(), key.clone(), options.client_ca.clone());
        Tls::open(Files { certificate, key, client_ca, tokens: options.tokens.is_some() }).map(Arc::new)
    });
    let tls = tls.transpose()?;
    for &address in &options.tcp {
        let failed = |source| ServeError::Tcp { address, source };
        let listener = tcp::bind(address, guarded)?;
        let address = listener.local_addr().map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        let open = options.loopback.filter(|_| address.ip().to_canonical().is_loopback());
        let named = if tls.is_some() { Address::Https(address) } else { Address::Http(address) };
        ways.push((named, Way::Tcp { listener, tls: tls.clone(), open }));
    }
    if ways.is_empty() { Err(ServeError::Nowhere) } else { Ok(ways) }
}

/// Keeps the doors until it is stopped, and waits a while for those who are inside.
fn run(
    runtime: Runtime,
    doors: Vec<Door>,
    mut stopped: watch::Receiver<bool>,
    grace: Duration,
    writer: Option<Writer>,
) {
    runtime.block_on(async {
        let (running, mut over) = mpsc::channel(1);
        let life = Life { stop: stopped.clone(), _running: running };
        for door in doors {
            tokio::spawn(door.keep(life.clone()));
        }
        drop(life);
        let _ = stopped.wait_for(|stopped| *stopped).await;
        // ends when all who are at work have dropped theirs
        let _ = timeout(grace, over.recv()).await;
    });
    // a command that is not over yet goes on, and nobody waits for it
    runtime.shutdown_background();
    if let Some(writer) = writer {
        writer.wait(grace);
    }
}
