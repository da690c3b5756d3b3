//! The thread of a shard.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rs2rtc_webrtc::liveness::{Hint, Reason};
use rs2rtc_webrtc::{CloseReason, Event, Output, Protocol, Transmit, framing, stun};
use tracing::{debug, error};

use super::addresses::{Came, Place};
use super::batch::Batch;
use super::entry::Entry;
use super::fans::Fan;
use super::inbox::Outlet;
use super::intake::Intake;
use super::uplink::Uplink;
use super::{
    Control, Counters, IDLE, Media, NewSession, Routes, SessionKey, ShardInbox, TCP_QUEUE, TcpPath,
};
use crate::io::poller::{Poller, Token};
use crate::io::tcp::TcpEnd;
use crate::io::udp::{Receiver, UdpPort};

/// Items taken in a row from each queue before the others get their turn.
const ROUND: usize = 256;
/// What a shard waits for: its waker, the port, and the sockets of its viewers.
pub(super) const WAKER: Token = Token(0);
pub(super) const PORT: Token = Token(1);
pub(super) const FIRST_SESSION: u64 = 2;
/// Receive calls per socket in a row.
pub(super) const RECEIVE_CALLS: usize = 8;
/// A thread that wakes up so much later than planned was not scheduled.
const LATE: Duration = Duration::from_millis(100);
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
    pub(super) uplink: Arc<Uplink>,
    pub(super) sessions: Arc<AtomicUsize>,
    pub(super) counters: Arc<Counters>,
}

/// Runs a shard until it is stopped.
pub(super) fn run(setup: Setup, mut poller: Poller) {
    let udp = Arc::clone(&setup.udp);
    let reads = setup.index == 0;
    // A descriptor that cannot be waited for would make this thread deaf.
    let mut waits = poller.add(setup.outlet.fd(), WAKER);
    for fd in udp.fds().filter(|_| reads) {
        waits = waits.and_then(|()| poller.add(fd, PORT));
    }
    if let Err(error) = waits {
        error!(%error, "WebRTC cannot wait for its port");
    }
    let mut worker = Worker {
        setup,
        poller,
        sessions: HashMap::new(),
        by_ufrag: HashMap::new(),
        by_address: HashMap::new(),
        fans: HashMap::new(),
        ending: VecDeque::new(),
        tcp: HashMap::new(),
        due: BinaryHeap::new(),
        batch: Batch::default(),
        tcp_out: None,
        fell_silent: false,
        stopping: false,
    };
    let mut receiver = Receiver::new();
    let mut ready = Vec::new();
    loop {
        for item in ready.drain(..) {
            worker.input(item, &mut receiver);
        }
        let mut more = worker.take_round();
        worker.run_due(Instant::now());
        if worker.setup.outlet.is_raised() {
            worker.end_tracks(Instant::now());
        }
        if worker.stopping && worker.sessions.is_empty() {
            return;
        }
        if !more {
            worker.setup.outlet.about_to_sleep();
            more = worker.take_round() || worker.setup.outlet.peek_raised();
        }
        let timeout = if more { Duration::ZERO } else { worker.time_left(Instant::now()) };
        let planned = Instant::now() + timeout;
        worker.poller.wait(timeout, &mut ready);
        worker.setup.outlet.awake();
        let now = Instant::now();
        if let Some(late) = now.checked_duration_since(planned).filter(|late| *late > LATE) {
            worker.late(late, now);
        }
    }
}

/// The state of a shard's thread.
pub(super) struct Worker {
    pub(super) setup: Setup,
    pub(super) poller: Poller,
    pub(super) sessions: HashMap<SessionKey, Box<Entry>>,
    pub(super) by_ufrag: HashMap<String, SessionKey>,
    pub(super) by_address: HashMap<Place, SessionKey>,
    pub(super) fans: HashMap<u64, Fan>,
    /// Sessions whose tracks have ended, and when they end for that.
    pub(super) ending: VecDeque<(Instant, SessionKey)>,
    tcp: HashMap<SocketAddr, TcpPath>,
    due: BinaryHeap<Reverse<(Instant, SessionKey)>>,
    batch: Batch,
    /// Framed datagrams of the session being driven.
    tcp_out: Option<(SocketAddr, Vec<u8>)>,
    /// A viewer fell silent that was heard before.
    pub(super) fell_silent: bool,
    stopping: bool,
}

