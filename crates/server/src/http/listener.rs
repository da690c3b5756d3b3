//! Listening for HTTP: TCP, TLS over TCP and unix socket, one task per connection.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rs2rtc_base::Error;
use rs2rtc_endpoints::io::tcp;
use rs2rtc_endpoints::io::wire::{Line, Socket, Wire};
use rs2rtc_streams::CancellationToken;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use super::addresses::Served;
use super::{Api, Call, Peer};

/// Connections at the same time.
const MAX_CONNECTIONS: usize = 4096;
/// How long a client may take for the head of a request; also how long a
/// connection may rest between two.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// A client whose computer says nothing for so long, not even to the system's
/// own questions, is gone.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// Bytes that wait in the system for a client that reads slowly.
const UNSENT: u32 = 256 << 10;
/// How long running answers may go on at shutdown.
const GOODBYE: Duration = Duration::from_millis(500);

/// A bound listener.
pub enum Listener {
    /// `api.listen`.
    Tcp(TcpListener),
    /// `api.tls_listen`.
    Tls(TcpListener, TlsAcceptor),
    /// `api.unix_listen`.
    Unix(UnixListener),
}

impl Listener {
    /// Binds `address:port` or `:port`.
    ///
    /// # Errors
    /// Kind `Config`, naming the address and what to do.
    pub fn tcp(address: &str) -> Result<Self, Error> {
        tcp::listen(address).map(Self::Tcp)
    }

    /// Binds `address:port` or `:port` for HTTPS.
    ///
    /// # Errors
    /// Kind `Config`, naming the address and what to do.
    pub fn tls(address: &str, config: Arc<rustls::ServerConfig>) -> Result<Self, Error> {
        Ok(Self::Tls(tcp::listen(address)?, config.into()))
    }

    /// Binds a unix socket; an old socket file is removed first.
    ///
    /// # Errors
    /// What the system says.
    pub fn unix(path: &str) -> io::Result<Self> {
        use std::os::unix::fs::FileTypeExt as _;
        if std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket()) {
            std::fs::remove_file(path)?;
        }
        UnixListener::bind(path).map(Self::Unix)
    }

    /// The TCP address in use.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// Where it serves pages to other machines.
    pub fn served(&self) -> Option<Served> {
        let bound = self.local_addr()?;
        Some(Served { tls: matches!(self, Self::Tls(..)), bound })
    }

    /// Serves until the API's token fires.
    pub async fn run(self, api: Arc<Api>) {
        self.run_within(Arc::new(Semaphore::new(MAX_CONNECTIONS)), api).await;
    }

    /// As [`Self::run`], for as many connections as there are places.
    async fn run_within(self, places: Arc<Semaphore>, api: Arc<Api>) {
        loop {
            let accepted = tokio::select! {
                () = api.cancel.cancelled() => return,
                accepted = self.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors: wait for some to be freed.
                    tracing::warn!(target: "api", %error, "accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned().map(Arc::new) else {
                tracing::warn!(target: "api", %peer, "too many connections, refused");
                continue;
            };
            let connection_api = Arc::clone(&api);
            api.tasks.spawn("http connection", async move {
                match stream {
                    Stream::Tcp(stream) => serve(stream, peer, place, connection_api).await,
                    Stream::Tls(stream, acceptor) => {
                        let accepted = tokio::time::timeout(HEAD_LIMIT, acceptor.accept(stream));
                        let accepted = tokio::select! {
                            accepted = accepted => accepted,
                            // Nothing was promised to who has not even said hello.
                            () = connection_api.cancel.cancelled() => return,
                        };
                        match accepted {
                            Ok(Ok(stream)) => serve(stream, peer, place, connection_api).await,
                            Ok(Err(error)) => {
                                tracing::debug!(target: "api", %peer, %error, "TLS");
                            }
                            Err(_) => tracing::debug!(target: "api", %peer, "TLS: too slow"),
                        }
                    }
                    Stream::Unix(stream) => serve(stream, peer, place, connection_api).await,
                }
            });
        }
    }

    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = accept_tcp(listener).await?;
                Ok((Stream::Tcp(stream), peer))
            }
            Self::Tls(listener, acceptor) => {
                let (stream, peer) = accept_tcp(listener).await?;
                Ok((Stream::Tls(stream, acceptor.clone()), peer))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), Peer::Unix))
            }
        }
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self {
            Self::Tcp(_) => "Tcp",
            Self::Tls(..) => "Tls",
            Self::Unix(_) => "Unix",
        };
        f.debug_tuple(kind).field(&self.local_addr()).finish()
    }
}

