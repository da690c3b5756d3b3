//! Tells new control packets from recorded ones.
//!
//! SRTCP has no replay list in the transport (RFC 3711 section 3.3.2 leaves it to
//! the receiver), and a packet that was recorded on the way stays authentic for
//! ever. As a sign of life each index counts once: it is part of what is
//! authenticated. Media needs no such care: the transport opens every sequence
//! number once.

use super::authentic::Opened;

/// Sources that are remembered; the viewer alone can add one.
const MAX_SOURCES: usize = 64;
/// Length of the tag of AES-CM with HMAC-SHA1-80 (RFC 3711 section 5.2), which
/// follows the index. With AES-GCM the index comes last (RFC 7714 section 9.2).
const SHA1_80_TAG: usize = 10;
/// The bit beside the index: the packet is encrypted.
const ENCRYPTED: u32 = 0x8000_0000;

/// Packets that were heard, by their senders.
#[derive(Debug, Default)]
pub(super) struct Order(Vec<(u32, Heard)>);

/// The indices of one sender that were heard.
#[derive(Debug)]
struct Heard {
    highest: u32,
    /// Bit n: `highest - n` was heard. Older ones count as heard.
    last: u64,
}

impl Heard {
    /// Whether this index is heard for the first time.
    fn hear(&mut self, index: u32) -> bool {
        if let Some(ahead) = index.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            self.last = self.last.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = index;
            return true;
        }
        let bit = 1_u64.checked_shl(self.highest - index).unwrap_or(0);
        let new = bit != 0 && self.last & bit == 0;
        self.last |= bit;
        new
    }
}

impl Order {
    /// Whether an authentic packet is no repetition of an earlier one.
    pub(super) fn is_new(&mut self, packet: &[u8], opened: Opened) -> bool {
        if !is_control(packet) {
            return true;
        }
        let Some((source, index)) = place(packet, opened) else { return false };
        if let Some((_, heard)) = self.0.iter_mut().find(|(known, _)| *known == source) {
            return heard.hear(index);
        }
        let room = self.0.len() < MAX_SOURCES;
        if room {
            self.0.push((source, Heard { highest: index, last: 1 }));
        }
        room
    }
}

/// RTCP by its packet type, where RTP has marker and payload type (RFC 5761 section 4).
fn is_control(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// The sender's source identifier and the index.
fn place(packet: &[u8], opened: Opened) -> Option<(u32, u32)> {
    let source = packet.get(4..8)?.first_chunk()?;
    let tag = match opened {
        Opened::CounterMode => SHA1_80_TAG,
        Opened::Gcm => 0,
    };
    let end = packet.len().checked_sub(tag)?;
    let index = packet.get(..end)?.last_chunk()?;
    Some((u32::from_be_bytes(*source), u32::from_be_bytes(*index) & !ENCRYPTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(source: u32, index: u32, tag: usize) -> Vec<u8> {
        let mut packet = vec![0x80, 201, 0, 1];
        packet.extend(source.to_be_bytes());
        packet.extend([7; 20]);
        packet.extend((index | ENCRYPTED).to_be_bytes());
        packet.extend(vec![9; tag]);
        packet
    }

    #[test]
    fn a_recorded_report_is_not_new() {
        for (opened, tag) in [(Opened::CounterMode, 10), (Opened::Gcm, 0)] {
            let mut order = Order::default();
            // The network may change their order.
            for index in [101, 102, 105, 103] {
                assert!(order.is_new(&report(1, index, tag), opened), "{index}");
            }
            for index in (0..40).chain([101, 102, 103, 105]) {
                assert!(!order.is_new(&report(1, index, tag), opened), "{index}");
            }
            assert!(order.is_new(&report(1, 104, tag), opened));
            assert!(order.is_new(&report(1, 100_000, tag), opened));
            assert!(!order.is_new(&report(1, 106, tag), opened), "too old to be known");
            assert!(order.is_new(&report(2, 3, tag), opened), "another source counts by itself");
            assert!(order.is_new(&report(1, 99_999, tag), opened));
        }
    }

    #[test]
    fn sources_are_bounded_and_cut_packets_harmless() {
        let mut order = Order::default();
        let new =
            (0..1000).filter(|source| order.is_new(&report(*source, 1, 10), Opened::CounterMode));
        assert_eq!(new.count(), MAX_SOURCES);
        let packet = report(9, 9, 10);
        for end in 0..packet.len() {
            let _ = order.is_new(&packet[..end], Opened::CounterMode);
            let _ = order.is_new(&packet[..end], Opened::Gcm);
        }
    }
}
