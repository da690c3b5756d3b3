//! RTCP: compound packets (RFC 3550 section 6) and feedback messages (RFC 4585
//! 6.2.1 NACK, 6.3.1 PLI; RFC 5104 4.3.1 FIR). Unknown packet types are skipped.

use thiserror::Error;

use crate::time::NtpTime;

/// Why bytes are not RTCP. Packets before the damaged one are lost with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// A packet is shorter than its length or its type says.
    #[error("RTCP packet is truncated")]
    Truncated,
    /// The version is not 2.
    #[error("RTCP version is not 2")]
    Version,
}

/// One reception report block (RFC 3550 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source this is about.
    pub ssrc: u32,
    /// Fraction of packets lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; 24 bits, signed.
    pub cumulative_lost: i32,
    /// Extended highest sequence number received.
    pub highest_seq: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report; 0 if none.
    pub last_sr: u32,
    /// Delay since that report in 1/65536 seconds.
    pub delay_since_last_sr: u32,
}

/// One RTCP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// SR: what a sender sent, and the relation of its clocks.
    SenderReport {
        /// The sender.
        ssrc: u32,
        /// Wall clock time of this report.
        ntp: NtpTime,
        /// The same instant in the timestamps of the RTP stream.
        timestamp: u32,
        /// Packets sent so far; wraps.
        packets: u32,
        /// Payload bytes sent so far; wraps.
        octets: u32,
        /// What it receives, at most 31.
        reports: Vec<ReportBlock>,
    },
    /// RR: what a receiver receives.
    ReceiverReport {
        /// The receiver.
        ssrc: u32,
        /// At most 31 blocks.
        reports: Vec<ReportBlock>,
    },
    /// SDES reduced to the canonical names: pairs of SSRC and CNAME (may be empty).
    SourceDescription {
        /// One entry per chunk, at most 31.
        chunks: Vec<(u32, String)>,
    },
    /// BYE: sources that leave.
    Goodbye {
        /// The sources, at most 31.
        ssrcs: Vec<u32>,
        /// The text, may be empty.
        reason: String,
    },
    /// Generic NACK: lost sequence numbers, expanded.
    Nack {
        /// Who asks.
        sender: u32,
        /// Whose packets are meant.
        media: u32,
        /// Sequence numbers to send again.
        lost: Vec<u16>,
    },
    /// Picture loss indication: a keyframe, please.
    Pli {
        /// Who asks.
        sender: u32,
        /// Whose keyframe is meant.
        media: u32,
    },
    /// Full intra request: a keyframe from each listed source.
    Fir {
        /// Who asks.
        sender: u32,
        /// Sources and command sequence numbers.
        requests: Vec<(u32, u8)>,
    },
}

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const RTPFB: u8 = 205;
const PSFB: u8 = 206;
const MAX_COUNT: usize = 31;

/// True if a datagram on a multiplexed port is RTCP rather than RTP (RFC 5761 section 4).
pub fn is_rtcp(packet: &[u8]) -> bool {
    matches!(packet, [b0, 192..=223, ..] if b0 >> 6 == 2)
}

/// Parses a compound packet. An empty input gives an empty list.
pub fn parse(mut data: &[u8]) -> Result<Vec<Packet>, Error> {
    let mut packets = Vec::new();
    while !data.is_empty() {
        let [b0, kind, l0, l1] = *data.first_chunk().ok_or(Error::Truncated)?;
        if b0 >> 6 != 2 {
            return Err(Error::Version);
        }
        let len = (usize::from(u16::from_be_bytes([l0, l1])) + 1) * 4;
        let packet = data.get(..len).ok_or(Error::Truncated)?;
        data = data.get(len..).unwrap_or_default();
        let mut body = packet.get(4..).unwrap_or_default();
        if b0 & 0x20 != 0 {
            let padding = usize::from(packet.last().copied().unwrap_or(0));
            let end = body.len().checked_sub(padding).ok_or(Error::Truncated)?;
            body = body.get(..end).unwrap_or_default();
        }
        packets.extend(parse_one(kind, b0 & 0x1f, body)?);
    }
    Ok(packets)
}

