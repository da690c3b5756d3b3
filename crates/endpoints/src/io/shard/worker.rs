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
/// TCP connections kept per session.
const MAX_SESSION_TCP: usize = 8;
/// TCP connections kept per shard.
const MAX_TCP: usize = 4096;

/// What a shard is made of.
pub(super) struct Setup {
    pub(super) index: usize,
    /// Its own inbox.
    pub(super) inbox: ShardInbox,
    /// Those of all shards.
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
        tcp_out: None,
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
}

struct Worker {
    setup: Setup,
    sessions: HashMap<SessionKey, Box<Entry>>,
    by_ufrag: HashMap<String, SessionKey>,
    by_address: HashMap<(Protocol, SocketAddr), SessionKey>,
    fans: HashMap<u64, Fan>,
    tcp: HashMap<SocketAddr, TcpPath>,
    due: BinaryHeap<Reverse<(Instant, SessionKey)>>,
    batch: Batch,
    /// Framed datagrams of the session being driven.
    tcp_out: Option<(SocketAddr, Vec<u8>)>,
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
            Control::SignallingLost(key) => self.drive(key, now, |entry| {
                if !entry.session.is_reached() {
                    entry.session.close("signalling lost", now);
                }
            }),
            Control::Tcp(path, local, first) => {
                // An unknown fragment drops the path, which closes the connection.
                let same = self.tcp.values().filter(|p| p.ufrag == path.ufrag).count();
                if self.by_ufrag.contains_key(&path.ufrag)
                    && self.tcp.len() < MAX_TCP
                    && same < MAX_SESSION_TCP
                {
                    let remote = path.remote;
                    self.tcp.insert(remote, path);
                    self.datagram(Protocol::Tcp, remote, local, &first, now);
                }
            }
            Control::TcpStalled(remote) => debug!(%remote, "a TCP path takes nothing"),
            Control::TcpClosed(remote, how) => {
                debug!(%remote, ?how, "a TCP path has ended");
                self.tcp.remove(&remote);
                self.by_address.remove(&(Protocol::Tcp, remote));
            }
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
        self.sessions.insert(key, Box::new(Entry::new(new, now)));
        if self.stopping {
            self.drive(key, now, |entry| entry.session.close("server stops", now));
        } else {
            self.drive(key, now, |entry| entry.session.handle_timeout(now));
        }
    }

    fn frame(&mut self, track: u64, frame: &Arc<Frame>, now: Instant) {
        // Taken out while the sessions are driven: some may leave or join it.
        let Some(mut fan) = self.fans.remove(&track) else { return };
        for (key, index) in &fan.sessions {
            self.drive(*key, now, |entry| entry.session.write_frame(*index, frame, now));
        }
        if let Some(joined) = self.fans.remove(&track) {
            fan.sessions.extend(joined.sessions);
        }
        let alive = &self.sessions;
        fan.sessions.retain(|(key, _)| alive.get(key).is_some_and(|e| !e.tracks.is_empty()));
        if !fan.sessions.is_empty() {
            self.fans.insert(track, fan);
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
        }));
        self.batch.flush(&self.setup.udp);
        if let Some((remote, bytes)) = self.tcp_out.take() {
            self.send_tcp(remote, bytes);
        }
        if result.is_err() {
            error!(stream = entry.stream, "a WebRTC session failed and was ended");
            self.leave(key, &mut entry, "internal error");
        }
        if result.is_err() || entry.session.is_finished() {
            self.remove(key, &entry);
        } else {
            self.sessions.insert(key, entry);
            self.schedule(key);
        }
    }

    fn drain(&mut self, key: SessionKey, entry: &mut Entry, now: Instant) {
        let mut sent = 0;
        loop {
            match entry.session.poll_output() {
                Output::Transmit(transmit) => {
                    sent += transmit.contents.len();
                    self.transmit(key, entry, &transmit);
                }
                Output::Event(event) => self.event(key, entry, event, now),
                Output::Timeout(time) => {
                    entry.deadline = time;
                    break;
                }
            }
        }
        entry.sent(sent);
        entry.count();
    }

    fn transmit(&mut self, key: SessionKey, entry: &mut Entry, transmit: &Transmit) {
        let place = (transmit.protocol, transmit.destination);
        if stun::kind(&transmit.contents) == Some(stun::Kind::Request)
            && entry.peers.len() < MAX_PEERS
            && !self.by_address.contains_key(&place)
        {
            // The answer to our check comes from there.
            self.by_address.insert(place, key);
            entry.peers.push(place);
            self.route(place);
        }
        match transmit.protocol {
            Protocol::Udp => self.batch.push(transmit, &self.setup.udp),
            Protocol::Tcp => {
                if !self.tcp.contains_key(&transmit.destination) {
                    return;
                }
                let Some(prefix) = framing::prefix(&transmit.contents) else { return };
                let other = |out: &(SocketAddr, Vec<u8>)| out.0 != transmit.destination;
                if let Some((remote, bytes)) = self.tcp_out.take_if(|out| other(out)) {
                    self.send_tcp(remote, bytes);
                }
                let empty = || (transmit.destination, Vec::with_capacity(2048));
                let (_, out) = self.tcp_out.get_or_insert_with(empty);
                out.extend_from_slice(&prefix);
                out.extend_from_slice(&transmit.contents);
            }
        }
    }

    fn send_tcp(&self, remote: SocketAddr, bytes: Vec<u8>) {
        let Some(path) = self.tcp.get(&remote) else { return };
        let length = bytes.len();
        if path.queued.fetch_add(length, Ordering::Relaxed) + length > TCP_QUEUE
            || path.sender.try_send(bytes).is_err()
        {
            path.queued.fetch_sub(length, Ordering::Relaxed);
            debug!(%remote, length, "TCP connection is too slow: dropped");
        }
    }

    fn event(&mut self, key: SessionKey, entry: &mut Entry, event: Event, now: Instant) {
        match event {
            Event::Peer(protocol, address) => {
                let place = (protocol, address);
                self.by_address.insert(place, key);
                if !entry.peers.contains(&place) && entry.peers.len() < MAX_PEERS {
                    entry.peers.push(place);
                }
                self.route(place);
            }
            Event::Connected => {
                for (index, track) in entry.shows() {
                    self.join(key, index, &track);
                    entry.burst(index, now);
                }
            }
            Event::PairChanged(pair) => entry.pair_changed(&pair),
            Event::KeyframeRequest(track) => entry.burst(track, now),
            Event::Received(packet) => entry.heard(&packet, now),
            Event::Closed(reason) => self.leave(key, entry, &reason.to_string()),
            _ => {}
        }
    }

    /// Lets other shards know whose an address is.
    fn route(&self, (protocol, address): (Protocol, SocketAddr)) {
        if self.setup.inboxes.len() > 1 && protocol == Protocol::Udp {
            let mut routes = self.setup.routes.write().unwrap_or_else(PoisonError::into_inner);
            routes.insert(address, self.setup.index);
        }
    }

    /// Adds a session to those that show a track; the first one subscribes.
    fn join(&mut self, key: SessionKey, index: usize, attached: &AttachedTrack) {
        let track = &attached.track;
        let fan = self.fans.entry(track.id).or_insert_with(|| {
            let sink = TrackSink {
                id: track.id,
                video: track.kind == Kind::Video,
                inbox: self.setup.inbox.clone(),
                lost: AtomicBool::new(false),
            };
            Fan { sessions: Vec::new(), _subscription: track.subscribe(Arc::new(sink)) }
        });
        fan.sessions.push((key, index));
    }

    /// The session ended: it shows nothing any more and holds nothing.
    fn leave(&mut self, key: SessionKey, entry: &mut Entry, reason: &str) {
        for (_, attached) in entry.shows() {
            let id = attached.track.id;
            if let Some(fan) = self.fans.get_mut(&id) {
                fan.sessions.retain(|(k, _)| *k != key);
                if fan.sessions.is_empty() {
                    self.fans.remove(&id);
                }
            }
        }
        entry.end(reason);
    }

    /// Forgets a session that needs nothing more.
    fn remove(&mut self, key: SessionKey, entry: &Entry) {
        self.by_ufrag.remove(entry.session.ufrag());
        for place in &entry.peers {
            if self.by_address.get(place) == Some(&key) {
                self.by_address.remove(place);
                self.unroute(*place);
            }
        }
        // Closes its connections once their queues are empty, also those that
        // were never authenticated.
        let ufrag = entry.session.ufrag();
        self.tcp.retain(|_, path| path.ufrag != ufrag);
        self.setup.sessions.fetch_sub(1, Ordering::Relaxed);
    }

    fn unroute(&self, (protocol, address): (Protocol, SocketAddr)) {
        if self.setup.inboxes.len() > 1 && protocol == Protocol::Udp {
            let mut routes = self.setup.routes.write().unwrap_or_else(PoisonError::into_inner);
            if routes.get(&address) == Some(&self.setup.index) {
                routes.remove(&address);
            }
        }
    }
}
