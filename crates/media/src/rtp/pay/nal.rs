//! NAL units to payloads: RFC 6184 section 5 and RFC 7798 section 4.
//!
//! Parameter sets go first, together in one aggregation packet; small units are
//! sent alone otherwise, since that is what all receivers understand, and large
//! ones in fragments.

use bytes::Bytes;

use super::{Payloads, even};
use crate::codec::{CodecId, h264, h265};

const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const AP: u8 = 48;
const FU: u8 = 49;

/// All NAL units of an access unit.
pub(super) fn packetise(codec: &CodecId, nals: &[Bytes], out: &mut Payloads) {
    let h265 = *codec == CodecId::H265;
    let wanted = |n: &&Bytes| !n.is_empty() && !is_dispensable(h265, n);
    let mut sets = Vec::new();
    for nal in nals.iter().filter(wanted) {
        if is_set(h265, nal) {
            sets.push(nal);
            continue;
        }
        aggregate(h265, &std::mem::take(&mut sets), out);
        whole_or_fragments(h265, nal, out);
    }
    aggregate(h265, &sets, out);
}

/// Received payloads unchanged, with the parameter sets of a keyframe in front
/// if they are not among them.
pub(super) fn send_on(
    codec: &CodecId,
    keyframe: bool,
    nals: &[Bytes],
    received: &[Bytes],
    out: &mut Payloads,
) {
    let h265 = *codec == CodecId::H265;
    if keyframe {
        let mut present = Vec::new();
        received.iter().for_each(|p| collect_types(h265, p, &mut present));
        let sets: Vec<_> = nals.iter().filter(|n| is_set(h265, n)).collect();
        if sets.iter().any(|n| !present.contains(&nal_type(h265, n))) {
            aggregate(h265, &sets, out);
        }
    }
    received.iter().for_each(|p| out.push(&[p]));
}

/// Types of the whole NAL units in a payload.
fn collect_types(h265: bool, payload: &[u8], types: &mut Vec<u8>) {
    let kind = nal_type(h265, payload);
    let mut at = match (h265, kind) {
        (false, STAP_A) => 1,
        (true, AP) => 2,
        _ => return types.push(kind),
    };
    while let Some(len) = payload.get(at..).and_then(<[u8]>::first_chunk) {
        let len = usize::from(u16::from_be_bytes(*len));
        if let Some(nal) = payload.get(at + 2..at + 2 + len) {
            types.push(nal_type(h265, nal));
        }
        at += 2 + len;
    }
}

fn nal_type(h265: bool, nal: &[u8]) -> u8 {
    if h265 { h265::nal_type(nal) } else { h264::nal_type(nal) }
}

fn is_set(h265: bool, nal: &[u8]) -> bool {
    match nal_type(h265, nal) {
        h265::VPS | h265::SPS | h265::PPS => h265,
        h264::SPS | h264::PPS => !h265,
        _ => false,
    }
}

fn is_dispensable(h265: bool, nal: &[u8]) -> bool {
    let kind = nal_type(h265, nal);
    if h265 { h265::is_dispensable(kind) } else { h264::is_dispensable(kind) }
}

/// Units in as few aggregation packets as possible; a unit that is left alone
/// goes alone.
fn aggregate(h265: bool, nals: &[&Bytes], out: &mut Payloads) {
    let head = if h265 { 2 } else { 1 };
    let mut rest = nals;
    while !rest.is_empty() {
        let mut len = head;
        let count = rest
            .iter()
            .take_while(|n| {
                len += 2 + n.len();
                len <= out.limit
            })
            .count();
        let (group, after) = rest.split_at(count.max(1));
        match group {
            [one] => whole_or_fragments(h265, one, out),
            group => {
                let mut payload = Vec::with_capacity(out.limit);
                if h265 {
                    payload.extend_from_slice(&aggregation_header(group));
                } else {
                    let reference = group.iter().filter_map(|n| n.first()).map(|b| b & 0x60).max();
                    payload.push(reference.unwrap_or(0x60) | STAP_A);
                }
                for nal in group {
                    payload.extend_from_slice(&u16::try_from(nal.len()).unwrap_or(0).to_be_bytes());
                    payload.extend_from_slice(nal);
                }
                out.push(&[&payload]);
            }
        }
        rest = after;
    }
}

/// Layer and temporal id are the lowest of the units in it (RFC 7798 4.4.2).
fn aggregation_header(group: &[&Bytes]) -> [u8; 2] {
    let ids = group.iter().filter_map(|n| {
        let [b0, b1] = *n.first_chunk::<2>()?;
        Some((u16::from_be_bytes([b0 & 1, b1]) >> 3, b1 & 7))
    });
    let (layer, temporal) = ids.fold((63, 7), |a, b| (a.0.min(b.0), a.1.min(b.1)));
    let [l0, l1] = (layer << 3).to_be_bytes();
    [AP << 1 | l0, l1 | temporal]
}

fn whole_or_fragments(h265: bool, nal: &[u8], out: &mut Payloads) {
    if nal.len() <= out.limit {
        return out.push(&[nal]);
    }
    let (header, data) = match (h265, nal) {
        (false, [b0, data @ ..]) => (vec![b0 & 0xe0 | FU_A, b0 & 0x1f], data),
        (true, [b0, b1, data @ ..]) => (vec![b0 & 0x81 | FU << 1, *b1, b0 >> 1 & 0x3f], data),
        _ => return,
    };
    let size = even(data.len(), out.limit - header.len());
    let last = data.len().div_ceil(size).saturating_sub(1);
    for (index, part) in data.chunks(size).enumerate() {
        let mut head = header.clone();
        if let Some(flags) = head.last_mut() {
            *flags |= u8::from(index == 0) << 7 | u8::from(index == last) << 6;
        }
        out.push(&[&head, part]);
    }
}
