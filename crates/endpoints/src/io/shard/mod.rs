//! Media shards: threads that own WebRTC sessions outright.
//!
//! A frame crosses into a shard once and is written there to every session that
//! shows its track; a session's datagrams leave in segmented sends. Nothing on
//! that way locks or awaits. The first shard reads the UDP port, and every one
//! the sockets of its viewers; datagrams of another shard's sessions are passed
//! on: a session's user name fragment begins with its shard's letter, and
//! addresses are learned from authenticated checks.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fmt, io};

use bytes::Bytes;
use rs2rtc_media::Frame;
use rs2rtc_streams::{AttachedTrack, Connection};
use rs2rtc_webrtc::liveness::{Hint, Reason};
use rs2rtc_webrtc::{Protocol, Session};
use tokio::sync::{mpsc, oneshot, watch};

use crate::io::poller::Poller;
use crate::io::tcp::TcpEnd;
use crate::io::udp::UdpPort;

mod addresses;
mod batch;
mod entry;
mod fans;
mod inbox;
mod intake;
mod report;
mod sockets;
mod talk;
mod uplink;
mod worker;

use addresses::Owner;
use inbox::Inbox;
use uplink::Uplink;

pub use intake::Intake;
pub use report::{Counters, Departed, Hold, SessionReport};

/// Most shards: each has a letter.
pub const MAX_SHARDS: usize = 26;
/// Bytes that wait for one TCP connection; what is beyond is dropped.
pub const TCP_QUEUE: usize = 2 << 20;

/// Identifies a session within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey(u64);

/// A session to be owned by a shard.
#[derive(Debug)]
pub struct NewSession {
    /// The session, just answered.
    pub session: Session,
    /// Its tracks, numbered as in its selection.
    pub tracks: Vec<AttachedTrack>,
    /// What the API shows of it; addresses and counters are kept up to date.
    pub connection: Arc<Connection>,
    /// `ws` or `http`: the first half of the protocol that the API shows.
    pub signalling: String,
    /// Name of its stream, for the log.
    pub stream: String,
    /// Told when the camera is to be let go or taken again, and of the end.
    pub hold: watch::Sender<Hold>,
    /// The zero of the stream's timeline.
    pub epoch: Instant,
    /// A publisher's: takes what the other side sends.
    pub intake: Option<Intake>,
}

/// What a viewer's page said last of itself, on its way into a shard: it may say
/// it as often as it likes, but only the last word counts.
#[derive(Debug, Default)]
pub struct Page {
    hidden: AtomicBool,
    /// A command that tells of it is in the queue.
    told: AtomicBool,
}

impl Page {
    /// Notes a word. Says whether the shard is to be told.
    pub fn set(&self, hidden: bool) -> bool {
        self.hidden.store(hidden, Ordering::SeqCst);
        !self.told.swap(true, Ordering::SeqCst)
    }

    /// The last word.
    fn take(&self) -> bool {
        self.told.store(false, Ordering::SeqCst);
        self.hidden.load(Ordering::SeqCst)
    }
}

/// Media on its way into a shard.
#[derive(Debug)]
pub(crate) enum Media {
    /// The next frame of a track.
    Frame(u64, Arc<Frame>),
    /// A datagram from a TCP connection or from another shard.
    Datagram(Protocol, SocketAddr, SocketAddr, Bytes),
    /// A session of another shard was checked from an address of this one's.
    Claim(SocketAddr, Owner),
    /// An address that was another shard's is this session's now.
    Granted(SocketAddr, SessionKey),
}

