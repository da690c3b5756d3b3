//! Whose an address is, and which shard a datagram belongs to.
//!
//! A connectivity check names its session by a user name fragment; everything
//! else is known only by its source address. An address is a session's from its
//! first check to or from there until it ends, or until a check of another
//! session from there was authentic and its owner is not heard there any more:
//! a client with a fixed port that was started again. A viewer that is heard
//! keeps its address, whoever claims it: a check proves who sent it, not where.
//!
//! Sessions of another shard get their datagrams passed on, once: what was
//! passed on and is not known where it arrives is dropped.

use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_webrtc::liveness::Reason;
use rs2rtc_webrtc::{Protocol, stun};

use super::entry::Entry;
use super::worker::Worker;
use super::{Media, SessionKey, shard_of};

/// Addresses kept per session.
const MAX_PEERS: usize = 128;
/// A viewer that has sent nothing for so long is not heard at its address: three
/// times the usual distance of its answers to our probes.
const UNHEARD: Duration = Duration::from_millis(1500);

/// How a session and another end reach each other.
pub(super) type Place = (Protocol, SocketAddr);

/// A session of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) shard: usize,
    pub(crate) key: SessionKey,
}

/// How a datagram came to a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// From a socket of its own.
    Read,
    /// From another thread, which meant this shard.
    PassedOn,
}

impl Entry {
    /// Whether the viewer was heard lately, and this is where.
    fn is_heard_at(&self, (protocol, address): Place, now: Instant) -> bool {
        let session = &self.session;
        let unheard = now.saturating_duration_since(session.heard(Reason::Silence));
        session.is_established()
            && session.silent_since().is_none()
            && unheard < UNHEARD
            && session.pair().is_some_and(|p| (p.protocol, p.remote) == (protocol, address))
    }
}

impl Worker {
    /// Finds the session of a datagram, here or in another shard.
    pub(super) fn datagram(
        &mut self,
        came: Came,
        (protocol, source): Place,
        destination: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) {
        let passes_on = came == Came::Read && protocol == Protocol::Udp;
        let key = if stun::kind(datagram) == Some(stun::Kind::Request) {
            let Some(ufrag) = stun::local_ufrag(datagram) else { return };
            match shard_of(ufrag) {
                Some(shard) if shard != self.setup.index => {
                    if passes_on {
                        self.pass_on(shard, source, destination, datagram);
                    }
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
            None if passes_on => {
                if let Some(owner) = self.routed(source) {
                    self.pass_on(owner.shard, source, destination, datagram);
                }
            }
            None => {}
        }
    }

    fn pass_on(&self, shard: usize, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) {
        if shard != self.setup.index
            && let Some(inbox) = self.setup.inboxes.get(shard)
        {
            let bytes = Bytes::copy_from_slice(datagram);
            inbox.media(Media::Datagram(Protocol::Udp, source, destination, bytes));
        }
    }

    /// Whether an address is this session's.
    pub(super) fn owns(&self, key: SessionKey, place: Place) -> bool {
        self.by_address.get(&place) == Some(&key)
    }

    /// A session sends a check to an address, or answers one from there, which
    /// was `authentic` then: the address is to be its own.
    pub(super) fn claim(
        &mut self,
        key: SessionKey,
        entry: &mut Entry,
        place: Place,
        authentic: bool,
        now: Instant,
    ) {
        let owner = self.by_address.get(&place).copied();
        if owner == Some(key) || entry.peers.len() >= MAX_PEERS && !entry.peers.contains(&place) {
            return;
        }
        if let Some(owner) = owner {
            if !authentic || !self.let_go(owner, place, now) {
                return;
            }
        } else if let (Protocol::Udp, Some(owner)) = (place.0, self.routed(place.1))
            && owner.shard != self.setup.index
        {
            if authentic && let Some(inbox) = self.setup.inboxes.get(owner.shard) {
                let claimant = Owner { shard: self.setup.index, key };
                inbox.media(Media::Claim(place.1, claimant));
            }
            return;
        }
        self.take_over(key, entry, place);
        self.route(place, key);
    }

    fn take_over(&mut self, key: SessionKey, entry: &mut Entry, place: Place) {
        self.by_address.insert(place, key);
        if !entry.peers.contains(&place) {
            entry.peers.push(place);
        }
        // It sends there already, but the address was another's until now.
        if let Some(pair) = entry.session.pair()
            && (pair.protocol, pair.remote) == place
            && entry.socket.is_none()
        {
            self.open_socket(key, entry, &pair);
        }
    }

    /// Takes an address from its session unless that is heard there. Says whether it did.
    fn let_go(&mut self, owner: SessionKey, place: Place, now: Instant) -> bool {
        if let Some(entry) = self.sessions.get_mut(&owner) {
            if entry.is_heard_at(place, now) {
                return false;
            }
            // With its socket, which would go on receiving what comes from there.
            if place.0 == Protocol::Udp
                && let Some(socket) = entry.socket.take_if(|socket| socket.remote() == place.1)
            {
                self.poller.remove(&socket);
            }
        }
        self.by_address.remove(&place);
        true
    }

    /// A session of another shard was checked from an address that was this shard's.
    pub(super) fn claimed(&mut self, address: SocketAddr, claimant: Owner, now: Instant) {
        let place = (Protocol::Udp, address);
        let Some(inbox) = self.setup.inboxes.get(claimant.shard).cloned() else { return };
        // It may have gone to yet another shard; the claimant's next check asks that.
        let is_here = |owner: Owner| owner.shard == self.setup.index;
        if !self.routed(address).is_none_or(is_here) {
            return;
        }
        if let Some(owner) = self.by_address.get(&place).copied()
            && !self.let_go(owner, place, now)
        {
            return;
        }
        let mut routes = self.setup.routes.write().unwrap_or_else(PoisonError::into_inner);
        routes.insert(address, claimant);
        if !inbox.media(Media::Granted(address, claimant.key)) {
            routes.remove(&address);
        }
    }

    /// An address that was another shard's is now a session's here.
    pub(super) fn granted(&mut self, address: SocketAddr, key: SessionKey) {
        let place = (Protocol::Udp, address);
        match self.sessions.remove(&key) {
            Some(mut entry) => {
                self.take_over(key, &mut entry, place);
                self.sessions.insert(key, entry);
            }
            None => self.unroute(place, key),
        }
    }

    /// Forgets the addresses of a session.
    pub(super) fn forget(&mut self, key: SessionKey, peers: &[Place]) {
        for place in peers {
            if self.owns(key, *place) {
                self.by_address.remove(place);
                self.unroute(*place, key);
            }
        }
    }

    fn routed(&self, address: SocketAddr) -> Option<Owner> {
        if self.setup.inboxes.len() < 2 {
            return None;
        }
        let routes = self.setup.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.get(&address).copied()
    }

    /// Lets other shards know whose an address is.
    fn route(&self, (protocol, address): Place, key: SessionKey) {
        if self.setup.inboxes.len() > 1 && protocol == Protocol::Udp {
            let mut routes = self.setup.routes.write().unwrap_or_else(PoisonError::into_inner);
            routes.insert(address, Owner { shard: self.setup.index, key });
        }
    }

    fn unroute(&self, (protocol, address): Place, key: SessionKey) {
        if self.setup.inboxes.len() > 1 && protocol == Protocol::Udp {
            let mut routes = self.setup.routes.write().unwrap_or_else(PoisonError::into_inner);
            if routes.get(&address) == Some(&Owner { shard: self.setup.index, key }) {
                routes.remove(&address);
            }
        }
    }
}
