//! AV1 out of RTP (RTP Payload Format for AV1, version 1.0, section 4): the
//! payloads of a temporal unit to open bitstream units.
//!
//! Nothing of the payload is copied. Units come out with their lengths, as MP4 and
//! files want them; those that only mean something on the way are left out.

use bytes::{Buf as _, Bytes};

use crate::codec::av1;

/// A unit in pieces: the first one is its header with its length.
pub(crate) type Obu = Vec<Bytes>;

/// The units of the payloads of one timestamp, in order. `None` if they do not fit
/// together.
pub(crate) fn units(payloads: &[Bytes]) -> Option<Vec<Obu>> {
    let mut elements: Vec<Vec<Bytes>> = Vec::new();
    let mut is_open = false;
    for payload in payloads {
        let mut rest = payload.clone();
        let head = rest.try_get_u8().ok()?;
        let (continues, goes_on) = (head & 0x80 != 0, head & 0x40 != 0);
        let count = usize::from(head >> 4 & 3);
        if continues != is_open {
            return None;
        }
        let mut taken = 0;
        while rest.has_remaining() {
            taken += 1;
            let length = if taken == count {
                rest.len()
            } else {
                let (length, bytes) = av1::leb128(&rest)?;
                rest.advance(bytes);
                usize::try_from(length).ok()?
            };
            if length > rest.len() || elements.len() >= av1::MAX_UNITS {
                return None;
            }
            let piece = rest.split_to(length);
            match elements.last_mut().filter(|_| continues && taken == 1) {
                Some(open) => open.push(piece),
                None => elements.push(vec![piece]),
            }
        }
        if taken == 0 || count != 0 && taken != count {
            return None;
        }
        is_open = goes_on;
    }
    if is_open {
        return None;
    }
    let units: Option<Vec<Option<Obu>>> = elements.into_iter().map(unit).collect();
    Some(units?.into_iter().flatten().collect())
}

/// An element as a unit with a length; nothing for one that is left out.
fn unit(pieces: Vec<Bytes>) -> Option<Option<Obu>> {
    let mut pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
    let Some(mut first) = pieces.next() else { return Some(None) };
    let flags = *first.first()?;
    if av1::is_dispensable(av1::obu_type(flags)) {
        return Some(None);
    }
    let has_extension = flags & av1::OBU_HAS_EXTENSION != 0;
    let length = if has_extension { 2 } else { 1 };
    let head = (first.len() >= length).then(|| first.split_to(length))?;
    if flags & av1::OBU_HAS_SIZE != 0 {
        let (_, bytes) = av1::leb128(&first)?;
        first.advance(bytes);
    }
    let mut body: Vec<Bytes> = std::iter::once(first).chain(pieces).collect();
    body.retain(|piece| !piece.is_empty());
    let front = av1::front(&head, body.iter().map(Bytes::len).sum())?;
    body.insert(0, front.into());
    Some(Some(body))
}

/// The sequence header among units.
pub(crate) fn sequence_header(units: &[Obu]) -> Option<av1::SequenceHeader> {
    let mut headers = units
        .iter()
        .filter(|unit| head(unit).is_some_and(|head| av1::obu_type(head) == av1::SEQUENCE_HEADER));
    headers.find_map(|unit| av1::SequenceHeader::parse(&unit.concat().into()))
}

/// Whether decoding can begin with a temporal unit: its sender says so (N, section
/// 4.4), or it holds a sequence header and a key frame.
pub(super) fn is_keyframe(payloads: &[Bytes]) -> bool {
    const NEW_SEQUENCE: u8 = 0x08;
    let is_new = |payload: &Bytes| payload.first().is_some_and(|head| head & NEW_SEQUENCE != 0);
    payloads.first().is_some_and(is_new)
        || units(payloads).is_some_and(|units| {
            let units = units.iter().filter_map(|unit| {
                Some((head(unit)?, unit.get(1).and_then(|body| body.first().copied())))
            });
            av1::Beginning::of(units).is_keyframe()
        })
}

fn head(unit: &Obu) -> Option<u8> {
    unit.first()?.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(bytes: &[u8]) -> Bytes {
        Bytes::copy_from_slice(bytes)
    }

    fn whole(payloads: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
        let payloads: Vec<Bytes> = payloads.iter().map(|p| bytes(p)).collect();
        Some(units(&payloads)?.iter().map(|unit| unit.concat()).collect())
    }

    #[test]
    fn elements_with_and_without_lengths() {
        // Three elements, the last one without a length; a delimiter is left out.
        let three: &[u8] = &[0x30, 1, 0x10, 3, 0x08, 7, 8, 0x30, 1, 2, 3];
        let out = whole(&[three]).unwrap();
        assert_eq!(out, [vec![0x0a, 2, 7, 8], vec![0x32, 3, 1, 2, 3]]);
        // All with lengths.
        assert_eq!(whole(&[&[0x00, 3, 0x08, 7, 8, 2, 0x30, 1]]).unwrap().len(), 2);
        // One that has its own length already, and an extension.
        assert_eq!(whole(&[&[0x10, 0x36, 0x20, 2, 5, 6]]).unwrap(), [[0x36, 0x20, 2, 5, 6]]);
    }

    #[test]
    fn one_over_several_packets() {
        let parts: [&[u8]; 3] =
            [&[0x60, 2, 0x08, 9, 0x30, 1], &[0xd0, 2, 3], &[0xa0, 1, 4, 0x30, 5]];
        let out = whole(&parts).unwrap();
        assert_eq!(out, [vec![0x0a, 1, 9], vec![0x32, 4, 1, 2, 3, 4], vec![0x32, 1, 5]]);
        assert_eq!(whole(&parts[..2]), None, "it goes on");
        assert_eq!(whole(&parts[1..]), None, "it began before");
        assert_eq!(whole(&[parts[0], parts[2]]).unwrap().len(), 3);
    }

    #[test]
    fn keyframes() {
        let header_and = |frame: u8| vec![bytes(&[0x20, 2, 0x08, 0, 0x30, frame])];
        assert!(is_keyframe(&header_and(0x10)));
        assert!(!is_keyframe(&header_and(0x30)), "not a key frame");
        assert!(!is_keyframe(&[bytes(&[0x10, 0x30, 0x10])]), "without a header");
        assert!(is_keyframe(&[bytes(&[0x18, 0x30, 0x30])]), "its sender says so");
        assert!(!is_keyframe(&[]));
    }

    #[test]
    fn cut_at_every_offset_it_is_nothing_or_less() {
        let whole: &[u8] = &[0x00, 3, 0x08, 7, 8, 4, 0x36, 0x20, 1, 9];
        for end in 0..whole.len() {
            let units = units(&[bytes(&whole[..end])]);
            assert_eq!(units.map(|units| units.len()), (end == 5).then_some(1), "{end}");
        }
    }

    #[test]
    fn what_does_not_fit_is_nothing() {
        for payload in [&[][..], &[0x10], &[0x20, 1, 0x30], &[0x20, 9, 0x30], &[0x00, 0xff]] {
            assert_eq!(whole(&[payload]), None, "{payload:?}");
        }
        assert_eq!(whole(&[]), Some(Vec::new()));
        let many = [&[0x00][..], &[0; 5000]].concat();
        assert_eq!(whole(&[&many]), None);
    }
}
