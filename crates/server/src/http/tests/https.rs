//! HTTPS: a certificate that changes, one that is wrong.

use std::sync::Arc;

use rs2rtc_base::Secret;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Server;
use crate::app::{App, Options};
use crate::http::listener::Listener;
use crate::http::tls::Identity;

const ONE: (&str, &str) = (include_str!("tls/one.pem"), include_str!("tls/one.key"));
const TWO: (&str, &str) = (include_str!("tls/two.pem"), include_str!("tls/two.key"));

/// A client that trusts one certificate.
fn connector(trusted: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config).into()
}

async fn get(addr: std::net::SocketAddr, trusted: &str) -> std::io::Result<String> {
    let stream = TcpStream::connect(addr).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector(trusted).connect(name, stream).await?;
    stream.write_all(b"GET /api HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
    let mut text = String::new();
    // The server ends the connection without close_notify when it is done.
    let _ = stream.read_to_string(&mut text).await;
    Ok(text)
}

#[tokio::test]
async fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
    let server = Server::start("https", "");
    let (certificate, key) = (server.dir.join("tls.pem"), server.dir.join("tls.key"));
    let put = |(pem, secret): (&str, &str)| {
        std::fs::write(&certificate, pem).unwrap();
        std::fs::write(&key, secret).unwrap();
    };
    put(ONE);
    let path = Secret::new(key.to_str().unwrap());
    let identity = Identity::load(certificate.to_str().unwrap(), &path).unwrap();
    let listener = Listener::tls("127.0.0.1:0", identity.server_config().unwrap()).unwrap();
    let addr = listener.local_addr().unwrap();
    let config =
        vec!["api.listen=".to_owned(), "rtsp.listen=".to_owned(), "log.output=".to_owned()];
    let other = App::load(&Options { config, dir: Some(server.dir.clone()) });
    let api = Arc::clone(other.api());
    api.tasks.spawn("listener", listener.run(Arc::clone(&api)));

    assert!(get(addr, ONE.0).await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(get(addr, TWO.0).await.is_err());
    put(TWO);
    identity.reload().unwrap();
    assert!(get(addr, TWO.0).await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(get(addr, ONE.0).await.is_err());
    std::fs::write(&key, ONE.1).unwrap();
    let error = identity.reload().unwrap_err().to_string();
    assert!(error.contains("tls.key"), "{error}");
    assert!(get(addr, TWO.0).await.unwrap().starts_with("HTTP/1.1 200"));
    api.cancel.cancel();
    server.stop().await;
}
