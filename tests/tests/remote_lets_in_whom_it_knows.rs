//! Commands come in by the doors that were opened, from those who are known to them, and from nobody else.

mod doors;

use std::fs::{self, Permissions};
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, thread};

use doors::{LOOPBACK, Served, on, port, private, request, socket};
use hotswap::remote::{Address, NewToken, Options, Role, ServeError, TokenError, serve};
use hotswap_tests::folder::Folder;
use hotswap_tests::tally::{Switch, V1};

/// A switch at version 1 with one instance, and its path.
fn switch(label: &str) -> (Switch, String) {
    let switch = Switch::builder().label(label).starting_at(1).build().expect("the label is free");
    (switch, format!("/v1/switches/{label}"))
}

#[test]
fn by_default_there_is_one_socket_which_is_its_owners_alone() {
    let (switch, path) = switch("by-default");
    let _cell = switch.cell(V1::default()).expect("enters");
    let remote = serve(Options::default()).expect("it can be opened");
    let [Address::Socket(at)] = remote.addresses() else { panic!("{remote:?}") };
    let at = at.clone();
    assert_eq!((remote.socket(), at.parent()), (Some(&*at), Some(&*hotswap::remote::socket_folder())));
    let name = at.file_name().and_then(|name| name.to_str()).expect("text");
    assert!(name.ends_with(&format!("-{}.sock", std::process::id())), "{name}");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
    assert_eq!((mode(&at), mode(at.parent().expect("a folder"))), (0o600, 0o700));

    let mut stream = socket(&at);
    assert_eq!(on(&mut stream, "GET /livez", &[], "").status, 200);
    assert_eq!(on(&mut stream, &format!("GET {path}"), &[], "").json()["version"], 1);
    let upgraded = on(&mut stream, &format!("POST {path}/upgrades"), &[], r#"{"to":2,"reason":"why not"}"#);
    assert!(matches!(upgraded.status, 200 | 202), "{upgraded:?}");
    assert_eq!(switch.version(), 2);

    let second = serve(Options::default()).map(drop);
    assert!(matches!(second, Err(ServeError::SocketInUse { path }) if path == at));
    assert_eq!(on(&mut socket(&at), "GET /livez", &[], "").status, 200);
    remote.stop();
    assert!(!at.exists());
    assert_eq!(stream.read(&mut [0]).expect("closed"), 0);
    drop(serve(Options::default()).expect("it is free again"));
}

#[test]
fn a_socket_that_a_dead_program_left_is_replaced() {
    let folder = Folder::new();
    let at = folder.path("left.sock");
    drop(UnixListener::bind(&at).expect("it is free"));
    assert!(UnixStream::connect(&at).is_err());
    let _remote = serve(Options::default().socket(&at)).expect("it can be opened");
    assert_eq!(on(&mut socket(&at), "GET /livez", &[], "").status, 200);
}

#[test]
fn a_file_in_the_sockets_place_is_left_alone() {
    let folder = Folder::new();
    let at = folder.path("notes");
    fs::write(&at, "dear").expect("it is free");
    assert!(matches!(serve(Options::default().socket(&at)).map(drop), Err(ServeError::NotASocket { .. })));
    assert_eq!(fs::read_to_string(&at).expect("it is there"), "dear");
}

/// What a process of that user is told.
fn knock_as(uid: u32, at: &Path, what: &str) -> String {
    // by its text: the other user need not be able to read this folder
    let mut command = Command::new("python3");
    command.args(["-c", include_str!("../python/knock.py")]).arg(at).args(what.split(' ')).current_dir("/");
    let output = command.uid(uid).gid(uid).stdin(Stdio::null()).output().expect("root may be anybody");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.trim_end_matches('\n').to_owned()
}

#[test]
fn other_users_are_refused_unless_they_are_allowed() {
    const WELCOME: u32 = 65_533;
    const UNWELCOME: u32 = 65_534;
    if fs::metadata("/proc/self").expect("it is there").uid() != 0 {
        assert!(env::var_os("CI").is_none(), "only root can be other users");
        eprintln!("left out: only root can be other users");
        return;
    }
    let (_switch, path) = switch("other-users");
    let folder = Folder::new();
    fs::set_permissions(folder.path(""), Permissions::from_mode(0o755)).expect("it is ours");

    // not even connected: the socket is its owner's alone, in a folder that others can enter
    let closed = folder.path("closed.sock");
    let _closed = serve(Options::default().socket(&closed)).expect("it can be opened");
    assert_eq!(knock_as(UNWELCOME, &closed, "GET /livez"), "permission denied");

    let open = folder.path("open.sock");
    let options = Options::default().socket(&open).allow_uid(WELCOME, Role::Viewer).journal(folder.path("journal"));
    let remote = serve(options).expect("it can be opened");
    assert_eq!(knock_as(WELCOME, &open, &format!("GET {path}")), "200 ");
    let refused = knock_as(WELCOME, &open, &format!("POST {path}/commit"));
    assert_eq!(refused, "403 this takes the role `operator`, and the caller's is `viewer`");
    for what in ["GET /livez", "GET /v1/switches", &format!("POST {path}/commit")] {
        let refused = knock_as(UNWELCOME, &open, what);
        assert_eq!(refused, "403 uid 65534 may not come in here: the program allows others");
    }
    // it is written down to its end
    remote.stop();
    let journal = fs::read_to_string(folder.path("journal")).expect("it is kept");
    let who: Vec<_> =
        journal.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")).collect();
    let who: Vec<_> = who.iter().map(|call| call["who"].as_str().expect("known to the kernel")).collect();
    assert_eq!(who, ["uid 65533", "uid 65534", "uid 65534", "uid 65534"]);

    let unreachable = serve(Options::default().allow_uid(WELCOME, Role::Viewer)).map(drop);
    assert!(matches!(unreachable, Err(ServeError::OutOfReach { uid: WELCOME })));
}

#[test]
fn over_tcp_a_token_says_who_calls_and_its_role_what_they_may() {
    let served = Served::new(|options| options);
    let (switch, path) = switch("tokens");
    let (see, plan) = (format!("GET {path}"), format!("POST {path}/plans"));
    let commit = format!("POST {path}/commit");
    assert_eq!(served.call(None, "GET /livez", &[], "").status, 200);
    for what in [&*see, &*commit, "GET /metrics", "DELETE /v1/images/x"] {
        let stranger = served.call(None, what, &[], "");
        assert_eq!((stranger.status, &*stranger.problem()), (401, "unknown-caller"), "{what}");
        assert_eq!(stranger.header("www-authenticate"), Some("Bearer"));
    }
    let good = served.token(Role::Admin).to_owned();
    let almost = format!("{}{}", &good[..67], if good.ends_with('0') { '1' } else { '0' });
    for wrong in ["Bearer", "Bearer ", "Bearer hst_", &format!("Bearer {almost}"), &format!("Basic {good}"), &good] {
        let refused = on(&mut port(served.address), &see, &[("Authorization", wrong)], "");
        assert_eq!((refused.status, &*refused.problem()), (401, "unknown-caller"), "{wrong}");
    }
    let bearer = format!("Bearer {good}");
    let twice = [("Authorization", &*bearer), ("Authorization", &*bearer)];
    assert_eq!(on(&mut port(served.address), &see, &twice, "").status, 401);

    for (role, sees, plans, deletes) in
        [(Role::Viewer, 200, 403, 403), (Role::Operator, 200, 200, 403), (Role::Admin, 200, 200, 404)]
    {
        let got = [&*see, &*plan].map(|what| {
            let body = if what == plan { r#"{"to":2}"# } else { "" };
            served.call(Some(role), what, &[], body).status
        });
        assert_eq!(got, [sees, plans], "{role}");
        let put = format!("PUT {path}/instances/nobody/state");
        assert_eq!(served.call(Some(role), &put, &[], r#"{"version":1,"state":{}}"#).status, deletes, "{role}");
    }
    assert_eq!(switch.admin().status().epoch, 1, "a refused call changed something");
}

#[test]
fn a_token_that_is_taken_out_of_the_file_is_good_no_longer_and_one_that_comes_is() {
    let served = Served::new(|options| options);
    let file = served.folder.path("tokens");
    let status = |token: &str| {
        let bearer = format!("Bearer {token}");
        on(&mut port(served.address), "GET /v1/switches", &[("Authorization", &bearer)], "").status
    };
    let newcomer = NewToken::generate("nora", Role::Viewer).expect("random bytes");
    assert_eq!((status(served.token(Role::Viewer)), status(newcomer.text())), (200, 401));
    private(&file, newcomer.line());
    assert_eq!((status(served.token(Role::Viewer)), status(newcomer.text())), (401, 200));
    fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("it is ours");
    assert_eq!(status(newcomer.text()), 401, "the file is no secret any more");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
    assert_eq!(status(newcomer.text()), 200);
}

#[test]
fn a_port_that_would_be_open_to_whoever_comes_by_is_refused_with_the_reason() {
    let folder = Folder::new();
    let tokens = folder.path("tokens");
    private(&tokens, "");
    let refused = |options: Options| serve(options.socket(folder.path("a.sock"))).map(drop).expect_err("refused");
    for (address, what) in [
        (
            "0.0.0.0:0",
            "0.0.0.0:0 can be reached from other machines, and there is no TLS, and neither tokens nor a client CA",
        ),
        (
            "[::]:0",
            "[::]:0 can be reached from other machines, and there is no TLS, and neither tokens nor a client CA",
        ),
        ("127.0.0.1:0", "every user of this machine can reach 127.0.0.1:0, and neither tokens nor a client CA"),
    ] {
        let address: SocketAddr = address.parse().expect("an address");
        let error = refused(Options::default().tcp(address)).to_string();
        assert!(error.starts_with(what), "{error}");
    }
    let any = ([0, 0, 0, 0], 0).into();
    let error = refused(Options::default().tcp(any).tokens(&tokens));
    assert!(matches!(&error, ServeError::Exposed { address, .. } if *address == any));
    assert!(error.to_string().contains("there is no TLS: tokens and states could be read on the way"), "{error}");
    let error = refused(Options::default().tcp(any).trust_loopback(Role::Viewer));
    assert!(matches!(error, ServeError::Exposed { .. }));
    assert!(matches!(refused(Options::default().tcp(LOOPBACK.into())), ServeError::OpenLoopback { .. }));
    assert!(matches!(refused(Options::default().client_ca(&tokens)), ServeError::NoTls));
    assert!(matches!(serve(Options::default().without_socket()).map(drop), Err(ServeError::Nowhere)));

    fs::set_permissions(&tokens, Permissions::from_mode(0o604)).expect("it is ours");
    let error = refused(Options::default().tcp(LOOPBACK.into()).tokens(&tokens));
    assert!(matches!(error, ServeError::Tokens(TokenError::Exposed { mode: 0o604, .. })));
    assert!(!folder.path("a.sock").exists(), "a refusal left a door");
    let blocked = refused(Options::default().journal(folder.path("no/journal")));
    assert!(matches!(blocked, ServeError::Journal { .. }));
}

#[test]
fn the_folder_for_snapshots_is_its_owners_alone_or_the_program_says_why_there_is_none() {
    let folder = Folder::new();
    let with = |snapshots: &str| {
        serve(Options::default().socket(folder.path("a.sock")).snapshots(folder.path(snapshots))).map(drop)
    };
    let mode = |name: &str| fs::metadata(folder.path(name)).expect("it is there").mode() & 0o7777;
    with("saved").expect("it is made");
    assert_eq!(mode("saved"), 0o700);
    // one that is there is taken as it is
    fs::set_permissions(folder.path("saved"), Permissions::from_mode(0o750)).expect("it is ours");
    with("saved").expect("it is there");
    assert_eq!(mode("saved"), 0o750);
    fs::write(folder.path("file"), "").expect("it is free");
    for wrong in ["file", "file/saved", "misspelt/saved"] {
        let refused = with(wrong);
        assert!(matches!(refused, Err(ServeError::Snapshots { path, .. }) if path == folder.path(wrong)), "{wrong}");
    }
    assert!(!folder.path("misspelt").exists() && !folder.path("a.sock").exists());
}

#[test]
fn a_program_that_is_on_a_runtime_of_its_own_is_served_or_refused_as_any_other() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it can be built");
    runtime.block_on(async {
        let folder = Folder::new();
        let at = folder.path("a.sock");
        let remote = serve(Options::default().socket(&at)).expect("it can be opened");
        assert!(matches!(serve(Options::default().socket(&at)).map(drop), Err(ServeError::SocketInUse { .. })));
        assert_eq!(on(&mut socket(&at), "GET /livez", &[], "").status, 200);
        remote.stop();
    });
}

#[test]
fn on_a_machine_that_is_trusted_all_may_so_much_and_no_more() {
    let served = Served::new(|options| options.trust_loopback(Role::Viewer));
    let (_switch, path) = switch("trusted");
    assert_eq!(served.call(None, &format!("GET {path}"), &[], "").status, 200);
    assert_eq!(served.call(None, &format!("POST {path}/commit"), &[], "{}").status, 403);
    assert_eq!(served.call(Some(Role::Operator), &format!("POST {path}/plans"), &[], r#"{"to":2}"#).status, 200);
    let wrong = [("Authorization", "Bearer hst_")];
    assert_eq!(on(&mut port(served.address), &format!("GET {path}"), &wrong, "").status, 401);
}

#[test]
fn a_stop_closes_what_is_idle_ends_what_has_no_end_and_lets_what_is_asked_be_answered() {
    let served = Served::new(|options| options.grace(doors::PATIENCE));
    let mut idle = socket(&served.socket);
    assert_eq!(on(&mut idle, "GET /livez", &[], "").status, 200);
    let mut half = port(served.address);
    std::io::Write::write_all(&mut half, b"GET /livez HT").expect("it is open");
    let mut events = socket(&served.socket);
    let events_of = request("GET /v1/events", &[], "");
    std::io::Write::write_all(&mut events, events_of.as_bytes()).expect("it is open");
    assert_eq!(doors::Answer::read(&mut events).expect("it begins").status, 200);
    let Served { remote, socket: at, address, .. } = served;
    thread::scope(|scope| {
        scope.spawn(|| remote.stop());
        for stream in [&mut idle, &mut events] {
            stream.read_to_end(&mut Vec::new()).expect("it is closed");
        }
        half.read_to_end(&mut Vec::new()).expect("it is closed");
    });
    assert!(!at.exists() && std::net::TcpStream::connect(address).is_err());
}
