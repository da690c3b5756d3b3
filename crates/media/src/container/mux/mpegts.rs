//! MPEG transport stream (ISO/IEC 13818-1:2022 2.4): one program with H.264, H.265,
//! AAC (ADTS), MPEG audio, Opus (ETSI TS 103 491) and G.711.
//!
//! Identifiers are those of the contract (`spec/media.md` 6): map 0x1000, streams
//! from 0x100 in the order of the tracks. The tables stand in front, are repeated
//! before every keyframe and at least every 400 ms of stream time; the clock
//! reference is on the first video track, else on the first track, and comes at
//! least every 80 ms while anything is sent. G.711 has the private types 0x90 and
//! 0x91, as cameras use them.

use std::sync::Arc;

use bytes::Bytes;

use super::timeline::Timeline;
use super::{Chunks, Error, adts};
use crate::codec::aac::{AdtsHeader, AudioSpecificConfig};
use crate::codec::{Codec, CodecId, h264, h265};
use crate::frame::{Frame, Payload};
use crate::track::Kind;

/// Bytes of a packet, and what it begins with.
const PACKET: usize = 188;
const SYNC: u8 = 0x47;
const MAP: u16 = 0x1000;
const FIRST_STREAM: u16 = 0x100;
/// Ticks in a second.
const RATE: u32 = 90_000;
/// Time of the first frame: sound may be up to a second earlier.
const START: i64 = 90_000;
/// How much earlier than its decoding time a frame comes: sound and pictures of
/// one moment need not come at the same time.
const LEAD: i64 = 27_000;
/// Distance of clock references (2.7.2 allows 100 ms).
const CLOCK_EVERY: i64 = 7200;
/// Distance of the tables.
const TABLES_EVERY: i64 = 36_000;
/// Times have 33 bits.
const TIME: u64 = (1 << 33) - 1;
/// Most elementary streams: their map is one packet.
const MAX_STREAMS: usize = 8;

/// How units of a stream are framed.
#[derive(Clone, Debug)]
enum Format {
    H264,
    H265,
    Aac(AudioSpecificConfig),
    Mpeg { low_rate: bool },
    Opus { channels: u8 },
    Samples { stream_type: u8 },
}

/// An elementary stream.
#[derive(Clone, Debug)]
struct Stream {
    format: Format,
    /// Counts its packets (2.4.3.3).
    counter: u8,
}

/// Writes packets.
#[derive(Clone, Debug)]
pub struct Muxer {
    streams: Vec<Stream>,
    timeline: Timeline,
    /// Index of the stream that carries the clock.
    clock: usize,
    /// Counters of the association table and the map.
    counters: [u8; 2],
    last_clock: Option<i64>,
    last_tables: Option<i64>,
}

impl Muxer {
    /// For tracks of these codecs.
    ///
    /// # Errors
    /// A codec that it cannot carry, no track, or more than eight.
    pub fn new(codecs: &[Codec]) -> Result<Self, Error> {
        if codecs.is_empty() || codecs.len() > MAX_STREAMS {
            return Err(Error::Missing("mpegts", "one to eight tracks"));
        }
        let formats: Result<Vec<Format>, Error> = codecs.iter().map(Format::of).collect();
        let streams = formats?.into_iter().map(|format| Stream { format, counter: 0 }).collect();
        let clock = codecs.iter().position(|codec| codec.id.kind() == Kind::Video).unwrap_or(0);
        Ok(Self {
            streams,
            timeline: Timeline::new(RATE, START, codecs),
            clock,
            counters: [0; 2],
            last_clock: None,
            last_tables: None,
        })
    }

    /// Writes the tables: a reader may begin after them.
    pub fn tables(&mut self, out: &mut Chunks) {
        let mut bytes = Vec::with_capacity(2 * PACKET);
        let [association, map] = self.counters;
        write_section(0, association, &association_table(), &mut bytes);
        write_section(MAP, map, &self.map(), &mut bytes);
        self.counters = [association.wrapping_add(1), map.wrapping_add(1)];
        self.last_tables = None;
        out.append(bytes);
    }

