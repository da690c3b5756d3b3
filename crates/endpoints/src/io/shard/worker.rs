//! The thread of a shard.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_media::{Frame, Kind};
use rs2rtc_streams::{AttachedTrack, Sink, Subscription};
use rs2rtc_webrtc::{Event, Output, Protocol, Transmit, framing, stun};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::{debug, error};

use super::batch::Batch;
use super::entry::Entry;
use super::inbox::Outlet;
use super::{
    Control, IDLE, Media, NewSession, Routes, SessionKey, ShardInbox, TCP_QUEUE, TcpPath, shard_of,
};
use crate::io::udp::{Receiver, UdpPort};

/// Items of a queue taken in a row before the others get their turn.
const ROUND: usize = 256;
/// Receive calls per socket in a row.
const RECEIVE_CALLS: usize = 8;
/// Addresses kept per session.
const MAX_PEERS: usize = 64;
/// TCP connections kept per shard.
const MAX_TCP: usize = 4096;

/// What a shard is made of.
pub(super) struct Setup {
    pub(super) index: usize,
    pub(super) inboxes: Vec<ShardInbox>,
    pub(super) outlet: Outlet<Media, Control>,
    pub(super) udp: Arc<UdpPort>,
    pub(super) routes: Arc<Routes>,
    pub(super) sessions: Arc<AtomicUsize>,
}

/// Runs a shard until it is stopped.
pub(super) fn run(setup: Setup) {
    let reads = setup.index == 0;
    let mut receiver = reads.then(Receiver::new);
    let udp = Arc::clone(&setup.udp);
    let mut worker = Worker {
        setup,
        sessions: HashMap::new(),
        by_ufrag: HashMap::new(),
        by_address: HashMap::new(),
        fans: HashMap::new(),
        tcp: HashMap::new(),
        due: BinaryHeap::new(),
        batch: Batch::default(),
        stopping: false,
    };
    loop {
        if let Some(receiver) = &mut receiver {
            let now = Instant::now();
            receiver.receive(&udp, RECEIVE_CALLS, |source, destination, datagram| {
                worker.datagram(Protocol::Udp, source, destination, datagram, now);
            });
        }
        let mut more = worker.take_round();
        worker.run_due(Instant::now());
        if worker.stopping && worker.sessions.is_empty() {
            return;
        }
        if !more {
            worker.setup.outlet.about_to_sleep();
            more = worker.take_round();
        }
        let timeout = if more { Duration::ZERO } else { worker.time_left(Instant::now()) };
        let outlet = &worker.setup.outlet;
        wait(outlet, reads.then_some(&*udp), timeout);
        outlet.awake();
    }
}

fn wait(outlet: &Outlet<Media, Control>, udp: Option<&UdpPort>, timeout: Duration) {
    let fds = std::iter::once(outlet.fd()).chain(udp.into_iter().flat_map(UdpPort::fds));
    let mut fds: Vec<PollFd<'_>> =
        fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // Interrupted or not: the caller looks at everything again.
    let _ = poll(&mut fds, Some(&timeout));
    if fds.first().is_some_and(|fd| !fd.revents().is_empty()) {
        outlet.clear();
    }
}

/// The sessions that show a track, and the subscription they share.
struct Fan {
    sessions: Vec<(SessionKey, usize)>,
    _subscription: Subscription,
}

/// Passes frames of a track into the shard.
struct TrackSink {
    id: u64,
    video: bool,
    inbox: ShardInbox,
    /// Frames were dropped: only a keyframe can follow.
    lost: AtomicBool,
}

impl Sink for TrackSink {
    fn push(&self, frame: &Arc<Frame>) {
        if self.video && !frame.keyframe && self.lost.load(Ordering::Relaxed) {
            return;
        }
        let taken = self.inbox.media(Media::Frame(self.id, Arc::clone(frame)));
        self.lost.store(!taken, Ordering::Relaxed);
    }

