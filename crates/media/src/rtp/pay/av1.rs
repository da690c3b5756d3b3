//! AV1 (RTP Payload Format for AV1, version 1.0, section 4): the units of a temporal
//! unit, without their lengths, as elements of packets. What does not fit is split
//! at the end of its packet.

use bytes::Bytes;

use super::Payloads;
use crate::codec::av1;

/// The first element goes on from the packet before.
const CONTINUES: u8 = 0x80;
/// The last element goes on in the next packet.
const GOES_ON: u8 = 0x40;
/// A coded video sequence begins.
const NEW_SEQUENCE: u8 = 0x08;
/// Elements that the header can count; the last of so many has no length.
const COUNTED: usize = 3;
/// Bytes of the length of an element: packets are far below 2 MiB.
const LENGTH: usize = 3;

/// Adds the payloads of a temporal unit: units with lengths. Nothing if they are
/// not.
pub(super) fn packetise(data: &Bytes, is_keyframe: bool, out: &mut Payloads) {
    let units = av1::units(data).unwrap_or_default();
    let elements = units.iter().filter_map(av1::split).filter(|(head, _)| {
        head.first().is_some_and(|head| !av1::is_dispensable(av1::obu_type(*head)))
    });
    let header = if is_keyframe { NEW_SEQUENCE } else { 0 };
    let mut packet = Packet { header, elements: Vec::new() };
    for (head, body) in elements {
        let bare: Vec<u8> = match head.split_first() {
            Some((first, rest)) => [&[first & !av1::OBU_HAS_SIZE], rest].concat(),
            None => continue,
        };
        let mut parts: [&[u8]; 2] = [&bare, &body];
        let mut is_first = true;
        while parts.iter().any(|part| !part.is_empty()) {
            let room = out.limit.saturating_sub(packet.size() + LENGTH);
            if room == 0 {
                // Between two elements, or within this one.
                packet.finish(!is_first, out);
                continue;
            }
            let mut element = Vec::new();
            for part in &mut parts {
                let (taken, rest) = part.split_at(part.len().min(room - element.len()));
                element.extend_from_slice(taken);
                *part = rest;
            }
            packet.elements.push(element);
            is_first = false;
        }
    }
    packet.finish(false, out);
}

/// A packet that is being put together.
#[derive(Debug)]
struct Packet {
    header: u8,
    elements: Vec<Vec<u8>>,
}

impl Packet {
    /// Bytes with all lengths.
    fn size(&self) -> usize {
        1 + self.elements.iter().map(|element| LENGTH + element.len()).sum::<usize>()
    }

    /// Adds the packet; the next one begins.
    fn finish(&mut self, goes_on: bool, out: &mut Payloads) {
        let elements = std::mem::take(&mut self.elements);
        let mut payload = vec![self.header];
        let counted = if elements.len() <= COUNTED { elements.len() } else { 0 };
        for (index, element) in elements.iter().enumerate() {
            if index + 1 != counted {
                av1::put_leb128(u32::try_from(element.len()).unwrap_or(u32::MAX), &mut payload);
            }
            payload.extend_from_slice(element);
        }
        if let Some(first) = payload.first_mut() {
            *first |= u8::try_from(counted).unwrap_or(0) << 4 | if goes_on { GOES_ON } else { 0 };
        }
        if !elements.is_empty() {
            out.push(&[&payload]);
            self.header = if goes_on { CONTINUES } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rtp::depay::av1::units;

    fn packets(data: &[u8], is_keyframe: bool, limit: usize) -> Vec<Arc<[u8]>> {
        let mut out = Payloads { limit, done: Vec::new() };
        packetise(&Bytes::copy_from_slice(data), is_keyframe, &mut out);
        out.done
    }

    #[test]
    fn elements_of_a_packet() {
        let two: &[u8] = &[0x12, 0, 0x0a, 2, 7, 8, 0x36, 0x20, 2, 5, 6];
        assert_eq!(packets(two, true, 100), [[0x28, 3, 8, 7, 8, 0x34, 0x20, 5, 6].into()]);
        let four = [0x32, 1, 9].repeat(4);
        let expected: &[u8] = &[0, 2, 0x30, 9, 2, 0x30, 9, 2, 0x30, 9, 2, 0x30, 9];
        assert_eq!(packets(&four, false, 100), [expected.into()]);
        assert!(packets(&[0x12, 0], true, 100).is_empty());
        assert!(packets(&[0x32, 9, 1], true, 100).is_empty(), "cut");
    }

    #[test]
    fn what_is_split_comes_together_again() {
        let mut data = vec![0x0a, 2, 7, 8];
        for size in [300_u32, 1, 0, 77, 1000] {
            data.push(0x32);
            av1::put_leb128(size, &mut data);
            data.extend((0..size).map(|n| n as u8));
        }
        for limit in 8..600 {
            let packets = packets(&data, true, limit);
            assert!(packets.iter().all(|packet| packet.len() <= limit), "{limit}");
            assert_eq!(packets[0][0] & NEW_SEQUENCE, NEW_SEQUENCE);
            assert!(packets[1..].iter().all(|packet| packet[0] & NEW_SEQUENCE == 0));
            let payloads: Vec<Bytes> =
                packets.iter().map(|packet| Bytes::copy_from_slice(packet)).collect();
            let again = units(&payloads).unwrap().concat().concat();
            assert_eq!(again, data, "{limit}");
        }
    }
}
