//! TLS: what the gateway shows, whom it asks to show something, and both anew when their files change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::handshakes::Handshakes;
use super::settings;
use crate::regular_file;
use entitled_core::domain::causes::with_causes;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
const LONGEST: usize = 1 << 20;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} holds no {what} in PEM", path.display())]
    NotThere { path: PathBuf, what: &'static str },
    #[error("the certificate and the key cannot be used")]
    Unusable { source: rustls::Error },
    #[error("there is no thread for handshakes")]
    NoThread { source: io::Error },
    #[error("the certificates of `client_ca`, or the lists of `client_crl`, cannot be used")]
    Issuer { source: Box<dyn std::error::Error + Send + Sync> },
}

/// What is served with now.
pub(super) struct Tls {
    settings: settings::Tls,
    now: RwLock<Arc<Terms>>,
    pub(super) handshakes: Handshakes,
}

/// What is shown, and whose certificates of clients are believed.
pub(super) struct Terms {
    pub(super) config: Arc<ServerConfig>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

impl Terms {
    /// Whether a client that shows this now would be let in.
    pub(super) fn believe(&self, chain: &[CertificateDer<'_>]) -> bool {
        let (Some(clients), Some((own, others))) = (&self.clients, chain.split_first()) else {
            return false;
        };
        clients.verify_client_cert(own, others, UnixTime::now()).is_ok()
    }
}

impl Tls {
    pub(super) fn new(settings: settings::Tls) -> Result<Self, TlsError> {
        let now = RwLock::new(Arc::new(terms(&settings)?));
        let handshakes = Handshakes::new().map_err(|source| TlsError::NoThread { source })?;
        Ok(Self { settings, now, handshakes })
    }

    pub(super) fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the files for ever. What cannot be used is told, and what was there before serves on: a certificate and
    /// its key are two files, of which one is written first.
    pub(super) async fn follow(&self) {
        let mut seen = self.texts();
        loop {
            tokio::time::sleep(LOOK).await;
            let texts = self.texts();
            if texts == seen {
                continue;
            }
            match terms(&self.settings) {
                Ok(terms) => {
                    *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(terms);
                    tracing::info!(event = "certificate_reloaded", "the certificate was read anew");
                }
                Err(error) => tracing::error!(
                    event = "certificate_refused",
                    error = with_causes(&error),
                    "the new certificate cannot be used: the one before serves on"
                ),
            }
            seen = texts;
        }
    }

    /// The hashes of the files; a link that was turned elsewhere shows as well.
    fn texts(&self) -> Vec<Option<Vec<u8>>> {
        let settings::Tls { certificate, key, client_ca, client_crl } = &self.settings;
        let paths = [Some(certificate), Some(key), client_ca.as_ref(), client_crl.as_ref()];
        let hash = |path: &PathBuf| {
            let text = regular_file::read_linked_text(path, LONGEST).ok()?;
            Some(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref().to_vec())
        };
        paths.into_iter().flatten().map(hash).collect()
    }
}

fn terms(settings: &settings::Tls) -> Result<Terms, TlsError> {
    let chain = certificates(&settings.certificate)?;
    let text = zeroize::Zeroizing::new(read(&settings.key)?);
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| TlsError::NotThere { path: settings.key.clone(), what: "private key" })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Unusable { source })?;
    let clients = match &settings.client_ca {
        None => None,
        Some(path) => Some(verifier(path, settings.client_crl.as_deref(), provider)?),
    };
    let builder = match &clients {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
    };
    let mut config =
        builder.with_single_cert(chain, key).map_err(|source| TlsError::Unusable { source })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Terms { config: Arc::new(config), clients })
}

/// Who judges the certificates of clients: by `issuers`, and where there is a list, by whether it names them. What no list
/// speaks of, or one that has ended, is not known, and so is not let in.
fn verifier(
    issuers: &Path,
    revoked: Option<&Path>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(issuers)? {
        roots.add(certificate).map_err(|source| TlsError::Issuer { source: source.into() })?;
    }
    // Who shows none may still show a token.
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider).allow_unauthenticated();
    if let Some(path) = revoked {
        builder = builder.with_crls(lists(path)?).enforce_revocation_expiration();
    }
    builder.build().map_err(|source| TlsError::Issuer { source: source.into() })
}

/// The lists of what was revoked of a file, at least one.
fn lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> =
        CertificateRevocationListDer::pem_slice_iter(text.as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::NotThere { path: path.to_owned(), what: "revocation list" }),
    }
}

fn read(path: &Path) -> Result<String, TlsError> {
    regular_file::read_linked_text(path, LONGEST)
        .map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

/// The certificates of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::NotThere { path: path.to_owned(), what: "certificate" }),
    }
}

/// The names in a client's certificate by which it may be known: URIs (SPIFFE) and host names.
pub(super) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return Vec::new() };
    // A URI has a scheme: one without would be taken for the host name that it looks like.
    let uris = certificate.valid_uri_names().filter(|it| it.contains(':'));
    uris.chain(certificate.valid_dns_names()).map(str::to_owned).collect()
}