impl Worker {
    /// Takes what is in the queues. Says whether there may be more.
    fn take_round(&mut self) -> bool {
        let mut commands = 0;
        while commands < ROUND
            && let Some(command) = self.setup.outlet.next_control()
        {
            self.command(command, Instant::now());
            commands += 1;
        }
        let mut taken = 0;
        while taken < ROUND
            && let Some(media) = self.setup.outlet.next_media()
        {
            let now = Instant::now();
            match media {
                Media::Frame(track, frame) => self.frame(track, &frame, now),
                Media::Datagram(protocol, source, destination, datagram) => {
                    let place = (protocol, source);
                    self.datagram(Came::PassedOn, place, destination, &datagram, now);
                }
                Media::Claim(address, claimant) => self.claimed(address, claimant, now),
                Media::Granted(address, key) => self.granted(address, key),
            }
            taken += 1;
        }
        commands == ROUND || taken == ROUND
    }

    fn command(&mut self, command: Control, now: Instant) {
        match command {
            Control::Add(key, new) => self.add(key, *new, now),
            Control::Candidate(key, text) => {
                self.drive(key, now, |entry| entry.session.add_remote_candidate(&text, now));
            }
            Control::Close(key, reason, detail) => {
                self.drive(key, now, |entry| entry.session.close(reason, &detail, now));
            }
            Control::Hint(key, hint) => {
                self.drive(key, now, |entry| entry.session.handle_hint(hint, now));
            }
            Control::Hidden(key, page) => {
                let hidden = page.take();
                self.drive(key, now, |entry| {
                    if hidden { entry.session.park(now) } else { entry.session.resume(now) }
                });
            }
            Control::Contended(key) => {
                self.drive(key, now, |entry| entry.session.contended(now));
            }
            Control::DoubtUplink(until) => self.doubt_uplink(until, now),
            Control::Tracks(key, tracks) => self.show(key, tracks, now),
            Control::Intake(key, intake) => {
                self.drive(key, now, |entry| {
                    if entry.holds {
                        entry.intake = Some(*intake);
                    }
                });
            }
            Control::Report(sender) => {
                let reports = self.sessions.values_mut().map(|entry| entry.report(now)).collect();
                let _ = sender.send(reports);
            }
            Control::Tcp(path, local, first) => {
                // An unknown fragment drops the path, which closes the connection.
                let same = self.tcp.values().filter(|p| p.ufrag == path.ufrag).count();
                if self.by_ufrag.contains_key(&path.ufrag)
                    && self.tcp.len() < MAX_TCP
                    && same < MAX_SESSION_TCP
                {
                    let remote = path.remote;
                    self.tcp.insert(remote, path);
                    self.datagram(Came::PassedOn, (Protocol::Tcp, remote), local, &first, now);
                }
            }
            Control::TcpStalled(remote) => {
                if let Some(key) = self.by_address.get(&(Protocol::Tcp, remote)).copied() {
                    self.tcp_hint(key, remote, Hint::TcpStalled, now);
                }
            }
            Control::TcpClosed(remote, how) => {
                debug!(%remote, ?how, "a TCP path has ended");
                self.tcp.remove(&remote);
                let hint = match how {
                    TcpEnd::Fin => Some(Hint::TcpFin),
                    TcpEnd::Reset => Some(Hint::TcpReset),
                    TcpEnd::Stalled | TcpEnd::Silent => Some(Hint::TcpStalled),
                    TcpEnd::Local => None,
                };
                let key = self.by_address.remove(&(Protocol::Tcp, remote));
                if let (Some(key), Some(hint)) = (key, hint) {
                    self.tcp_hint(key, remote, hint, now);
                }
            }
            Control::Stop => {
                self.stopping = true;
                let keys: Vec<SessionKey> = self.sessions.keys().copied().collect();
                for key in keys {
                    self.stop_session(key, now);
                }
            }
        }
    }