/// A command to a shard.
pub(crate) enum Control {
    Add(SessionKey, Box<NewSession>),
    Candidate(SessionKey, String),
    /// Ends the session; the text says more.
    Close(SessionKey, Reason, String),
    Hint(SessionKey, Hint),
    /// The page is hidden or visible again.
    Hidden(SessionKey, Arc<Page>),
    /// Somebody waits for the camera.
    Contended(SessionKey),
    /// The server's own way out is doubted until then.
    DoubtUplink(Instant),
    /// The camera was taken again: its tracks, as numbered at the beginning.
    Tracks(SessionKey, Vec<AttachedTrack>),
    /// What a publisher sends goes into its stream again.
    Intake(SessionKey, Box<Intake>),
    /// Asks for the state of all sessions.
    Report(oneshot::Sender<Vec<SessionReport>>),
    /// A TCP connection, our address on it, and its first message.
    Tcp(TcpPath, SocketAddr, Bytes),
    /// A TCP connection ended, and how.
    TcpClosed(SocketAddr, TcpEnd),
    /// The viewer of a TCP connection has taken nothing for a while.
    TcpStalled(SocketAddr),
    Stop,
}

/// The way out over one TCP connection.
#[derive(Debug)]
pub(crate) struct TcpPath {
    pub(crate) remote: SocketAddr,
    pub(crate) ufrag: String,
    /// Framed datagrams.
    pub(crate) sender: mpsc::Sender<Vec<u8>>,
    /// Bytes in the queue.
    pub(crate) queued: Arc<AtomicUsize>,
}

pub(crate) type ShardInbox = Inbox<Media, Control>;

struct Shard {
    inbox: ShardInbox,
    sessions: Arc<AtomicUsize>,
    counters: Arc<Counters>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Addresses of viewers and whose they are.
pub(crate) type Routes = RwLock<HashMap<SocketAddr, Owner>>;

/// The shards of this process.
pub struct Shards {
    shards: Vec<Shard>,
    keys: AtomicU64,
}

impl Shards {
    /// Starts `count` threads (1 to [`MAX_SHARDS`]); the first one reads the port.
    ///
    /// # Errors
    /// If the system gives no thread or descriptor.
    pub fn start(count: usize, udp: Arc<UdpPort>) -> io::Result<Self> {
        let count = count.clamp(1, MAX_SHARDS);
        let mut ends = Vec::new();
        for _ in 0..count {
            ends.push(inbox::channel::<Media, Control>()?);
        }
        let inboxes: Vec<ShardInbox> = ends.iter().map(|(inbox, _)| inbox.clone()).collect();
        let routes: Arc<Routes> = Arc::default();
        let uplink: Arc<Uplink> = Arc::default();
        let mut shards = Vec::new();
        for (index, (inbox, outlet)) in ends.into_iter().enumerate() {
            let sessions = Arc::new(AtomicUsize::new(0));
            let counters = Arc::new(Counters::default());
            let poller = Poller::new()?;
            let setup = worker::Setup {
                index,
                inbox: inbox.clone(),
                inboxes: inboxes.clone(),
                outlet,
                udp: Arc::clone(&udp),
                routes: Arc::clone(&routes),
                uplink: Arc::clone(&uplink),
                sessions: Arc::clone(&sessions),
                counters: Arc::clone(&counters),
            };
            let thread = std::thread::Builder::new()
                .name(format!("media-{index}"))
                .spawn(move || worker::run(setup, poller))?;
            shards.push(Shard { inbox, sessions, counters, thread: Mutex::new(Some(thread)) });
        }
        Ok(Self { shards, keys: AtomicU64::new(1) })
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.shards.len()
    }

    /// Never true.
    pub const fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }

    /// Sessions of all shards.
    pub fn sessions(&self) -> usize {
        self.shards.iter().map(|s| s.sessions.load(Ordering::Relaxed)).sum()
    }

    /// The shard with the fewest sessions: whose a new one is to be.
    pub fn least_loaded(&self) -> usize {
        let load = |index: &usize| {
            self.shards.get(*index).map_or(usize::MAX, |s| s.sessions.load(Ordering::Relaxed))
        };
        (0..self.shards.len()).min_by_key(load).unwrap_or(0)
    }

