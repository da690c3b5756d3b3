//! Sources that somebody else on the network has named, in a network whose names
//! and addresses are the test's.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_endpoints::Context;
use rs2rtc_endpoints::io::reach::{Net, Network};
use rs2rtc_endpoints::table::Table;
use rs2rtc_streams::{BoxFuture, CancellationToken, OpenRequest, Opener as _, Origin};
use tokio::net::TcpStream;

use crate::camera::{Camera, Reply, ok};

/// `cam.example` is a camera elsewhere, `inner.example` is this machine, and
/// `turns.example` is first the one, then the other. All connections lead to
/// loopback in the end, as there is nothing else in a test.
#[derive(Debug, Default)]
struct Script {
    turns: AtomicUsize,
}

impl Net for Script {
    fn resolve(&self, host: String, port: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        let ip = match host.as_str() {
            "cam.example" => "192.0.2.1",
            "inner.example" => "127.0.0.1",
            "turns.example" if self.turns.fetch_add(1, Ordering::Relaxed) == 0 => "192.0.2.1",
            "turns.example" => "127.0.0.1",
            other => other,
        };
        let address = SocketAddr::new(ip.parse().unwrap(), port);
        Box::pin(async move { Ok(vec![address]) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(("127.0.0.1", address.port())))
    }
}

fn network() -> Arc<Context> {
    let network = Network::new(Script::default());
    Context::within(network, Default::default(), Default::default(), "rs2rtc/test")
}

async fn open(context: &Arc<Context>, source: &str, origin: Origin) -> Result<(), Error> {
    let cancel = CancellationToken::new();
    let request = OpenRequest { source: source.to_owned(), stream: "x".into(), origin, cancel };
    Table::new(Arc::clone(context)).open(request).await.map(|_| ())
}

fn assert_refused(error: &Error, what: &str) {
    assert_eq!(error.kind(), ErrorKind::Config, "{what}: {error}");
    let text = error.to_string();
    assert!(text.contains("may only be named on this machine"), "{what}: {text}");
}

#[tokio::test]
async fn a_name_that_turns_is_refused_by_every_kind_of_source() {
    let victim = Camera::always(|| Reply::Close(ok("text/plain", b"secret"))).await;
    for scheme in ["http", "https", "httpx", "rtsp", "rtsps", "rtspx", "tcp"] {
        let context = network();
        let source = format!("{scheme}://turns.example:{}/x", victim.port);
        context.reach(Origin::Stranger).check(&source).await.unwrap();
        let error = open(&context, &source, Origin::Stranger).await.unwrap_err();
        assert_refused(&error, &source);
        assert!(error.to_string().contains("turns.example"), "{error}");
    }
    let source = format!("ffmpeg:http://turns.example:{}/x", victim.port);
    let context = network();
    context.reach(Origin::Stranger).check(&source).await.unwrap();
    assert_refused(&open(&context, &source, Origin::Stranger).await.unwrap_err(), &source);
    assert!(victim.requests().is_empty());
}

#[tokio::test]
async fn no_redirect_leads_to_this_machine() {
    let victim = Camera::always(|| Reply::Close(ok("text/plain", b"secret"))).await;
    for host in ["127.0.0.1", "inner.example", "[::1]"] {
        let to = format!("{host}:{}", victim.port);
        let http =
            format!("HTTP/1.1 302 Found\r\nLocation: http://{to}/\r\nContent-Length: 0\r\n\r\n");
        let camera = Camera::new(move |_| Reply::Close(http.clone().into_bytes())).await;
        let source = format!("http://cam.example:{}/", camera.port);
        let error = open(&network(), &source, Origin::Stranger).await.unwrap_err();
        assert_refused(&error, host);

        let camera = Camera::new(move |head| {
            let number = head.lines().find(|line| line.starts_with("CSeq")).unwrap();
            let answer =
                format!("RTSP/1.0 302 Moved\r\n{number}\r\nLocation: rtsp://{to}/\r\n\r\n");
            Reply::Close(answer.into_bytes())
        })
        .await;
        let source = format!("rtsp://cam.example:{}/", camera.port);
        let error = open(&network(), &source, Origin::Stranger).await.unwrap_err();
        assert_refused(&error, host);
    }
    assert!(victim.requests().is_empty());
}

#[tokio::test]
async fn no_playlist_leads_to_this_machine() {
    let victim = Camera::always(|| Reply::Close(ok("text/plain", b"secret"))).await;
    let to = victim.port;
    let camera = Camera::new(move |_| {
        let list = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://inner.example:{to}/x.ts\n\
             #EXT-X-ENDLIST\n"
        );
        Reply::Send(ok("application/vnd.apple.mpegurl", list.as_bytes()))
    })
    .await;
    let source = format!("http://cam.example:{}/x.m3u8", camera.port);
    let error = open(&network(), &source, Origin::Stranger).await.unwrap_err();
    assert_refused(&error, &source);
    assert!(victim.requests().is_empty());
}

#[tokio::test]
async fn cameras_elsewhere_and_the_configuration_are_not_held_up() {
    let camera = Camera::always(|| Reply::Close(ok("text/plain", b"no picture"))).await;
    for (host, origin) in [
        ("cam.example", Origin::Stranger),
        ("inner.example", Origin::Config),
        ("127.0.0.1", Origin::Config),
        ("127.0.0.1", Origin::Api),
    ] {
        let before = camera.requests().len();
        let source = format!("http://{host}:{}/", camera.port);
        open(&network(), &source, origin).await.unwrap_err();
        assert!(camera.requests().len() > before, "{source}");
    }
}