    fn end(&self) {
        let _ = self.inbox.control(Control::TrackEnded(self.id));
    }
}

struct Worker {
    setup: Setup,
    sessions: HashMap<SessionKey, Entry>,
    by_ufrag: HashMap<String, SessionKey>,
    by_address: HashMap<(Protocol, SocketAddr), SessionKey>,
    fans: HashMap<u64, Fan>,
    tcp: HashMap<SocketAddr, TcpPath>,
    due: BinaryHeap<Reverse<(Instant, SessionKey)>>,
    batch: Batch,
    stopping: bool,
}

impl Worker {
    /// Takes what is in the queues. Says whether there may be more.
    fn take_round(&mut self) -> bool {
        let mut taken = 0;
        while let Some(command) = self.setup.outlet.next_control() {
            self.command(command, Instant::now());
            taken += 1;
            if taken >= ROUND {
                return true;
            }
        }
        while let Some(media) = self.setup.outlet.next_media() {
            let now = Instant::now();
            match media {
                Media::Frame(track, frame) => self.frame(track, &frame, now),
                Media::Datagram(protocol, source, destination, datagram) => {
                    self.datagram(protocol, source, destination, &datagram, now);
                }
            }
            taken += 1;
            if taken >= ROUND {
                return true;
            }
        }
        false
    }

    fn command(&mut self, command: Control, now: Instant) {
        match command {
            Control::Add(key, new) => self.add(key, *new, now),
            Control::Candidate(key, text) => {
                self.drive(key, now, |entry| entry.session.add_remote_candidate(&text, now));
            }
            Control::Close(key, reason) => {
                self.drive(key, now, |entry| entry.session.close(&reason, now));
            }
            Control::Tcp(path) => {
                // An unknown fragment drops the path, which closes the connection.
                if self.by_ufrag.contains_key(&path.ufrag) && self.tcp.len() < MAX_TCP {
                    self.tcp.insert(path.remote, path);
                }
            }
            Control::TcpClosed(remote) => {
                self.tcp.remove(&remote);
                self.by_address.remove(&(Protocol::Tcp, remote));
            }
            Control::TrackEnded(track) => self.track_ended(track, now),
            Control::Stop => {
                self.stopping = true;
                let keys: Vec<SessionKey> = self.sessions.keys().copied().collect();
                for key in keys {
                    self.drive(key, now, |entry| entry.session.close("server stops", now));
                }
            }
        }
    }

    fn add(&mut self, key: SessionKey, new: NewSession, now: Instant) {
        self.by_ufrag.insert(new.session.ufrag().to_owned(), key);
        self.sessions.insert(key, Entry::new(new, now));
        if self.stopping {
            self.drive(key, now, |entry| entry.session.close("server stops", now));
        } else {
            self.drive(key, now, |entry| entry.session.handle_timeout(now));
        }
    }

    fn frame(&mut self, track: u64, frame: &Arc<Frame>, now: Instant) {
        let Some(fan) = self.fans.get_mut(&track) else { return };
        // Taken out while the sessions are driven: they may leave it.
        let sessions = std::mem::take(&mut fan.sessions);
        for (key, index) in &sessions {
            self.drive(*key, now, |entry| entry.session.write_frame(*index, frame, now));
        }
        if let Some(fan) = self.fans.get_mut(&track) {
            let joined = std::mem::replace(&mut fan.sessions, sessions);
            fan.sessions.extend(joined);
            let alive = &self.sessions;
            fan.sessions.retain(|(key, _)| alive.get(key).is_some_and(|e| !e.tracks.is_empty()));
            if fan.sessions.is_empty() {
                self.fans.remove(&track);
            }
        }
    }

