//! Which certificates are good.

use std::sync::{Arc, Mutex};

use rs2rtc_base::ErrorKind;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::camera::{Reply, ok, serve};
use crate::lab::{failure, media, stream, view};

/// A camera with a certificate that nobody vouches for.
async fn camera() -> u16 {
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
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    #[allow(clippy::disallowed_methods)] // ends with the runtime
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let Ok(connection) = acceptor.accept(connection).await else { continue };
            let answer = |_: &str| Reply::Hang(ok("video/mp2t", &media("h264_aac.ts")));
            serve(connection, &answer, &Mutex::default()).await;
        }
    });
    port
}

#[tokio::test]
async fn names_are_verified_and_addresses_are_not() {
    let port = camera().await;
    let error = failure(&format!("https://localhost:{port}/")).await;
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains("certificate"), "{error}");
    for good in [format!("httpx://localhost:{port}/"), format!("https://127.0.0.1:{port}/")] {
        view(&stream(&good)).await.unwrap_or_else(|e| panic!("{good}: {e}")).next().await;
    }
}