    /// Whether there is anything of a frame to write: pictures have a slice.
    pub fn takes(&self, track: usize, frame: &Frame) -> bool {
        let Some(stream) = self.streams.get(track) else { return false };
        match (&stream.format, &frame.payload) {
            (Format::H264, Payload::Nals(nals)) => {
                nals.iter().any(|nal| h264::is_vcl(h264::nal_type(nal)))
            }
            (Format::H265, Payload::Nals(nals)) => {
                nals.iter().any(|nal| !nal.is_empty() && h265::is_vcl(h265::nal_type(nal)))
            }
            (format, payload) => {
                let mut parts = Vec::new();
                format.parts(payload, &mut parts);
                parts.iter().any(|part| !part.is_empty())
            }
        }
    }

    /// Tables and frames, each with its track, that stand in front of what this muxer
    /// writes next, which begins with a decoding time of a track: its counters go on
    /// where theirs end.
    pub fn before(&self, frames: &[(usize, Arc<Frame>)], (track, dts): (usize, i64)) -> Bytes {
        let write = |muxer: &mut Self| {
            let mut out = Chunks::new();
            muxer.tables(&mut out);
            for (track, frame) in frames {
                super::Muxer::frame(muxer, *track, frame, &mut out);
            }
            out
        };
        // How many packets there are says where to begin to count.
        let mut muxer = self.renewed();
        muxer.timeline.begin_at(track, dts);
        let mut counted = muxer.clone();
        write(&mut counted);
        for (index, counter) in muxer.counters.iter_mut().enumerate() {
            let (ours, used) = (self.counters.get(index), counted.counters.get(index));
            *counter = ours.zip(used).map_or(0, |(ours, used)| ours.wrapping_sub(*used));
        }
        for (index, stream) in muxer.streams.iter_mut().enumerate() {
            let (ours, used) = (self.streams.get(index), counted.streams.get(index));
            let pair = ours.zip(used);
            stream.counter = pair.map_or(0, |(ours, used)| ours.counter.wrapping_sub(used.counter));
        }
        write(&mut muxer).into_bytes()
    }

    /// One on the same line of time that has written nothing.
    fn renewed(&self) -> Self {
        let mut muxer = self.clone();
        muxer.timeline.rewind();
        muxer.streams.iter_mut().for_each(|stream| stream.counter = 0);
        muxer.counters = [0; 2];
        (muxer.last_clock, muxer.last_tables) = (None, None);
        muxer
    }

    /// The map of the program (2.4.4.9).
    fn map(&self) -> Vec<u8> {
        let clock = pid(self.clock);
        let [high, low] = clock.to_be_bytes();
        let mut table = vec![2, 0, 0, 0, 1, 0xc1, 0, 0, 0xe0 | high, low, 0xf0, 0];
        for (index, stream) in self.streams.iter().enumerate() {
            let [high, low] = pid(index).to_be_bytes();
            let (stream_type, descriptors) = stream.format.declare();
            table.extend([stream_type, 0xe0 | high, low, 0xf0, descriptors.len() as u8]);
            table.extend(descriptors);
        }
        table
    }

    /// A packet with the clock alone.
    fn clock_packet(&self, at: i64, out: &mut Vec<u8>) {
        // The counter does not move without payload (2.4.3.3).
        let counter = self.streams.get(self.clock).map_or(0, |s| s.counter.wrapping_sub(1) & 15);
        let [high, low] = pid(self.clock).to_be_bytes();
        out.extend([SYNC, high, low, 0x20 | counter, 183, 0x10]);
        out.extend(clock_reference(at));
        out.resize(out.len() + PACKET - 12, 0xff);
    }
}

impl super::Muxer for Muxer {
    fn begin(&mut self, out: &mut Chunks) {
        self.tables(out);
    }

