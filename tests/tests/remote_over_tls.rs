//! Over TLS a certificate or a token says who calls; what is expired, of another CA or of no role is refused.

mod doors;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use doors::{Answer, LOOPBACK, Served, on, port, private};
use hotswap::remote::{Address, Options, Remote, Role, ServeError, TlsError, serve};
use hotswap_tests::folder::Folder;
use hotswap_tests::tally::Switch;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A CA, whose certificates are made as a test needs them.
struct Ca(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Ca {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("random bytes");
        Self(CertifiedIssuer::self_signed(params, key).expect("signed"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn issue(&self, names: &[&str], with: impl FnOnce(&mut CertificateParams)) -> Pair {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.remove(DnType::CommonName);
        with(&mut params);
        let key = KeyPair::generate().expect("random bytes");
        let certificate = params.signed_by(&key, &self.0).expect("signed").pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    /// One of a person, with these organizational units.
    fn person(&self, name: &str, unit: &str) -> Pair {
        self.issue(&[], |params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
        })
    }
}

/// A connection of one that trusts this CA, and shows this certificate.
fn connect(address: std::net::SocketAddr, ca: &Ca, shows: Option<&Pair>) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).expect("PEM")).expect("a CA");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("TLS 1.3").with_root_certificates(roots);
    let config = match shows {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("PEM")];
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM");
            builder.with_client_auth_cert(chain, key).expect("they go together")
        }
    };
    let name = ServerName::try_from("localhost").expect("a name");
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("it can begin"), port(address))
}

/// A server with TLS on a port, the CA of its own certificate and that of its callers, and what it needs.
struct Secured {
    remote: Remote,
    address: std::net::SocketAddr,
    server: Ca,
    callers: Ca,
    folder: Folder,
}

fn files(folder: &Folder, pair: &Pair) {
    private(&folder.path("certificate"), &pair.certificate);
    private(&folder.path("key"), &pair.key);
}

fn secured(with: impl FnOnce(Options, &Folder) -> Options) -> Secured {
    let (server, callers, folder) = (Ca::new("servers"), Ca::new("callers"), Folder::new());
    files(&folder, &server.issue(&["localhost"], |_| {}));
    private(&folder.path("ca"), &callers.pem());
    let options = Options::default().socket(folder.path("a.sock")).journal(folder.path("journal"));
    let options = options.tcp(LOOPBACK.into()).tls(folder.path("certificate"), folder.path("key"));
    let remote = serve(with(options.client_ca(folder.path("ca")), &folder)).expect("it can be opened");
    let address = remote.addresses().iter().find_map(|address| match address {
        Address::Https(address) => Some(*address),
        _ => None,
    });
    Secured { address: address.expect("a port"), remote, server, callers, folder }
}

/// The journal's last line, once there are so many.
fn line(folder: &Folder, number: usize) -> serde_json::Value {
    let lines = || fs::read_to_string(folder.path("journal")).expect("it is kept");
    doors::wait_until("it is written down", || lines().lines().count() >= number);
    serde_json::from_str(lines().lines().nth(number - 1).expect("so many")).expect("JSON")
}

