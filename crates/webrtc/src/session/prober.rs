//! Probes of our own beside the transport's checks: STUN binding requests
//! (RFC 8445 section 7, RFC 7675) whose answers only the viewer can give.
//!
//! Their ids come from the system's randomness, so that a stranger can neither
//! answer one nor quote one in an ICMP message. Quotes of media are recognised
//! by source identifier and sequence number.

use std::collections::VecDeque;
use std::fmt;

use sha2::{Digest as _, Sha256};
use str0m::crypto::{Sha1HmacProvider, from_feature_flags};
use str0m::ice::StunMessage;

use crate::stun;

/// Probes that are remembered.
const MAX_PROBES: usize = 64;
/// Media packets that are remembered.
const MAX_PACKETS: usize = 128;
/// Priority of a peer-reflexive host candidate; nothing depends on it.
const PRIORITY: u32 = 1_845_501_695;
/// Longest probe: two fragments of 256 bytes at most each, and 100 bytes.
const MAX_SIZE: usize = 700;

type Id = [u8; 12];

/// Makes probes and knows their answers and quotes.
pub(super) struct Prober {
    seed: [u8; 32],
    made: u64,
    user: String,
    password: String,
    controlling: bool,
    hmac: &'static dyn Sha1HmacProvider,
    /// Ids and numbers, newest last; quoted ones are taken out of the second.
    sent: VecDeque<(Id, u32)>,
    quotable: VecDeque<Id>,
    /// Source identifier and sequence number of media packets.
    packets: VecDeque<[u8; 6]>,
}

impl Prober {
    /// `user`: the viewer's fragment, a colon, ours. `seed`: from the system's randomness.
    pub(super) fn new(seed: [u8; 32], user: String, password: String, controlling: bool) -> Self {
        Self {
            seed,
            made: 0,
            user,
            password,
            controlling,
            hmac: from_feature_flags().sha1_hmac_provider,
            sent: VecDeque::new(),
            quotable: VecDeque::new(),
            packets: VecDeque::new(),
        }
    }

    /// A new probe with this number.
    pub(super) fn probe(&mut self, number: u32) -> Option<Vec<u8>> {
        let id = self.next_id();
        if self.sent.len() >= MAX_PROBES {
            self.sent.pop_front();
        }
        self.sent.push_back((id, number));
        if self.quotable.len() >= MAX_PROBES {
            self.quotable.pop_front();
        }
        self.quotable.push_back(id);
        // The library gives ids only to messages that it reads.
        let mut head = vec![0x00, 0x11, 0, 0];
        head.extend(stun::COOKIE);
        head.extend(id);
        let id = StunMessage::parse(&head).ok()?.trans_id();
        let tie_breaker = u64::from_be_bytes(*self.hash(0).first_chunk()?);
        let request = StunMessage::binding_request(
            &self.user,
            id,
            self.controlling,
            tie_breaker,
            PRIORITY,
            false,
        );
        let mut bytes = vec![0; MAX_SIZE];
        let hmac = |key: &[u8], parts: &[&[u8]]| self.hmac.sha1_hmac(key, parts);
        let length = request.to_bytes(Some(self.password.as_bytes()), &mut bytes, hmac).ok()?;
        bytes.truncate(length);
        Some(bytes)
    }

    /// Whether a datagram has the id of a probe: it is not the transport's.
    /// The number is given if it is the viewer's answer.
    pub(super) fn answer(&self, datagram: &[u8]) -> Option<Option<u32>> {
        if stun::kind(datagram) != Some(stun::Kind::Success) {
            return None;
        }
        let id = datagram.get(8..20)?;
        let (_, number) = self.sent.iter().find(|(known, _)| known == id)?;
        let Ok(message) = StunMessage::parse(datagram) else { return Some(None) };
        let hmac = |key: &[u8], parts: &[&[u8]]| self.hmac.sha1_hmac(key, parts);
        Some(message.verify(self.password.as_bytes(), hmac).then_some(*number))
    }

