//! ICE over TCP, passive side (RFC 6544): viewers dial our port, each message
//! is framed (RFC 4571), and the first one, a STUN check, says whose it is.
//!
//! A connection that does not name a session of ours within 5 s is closed, and
//! only so many may wait for that. The way out is a bounded queue: a viewer that
//! does not read loses packets, and its connection when it takes nothing for 5 s.
//!
//! How a connection ends says something of its viewer, so it is passed on; so is
//! a write that makes no progress for a second.

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
use crate::io::tcp::{self, TcpEnd};

/// From the connection to its first STUN check.
const FIRST_CHECK: Duration = Duration::from_secs(5);
/// Connections that may wait for that at a time.
const MAX_WAITING: usize = 64;
/// Limits of a connection's silence.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// A viewer that takes not a byte for so long is reported.
    hint: Duration,
    /// One that takes nothing for so long is gone.
    write: Duration,
    /// One that says nothing for so long is gone; viewers check every few seconds.
    silence: Duration,
}

const LIMITS: Limits = Limits {
    hint: Duration::from_secs(1),
    write: Duration::from_secs(5),
    silence: Duration::from_secs(60),
};
/// The system's keep-alive.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Unsent bytes that the system may hold: what is beyond is seen by our clock.
const SYSTEM_QUEUE: u32 = 64 * 1024;
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
    if let Err(error) = tcp::watch(&stream, KEEP_ALIVE, SYSTEM_QUEUE) {
        tracing::debug!(%remote, %error, "the system does not watch a connection");
    }
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
    let mut closed = Closed { inbox: &inbox, remote, how: TcpEnd::Local };
    if inbox.control(Control::Tcp(path, local, first)).is_err() {
        return Ok(());
    }
    let received = |frame| {
        inbox.media(Media::Datagram(Protocol::Tcp, remote, local, frame));
    };
    let stalled = || {
        let _ = inbox.control(Control::TcpStalled(remote));
    };
    let (how, result) = serve(frames, out, receiver, &queued, LIMITS, received, stalled).await;
    closed.how = how;
    result
}

/// Tells the shard when the connection ends, however it does.
struct Closed<'a> {
    inbox: &'a ShardInbox,
    remote: SocketAddr,
    how: TcpEnd,
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        let _ = self.inbox.must(Control::TcpClosed(self.remote, self.how));
    }
}

/// Moves frames both ways until the connection ends. Says how.
async fn serve(
    mut frames: Frames,
    mut out: OwnedWriteHalf,
    receiver: mpsc::Receiver<Vec<u8>>,
    queued: &AtomicUsize,
    limits: Limits,
    received: impl Fn(Bytes),
    stalled: impl Fn(),
) -> (TcpEnd, io::Result<()>) {
    let end = tokio::select! {
        end = read(&mut frames, limits, received) => end,
        end = write(&mut out, receiver, queued, limits, stalled) => end,
    };
    match end {
        End::Closed => (TcpEnd::Local, Ok(())),
        End::Took(how) => {
            tcp::reset_when_closed(out.as_ref());
            (how, Err(io::ErrorKind::TimedOut.into()))
        }
        End::Broke(error) => (TcpEnd::of(&error), Err(error)),
    }
}

/// Why one direction ended.
enum End {
    /// The shard wants no more.
    Closed,
    /// It took too long.
    Took(TcpEnd),
    /// The connection broke.
    Broke(io::Error),
}

async fn read(frames: &mut Frames, limits: Limits, received: impl Fn(Bytes)) -> End {
    loop {
        match timeout(limits.silence, frames.next()).await {
            Ok(Ok(frame)) => received(frame),
            Ok(Err(error)) => return End::Broke(error),
            Err(_) => return End::Took(TcpEnd::Silent),
        }
    }
}