    fn add(&mut self, key: SessionKey, new: NewSession, now: Instant) {
        self.by_ufrag.insert(new.session.ufrag().to_owned(), key);
        self.sessions.insert(key, Box::new(Entry::new(new, now)));
        if self.stopping {
            self.stop_session(key, now);
        } else {
            self.drive(key, now, |entry| entry.session.handle_timeout(now));
        }
    }

    /// This thread was not scheduled: what was not heard meanwhile is not the
    /// viewers' silence.
    fn late(&mut self, by: Duration, now: Instant) {
        let keys: Vec<SessionKey> = self.sessions.keys().copied().collect();
        for key in keys {
            self.drive(key, now, |entry| entry.session.late(by, now));
        }
    }

    fn stop_session(&mut self, key: SessionKey, now: Instant) {
        self.drive(key, now, |entry| entry.session.close(Reason::Shutdown, "server stops", now));
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
                let counters = Arc::clone(&self.setup.counters);
                self.drive(key, now, |entry| {
                    entry.session.handle_timeout(now);
                    if let Some(intake) = &mut entry.intake {
                        intake.handle_timeout(now);
                    }
                    counters.add(&entry.session.take_counts());
                });
            }
        }
        self.judge_uplink(now);
        self.run_ending(now);
    }

    fn time_left(&self, now: Instant) -> Duration {
        let due = self.due.peek().map(|Reverse((time, _))| *time);
        let ending = self.ending.front().map(|(time, _)| *time);
        let next = due.into_iter().chain(ending).min();
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
    pub(super) fn drive(&mut self, key: SessionKey, now: Instant, act: impl FnOnce(&mut Entry)) {
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
            let detail = "internal error".to_owned();
            let reason = CloseReason { reason: Reason::DtlsFatal, detail };
            self.end(key, &mut entry, &reason, now);
        }
        if result.is_err() || entry.session.is_finished() {
            self.remove(key, &entry);
        } else {
            self.note_standing(key, &mut entry);
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
                    self.transmit(key, entry, &transmit, now);
                }
                Output::Event(event) => self.event(key, entry, event, now),
                Output::Timeout(time) => {
                    let given_up = entry.intake.as_ref().and_then(Intake::deadline);
                    entry.deadline = given_up.map_or(time, |at| at.min(time));
                    break;
                }
            }
        }
        entry.sent(sent);
        entry.count();
    }

    fn transmit(&mut self, key: SessionKey, entry: &mut Entry, transmit: &Transmit, now: Instant) {
        let place = (transmit.protocol, transmit.destination);
        match stun::kind(&transmit.contents) {
            // The answer to our check comes from there.
            Some(stun::Kind::Request) => self.claim(key, entry, place, false, now),
            // Only an authentic check is answered.
            Some(stun::Kind::Success) => self.claim(key, entry, place, true, now),
            _ => {}
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
            Event::Connected => {
                entry.connected = true;
                self.join_all(key, entry, now);
            }
            Event::PairChanged(pair) => {
                entry.pair_changed(&pair);
                self.open_socket(key, entry, &pair);
            }
            Event::KeyframeRequest(track) => entry.burst(track, true, now),
            Event::Resync(track) => entry.burst(track, false, now),
            Event::Received(packet) => entry.heard(packet, now),
            Event::Hold => entry.want(),
            Event::Release { reason, heard } => {
                self.leave(key, entry);
                entry.park(reason, heard, now);
            }
            Event::Closed(reason) => self.end(key, entry, &reason, now),
            _ => {}
        }
    }

    /// The session ended: it shows nothing any more and holds nothing.
    fn end(&mut self, key: SessionKey, entry: &mut Entry, reason: &CloseReason, now: Instant) {
        self.leave(key, entry);
        self.setup.counters.add(&entry.session.take_counts());
        entry.end(reason, now);
    }

    /// Forgets a session that needs nothing more.
    fn remove(&mut self, key: SessionKey, entry: &Entry) {
        if let Some(socket) = &entry.socket {
            self.poller.remove(socket);
        }
        self.by_ufrag.remove(entry.session.ufrag());
        self.forget_standing(key, entry);
        self.forget(key, &entry.peers);
        // Closes its connections once their queues are empty, also those that
        // were never authenticated.
        let ufrag = entry.session.ufrag();
        self.tcp.retain(|_, path| path.ufrag != ufrag);
        self.setup.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}