    fn frame(&mut self, track: usize, frame: &Frame, out: &mut Chunks) {
        let Some((pts, dts)) = self.timeline.place(track, frame) else { return };
        let is_picture = frame.codec.kind() == Kind::Video;
        let starts = is_picture && frame.keyframe;
        let since = *self.last_tables.get_or_insert(dts);
        if dts - since >= TABLES_EVERY || starts && dts > since {
            self.tables(out);
            self.last_tables = Some(dts);
        }
        let at = dts - LEAD;
        let is_due = self.last_clock.is_none_or(|last| at - last >= CLOCK_EVERY);
        let carries = track == self.clock && self.last_clock.is_none_or(|last| at > last);
        let mut bytes = Vec::with_capacity(frame.payload.len() * 20 / 19 + 2 * PACKET);
        if is_due && !carries {
            self.clock_packet(at, &mut bytes);
        }
        if is_due || carries {
            self.last_clock = Some(at);
        }
        let Some(stream) = self.streams.get_mut(track) else { return };
        let prefix = stream.format.prefix(&frame.payload);
        let mut parts: Vec<&[u8]> = vec![&[], &prefix];
        stream.format.parts(&frame.payload, &mut parts);
        if parts.len() > 2 {
            let length = parts.iter().map(|part| part.len()).sum();
            let header = pes_header(stream.format.stream_id(track), length, pts, dts);
            if let Some(first) = parts.first_mut() {
                *first = &header;
            }
            let clock = carries.then_some(at);
            write_packets(pid(track), &mut stream.counter, clock, starts, &parts, &mut bytes);
        }
        out.append(bytes);
    }
}

impl Format {
    fn of(codec: &Codec) -> Result<Self, Error> {
        Ok(match codec.id {
            CodecId::H264 => Self::H264,
            CodecId::H265 => Self::H265,
            CodecId::Aac => Self::Aac(adts::config("mpegts", codec)?),
            CodecId::Mpa => {
                // RTP has a clock of its own for it; the frames say their rate.
                Self::Mpeg { low_rate: matches!(codec.clock_rate, 16_000 | 22_050 | 24_000) }
            }
            CodecId::Opus => Self::Opus { channels: codec.channels.clamp(1, 2) },
            CodecId::Pcma => Self::Samples { stream_type: 0x90 },
            CodecId::Pcmu => Self::Samples { stream_type: 0x91 },
            ref other => return Err(Error::Unsupported("mpegts", other.clone())),
        })
    }

    /// `stream_type` (table 2-34) and descriptors.
    fn declare(&self) -> (u8, Vec<u8>) {
        match self {
            Self::H264 => (0x1b, Vec::new()),
            Self::H265 => (0x24, Vec::new()),
            Self::Aac(_) => (0x0f, Vec::new()),
            Self::Mpeg { low_rate } => (if *low_rate { 4 } else { 3 }, Vec::new()),
            Self::Opus { channels } => {
                // Registration, and the number of channels (TS 103 491 A.1).
                let mut descriptors = b"\x05\x04Opus\x7f\x02\x80".to_vec();
                descriptors.push(*channels);
                (6, descriptors)
            }
            Self::Samples { stream_type } => (*stream_type, Vec::new()),
        }
    }

    /// `stream_id` (table 2-22).
    const fn stream_id(&self, track: usize) -> u8 {
        match self {
            Self::H264 | Self::H265 => 0xe0 + (track % 16) as u8,
            Self::Aac(_) | Self::Mpeg { .. } => 0xc0 + (track % 32) as u8,
            Self::Opus { .. } | Self::Samples { .. } => 0xbd,
        }
    }