    fn track_ended(&mut self, track: u64, now: Instant) {
        let Some(fan) = self.fans.get(&track) else { return };
        for (key, index) in fan.sessions.clone() {
            self.drive(key, now, |entry| {
                if let Some(shown) = entry.tracks.get_mut(index) {
                    shown.ended = true;
                }
                if entry.tracks.iter().all(|t| t.ended) {
                    entry.session.close("stream ended", now);
                }
            });
        }
    }

    /// Finds the session of a datagram, here or in another shard.
    fn datagram(
        &mut self,
        protocol: Protocol,
        source: SocketAddr,
        destination: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) {
        let key = if stun::kind(datagram) == Some(stun::Kind::Request) {
            let Some(ufrag) = stun::local_ufrag(datagram) else { return };
            match shard_of(ufrag) {
                Some(shard) if shard != self.setup.index => {
                    self.forward(shard, protocol, source, destination, datagram);
                    return;
                }
                _ => self.by_ufrag.get(ufrag).copied(),
            }
        } else {
            self.by_address.get(&(protocol, source)).copied()
        };
        match key {
            Some(key) => self.drive(key, now, |entry| {
                entry.received(datagram.len());
                entry.session.handle_datagram(protocol, source, destination, datagram, now);
            }),
            None if self.setup.inboxes.len() > 1 && protocol == Protocol::Udp => {
                let routes = self.setup.routes.read().unwrap_or_else(PoisonError::into_inner);
                let shard = routes.get(&source).copied().filter(|s| *s != self.setup.index);
                drop(routes);
                if let Some(shard) = shard {
                    self.forward(shard, protocol, source, destination, datagram);
                }
            }
            None => {}
        }
    }

    fn forward(
        &self,
        shard: usize,
        protocol: Protocol,
        source: SocketAddr,
        destination: SocketAddr,
        datagram: &[u8],
    ) {
        // Only the shard that reads the port passes on; nothing goes in circles.
        if self.setup.index == 0
            && let Some(inbox) = self.setup.inboxes.get(shard)
        {
            let bytes = Bytes::copy_from_slice(datagram);
            inbox.media(Media::Datagram(protocol, source, destination, bytes));
        }
    }

    /// Calls the sessions whose time has come.
    fn run_due(&mut self, now: Instant) {
        while let Some(Reverse((time, key))) = self.due.peek().copied() {
            if time > now {
                break;
            }
            self.due.pop();
            let Some(entry) = self.sessions.get_mut(&key) else { continue };
            if entry.queued == Some(time) {
                entry.queued = None;
            } else {
                continue;
            }
            if entry.deadline > now {
                self.schedule(key);
            } else {
                self.drive(key, now, |entry| entry.session.handle_timeout(now));
            }
        }
    }

    fn time_left(&self, now: Instant) -> Duration {
        let next = self.due.peek().map(|Reverse((time, _))| *time);
        next.map_or(IDLE, |time| time.saturating_duration_since(now).min(IDLE))
    }

    /// Puts a session into the queue of deadlines, unless it stands there early enough.
    fn schedule(&mut self, key: SessionKey) {
        if let Some(entry) = self.sessions.get_mut(&key)
            && entry.queued.is_none_or(|queued| entry.deadline < queued)
        {
            entry.queued = Some(entry.deadline);
            self.due.push(Reverse((entry.deadline, key)));
        }
    }

    /// Does something with a session and sends what comes of it. A panic ends
    /// this session only.
    fn drive(&mut self, key: SessionKey, now: Instant, act: impl FnOnce(&mut Entry)) {
        let Some(mut entry) = self.sessions.remove(&key) else { return };
        let result = catch_unwind(AssertUnwindSafe(|| {
            act(&mut entry);
            self.drain(key, &mut entry, now);
            entry
        }));
        self.batch.flush(&self.setup.udp);
        match result {
            Ok(entry) if !entry.session.is_finished() => {
                self.sessions.insert(key, entry);
                self.schedule(key);
            }
            Ok(entry) => self.remove(key, entry),
            Err(_) => self.forget(key),
        }
    }
}