fn parse_one(kind: u8, count: u8, mut body: &[u8]) -> Result<Option<Packet>, Error> {
    let body = &mut body;
    Ok(match (kind, count) {
        (SR, _) => Some(Packet::SenderReport {
            ssrc: u32_of(body)?,
            ntp: NtpTime((u64::from(u32_of(body)?) << 32) | u64::from(u32_of(body)?)),
            timestamp: u32_of(body)?,
            packets: u32_of(body)?,
            octets: u32_of(body)?,
            reports: parse_reports(body, count)?,
        }),
        (RR, _) => Some(Packet::ReceiverReport {
            ssrc: u32_of(body)?,
            reports: parse_reports(body, count)?,
        }),
        (SDES, _) => Some(Packet::SourceDescription { chunks: parse_chunks(body, count)? }),
        (BYE, _) => {
            let ssrcs = (0..count).map(|_| u32_of(body)).collect::<Result<_, _>>()?;
            let reason = match body.split_first() {
                Some((&len, rest)) => rest.get(..usize::from(len)).unwrap_or(rest),
                None => &[],
            };
            Some(Packet::Goodbye { ssrcs, reason: String::from_utf8_lossy(reason).into_owned() })
        }
        (RTPFB, 1) => {
            let (sender, media) = (u32_of(body)?, u32_of(body)?);
            let mut lost = Vec::new();
            while !body.is_empty() {
                let pair = u32_of(body)?;
                let (first, mask) = ((pair >> 16) as u16, pair as u16);
                lost.push(first);
                let set = (0..16_u16).filter(|bit| mask & (1 << bit) != 0);
                lost.extend(set.map(|bit| first.wrapping_add(bit + 1)));
            }
            Some(Packet::Nack { sender, media, lost })
        }
        (PSFB, 1) => Some(Packet::Pli { sender: u32_of(body)?, media: u32_of(body)? }),
        (PSFB, 4) => {
            let (sender, _) = (u32_of(body)?, u32_of(body)?);
            let mut requests = Vec::new();
            while !body.is_empty() {
                requests.push((u32_of(body)?, (u32_of(body)? >> 24) as u8));
            }
            Some(Packet::Fir { sender, requests })
        }
        _ => None,
    })
}

fn u32_of(body: &mut &[u8]) -> Result<u32, Error> {
    let (head, rest) = body.split_first_chunk().ok_or(Error::Truncated)?;
    *body = rest;
    Ok(u32::from_be_bytes(*head))
}

fn parse_reports(body: &mut &[u8], count: u8) -> Result<Vec<ReportBlock>, Error> {
    (0..count)
        .map(|_| {
            let ssrc = u32_of(body)?;
            let loss = u32_of(body)?;
            Ok(ReportBlock {
                ssrc,
                fraction_lost: (loss >> 24) as u8,
                cumulative_lost: (loss << 8).cast_signed() >> 8,
                highest_seq: u32_of(body)?,
                jitter: u32_of(body)?,
                last_sr: u32_of(body)?,
                delay_since_last_sr: u32_of(body)?,
            })
        })
        .collect()
}

fn parse_chunks(body: &mut &[u8], count: u8) -> Result<Vec<(u32, String)>, Error> {
    let mut chunks = Vec::new();
    for _ in 0..count {
        let ssrc = u32_of(body)?;
        let mut name = String::new();
        let mut used = 0_usize;
        loop {
            let (&kind, rest) = body.split_first().ok_or(Error::Truncated)?;
            *body = rest;
            used += 1;
            if kind == 0 {
                break;
            }
            let (&len, rest) = body.split_first().ok_or(Error::Truncated)?;
            let text = rest.get(..usize::from(len)).ok_or(Error::Truncated)?;
            *body = rest.get(usize::from(len)..).unwrap_or_default();
            used += 1 + usize::from(len);
            if kind == 1 {
                name = String::from_utf8_lossy(text).into_owned();
            }
        }
        // The list ends at the next multiple of four bytes.
        let padding = used.next_multiple_of(4) - used;
        *body = body.get(padding..).ok_or(Error::Truncated)?;
        chunks.push((ssrc, name));
    }
    Ok(chunks)
}

/// Writes packets as one compound packet. RFC 3550 wants a report first and an
/// SDES in it; the caller chooses.
pub fn write(packets: &[Packet]) -> Vec<u8> {
    let mut out = Vec::new();
    for packet in packets {
        write_one(packet, &mut out);
    }
    out
}

fn write_one(packet: &Packet, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0x80, 0, 0, 0]);
    let (kind, count) = match packet {
        Packet::SenderReport { ssrc, ntp, timestamp, packets, octets, reports } => {
            out.extend_from_slice(&ssrc.to_be_bytes());
            out.extend_from_slice(&ntp.0.to_be_bytes());
            for word in [timestamp, packets, octets] {
                out.extend_from_slice(&word.to_be_bytes());
            }
            (SR, write_reports(reports, out))
        }
        Packet::ReceiverReport { ssrc, reports } => {
            out.extend_from_slice(&ssrc.to_be_bytes());
            (RR, write_reports(reports, out))
        }
        Packet::SourceDescription { chunks } => {
            for (ssrc, name) in chunks.iter().take(MAX_COUNT) {
                let begin = out.len();
                out.extend_from_slice(&ssrc.to_be_bytes());
                let name = name.as_bytes();
                let name = name.get(..255).unwrap_or(name);
                out.extend_from_slice(&[1, u8::try_from(name.len()).unwrap_or(255)]);
                out.extend_from_slice(name);
                out.push(0);
                out.resize(begin + (out.len() - begin).next_multiple_of(4), 0);
            }
            (SDES, chunks.len().min(MAX_COUNT))
        }
        Packet::Goodbye { ssrcs, reason } => {
            for ssrc in ssrcs.iter().take(MAX_COUNT) {
                out.extend_from_slice(&ssrc.to_be_bytes());
            }
            if !reason.is_empty() {
                let text = reason.as_bytes();
                let text = text.get(..255).unwrap_or(text);
                out.push(u8::try_from(text.len()).unwrap_or(255));
                out.extend_from_slice(text);
            }
            (BYE, ssrcs.len().min(MAX_COUNT))
        }
        Packet::Nack { sender, media, lost } => {
            out.extend_from_slice(&sender.to_be_bytes());
            out.extend_from_slice(&media.to_be_bytes());
            write_lost(lost, out);
            (RTPFB, 1)
        }
        Packet::Pli { sender, media } => {
            out.extend_from_slice(&sender.to_be_bytes());
            out.extend_from_slice(&media.to_be_bytes());
            (PSFB, 1)
        }
        Packet::Fir { sender, requests } => {
            out.extend_from_slice(&sender.to_be_bytes());
            out.extend_from_slice(&[0; 4]);
            for (ssrc, number) in requests {
                out.extend_from_slice(&ssrc.to_be_bytes());
                out.extend_from_slice(&[*number, 0, 0, 0]);
            }
            (PSFB, 4)
        }
    };
    out.resize(start + (out.len() - start).next_multiple_of(4), 0);
    let words = u16::try_from((out.len() - start) / 4 - 1).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(head) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut::<4>) {
        *head = [0x80 | u8::try_from(count).unwrap_or(0), kind, words[0], words[1]];
    }
}