/// Writes what the shard queues; ends when it drops its side.
async fn write(
    out: &mut OwnedWriteHalf,
    mut receiver: mpsc::Receiver<Vec<u8>>,
    queued: &AtomicUsize,
    limits: Limits,
    stalled: impl Fn(),
) -> End {
    while let Some(bytes) = receiver.recv().await {
        queued.fetch_sub(bytes.len(), Ordering::Relaxed);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let written = {
                let writing = out.write(rest);
                tokio::pin!(writing);
                match timeout(limits.hint, &mut writing).await {
                    Ok(written) => Some(written),
                    Err(_) => {
                        stalled();
                        timeout(limits.write.saturating_sub(limits.hint), writing).await.ok()
                    }
                }
            };
            match written {
                Some(Ok(0)) => return End::Broke(io::ErrorKind::WriteZero.into()),
                Some(Ok(count)) => rest = rest.get(count..).unwrap_or_default(),
                Some(Err(error)) => return End::Broke(error),
                None => {
                    return End::Took(TcpEnd::without_progress((*out).as_ref(), limits.write));
                }
            }
        }
    }
    match out.shutdown().await {
        Ok(()) => End::Closed,
        Err(error) => End::Broke(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use rs2rtc_webrtc::framing;

    use super::*;

    const LIMITS: Limits = Limits {
        hint: Duration::from_millis(100),
        write: Duration::from_millis(400),
        silence: Duration::from_secs(60),
    };

    /// A served connection and its peer.
    struct Pair {
        peer: TcpStream,
        sender: mpsc::Sender<Vec<u8>>,
        received: mpsc::UnboundedReceiver<Bytes>,
        stalled: Arc<Mutex<usize>>,
        end: tokio::task::JoinHandle<TcpEnd>,
    }

    #[allow(clippy::disallowed_methods)] // tests own what they spawn
    async fn pair(limits: Limits) -> Pair {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let peer = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        tcp::watch(&stream, KEEP_ALIVE, 16 * 1024).unwrap();
        let (half, out) = stream.into_split();
        let frames = Frames { half, deframer: Deframer::default() };
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (tell, received) = mpsc::unbounded_channel();
        let stalled: Arc<Mutex<usize>> = Arc::default();
        let count = Arc::clone(&stalled);
        let end = tokio::spawn(async move {
            let queued = AtomicUsize::new(usize::MAX / 2);
            let heard = |frame| tell.send(frame).unwrap();
            let hint = || *count.lock().unwrap() += 1;
            serve(frames, out, receiver, &queued, limits, heard, hint).await.0
        });
        Pair { peer, sender, received, stalled, end }
    }

    impl Pair {
        async fn end(self) -> TcpEnd {
            timeout(Duration::from_secs(20), self.end).await.unwrap().unwrap()
        }
    }

    #[tokio::test]
    async fn a_closed_connection_is_told_from_a_reset_one() {
        let mut p = pair(LIMITS).await;
        let frame = [&framing::prefix(b"check").unwrap()[..], b"check"].concat();
        p.peer.write_all(&frame).await.unwrap();
        assert_eq!(&p.received.recv().await.unwrap()[..], b"check");
        p.peer.shutdown().await.unwrap();
        assert_eq!(p.end().await, TcpEnd::Fin);

        let mut p = pair(LIMITS).await;
        tcp::reset_when_closed(&p.peer);
        p.peer = pair(LIMITS).await.peer;
        assert_eq!(p.end().await, TcpEnd::Reset);

        let mut p = pair(LIMITS).await;
        p.sender = mpsc::channel(1).0;
        assert_eq!(p.end().await, TcpEnd::Local);
    }

    #[tokio::test]
    async fn who_takes_nothing_is_reported_and_ended() {
        let p = pair(LIMITS).await;
        for _ in 0..64 {
            p.sender.send(vec![0; 64 * 1024]).await.unwrap();
        }
        let stalled = Arc::clone(&p.stalled);
        assert_eq!(p.end().await, TcpEnd::Stalled);
        assert_eq!(*stalled.lock().unwrap(), 1);
    }

    #[tokio::test]
    async fn the_end_is_seen_while_a_write_is_blocked() {
        let slow = Limits { write: Duration::from_secs(60), ..LIMITS };
        let mut p = pair(slow).await;
        for _ in 0..64 {
            p.sender.send(vec![0; 64 * 1024]).await.unwrap();
        }
        while *p.stalled.lock().unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        p.peer.shutdown().await.unwrap();
        assert_eq!(p.end().await, TcpEnd::Fin);
    }

    #[tokio::test]
    async fn who_says_nothing_is_ended() {
        let p = pair(Limits { silence: Duration::from_millis(100), ..LIMITS }).await;
        assert_eq!(p.end().await, TcpEnd::Silent);
    }

    #[tokio::test]
    async fn who_takes_little_but_steadily_stays() {
        let mut p = pair(Limits { write: Duration::from_secs(2), ..LIMITS }).await;
        let mut buffer = vec![0; 16 * 1024];
        let mut taken = 0;
        let begin = tokio::time::Instant::now();
        // Longer than the limit, with more waiting than the system holds.
        while begin.elapsed() < Duration::from_secs(3) {
            let _ = p.sender.try_send(vec![0; 64 * 1024]);
            taken += p.peer.read(&mut buffer).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(taken > 0 && !p.end.is_finished());
        drop(p.peer);
        assert_ne!(timeout(Duration::from_secs(20), p.end).await.unwrap().unwrap(), TcpEnd::Local);
    }
}
