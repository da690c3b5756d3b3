//! ICE over TCP, passive side (RFC 6544): viewers dial our port, each message
//! is framed (RFC 4571), and the first one, a STUN check, says whose it is.
//!
//! A connection that does not name a session of ours within 5 s is closed, and
//! only so many may wait for that. The way out is a bounded queue: a viewer that
//! does not read loses packets, and its connection when a write takes 5 s.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rs2rtc_streams::{CancellationToken, Tasks};
use rs2rtc_webrtc::framing::Deframer;
use rs2rtc_webrtc::{Protocol, stun};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::io::shard::{Control, Media, ShardInbox, Shards, TcpPath};

/// From the connection to its first STUN check.
const FIRST_CHECK: Duration = Duration::from_secs(5);
/// Connections that may wait for that at a time.
const MAX_WAITING: usize = 64;
/// A write that takes longer means that the viewer is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// A connection that says nothing for so long is closed; viewers check every few seconds.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// Writes that may wait in the queue; their bytes are bounded by the shard.
const QUEUE: usize = 1024;

/// Listening sockets of one TCP port.
#[derive(Debug)]
pub struct TcpPort {
    listeners: Vec<TcpListener>,
    port: u16,
}

impl TcpPort {
    /// Listens on a port of one address, or of all (`None`).
    ///
    /// # Errors
    /// The system's, such as an address in use. Where one address family does
    /// not exist, the other suffices.
    pub fn bind(ip: Option<IpAddr>, port: u16) -> io::Result<Self> {
        let listeners = match ip {
            Some(ip) => vec![listen(SocketAddr::new(ip, port))?],
            None => {
                let first = listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
                let bound = match &first {
                    Ok(listener) => listener.local_addr()?.port(),
                    Err(_) => port,
                };
                match (first, listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, bound)))) {
                    (Ok(first), Ok(second)) => vec![first, second],
                    (Err(e), _) | (_, Err(e)) if e.kind() == io::ErrorKind::AddrInUse => {
                        return Err(e);
                    }
                    (Ok(only), Err(_)) | (Err(_), Ok(only)) => vec![only],
                    (Err(e), Err(_)) => return Err(e),
                }
            }
        };
        let port = listeners.first().map_or(Ok(port), |l| l.local_addr().map(|a| a.port()))?;
        Ok(Self { listeners, port })
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The addresses it is bound to: one, or the unspecified ones.
    pub fn local_addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok())
    }

    /// Accepts connections until cancelled.
    pub fn serve(self, shards: &Arc<Shards>, tasks: &Tasks, cancel: &CancellationToken) {
        let waiting = Arc::new(Semaphore::new(MAX_WAITING));
        for listener in self.listeners {
            let (shards, cancel) = (Arc::clone(shards), cancel.clone());
            let (waiting, tasks) = (Arc::clone(&waiting), tasks.clone());
            tasks.clone().spawn("ice-tcp listener", async move {
                let accept = accept_all(&listener, &shards, &waiting, &tasks, &cancel);
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = accept => {}
                }
            });
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // For TCP this only ignores connections of a process that has ended.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(256)?;
    TcpListener::from_std(socket.into())
}

async fn accept_all(
    listener: &TcpListener,
    shards: &Arc<Shards>,
    waiting: &Arc<Semaphore>,
    tasks: &Tasks,
    cancel: &CancellationToken,
) {
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors: others must close some first.
                warn!(%error, "cannot accept ICE-TCP connections");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(waiting).try_acquire_owned() else {
            debug!(%remote, "too many unknown connections");
            continue;
        };
        let (shards, cancel) = (Arc::clone(shards), cancel.clone());
        tasks.spawn("ice-tcp connection", async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                result = connection(stream, remote, &shards, place) => {
                    if let Err(error) = result {
                        debug!(%remote, %error, "ICE-TCP connection ends");
                    }
                }
            }
        });
    }
}

/// Reads frames of one connection.
struct Frames {
    half: OwnedReadHalf,
    deframer: Deframer,
}

impl Frames {
    async fn next(&mut self) -> io::Result<Bytes> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(frame) = self.deframer.next_frame() {
                return Ok(frame);
            }
            let count = self.half.read(&mut buffer).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.deframer.push(buffer.get(..count).unwrap_or_default());
        }
    }
}

async fn connection(
    stream: TcpStream,
    remote: SocketAddr,
    shards: &Shards,
    place: tokio::sync::OwnedSemaphorePermit,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    let (half, out) = stream.into_split();
    let mut frames = Frames { half, deframer: Deframer::default() };
    let first =
        timeout(FIRST_CHECK, frames.next()).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let ufrag = stun::local_ufrag(&first).unwrap_or_default().to_owned();
    let Some(inbox) = shards.inbox_of(&ufrag).cloned() else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no check for one of our sessions"));
    };
    drop(place);

    let (sender, receiver) = mpsc::channel(QUEUE);
    let queued = Arc::new(AtomicUsize::new(0));
    let path = TcpPath { remote, ufrag, sender, queued: Arc::clone(&queued) };
    let _closed = Closed { inbox: &inbox, remote };
    if inbox.control(Control::Tcp(path, local, first)).is_err() {
        return Ok(());
    }
    tokio::select! {
        result = read(&mut frames, &inbox, remote, local) => result,
        result = write(out, receiver, &queued) => result,
    }
}

/// Tells the shard when the connection ends, however it does.
struct Closed<'a> {
    inbox: &'a ShardInbox,
    remote: SocketAddr,
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        let _ = self.inbox.control(Control::TcpClosed(self.remote));
    }
}

async fn read(
    frames: &mut Frames,
    inbox: &ShardInbox,
    remote: SocketAddr,
    local: SocketAddr,
) -> io::Result<()> {
    loop {
        let frame =
            timeout(SILENCE_LIMIT, frames.next()).await.map_err(|_| io::ErrorKind::TimedOut)??;
        inbox.media(Media::Datagram(Protocol::Tcp, remote, local, frame));
    }
}

/// Writes what the shard queues; ends when it drops its side.
async fn write(
    mut out: OwnedWriteHalf,
    mut receiver: mpsc::Receiver<Vec<u8>>,
    queued: &AtomicUsize,
) -> io::Result<()> {
    while let Some(bytes) = receiver.recv().await {
        queued.fetch_sub(bytes.len(), Ordering::Relaxed);
        timeout(WRITE_LIMIT, out.write_all(&bytes))
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
    }
    out.shutdown().await
}