async fn accept_tcp(listener: &TcpListener) -> io::Result<(tokio::net::TcpStream, Peer)> {
    let (stream, address) = listener.accept().await?;
    let _ = stream.set_nodelay(true);
    if let Err(error) = tcp::watch(&stream, SILENCE_LIMIT, UNSENT) {
        tracing::debug!(target: "api", %error, "the system does not watch a connection");
    }
    Ok((stream, Peer::Ip(address)))
}

enum Stream {
    Tcp(tokio::net::TcpStream),
    Tls(tokio::net::TcpStream, TlsAcceptor),
    Unix(tokio::net::UnixStream),
}

fn serve<S>(
    stream: S,
    peer: Peer,
    place: Arc<OwnedSemaphorePermit>,
    api: Arc<Api>,
) -> impl Future<Output = ()> + Send
where
    S: Socket + 'static,
{
    let cancel = api.cancel.clone();
    let line = Line::default();
    let stream = Wire::new(stream, line.clone());
    let dropped = CancellationToken::new();
    let drop_it = dropped.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (api, drop_it) = (Arc::clone(&api), drop_it.clone());
        let (line, place) = (line.clone(), Arc::clone(&place));
        async move {
            let (parts, body) = request.into_parts();
            let mut call = Call::new(parts, Body::new(body), peer, drop_it);
            call.line = line;
            call.place = Some(place);
            Ok::<_, Infallible>(api.answer(call).await)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_headers(128)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    async move {
        let mut connection = Box::pin(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = dropped.cancelled() => return,
            () = cancel.cancelled() => {
                connection.as_mut().graceful_shutdown();
                match tokio::time::timeout(GOODBYE, connection).await {
                    Ok(ended) => ended,
                    Err(_) => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(target: "api", %peer, %error, "connection");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::app::{App, Options};
    use crate::http::tls::Identity;

    fn api() -> App {
        let config = ["api.listen=", "rtsp.listen=", "log.output=", "streams.cam=\"demo:\""];
        let config = config.map(str::to_owned).to_vec();
        App::load(&Options { config, dir: Some(std::env::temp_dir()) })
    }

    async fn first_line(stream: &mut TcpStream, request: &str) -> String {
        let _ = stream.write_all(request.as_bytes()).await;
        let mut bytes = [0; 64];
        let read = stream.read(&mut bytes).await.unwrap_or(0);
        String::from_utf8_lossy(&bytes[..read]).lines().next().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn a_socket_takes_the_place_of_its_connection() {
        const SOCKET: &str = "GET /api/ws?src=cam HTTP/1.1\r\nHost: 127.0.0.1\r\n\
            Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        const CALL: &str = "GET /api HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        let app = api();
        let listener = Listener::tcp("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let api = Arc::clone(app.api());
        let places = Arc::new(Semaphore::new(1));
        let run = listener.run_within(Arc::clone(&places), Arc::clone(&api));
        api.tasks.spawn("listener", run);
        let mut socket = TcpStream::connect(addr).await.unwrap();
        assert_eq!(first_line(&mut socket, SOCKET).await, "HTTP/1.1 101 Switching Protocols");
        for _ in 0..3 {
            let mut late = TcpStream::connect(addr).await.unwrap();
            assert_eq!(first_line(&mut late, CALL).await, "", "there is no place");
        }
        drop(socket);
        drop(places.acquire().await.unwrap());
        let mut next = TcpStream::connect(addr).await.unwrap();
        assert_eq!(first_line(&mut next, CALL).await, "HTTP/1.1 200 OK");
        api.cancel.cancel();
    }

    /// A scanner that connects and says nothing does not hold up the end of the program.
    #[tokio::test]
    async fn a_client_that_says_nothing_over_tls_is_not_waited_for() {
        let app = api();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/tests/tls/");
        let key = rs2rtc_base::Secret::new(format!("{folder}one.key"));
        let identity = Identity::load(&format!("{folder}one.pem"), &key).unwrap();
        let listener = Listener::tls("127.0.0.1:0", identity.server_config().unwrap()).unwrap();
        let addr = listener.local_addr().unwrap();
        let api = Arc::clone(app.api());
        let places = Arc::new(Semaphore::new(1));
        let run = listener.run_within(Arc::clone(&places), Arc::clone(&api));
        api.tasks.spawn("listener", run);
        let silent = TcpStream::connect(addr).await.unwrap();
        while places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        api.cancel.cancel();
        assert!(api.tasks.join(HEAD_LIMIT.mul_f32(0.7)).await, "it is waited for");
        drop(silent);
    }
}
