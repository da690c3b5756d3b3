//! The end of a TLS connection for cameras and servers on loopback.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Shows a certificate that nobody vouches for.
pub(crate) fn acceptor() -> TlsAcceptor {
    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/src/http/tests/tls");
    let certificate = CertificateDer::from_pem_file(format!("{FOLDER}/one.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{FOLDER}/one.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
