//! What arrives at a shard's descriptors: datagrams, ICMP errors, and the ends
//! of TCP connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rs2rtc_webrtc::liveness::Hint;
use rs2rtc_webrtc::{Pair, Protocol};
use tracing::debug;

use super::SessionKey;
use super::addresses::Came;
use super::entry::Entry;
use super::worker::{FIRST_SESSION, PORT, RECEIVE_CALLS, WAKER, Worker};
use crate::io::poller::{Ready, Token};
use crate::io::udp::{Connected, Receiver, Rejection, RejectionKind};

impl Worker {
    /// Takes what has arrived at a descriptor.
    pub(super) fn input(&mut self, ready: Ready, receiver: &mut Receiver) {
        let now = Instant::now();
        match ready.token {
            WAKER => self.setup.outlet.clear(),
            PORT => {
                let udp = Arc::clone(&self.setup.udp);
                receiver.receive(&udp, RECEIVE_CALLS, |source, destination, datagram| {
                    let place = (Protocol::Udp, source);
                    self.datagram(Came::Read, place, destination, datagram, now);
                });
            }
            Token(number) => {
                let key = SessionKey(number - FIRST_SESSION);
                let taken = self.sessions.get_mut(&key).and_then(|entry| entry.socket.take());
                let Some(socket) = taken else { return };
                socket.receive(receiver, RECEIVE_CALLS, |source, destination, datagram| {
                    let place = (Protocol::Udp, source);
                    self.datagram(Came::Read, place, destination, datagram, now);
                });
                if ready.error {
                    socket.errors(|rejection| self.rejection(key, &rejection, now));
                }
                let owned = self.owns(key, (Protocol::Udp, socket.remote()));
                match self.sessions.get_mut(&key) {
                    // Unless its datagrams brought another pair, and another
                    // socket, or its address is another session's now.
                    Some(entry) if owned && entry.socket.is_none() && entry.is_at(&socket) => {
                        entry.socket = Some(socket);
                    }
                    _ => self.poller.remove(&socket),
                }
            }
        }
    }

    /// ICMP says that a datagram of ours did not arrive.
    pub(super) fn rejection(&mut self, key: SessionKey, rejection: &Rejection<'_>, now: Instant) {
        use RejectionKind::{HostUnreachable, NetUnreachable, PortUnreachable, Prohibited};
        let closed = rejection.kind == PortUnreachable;
        if !closed && !matches!(rejection.kind, HostUnreachable | NetUnreachable | Prohibited) {
            return;
        }
        let counters = Arc::clone(&self.setup.counters);
        self.drive(key, now, |entry| {
            let proven = entry.session.handle_rejection(closed, rejection.quote, now);
            if closed && !proven {
                counters.rejected_quotes.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    /// A TCP connection says something about its viewer, if it is the one in use.
    pub(super) fn tcp_hint(
        &mut self,
        key: SessionKey,
        remote: SocketAddr,
        hint: Hint,
        now: Instant,
    ) {
        self.drive(key, now, |entry| {
            let pair = entry.session.pair();
            if pair.is_some_and(|p| p.protocol == Protocol::Tcp && p.remote == remote) {
                entry.session.handle_hint(hint, now);
            }
        });
    }

    /// Gives a viewer a socket of its own, for its ICMP errors.
    pub(super) fn open_socket(&mut self, key: SessionKey, entry: &mut Entry, pair: &Pair) {
        if let Some(old) = entry.socket.take() {
            self.poller.remove(&old);
        }
        if pair.protocol != Protocol::Udp || !self.owns(key, (pair.protocol, pair.remote)) {
            return;
        }
        match Connected::open(&self.setup.udp, pair.local, pair.remote) {
            Ok(socket) => match self.poller.add(&socket, Token(key.0 + FIRST_SESSION)) {
                Ok(()) => entry.socket = Some(socket),
                Err(error) => debug!(%error, "a viewer's socket cannot be waited for"),
            },
            Err(error) => debug!(%error, remote = %pair.remote, "no socket of its own"),
        }
    }
}