    /// What stands in front of a unit.
    fn prefix(&self, payload: &Payload) -> Vec<u8> {
        match self {
            // An access unit begins with a delimiter (2.14.1, 2.17.1).
            Self::H264 => vec![0, 0, 0, 1, 9, 0xf0],
            Self::H265 => vec![0, 0, 0, 1, 0x46, 1, 0x50],
            Self::Aac(config) => AdtsHeader::new(config, payload.len())
                .map(|header| header.write().to_vec())
                .unwrap_or_default(),
            Self::Opus { .. } => {
                // Control header (TS 103 491 A.2): prefix, no flags, the length.
                let mut header = vec![0x7f, 0xe0];
                header.resize(2 + payload.len() / 255, 0xff);
                header.push((payload.len() % 255) as u8);
                header
            }
            Self::Mpeg { .. } | Self::Samples { .. } => Vec::new(),
        }
    }

    fn parts<'f>(&self, payload: &'f Payload, parts: &mut Vec<&'f [u8]>) {
        match (self, payload) {
            (Self::H264 | Self::H265, Payload::Nals(nals)) => {
                for nal in nals.iter().filter(|nal| !self.is_delimiter(nal)) {
                    parts.push(&[0, 0, 0, 1]);
                    parts.push(nal);
                }
            }
            // Longer than its header can say.
            (Self::Aac(config), Payload::Data(data))
                if AdtsHeader::new(config, data.len()).is_none() => {}
            (Self::H264 | Self::H265, _) | (_, Payload::Nals(_) | Payload::Opaque(_)) => {}
            (_, Payload::Data(data)) => parts.push(data),
        }
    }

    fn is_delimiter(&self, nal: &Bytes) -> bool {
        match self {
            Self::H264 => h264::nal_type(nal) == h264::AUD,
            _ => h265::nal_type(nal) == h265::AUD,
        }
    }
}

fn pid(stream: usize) -> u16 {
    FIRST_STREAM.saturating_add(u16::try_from(stream).unwrap_or(0))
}

/// The association table (2.4.4.3): program 1.
fn association_table() -> Vec<u8> {
    let [high, low] = MAP.to_be_bytes();
    vec![0, 0, 0, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | high, low]
}

/// A table as one packet: its length and checksum are filled in.
fn write_section(pid: u16, counter: u8, table: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    let [high, low] = pid.to_be_bytes();
    out.extend([SYNC, 0x40 | high, low, 0x10 | counter & 15, 0]);
    let mut section = table.to_vec();
    // What follows the length, with the checksum.
    let length = section.len() + 1;
    if let Some([_, high, low]) = section.first_chunk_mut() {
        *high = 0xb0 | (length >> 8 & 15) as u8;
        *low = length as u8;
    }
    out.extend_from_slice(&section);
    out.extend(checksum(&section).to_be_bytes());
    out.resize(begin + PACKET, 0xff);
}

/// CRC of tables (annex A): polynomial 0x04C11DB7, all ones at the start.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            let reduced = if crc & 1 << 31 == 0 { 0 } else { 0x04c1_1db7 };
            crc << 1 ^ reduced
        })
    })
}

/// Header of a PES packet (2.4.3.6) with `length` bytes of content.
fn pes_header(stream_id: u8, length: usize, pts: i64, dts: i64) -> Vec<u8> {
    let times = if pts == dts { 5 } else { 10 };
    // Only video may leave the length open.
    let whole = u16::try_from(length + 3 + times).unwrap_or(0);
    let [high, low] = whole.to_be_bytes();
    let flags = if pts == dts { 0x80 } else { 0xc0 };
    let mut header = vec![0, 0, 1, stream_id, high, low, 0x84, flags, times as u8];
    if pts == dts {
        header.extend(timestamp(2, pts));
    } else {
        header.extend(timestamp(3, pts));
        header.extend(timestamp(1, dts));
    }
    header
}

fn timestamp(mark: u8, time: i64) -> [u8; 5] {
    let time = time.cast_unsigned() & TIME;
    [
        mark << 4 | (time >> 29 & 0x0e) as u8 | 1,
        (time >> 22) as u8,
        (time >> 14 & 0xfe) as u8 | 1,
        (time >> 7) as u8,
        (time << 1 & 0xfe) as u8 | 1,
    ]
}

