//! The RTP fixed header, its contributing sources, extension and padding
//! (RFC 3550 section 5.1 and 5.3.1).

use bytes::Bytes;
use thiserror::Error;

/// RTP sequence number: 16 bits, wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNo(pub u16);

impl SeqNo {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How far this number is ahead of `other`: -32768..=32767.
    pub const fn distance(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0).cast_signed()
    }
}

/// Synchronisation source identifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ssrc(pub u32);

/// RTP payload type, 0..=127.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PayloadType(pub u8);

/// Why bytes are not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Fewer bytes than the header says.
    #[error("RTP packet is truncated")]
    Truncated,
    /// The version is not 2.
    #[error("RTP version is {0}, not 2")]
    Version(u8),
    /// The padding is longer than the payload, or zero.
    #[error("RTP padding is invalid")]
    Padding,
}

/// A header extension: profile identifier and content, a multiple of 4 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Identifier defined by the profile (`0xBEDE` for one-byte headers, RFC 8285).
    pub profile: u16,
    /// Content; written padded with zeros to a multiple of 4 bytes.
    pub data: Bytes,
}

/// An RTP header without padding information.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Marker bit: with video the last packet of an access unit.
    pub marker: bool,
    /// Payload type.
    pub payload_type: PayloadType,
    /// Sequence number.
    pub seq: SeqNo,
    /// Timestamp in ticks of the payload's clock rate; wraps.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: Ssrc,
    /// Contributing sources, at most 15; more are not written.
    pub csrc: Vec<u32>,
    /// Header extension, if any.
    pub extension: Option<Extension>,
}

/// Most CSRC entries a header can have.
const MAX_CSRC: usize = 15;

impl Header {
    /// Appends the header. Payload follows without padding.
    pub fn write(&self, out: &mut Vec<u8>) {
        let csrc = self.csrc.get(..self.csrc.len().min(MAX_CSRC)).unwrap_or_default();
        let count = u8::try_from(csrc.len()).unwrap_or(0);
        out.push(0x80 | (u8::from(self.extension.is_some()) << 4) | count);
        out.push((u8::from(self.marker) << 7) | (self.payload_type.0 & 0x7f));
        out.extend_from_slice(&self.seq.0.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.0.to_be_bytes());
        for source in csrc {
            out.extend_from_slice(&source.to_be_bytes());
        }
        if let Some(extension) = &self.extension {
            let longest = usize::from(u16::MAX) * 4;
            let data = extension.data.get(..longest).unwrap_or(&extension.data);
            let words = data.len().div_ceil(4);
            out.extend_from_slice(&extension.profile.to_be_bytes());
            out.extend_from_slice(&u16::try_from(words).unwrap_or(u16::MAX).to_be_bytes());
            out.extend_from_slice(data);
            out.resize(out.len() + (words * 4 - data.len()), 0);
        }
    }

    /// The whole packet: header and payload.
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(12 + payload.len());
        self.write(&mut out);
        out.extend_from_slice(payload);
        out
    }
}

/// Splits a packet into header and payload; the payload is a slice of `packet`,
/// without padding.
pub fn parse(packet: &Bytes) -> Result<(Header, Bytes), HeaderError> {
    let fixed: &[u8; 12] = packet.first_chunk().ok_or(HeaderError::Truncated)?;
    let [b0, b1, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3] = *fixed;
    if b0 >> 6 != 2 {
        return Err(HeaderError::Version(b0 >> 6));
    }
    let mut at = 12;
    let mut csrc = Vec::new();
    for _ in 0..b0 & 0x0f {
        csrc.push(u32::from_be_bytes(*chunk(packet, at)?));
        at += 4;
    }
    let mut extension = None;
    if b0 & 0x10 != 0 {
        let [p0, p1, w0, w1] = *chunk::<4>(packet, at)?;
        let start = at + 4;
        at = start + usize::from(u16::from_be_bytes([w0, w1])) * 4;
        if at > packet.len() {
            return Err(HeaderError::Truncated);
        }
        extension = Some(Extension {
            profile: u16::from_be_bytes([p0, p1]),
            data: packet.slice(start..at),
        });
    }
    let mut end = packet.len();
    if b0 & 0x20 != 0 {
        let padding = usize::from(packet.last().copied().unwrap_or(0));
        if padding == 0 || padding > end - at {
            return Err(HeaderError::Padding);
        }
        end -= padding;
    }
    let header = Header {
        marker: b1 & 0x80 != 0,
        payload_type: PayloadType(b1 & 0x7f),
        seq: SeqNo(u16::from_be_bytes([s0, s1])),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc: Ssrc(u32::from_be_bytes([r0, r1, r2, r3])),
        csrc,
        extension,
    };
    Ok((header, packet.slice(at..end)))
}

fn chunk<const N: usize>(packet: &[u8], at: usize) -> Result<&[u8; N], HeaderError> {
    packet.get(at..).and_then(<[u8]>::first_chunk).ok_or(HeaderError::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Header {
        Header {
            marker: true,
            payload_type: PayloadType(96),
            seq: SeqNo(0xfffe),
            timestamp: 0x0102_0304,
            ssrc: Ssrc(0xdead_beef),
            csrc: vec![1, 2],
            extension: Some(Extension { profile: 0xbede, data: Bytes::from_static(&[1, 2, 3, 4]) }),
        }
    }

    #[test]
    fn round_trip_with_everything() {
        let packet = Bytes::from(full().packet(b"payload"));
        let (header, payload) = parse(&packet).unwrap();
        assert_eq!(header, full());
        assert_eq!(payload, "payload");
    }

    #[test]
    fn padding_is_removed_and_checked() {
        let mut packet = Header::default().packet(&[7, 7, 0, 0, 3]);
        packet[0] |= 0x20;
        assert_eq!(parse(&packet.clone().into()).unwrap().1, [7, 7][..]);
        *packet.last_mut().unwrap() = 6;
        assert_eq!(parse(&packet.clone().into()), Err(HeaderError::Padding));
        *packet.last_mut().unwrap() = 0;
        assert_eq!(parse(&packet.into()), Err(HeaderError::Padding));
    }

    #[test]
    fn truncation_never_panics() {
        let packet = Bytes::from(full().packet(b""));
        for n in 0..packet.len() {
            assert_eq!(parse(&packet.slice(..n)), Err(HeaderError::Truncated));
        }
        assert!(parse(&packet).is_ok());
    }

    #[test]
    fn wrong_version() {
        assert_eq!(parse(&Bytes::from_static(&[0x40; 12])), Err(HeaderError::Version(1)));
    }

    #[test]
    fn sequence_numbers_wrap() {
        assert_eq!(SeqNo(0xffff).next(), SeqNo(0));
        assert_eq!(SeqNo(1).distance(SeqNo(0xffff)), 2);
        assert_eq!(SeqNo(0xffff).distance(SeqNo(1)), -2);
    }
}