fn write_reports(reports: &[ReportBlock], out: &mut Vec<u8>) -> usize {
    for r in reports.iter().take(MAX_COUNT) {
        let lost = r.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
        for word in [
            r.ssrc,
            (u32::from(r.fraction_lost) << 24) | lost,
            r.highest_seq,
            r.jitter,
            r.last_sr,
            r.delay_since_last_sr,
        ] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
    reports.len().min(MAX_COUNT)
}

/// Packs rising sequence numbers into pairs of first number and bit mask.
fn write_lost(lost: &[u16], out: &mut Vec<u8>) {
    let mut numbers = lost.iter().copied().peekable();
    while let Some(first) = numbers.next() {
        let mut mask = 0_u16;
        while let Some(&next) = numbers.peek() {
            let ahead = next.wrapping_sub(first);
            if !(1..=16).contains(&ahead) {
                break;
            }
            mask |= 1 << (ahead - 1);
            numbers.next();
        }
        out.extend_from_slice(&first.to_be_bytes());
        out.extend_from_slice(&mask.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Packet> {
        let block = ReportBlock {
            ssrc: 7,
            fraction_lost: 12,
            cumulative_lost: -3,
            highest_seq: 70_000,
            jitter: 5,
            last_sr: 0x1234_5678,
            delay_since_last_sr: 65_536,
        };
        vec![
            Packet::SenderReport {
                ssrc: 1,
                ntp: NtpTime(0xe000_0000_8000_0000),
                timestamp: 90_000,
                packets: 3,
                octets: 4,
                reports: vec![block],
            },
            Packet::ReceiverReport { ssrc: 2, reports: vec![block, block] },
            Packet::SourceDescription { chunks: vec![(1, "cam".into()), (2, "x@host".into())] },
            Packet::Nack { sender: 1, media: 2, lost: vec![10, 11, 26, 27, 0xffff, 0] },
            Packet::Pli { sender: 1, media: 2 },
            Packet::Fir { sender: 1, requests: vec![(2, 3), (4, 5)] },
            Packet::Goodbye { ssrcs: vec![1, 2], reason: String::new() },
        ]
    }

    #[test]
    fn round_trip() {
        assert_eq!(parse(&write(&all())), Ok(all()));
    }

    #[test]
    fn goodbye_with_a_reason() {
        let bye = vec![Packet::Goodbye { ssrcs: vec![9], reason: "teardown".into() }];
        assert_eq!(parse(&write(&bye)), Ok(bye));
    }

    #[test]
    fn truncation_never_panics() {
        let data = write(&all());
        for n in 0..data.len() {
            let _ = parse(&data[..n]);
            let mut longer = data[..n].to_vec();
            longer.resize(data.len(), 0xff);
            let _ = parse(&longer);
        }
    }

    #[test]
    fn unknown_types_are_skipped() {
        let mut data = vec![0x80, 204, 0, 1, 1, 2, 3, 4];
        data.extend(write(&[Packet::Pli { sender: 1, media: 2 }]));
        assert_eq!(parse(&data), Ok(vec![Packet::Pli { sender: 1, media: 2 }]));
        assert!(is_rtcp(&data));
        assert!(!is_rtcp(&[0x80, 96]));
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut state = 0x2545_f491_u32;
        for round in 0..4000 {
            let mut data = Vec::new();
            for _ in 0..round % 90 {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                data.push(state as u8);
            }
            if let Some([a, b, c, d]) = data.first_chunk_mut::<4>() {
                *a = (*a & 0x3f) | 0x80;
                *b = 200 + (*b % 8);
                *c = 0;
                *d %= 20;
            }
            let _ = parse(&data);
        }
    }
}