    /// Hands a session over. Its fragment must begin with the shard's letter.
    pub fn add(&self, shard: usize, session: NewSession) -> Option<SessionKey> {
        let key = SessionKey(self.keys.fetch_add(1, Ordering::Relaxed));
        let shard = self.shards.get(shard)?;
        shard.sessions.fetch_add(1, Ordering::Relaxed);
        match shard.inbox.must(Control::Add(key, Box::new(session))) {
            Ok(()) => Some(key),
            Err(_) => {
                shard.sessions.fetch_sub(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// Passes a remote candidate on, unless too much is on its way.
    pub fn add_remote_candidate(&self, shard: usize, key: SessionKey, text: &str) {
        self.control(shard, Control::Candidate(key, text.to_owned()));
    }

    /// Ends a session.
    pub fn close(&self, shard: usize, key: SessionKey, reason: Reason, detail: &str) {
        self.must(shard, Control::Close(key, reason, detail.to_owned()));
    }

    /// A sign that the viewer of a session may be gone.
    pub fn hint(&self, shard: usize, key: SessionKey, hint: Hint) {
        self.control(shard, Control::Hint(key, hint));
    }

    /// The viewer's page is hidden, or visible again: what it says of itself has
    /// changed. To be called once until the shard has taken it.
    pub fn hidden(&self, shard: usize, key: SessionKey, page: Arc<Page>) {
        self.must(shard, Control::Hidden(key, page));
    }

    /// Somebody waits for the camera that a session holds.
    pub fn contended(&self, shard: usize, key: SessionKey) {
        self.control(shard, Control::Contended(key));
    }

    /// The camera of a session was taken again.
    pub fn tracks(&self, shard: usize, key: SessionKey, tracks: Vec<AttachedTrack>) {
        self.must(shard, Control::Tracks(key, tracks));
    }

    /// What a publisher sends is wanted again.
    pub fn intake(&self, shard: usize, key: SessionKey, intake: Intake) {
        self.must(shard, Control::Intake(key, Box::new(intake)));
    }

    /// The state of all sessions, oldest first.
    pub async fn reports(&self) -> Vec<SessionReport> {
        let mut all = Vec::new();
        for index in 0..self.shards.len() {
            let (sender, receiver) = oneshot::channel();
            self.control(index, Control::Report(sender));
            all.extend(receiver.await.unwrap_or_default());
        }
        all.sort_by_key(|report| report.viewer);
        all
    }

    /// What was counted, of all shards.
    pub fn counters(&self) -> Counters {
        let sum = Counters::default();
        self.shards.iter().for_each(|shard| sum.add_all(&shard.counters));
        sum
    }

    /// The shard of a user name fragment.
    pub(crate) fn inbox_of(&self, ufrag: &str) -> Option<&ShardInbox> {
        self.shards.get(shard_of(ufrag)?).map(|s| &s.inbox)
    }

    fn control(&self, shard: usize, command: Control) {
        if let Some(shard) = self.shards.get(shard) {
            let _ = shard.inbox.control(command);
        }
    }

    fn must(&self, shard: usize, command: Control) {
        if let Some(shard) = self.shards.get(shard) {
            let _ = shard.inbox.must(command);
        }
    }

    /// Ends all sessions with a goodbye and all threads. Waits for them, some
    /// 50 ms; not for an async task.
    pub fn stop(&self) {
        for index in 0..self.shards.len() {
            self.must(index, Control::Stop);
        }
        for shard in &self.shards {
            let thread = shard.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        for index in 0..self.shards.len() {
            self.must(index, Control::Stop);
        }
    }
}

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards")
            .field("shards", &self.len())
            .field("sessions", &self.sessions())
            .finish()
    }
}

/// The letter with which the fragments of a shard's sessions begin.
pub fn letter(shard: usize) -> char {
    char::from(b'A' + u8::try_from(shard.min(MAX_SHARDS - 1)).unwrap_or(0))
}

fn shard_of(ufrag: &str) -> Option<usize> {
    let first = ufrag.bytes().next()?;
    first.is_ascii_uppercase().then(|| usize::from(first - b'A'))
}

/// Longest time a shard sleeps without a deadline.
const IDLE: Duration = Duration::from_secs(60);