/// Clock reference (2.4.3.5), the extension zero.
fn clock_reference(at: i64) -> [u8; 6] {
    let base = at.max(0).cast_unsigned() & TIME;
    [
        (base >> 25) as u8,
        (base >> 17) as u8,
        (base >> 9) as u8,
        (base >> 1) as u8,
        (base << 7) as u8 | 0x7e,
        0,
    ]
}

/// Cuts a PES packet into packets; the first one has the clock and says whether
/// decoding can begin there, the last one is stuffed.
fn write_packets(
    pid: u16,
    counter: &mut u8,
    clock: Option<i64>,
    starts: bool,
    parts: &[&[u8]],
    out: &mut Vec<u8>,
) {
    let mut rest: usize = parts.iter().map(|part| part.len()).sum();
    let mut content = parts.iter().flat_map(|part| part.chunks(PACKET));
    let mut piece: &[u8] = &[];
    let [high, low] = pid.to_be_bytes();
    let mut is_first = true;
    while rest > 0 {
        let begin = out.len();
        let unit = if is_first { 0x40 } else { 0 };
        // Flags, the clock; then whatever makes the packet full.
        let mut field: Vec<u8> = Vec::new();
        if is_first && (starts || clock.is_some()) {
            field.push(if starts { 0x40 } else { 0 } | if clock.is_some() { 0x10 } else { 0 });
            field.extend(clock.iter().flat_map(|at| clock_reference(*at)));
        }
        let used = if field.is_empty() { 0 } else { 1 + field.len() };
        let room = PACKET - 4 - used;
        let control = if used > 0 || rest < room { 0x30 } else { 0x10 };
        out.extend([SYNC, unit | high, low, control | *counter & 15]);
        if control == 0x30 {
            let stuffing = room.saturating_sub(rest);
            let length = (used + stuffing).saturating_sub(1);
            if field.is_empty() && length > 0 {
                field.push(0);
            }
            out.push(length as u8);
            out.extend_from_slice(&field);
            out.resize(begin + 5 + length, 0xff);
        }
        while out.len() < begin + PACKET {
            if piece.is_empty() {
                let Some(next) = content.next() else { break };
                piece = next;
            }
            let take = piece.len().min(begin + PACKET - out.len());
            let (now, later) = piece.split_at(take);
            out.extend_from_slice(now);
            piece = later;
            rest -= take;
        }
        *counter = counter.wrapping_add(1);
        is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_the_checksums_of_the_contract() {
        let mut out = Vec::new();
        write_section(0, 0, &association_table(), &mut out);
        assert_eq!(
            out[..21],
            crate::codec::tests::hex("474000100000b00d0001c100000001f0002ab104b2")[..]
        );
        assert_eq!(out.len(), PACKET);
    }

    #[test]
    fn packets_are_full_whatever_the_length() {
        for length in 1..800 {
            for (clock, starts) in [(None, false), (Some(0), true), (None, true), (Some(7), false)]
            {
                let content: Vec<u8> = (0..length).map(|n| n as u8).collect();
                let (mut out, mut counter) = (Vec::new(), 14);
                write_packets(0x100, &mut counter, clock, starts, &[&content], &mut out);
                assert_eq!(out.len() % PACKET, 0, "{length}");
                let mut found = Vec::new();
                for (index, packet) in out.chunks(PACKET).enumerate() {
                    assert_eq!(usize::from(packet[3] & 15), (14 + index) & 15);
                    let begin = match packet[3] & 0x30 {
                        0x10 => 4,
                        _ => 5 + usize::from(packet[4]),
                    };
                    found.extend_from_slice(&packet[begin..]);
                }
                assert_eq!(found, content, "{length} {clock:?} {starts}");
            }
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for time in [0, 1, 0x1_5555_5555, TIME.cast_signed()] {
            let [a, b, c, d, e] = timestamp(2, time).map(i64::from);
            let read = (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1;
            assert_eq!((read, a & 1, c & 1, e & 1), (time, 1, 1, 1));
        }
    }
}
