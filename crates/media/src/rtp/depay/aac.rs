//! AAC payloads (RFC 3640): one or more access units per packet, or one unit in
//! several packets.
//!
//! Times come from the RTP timestamp, plus one frame length per further unit of
//! the packet. Cameras that send ADTS frames instead are understood too. Not
//! supported: interleaving, and headers with fields beyond size and index.

use bytes::Bytes;

use super::{MAX_UNIT, Output, Packet, Unit};
use crate::codec::aac::{AdtsHeader, AudioSpecificConfig};
use crate::codec::bits::BitReader;
use crate::codec::{Codec, fmtp_value};
use crate::frame::Payload;

/// AAC payloads to access units.
#[derive(Debug)]
pub(super) struct Depacketiser {
    size_bits: u32,
    index_bits: u32,
    index_delta_bits: u32,
    /// Clock ticks of one access unit.
    ticks: i64,
    fragment: Option<Fragment>,
}

/// A unit of which a part has arrived.
#[derive(Debug)]
struct Fragment {
    time: i64,
    size: usize,
    data: Vec<u8>,
}

impl Depacketiser {
    pub(super) fn new(codec: &Codec) -> Self {
        let fmtp = codec.fmtp.as_str();
        let low_rate = fmtp_value(fmtp, "mode").is_some_and(|m| m.eq_ignore_ascii_case("AAC-lbr"));
        let default = if low_rate { (6, 2, 2) } else { (13, 3, 3) };
        let number = |name, default| match fmtp_value(fmtp, name) {
            Some(value) => value.parse().ok().filter(|n| *n <= 32).unwrap_or(default),
            None => default,
        };
        let config = AudioSpecificConfig::from_fmtp(fmtp);
        let mut ticks = config.map_or(1024, |c| i64::from(c.frame_length));
        if let Some(config) = config.filter(|c| matches!(c.object_type, 5 | 29)) {
            // A clock at the rate of the extension counts twice per core sample.
            ticks *= i64::from(codec.timestamp_rate() / config.rate.max(1)).clamp(1, 2);
        }
        Self {
            size_bits: number("sizelength", default.0),
            index_bits: number("indexlength", default.1),
            index_delta_bits: number("indexdeltalength", default.2),
            ticks,
            fragment: None,
        }
    }

    pub(super) fn push(&mut self, packet: Packet, output: &mut Output) {
        let stale =
            self.fragment.as_ref().is_some_and(|f| packet.after_loss || f.time != packet.time);
        if stale {
            self.fragment = None;
            output.stats.damaged += 1;
        }
        if self.size_bits == 0 {
            return push_unit(&packet, packet.payload.clone(), 0, true, output);
        }
        let Some(sizes) = self.sizes(&packet.payload) else {
            return self.push_adts(&packet, output);
        };
        let header = 2 + header_bytes(&packet.payload);
        let mut at = header;
        let single = sizes.len() == 1;
        for (index, size) in sizes.iter().copied().enumerate() {
            let index = i64::try_from(index).unwrap_or(0);
            let left = packet.payload.len() - at;
            if size > left && single {
                return self.push_fragment(&packet, size, at, output);
            }
            if size > left {
                output.stats.damaged += 1;
                return;
            }
            let data = packet.payload.slice(at..at + size);
            push_unit(&packet, data, index * self.ticks, single && self.is_plain(), output);
            at += size;
        }
    }

    /// Sizes of the units in a packet; `None` if the headers cannot be right.
    fn sizes(&self, payload: &[u8]) -> Option<Vec<usize>> {
        let bits = u32::from(u16::from_be_bytes(*payload.first_chunk()?));
        let headers = payload.get(2..2 + header_bytes(payload))?;
        let mut r = BitReader::new(headers);
        let mut sizes = Vec::new();
        let mut left = bits;
        let mut index_bits = self.index_bits;
        while left >= self.size_bits + index_bits {
            left -= self.size_bits + index_bits;
            sizes.push(usize::try_from(r.bits(self.size_bits)?).ok()?);
            r.bits(index_bits)?;
            index_bits = self.index_delta_bits;
        }
        (!sizes.is_empty()).then_some(sizes)
    }

    /// True for the layout that [`crate::rtp::pay`] writes: such payloads can be
    /// sent on.
    const fn is_plain(&self) -> bool {
        self.size_bits == 13 && self.index_bits == 3
    }

    fn push_fragment(&mut self, packet: &Packet, size: usize, at: usize, output: &mut Output) {
        let part = packet.payload.get(at..).unwrap_or_default();
        let fragment = self.fragment.get_or_insert_with(|| Fragment {
            time: packet.time,
            size,
            data: Vec::new(),
        });
        fragment.data.extend_from_slice(part);
        if fragment.data.len() >= fragment.size.min(MAX_UNIT) {
            let mut data = std::mem::take(&mut fragment.data);
            data.truncate(fragment.size);
            self.fragment = None;
            push_unit(packet, data.into(), 0, false, output);
        }
    }

    /// Frames with ADTS headers instead of RFC 3640 headers.
    fn push_adts(&self, packet: &Packet, output: &mut Output) {
        let mut rest = packet.payload.clone();
        let mut offset = 0;
        while let Some(header) = AdtsHeader::parse(&rest) {
            let end = header.frame_len.min(rest.len());
            push_unit(packet, rest.slice(header.header_len.min(end)..end), offset, false, output);
            offset += self.ticks;
            rest = rest.slice(end..);
        }
        if offset == 0 && !rest.is_empty() {
            output.stats.damaged += 1;
        }
    }
}

/// Bytes of all AU headers, from their length in bits in front.
fn header_bytes(payload: &[u8]) -> usize {
    payload.first_chunk().map_or(0, |b| usize::from(u16::from_be_bytes(*b)).div_ceil(8))
}

fn push_unit(packet: &Packet, mut data: Bytes, offset: i64, reusable: bool, output: &mut Output) {
    let mut reusable = reusable;
    // Some cameras leave the ADTS header in front of the unit.
    if let Some(header) = AdtsHeader::parse(&data)
        && header.frame_len == data.len()
    {
        data = data.slice(header.header_len..);
        reusable = false;
    }
    if data.is_empty() {
        return;
    }
    let time = packet.time.saturating_add(offset);
    output.push(Unit {
        keyframe: true,
        pts: time,
        dts: time,
        payload: Payload::Data(data),
        received: if reusable { vec![packet.payload.clone()] } else { Vec::new() },
        arrival: packet.arrival,
    });
}
