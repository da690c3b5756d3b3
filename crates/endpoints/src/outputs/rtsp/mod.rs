//! The RTSP server: plays streams and takes pushed ones (`docs/outputs/rtsp.md`).
//!
//! One task per connection ([`connection`]); a publisher becomes a
//! [`publisher::Publisher`], which is a producer like any other.

mod connection;
pub(crate) mod player;
mod publisher;
mod wire;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rs2rtc_base::{Current, Error, ErrorKind, Secret};
use rs2rtc_media::frame::SizeClass;
use rs2rtc_media::rtp::pay;
use rs2rtc_streams::{CancellationToken, Repeat, Repeats, Streams};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::Context;
use crate::io::tcp;

/// Connections at the same time.
const MAX_CONNECTIONS: usize = 1000;

/// Different reasons that are remembered of clients that got no stream.
const MAX_FAILURES: usize = 64;

/// Unsent bytes that the system may hold for a client; frames that it does not
/// take wait in the stream's queue, where they can be skipped.
const SYSTEM_QUEUE: u32 = 64 * 1024;

/// After what times a client is held to be gone (`docs/outputs/rtsp.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// A client that takes not a byte for so long while there is something to
    /// send. Default 10 s.
    pub write_stall: Duration,
    /// One whose system acknowledges nothing for so long (and a tenth of it), or,
    /// if nothing is sent, answers no keep-alive probe. Default 10 s.
    pub unacknowledged: Duration,
    /// The least silence of a player that reports regularly (2.5 times the
    /// longest time between its reports counts). Default 10 s.
    pub report: Duration,
    /// The longest silence of such a player, and that of one that pauses: the
    /// time-out that clients are told. Default 60 s.
    pub session: Duration,
    /// A publisher that sends no packets, unless its URL says `timeout=`. Default 15 s.
    pub publisher: Duration,
    /// The next request before media flows. Default 5 s.
    pub request: Duration,
    /// How long the last bytes to a client may take. Default 500 ms.
    pub goodbye: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            write_stall: Duration::from_secs(10),
            unacknowledged: Duration::from_secs(10),
            report: Duration::from_secs(10),
            session: Duration::from_secs(60),
            publisher: Duration::from_secs(15),
            request: Duration::from_secs(5),
            goodbye: Duration::from_millis(500),
        }
    }
}

/// Settings of the server (`rtsp:` in the configuration).
#[derive(Clone, Debug)]
pub struct Config {
    /// `address:port` or `:port`.
    pub listen: String,
    /// User name and password; asked from everybody but loopback peers.
    pub credentials: Option<(String, Secret)>,
    /// Filters of a DESCRIBE that names none.
    pub default_query: String,
    /// Largest RTP packet in bytes that clients get, header included; 0: the
    /// default of 1472. Packets come in two sizes: any smaller limit gives those
    /// of WebRTC, at most 1180 bytes.
    pub pkt_size: u16,
    /// Limits of silence.
    pub timers: Timers,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: ":8554".to_owned(),
            credentials: None,
            default_query: "video&audio".to_owned(),
            pkt_size: 0,
            timers: Timers::default(),
        }
    }
}

impl Config {
    /// The size of packets that keeps to `pkt_size`.
    fn size_class(&self) -> SizeClass {
        match usize::from(self.pkt_size) {
            0 => SizeClass::Rtsp,
            size if size >= pay::RTSP_PAYLOAD + 12 => SizeClass::Rtsp,
            _ => SizeClass::WebRtc,
        }
    }
}

/// What a peer wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// See or hear a stream.
    View,
    /// Publish to a stream, or talk.
    Publish,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Where the connection comes from.
    pub ip: IpAddr,
    /// The connection asks for a login: who gets so far has shown it.
    pub logs_in: bool,
}

/// Decides whether somebody may do something; the text says why not.
pub type Gate = Arc<dyn Fn(Asker, Access) -> Result<(), String> + Send + Sync>;

/// A bound RTSP server.
pub struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    config: Arc<Current<Config>>,
    context: Arc<Context>,
    streams: Streams,
    gate: Gate,
    /// What clients were refused lately.
    failures: Mutex<Repeats>,
}

impl Shared {
    fn new(
        config: Arc<Current<Config>>,
        context: Arc<Context>,
        streams: Streams,
        gate: Gate,
    ) -> Self {
        let failures = Mutex::new(Repeats::remembering(MAX_FAILURES));
        Self { config, context, streams, gate, failures }
    }

    /// Says in the log why a client does not get a stream: once a minute, for players try
    /// again every few seconds.
    fn warn(&self, stream: &str, what: &'static str, error: &str) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let text = format!("{what}: {error}");
        let Repeat { is_news, tries } = failures.count_of(stream, &text, Instant::now());
        drop(failures);
        let tries = Some(tries).filter(|tries| *tries > 1);
        let error = Some(error).filter(|error| !error.is_empty());
        if is_news {
            tracing::warn!(target: "rtsp", stream, error, tries, "[rtsp] {what}");
        } else {
            tracing::debug!(target: "rtsp", stream, error, tries, "[rtsp] {what}");
        }
        is_news
    }
}

impl Server {
    /// Binds the port and tells the context, so that children can push.
    ///
    /// # Errors
    /// `Config` naming the address, and what to do if it is in use.
    pub fn bind(
        config: Config,
        context: Arc<Context>,
        streams: Streams,
        gate: Gate,
    ) -> Result<Self, Error> {
        let listener = tcp::listen(&config.listen).map_err(|e| e.context("rtsp.listen"))?;
        let config = Arc::new(Current::new(config));
        let port = listener.local_addr().map(|a| a.port());
        let port = port.map_err(|e| Error::caused(ErrorKind::Config, "rtsp.listen", e))?;
        context.set_rtsp_port(port);
        Ok(Self { listener, shared: Arc::new(Shared::new(config, context, streams, gate)) })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// The settings, to be replaced while it runs. Connections keep those they
    /// began with; the address cannot change.
    pub fn settings(&self) -> Arc<Current<Config>> {
        Arc::clone(&self.shared.config)
    }

    /// Serves until cancelled.
    pub async fn run(self, cancel: CancellationToken) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                () = cancel.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors: wait for some to be freed.
                    tracing::warn!(target: "rtsp", %error, "[rtsp] accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::warn!(target: "rtsp", %peer, "[rtsp] too many connections, refused");
                continue;
            };
            let _ = stream.set_nodelay(true);
            let limit = self.shared.config.get().timers.unacknowledged;
            if let Err(error) = tcp::watch(&stream, limit, SYSTEM_QUEUE) {
                tracing::debug!(target: "rtsp", %peer, %error, "the system does not watch a connection");
            }
            // IPv4 peers of a dual-stack socket are shown as what they are.
            let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
            let connection = connection::Connection::new(stream, peer, Arc::clone(&self.shared));
            let span = tracing::info_span!("consumer", format = "rtsp", %peer);
            let cancel = cancel.child_token();
            let work = async move {
                connection.run(cancel).await;
                drop(place);
            };
            let _entered = span.clone().entered();
            self.shared.context.tasks.spawn("rtsp connection", work.instrument(span));
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listen", &self.shared.config.get().listen)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
