//! Which certificates are good.

use std::sync::Mutex;

use rs2rtc_base::ErrorKind;
use tokio::net::TcpListener;

use crate::camera::{Reply, ok, serve};
use crate::certified;
use crate::lab::{failure, media, stream, view};

/// A camera with a certificate that nobody vouches for.
async fn camera() -> u16 {
    let acceptor = certified::acceptor();
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