    /// Remembers a media packet on its way out. Says whether it is one.
    pub(super) fn sent(&mut self, datagram: &[u8]) -> bool {
        let Some(key) = packet_key(datagram) else { return false };
        if self.packets.len() >= MAX_PACKETS {
            self.packets.pop_front();
        }
        self.packets.push_back(key);
        true
    }

    /// Whether these bytes begin a datagram that we sent lately. Each counts once.
    pub(super) fn is_quoted(&mut self, quote: &[u8]) -> bool {
        if let Some(id) = stun::kind(quote).and_then(|_| quote.get(8..20)) {
            let found = self.quotable.iter().position(|known| known == id);
            return found.is_some_and(|at| self.quotable.remove(at).is_some());
        }
        let Some(key) = packet_key(quote) else { return false };
        let found = self.packets.iter().position(|known| *known == key);
        found.is_some_and(|at| self.packets.remove(at).is_some())
    }

    fn next_id(&mut self) -> Id {
        self.made += 1;
        self.hash(self.made).first_chunk().copied().unwrap_or_default()
    }

    fn hash(&self, number: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(number.to_be_bytes());
        hash.finalize().into()
    }
}

/// Sequence number and source identifier of an RTP packet (RFC 3550 section 5.1).
fn packet_key(datagram: &[u8]) -> Option<[u8; 6]> {
    let first = datagram.first()?;
    let (sequence, source) = (datagram.get(2..4)?, datagram.get(8..12)?);
    let mut key = [0; 6];
    key.get_mut(..2)?.copy_from_slice(sequence);
    key.get_mut(2..)?.copy_from_slice(source);
    (128..192).contains(first).then_some(key)
}

impl fmt::Debug for Prober {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prober").field("made", &self.made).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prober() -> Prober {
        Prober::new([7; 32], "theirs:ours".to_owned(), "x".repeat(24), false)
    }

    #[test]
    fn probes_are_checks_with_ids_of_their_own() {
        let mut prober = prober();
        let first = prober.probe(1).unwrap();
        let second = prober.probe(2).unwrap();
        assert_eq!(stun::kind(&first), Some(stun::Kind::Request));
        assert_eq!(stun::local_ufrag(&first), Some("theirs"));
        assert_ne!(first[8..20], second[8..20]);
        let message = StunMessage::parse(&first).unwrap();
        assert!(message.ice_controlled().is_some() && !message.use_candidate());
    }

    #[test]
    fn only_the_viewer_can_answer() {
        let mut prober = prober();
        let probe = prober.probe(5).unwrap();
        let id = StunMessage::parse(&probe).unwrap().trans_id();
        let hmac = |key: &[u8], parts: &[&[u8]]| {
            from_feature_flags().sha1_hmac_provider.sha1_hmac(key, parts)
        };
        let answer = |password: &str| {
            let reply = StunMessage::binding_reply(id, "10.0.0.1:5".parse().unwrap());
            let mut bytes = vec![0; 200];
            let length = reply.to_bytes(Some(password.as_bytes()), &mut bytes, hmac).unwrap();
            bytes.truncate(length);
            bytes
        };
        assert_eq!(prober.answer(&answer(&"x".repeat(24))), Some(Some(5)));
        assert_eq!(prober.answer(&answer("another password of a stranger")), Some(None));
        let whole = answer(&"x".repeat(24));
        for end in 0..whole.len() {
            assert!(!matches!(prober.answer(&whole[..end]), Some(Some(_))), "{end}");
        }
    }

    #[test]
    fn quotes_count_once() {
        let mut prober = prober();
        let probe = prober.probe(0).unwrap();
        assert!(prober.is_quoted(&probe[..28]));
        assert!(!prober.is_quoted(&probe));
        let packet = [0x80, 96, 1, 2, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6];
        assert!(!prober.is_quoted(&packet));
        prober.sent(&packet);
        assert!(prober.is_quoted(&packet) && !prober.is_quoted(&packet));
        for end in 0..probe.len() {
            prober.is_quoted(&probe[..end]);
        }
    }
}
