//! HTTPS: `api.tls_listen`, `api.tls_cert`, `api.tls_key` (`spec/api.md` 1.1).
//!
//! Certificate and key are paths of PEM files, or PEM texts. Files are read again
//! when they change, so that a renewed certificate is used without a restart;
//! connections that are open keep theirs. A change that cannot be used is told
//! and the old certificate stays. HTTP/1.1 only.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rs2rtc_base::{Error, ErrorKind, Secret};
use rs2rtc_streams::CancellationToken;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Largest PEM file.
const MAX_FILE: u64 = 1024 * 1024;

/// What proves who this server is, and where it comes from.
#[derive(Clone, Debug)]
pub struct Identity {
    certificate: Origin,
    key: Origin,
    current: Arc<Current>,
}

#[derive(Clone, Debug)]
enum Origin {
    File(PathBuf),
    Text(Secret),
}

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Identity {
    /// Reads certificate chain and key: paths, or PEM texts with line ends.
    ///
    /// # Errors
    /// Kind `Config`, naming the file.
    pub fn load(certificate: &str, key: &Secret) -> Result<Self, Error> {
        let certificate = Origin::of(&Secret::new(certificate));
        let key = Origin::of(key);
        let current = read(&certificate, &key)?;
        Ok(Self { certificate, key, current: Arc::new(Current(RwLock::new(Arc::new(current)))) })
    }

    /// Settings for connections; they follow changes of the files.
    ///
    /// # Errors
    /// Kind `Config` if the library refuses them.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| problem(&format!("api.tls_listen: {error}")))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.current) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Follows the files until `cancel` fires.
    pub async fn follow(self, cancel: CancellationToken) {
        let mut seen = self.stamps();
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let now = self.stamps();
            if now == seen {
                continue;
            }
            seen = now;
            self.read_again();
        }
    }

    /// As [`Self::reload`]; what came of it is in the log.
    pub fn read_again(&self) {
        match self.reload() {
            Ok(()) => tracing::info!(target: "api", "the TLS certificate was read again"),
            Err(error) => {
                tracing::error!(target: "api", %error, "the TLS certificate stays as it is");
            }
        }
    }

    /// Reads the files again; on error the old certificate stays.
    ///
    /// # Errors
    /// Kind `Config`, naming the file.
    pub fn reload(&self) -> Result<(), Error> {
        let new = Arc::new(read(&self.certificate, &self.key)?);
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// When the files were written, and how long they are.
    fn stamps(&self) -> [Option<(SystemTime, u64)>; 2] {
        [&self.certificate, &self.key].map(|origin| match origin {
            Origin::File(path) => {
                let about = std::fs::metadata(path).ok()?;
                Some((about.modified().ok()?, about.len()))
            }
            Origin::Text(_) => None,
        })
    }
}

impl Origin {
    fn of(value: &Secret) -> Self {
        match value.expose().contains('\n') {
            true => Self::Text(value.clone()),
            false => Self::File(PathBuf::from(value.expose())),
        }
    }

    /// How an error names it.
    fn name(&self, key: &str) -> String {
        match self {
            Self::File(path) => format!("api.{key}: {}", path.display()),
            Self::Text(_) => format!("api.{key}"),
        }
    }

    fn bytes(&self, key: &str) -> Result<Vec<u8>, Error> {
        match self {
            Self::Text(text) => Ok(text.expose().as_bytes().to_vec()),
            Self::File(path) => {
                small(path).map_err(|error| problem(&format!("{}: {error}", self.name(key))))
            }
        }
    }
}

fn small(path: &Path) -> std::io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.len() > MAX_FILE {
        return Err(std::io::Error::other("too large for a certificate or key"));
    }
    std::fs::read(path)
}

fn read(certificate: &Origin, key: &Origin) -> Result<CertifiedKey, Error> {
    let name = certificate.name("tls_cert");
    let bytes = certificate.bytes("tls_cert")?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| problem(&format!("{name}: {error}")))?;
    if chain.is_empty() {
        return Err(problem(&format!("{name}: no certificate in it (BEGIN CERTIFICATE)")));
    }
    let name = key.name("tls_key");
    let key = PrivateKeyDer::from_pem_slice(&key.bytes("tls_key")?)
        .map_err(|error| problem(&format!("{name}: no private key in it: {error}")))?;
    let key = aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|error| problem(&format!("{name}: {error}")))?;
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        // Keys whose public half is not known are tried.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(pair)
        }
        Err(error) => Err(problem(&format!("{name}: does not belong to api.tls_cert: {error}"))),
    }
}

fn problem(text: &str) -> Error {
    Error::new(ErrorKind::Config, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = include_str!("tests/tls/one.pem");
    const KEY: &str = include_str!("tests/tls/one.key");

    #[test]
    fn texts_and_files() {
        Identity::load(CERTIFICATE, &Secret::new(KEY)).unwrap().server_config().unwrap();
        let other = Secret::new(include_str!("tests/tls/two.key"));
        let error = Identity::load(CERTIFICATE, &other).unwrap_err().to_string();
        assert!(error.contains("api.tls_key") && error.contains("does not belong"), "{error}");
        let error = Identity::load("/no/such/file.pem", &other).unwrap_err().to_string();
        assert!(error.contains("api.tls_cert: /no/such/file.pem"), "{error}");
        let error = Identity::load("no\ncertificate", &other).unwrap_err().to_string();
        assert!(error.contains("api.tls_cert") && error.contains("BEGIN CERTIFICATE"), "{error}");
        let error = Identity::load(CERTIFICATE, &Secret::new("no\nkey")).unwrap_err().to_string();
        assert!(error.contains("api.tls_key") && !error.contains("no\nkey"), "{error}");
    }
}
