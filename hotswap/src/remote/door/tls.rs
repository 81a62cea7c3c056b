//! TLS for the door for other machines, and who the owner of a client certificate is.
//!
//! A client certificate names its role by an organizational unit of its subject, `OU=hotswap-viewer`, `OU=hotswap-operator` or
//! `OU=hotswap-admin`, the highest if there are several, and who it is by its common name. A CA that issues certificates for
//! other ends too thereby lets nobody in whom it did not mean to.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::db::rfc4519::{COMMON_NAME, ORGANIZATIONAL_UNIT_NAME};
use x509_cert::ext::pkix::name::DirectoryString;

use crate::remote::token::Stamp;
use crate::remote::who::Role;

/// How a role is written in a certificate.
const BEGINS: &str = "hotswap-";

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file could not be read, or is not what it has to be.
    #[error("{what} {path} cannot be used: {why}")]
    File {
        /// What it is to be.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is the matter with it.
        why: String,
    },
    /// Every user of the machine may read the server's key.
    #[error("every user may read the server's key {path}: take that right away with `chmod o-rwx`")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key do not go together, or no algorithm is known for them.
    #[error("certificate {certificate} and key {key} cannot be served with: {why}")]
    Pair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why not.
        why: String,
    },
}

/// The files that TLS is made of.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_ca: Option<PathBuf>,
    /// Who has no certificate may have a token.
    pub(crate) tokens: bool,
}

/// What is served with now. The files are read again when one of them has changed, for certificates do not last as long as
/// a program that is upgraded while it runs.
pub(crate) struct Tls {
    files: Files,
    now: Mutex<Now>,
}

struct Now {
    stamps: Stamps,
    config: Arc<ServerConfig>,
}

type Stamps = Vec<Option<Stamp>>;

impl Tls {
    pub(crate) fn open(files: Files) -> Result<Self, TlsError> {
        let stamps = files.stamps();
        let config = Arc::new(files.config()?);
        Ok(Self { files, now: Mutex::new(Now { stamps, config }) })
    }

    /// For the next connection. Files that have become unusable are told of once, and change nothing.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = self.files.stamps();
        if stamps != now.stamps {
            now.stamps = stamps;
            match self.files.config() {
                Ok(config) => now.config = Arc::new(config),
                Err(error) => {
                    tracing::error!(target: "hotswap", %error, "the TLS files have changed, and are served with as they were");
                }
            }
        }
        Arc::clone(&now.config)
    }
}

impl Files {
    fn stamps(&self) -> Stamps {
        let files = [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()];
        files.into_iter().flatten().map(|path| Stamp::of_file(path).ok()).collect()
    }

    fn config(&self) -> Result<ServerConfig, TlsError> {
        let pair = |error: tokio_rustls::rustls::Error| TlsError::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            why: error.to_string(),
        };
        let provider = Arc::new(ring::default_provider());
        let chain = certificates("the server's certificate", &self.certificate)?;
        let key = key(&self.key)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(pair)?;
        let builder = match &self.client_ca {
            Some(ca) => builder.with_client_cert_verifier(self.verifier(ca, provider)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // who resumes a session shows no certificate again, and it may have expired
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    fn verifier(
        &self,
        ca: &Path,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn tokio_rustls::rustls::server::danger::ClientCertVerifier>, TlsError> {
        const WHAT: &str = "the client CA";
        let mut roots = RootCertStore::empty();
        for certificate in certificates(WHAT, ca)? {
            roots.add(certificate).map_err(|error| unusable(WHAT, ca, &error))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = if self.tokens { verifier.allow_unauthenticated() } else { verifier };
        verifier.build().map_err(|error| unusable(WHAT, ca, &error))
    }
}

fn unusable(what: &'static str, path: &Path, why: &dyn std::fmt::Display) -> TlsError {
    TlsError::File { what, path: path.to_owned(), why: why.to_string() }
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |error: &dyn std::fmt::Display| unusable(what, path, error);
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))?.collect();
    let found = found.map_err(|error| failed(&error))?;
    if found.is_empty() { Err(failed(&"there is no PEM certificate in it")) } else { Ok(found) }
}

/// A group may share the key, as with certificates that a service of the system's renews.
fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    const WHAT: &str = "the server's key";
    let metadata = fs::metadata(path).map_err(|error: io::Error| unusable(WHAT, path, &error))?;
    if metadata.mode() & 0o007 != 0 {
        return Err(TlsError::Exposed { path: path.to_owned() });
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| unusable(WHAT, path, &error))
}

/// Who the owner of a verified certificate is, and what they may; `None` where it names no role.
pub(super) fn owner(certificate: &CertificateDer<'_>) -> (String, Option<Role>) {
    let Ok(certificate) = Certificate::from_der(certificate) else { return (String::new(), None) };
    let subject = certificate.tbs_certificate().subject();
    let all = |kind| {
        let attributes = subject.iter().filter(move |attribute| attribute.oid == kind);
        attributes.filter_map(|attribute| attribute.value.decode_as::<DirectoryString>().ok().map(String::from))
    };
    let roles = all(ORGANIZATIONAL_UNIT_NAME).filter_map(|unit| unit.strip_prefix(BEGINS)?.parse().ok());
    let name = all(COMMON_NAME).next().unwrap_or_default();
    (name.chars().filter(|letter| !letter.is_control()).collect(), roles.max())
}
