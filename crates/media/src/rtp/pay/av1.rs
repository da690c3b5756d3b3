//! AV1 (RTP Payload Format for AV1, version 1.0, section 4): the units of a temporal
//! unit, without their lengths, as elements of packets. What does not fit is split
//! at the end of its packet.
//!
//! Within a temporal unit every packet ends within an element. The format does not
//! ask for that, but receivers that are not told of frames in a header extension,
//! browsers among them, take a packet that ends with an element for the end of a
//! picture.

use bytes::Bytes;

use super::Payloads;
use crate::codec::av1;
use crate::rtp::depay::av1 as depay;

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
    let mut elements = elements.peekable();
    let mut packet = Packet { header, elements: Vec::new() };
    while let Some((head, body)) = elements.next() {
        let bare: Vec<u8> = match head.split_first() {
            Some((first, rest)) => [&[first & !av1::OBU_HAS_SIZE], rest].concat(),
            None => continue,
        };
        let mut parts: [&[u8]; 2] = [&bare, &body];
        let mut left = bare.len() + body.len();
        while left > 0 {
            let room = out.limit.saturating_sub(packet.size() + LENGTH);
            if room == 0 {
                packet.finish(false, out);
                continue;
            }
            let size = match left {
                _ if left > room => room,
                // Nothing of the next one would fit behind it.
                2.. if elements.peek().is_some() && room - left <= LENGTH => left - 1,
                _ => left,
            };
            packet.take(size, &mut parts);
            left -= size;
            if left > 0 {
                packet.finish(true, out);
            }
        }
    }
    packet.finish(false, out);
}

/// Adds payloads that came: as they are, if they fit and end as ours do.
pub(super) fn send_on(payloads: &[Bytes], is_keyframe: bool, out: &mut Payloads) {
    let ends_within = |payload: &Bytes| payload.first().is_some_and(|head| head & GOES_ON != 0);
    let all_but_last = payloads.split_last().map_or(payloads, |(_, before)| before);
    let limit = out.limit;
    let is_fit = payloads.iter().all(|payload| payload.len() <= limit);
    if !is_fit || !all_but_last.iter().all(ends_within) {
        let made = out.done.len();
        if let Some(units) = depay::units(payloads) {
            packetise(&units.concat().concat().into(), is_keyframe, out);
        }
        if out.done.len() > made {
            return;
        }
    }
    payloads.iter().for_each(|payload| out.push(&[payload]));
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

    /// Adds the next bytes of a unit as an element.
    fn take(&mut self, size: usize, parts: &mut [&[u8]]) {
        let mut element = Vec::with_capacity(size);
        for part in parts {
            let (taken, rest) = part.split_at(part.len().min(size - element.len()));
            element.extend_from_slice(taken);
            *part = rest;
        }
        self.elements.push(element);
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

    /// A sequence header and frames of these sizes.
    fn unit_of(sizes: &[u32]) -> Vec<u8> {
        let mut data = vec![0x0a, 2, 7, 8];
        for size in sizes {
            data.push(0x32);
            av1::put_leb128(*size, &mut data);
            data.extend((0..*size).map(|n| n as u8));
        }
        data
    }

    fn payloads(packets: &[Arc<[u8]>]) -> Vec<Bytes> {
        packets.iter().map(|packet| Bytes::copy_from_slice(packet)).collect()
    }

    /// The units in payloads, with their lengths.
    fn united(payloads: &[Bytes]) -> Vec<u8> {
        depay::units(payloads).unwrap().concat().concat()
    }

    #[test]
    fn what_is_split_comes_together_again() {
        for (sizes, is_joined) in [(&[300, 1, 0, 77, 1000][..], false), (&[300, 1, 2, 77], true)] {
            let data = unit_of(sizes);
            for limit in 8..600 {
                let packets = packets(&data, true, limit);
                assert!(packets.iter().all(|packet| packet.len() <= limit), "{limit}");
                assert_eq!(packets[0][0] & NEW_SEQUENCE, NEW_SEQUENCE);
                assert!(packets[1..].iter().all(|packet| packet[0] & NEW_SEQUENCE == 0));
                // A single byte of a unit cannot be split.
                for pair in packets.windows(2).filter(|_| is_joined && limit >= 16) {
                    let (end, begin) = (pair[0][0] & GOES_ON, pair[1][0] & CONTINUES);
                    assert_eq!((end, begin), (GOES_ON, CONTINUES), "{limit}");
                }
                assert_eq!(united(&payloads(&packets)), data, "{limit}");
            }
        }
    }

    #[test]
    fn payloads_that_came_leave_as_they_are_or_better() {
        let leave = |came: &[Bytes], limit| {
            let mut out = Payloads { limit, done: Vec::new() };
            send_on(came, true, &mut out);
            payloads(&out.done)
        };
        let data = unit_of(&[300, 200]);
        let came = payloads(&packets(&data, true, 200));
        assert_eq!(leave(&came, 200), came, "they fit");
        let smaller = leave(&came, 150);
        assert!(smaller.iter().all(|payload| payload.len() <= 150), "{smaller:?}");
        assert_eq!(united(&smaller), data);
        // Whole units in packets of their own.
        let whole: Vec<Bytes> = [vec![0x18, 8, 7, 8], [&[0x10, 0x30][..], &[5; 90]].concat()]
            .into_iter()
            .map(Bytes::from)
            .collect();
        let joined = leave(&whole, 80);
        assert!(joined[0].len() <= 80 && joined[0][0] & GOES_ON != 0, "{joined:?}");
        assert_eq!(united(&joined), united(&whole));
        assert_eq!(leave(&whole, 200).len(), 1);
        // What cannot be read is not ours to judge.
        let broken = [Bytes::from_static(&[0x40]), Bytes::from_static(&[0x10, 0x30, 1])];
        assert_eq!(leave(&broken, 200), broken);
        assert!(leave(&[], 200).is_empty());
    }
}
