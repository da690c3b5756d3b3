//! HTTPS: the certificate of the configuration, and another one after SIGHUP.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::harness::{Folder, LIMIT, Ports, Server, binary};

const ONE: (&str, &str) = (
    include_str!("../../src/http/tests/tls/one.pem"),
    include_str!("../../src/http/tests/tls/one.key"),
);
const TWO: (&str, &str) = (
    include_str!("../../src/http/tests/tls/two.pem"),
    include_str!("../../src/http/tests/tls/two.key"),
);

/// What is answered to who trusts one certificate only.
fn get(port: u16, trusted: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut stream = StreamOwned::new(client, stream);
    stream.write_all(b"GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    // The server ends the connection without close_notify when it is done.
    let _ = stream.read_to_string(&mut text);
    Ok(text)
}

#[test]
fn a_certificate_that_was_renewed_is_taken_on_sighup() {
    let ports = Ports::free();
    let folder = Folder::new();
    let (certificate, key) = (folder.write("tls.pem", ONE.0), folder.write("tls.key", ONE.1));
    // The port for WebRTC serves HTTPS.
    let config = format!(
        "api:\n  listen: \"127.0.0.1:{}\"\n  tls_listen: \"127.0.0.1:{}\"\n  tls_cert: {}\n  tls_key: {}\n\
         rtsp: {{listen: ''}}\napp: {{modules: [api]}}\n",
        ports.api,
        ports.webrtc,
        certificate.display(),
        key.display(),
    );
    folder.write("rs2rtc.yaml", &config);
    let server = Server::spawn(std::process::Command::new(binary()), folder, ports);
    server.wait_log("[api] listen tls");
    let answer = get(ports.webrtc, ONE.0).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"version\""), "{answer}");
    assert!(get(ports.webrtc, TWO.0).is_err());

    std::fs::write(&certificate, TWO.0).unwrap();
    std::fs::write(&key, TWO.1).unwrap();
    server.signal("-HUP");
    server.wait_log("the TLS certificate was read again");
    assert!(get(ports.webrtc, TWO.0).unwrap().starts_with("HTTP/1.1 200"));
    assert!(get(ports.webrtc, ONE.0).is_err());

    // One that is wrong changes nothing.
    std::fs::write(&certificate, "no certificate\n").unwrap();
    server.signal("-HUP");
    server.wait_log("the TLS certificate stays as it is");
    assert!(get(ports.webrtc, TWO.0).unwrap().starts_with("HTTP/1.1 200"));
}