#[test]
fn a_certificate_says_who_calls_and_its_unit_what_they_may() {
    let _switch = Switch::builder().label("units").starting_at(1).build().expect("the label is free");
    let Secured { address, server, callers, folder, remote } = secured(|options, _| options);
    let commit = "POST /v1/switches/units/commit";
    for (unit, sees, commits) in [
        ("hotswap-viewer", 200, 403),
        ("hotswap-operator", 200, 409),
        ("hotswap-admin", 200, 409),
        ("hotswap-root", 403, 403),
        ("operator", 403, 403),
        ("", 403, 403),
    ] {
        let who = callers.person("carol", unit);
        let mut stream = connect(address, &server, Some(&who));
        assert_eq!(on(&mut stream, "GET /v1/switches", &[], "").status, sees, "{unit}");
        let answer = on(&mut stream, commit, &[], r#"{"reason":"for the test"}"#);
        assert_eq!(answer.status, commits, "{unit}: {}", answer.detail());
    }
    let last = line(&folder, 6 + 3);
    assert_eq!((&last["who"], &last["status"]), (&"carol".into(), &403.into()));
    assert!(last["from"].as_str().is_some_and(|from| from.starts_with("tls 127.0.0.1:")), "{last}");
    remote.stop();
}

#[test]
fn a_certificate_that_is_not_good_lets_nobody_in() {
    let Secured { address, server, callers, folder, remote } = secured(|options, _| options);
    let expired = callers.issue(&[], |params| {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        params.distinguished_name.push(DnType::CommonName, "erin");
        params.distinguished_name.push(DnType::OrganizationalUnitName, "hotswap-admin");
    });
    let foreign = Ca::new("elsewhere").person("mallory", "hotswap-admin");
    for (number, (shows, why)) in
        [(Some(&expired), "expired"), (Some(&foreign), "UnknownIssuer"), (None, "showed no certificate")]
            .into_iter()
            .enumerate()
    {
        let mut stream = connect(address, &server, shows);
        let told = stream.write_all(doors::request("GET /v1/switches", &[], "").as_bytes());
        let told = told.and_then(|()| Answer::read(&mut stream));
        assert!(told.is_err(), "{told:?}");
        let line = line(&folder, number + 1);
        assert_eq!((&line["status"], &line["problem"]), (&401.into(), &"urn:hotswap:problem:unknown-caller".into()));
        assert!(line["why"].as_str().is_some_and(|said| said.contains(why)), "{line}");
    }
    // and what is not TLS at all
    let mut plain = port(address);
    plain.write_all(doors::request("GET /livez", &[], "").as_bytes()).expect("it is open");
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    let good = callers.person("alice", "hotswap-admin");
    assert_eq!(on(&mut connect(address, &server, Some(&good)), "GET /v1/switches", &[], "").status, 200);
    remote.stop();
}

#[test]
fn with_tokens_a_certificate_is_not_asked_for_and_a_token_goes_first() {
    let token = hotswap::remote::NewToken::generate("vera", Role::Viewer).expect("random bytes");
    let Secured { address, server, callers, folder: _folder, remote } = secured(|options, folder| {
        private(&folder.path("tokens"), token.line());
        options.tokens(folder.path("tokens"))
    });
    let bearer = format!("Bearer {}", token.text());
    let bearer = [("Authorization", &*bearer)];
    let admin = callers.person("alice", "hotswap-admin");
    let image = "DELETE /v1/images/nothing";
    for (shows, headers, sees, deletes) in [
        (None, &[][..], 401, 401),
        (None, &bearer[..], 200, 403),
        (Some(&admin), &bearer[..], 200, 403),
        (Some(&admin), &[("Authorization", "Bearer hst_wrong")][..], 401, 401),
        (Some(&admin), &[][..], 200, 503),
    ] {
        let mut stream = connect(address, &server, shows);
        assert_eq!(on(&mut stream, "GET /v1/switches", headers, "").status, sees, "{headers:?}");
        assert_eq!(on(&mut stream, image, headers, "").status, deletes, "{headers:?}");
    }
    remote.stop();
}

#[test]
fn certificates_that_are_renewed_are_served_and_spoilt_ones_are_not() {
    let Secured { address, server, callers, folder, remote } = secured(|options, _| options);
    let who = callers.person("alice", "hotswap-admin");
    let shown = || {
        let mut stream = connect(address, &server, Some(&who));
        assert_eq!(on(&mut stream, "GET /v1/switches", &[], "").status, 200);
        stream.conn.peer_certificates().expect("it has one")[0].clone()
    };
    let first = shown();
    files(&folder, &server.issue(&["localhost"], |_| {}));
    let second = shown();
    assert_ne!(first, second);
    fs::write(folder.path("certificate"), "spoilt").expect("it is ours");
    assert_eq!(shown(), second);
    remote.stop();
}

#[test]
fn files_that_cannot_be_served_with_are_named() {
    let (ca, folder) = (Ca::new("servers"), Folder::new());
    let [good, other] = [(); 2].map(|()| ca.issue(&["localhost"], |_| {}));
    let refused = || {
        let options = Options::default().without_socket().tcp(LOOPBACK.into());
        let options = options.tls(folder.path("certificate"), folder.path("key")).client_ca(folder.path("ca"));
        match serve(options).map(drop).expect_err("refused") {
            ServeError::Tls(error) => error,
            error => panic!("{error}"),
        }
    };
    private(&folder.path("ca"), &ca.pem());
    assert!(matches!(refused(), TlsError::File { what: "the server's certificate", .. }));
    private(&folder.path("certificate"), &good.certificate);
    assert!(matches!(refused(), TlsError::File { what: "the server's key", .. }));
    private(&folder.path("key"), &other.key);
    assert!(matches!(refused(), TlsError::Pair { .. }));
    fs::set_permissions(folder.path("key"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("it is ours");
    assert!(matches!(refused(), TlsError::Exposed { .. }));
    files(&folder, &good);
    fs::set_permissions(folder.path("key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("it is ours");
    private(&folder.path("ca"), "nothing");
    assert!(matches!(refused(), TlsError::File { what: "the client CA", .. }));
}

#[test]
fn a_page_of_the_same_name_without_tls_is_another_one() {
    let ca = Ca::new("servers");
    let folder = Folder::new();
    files(&folder, &ca.issue(&["localhost"], |_| {}));
    let (certificate, key) = (folder.path("certificate"), folder.path("key"));
    let served = Served::new(|options| options.tls(certificate, key).trust_loopback(Role::Viewer));
    for (origin, status) in [("https://localhost", 200), ("http://localhost", 403)] {
        let mut stream = connect(served.address, &ca, None);
        assert_eq!(on(&mut stream, "GET /v1/switches", &[("Origin", origin)], "").status, status);
    }
}
