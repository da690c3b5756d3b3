//! MPEG transport stream (`-f mpegts`; ISO/IEC 13818-1 2.4): the last program of
//! the association table, its H.264, H.265, AAC (ADTS), MPEG audio, Opus and G.711.
//!
//! A picture of unknown length waits for the beginning of the next one. Checksums
//! are not looked at: pipes lose nothing. No encryption.

use bytes::{Buf as _, Bytes, BytesMut};

use super::picture::Pictures;
use super::{Error, Found, Time, Unit, adts, mpa};
use crate::codec::{Codec, CodecId, nal};
use crate::time::rescale;

/// Bytes of a packet, and what it begins with.
const PACKET: usize = 188;
const SYNC: u8 = 0x47;
/// Bytes that are searched for the next packet before the stream counts as broken.
const MAX_SEARCH: usize = 64 * PACKET;
/// Bytes of PES packets that are being collected, of all streams together.
const MAX_PES: usize = 16 << 20;
/// Largest section of a table (2.4.4.8).
const MAX_SECTION: usize = 1024;
/// Elementary streams that are taken.
const MAX_STREAMS: usize = 16;
/// Timestamps have 33 bits.
const WRAP: i64 = 1 << 33;

/// Reads packets.
#[derive(Debug, Default)]
pub struct Reader {
    /// Packet identifier of the program's map.
    map: Option<u16>,
    association: Section,
    program: Section,
    /// The program's map as it was read last; empty before it was.
    mapped: Vec<u8>,
    streams: Vec<Stream>,
    clock: Clock,
}

/// A table's section, collected from packets.
#[derive(Debug, Default)]
struct Section(Vec<u8>);

#[derive(Debug)]
enum Kind {
    Pictures(Pictures),
    Aac(adts::Reader),
    /// MPEG audio.
    Mpeg,
    Opus,
    /// G.711.
    Samples(CodecId),
}

/// An elementary stream.
#[derive(Debug)]
struct Stream {
    id: u16,
    kind: Kind,
    /// Its place among the tracks, once its codec is known.
    track: Option<usize>,
    rate: u32,
    /// The PES packet that is being collected.
    pes: BytesMut,
    /// AAC and MPEG audio: the rest of a frame that goes on in the next PES packet.
    rest: BytesMut,
    /// Where the next sound without a time of its own belongs.
    next: i64,
}

/// Extends timestamps of 33 bits, of all streams together.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: Option<i64>,
}

impl Clock {
    /// The time nearest to the one before.
    pub(super) fn extend(&mut self, time: i64) -> i64 {
        let extended = self.last.map_or(time, |last| {
            let step = (time - last).rem_euclid(WRAP);
            last + if step >= WRAP / 2 { step - WRAP } else { step }
        });
        self.last = Some(extended);
        extended
    }
}

impl Reader {
    /// Takes all whole packets from the buffer.
    pub(super) fn read(&mut self, buffer: &mut BytesMut, found: &mut Found) -> Result<(), Error> {
        loop {
            if buffer.first().is_some_and(|first| *first != SYNC) {
                // Two packets in a row make a beginning.
                let starts = |at: usize| buffer.get(at).is_none_or(|byte| *byte == SYNC);
                let next = (1..buffer.len())
                    .find(|at| buffer.get(*at) == Some(&SYNC) && starts(at + PACKET));
                if next.is_none() && buffer.len() > MAX_SEARCH {
                    return Err(Error::Broken("MPEG-TS"));
                }
                let Some(next) = next else { return Ok(()) };
                buffer.advance(next);
            }
            if buffer.len() < PACKET {
                return Ok(());
            }
            let packet = buffer.split_to(PACKET).freeze();
            self.packet(&packet, found)?;
            let wait = |stream: &Stream| stream.track.is_none();
            let all = !self.mapped.is_empty() && !self.streams.iter().any(wait);
            if all && self.streams.is_empty() {
                return Err(Error::NoTracks("mpegts"));
            }
            found.complete |= all;
        }
    }

    /// The stream, or a part of it, is over: what was collected is whole.
    pub(super) fn end(&mut self, found: &mut Found) -> Result<(), Error> {
        for stream in &mut self.streams {
            let pes = stream.pes.split().freeze();
            stream.take(&pes, &mut self.clock, found)?;
            stream.rest.clear();
        }
        Ok(())
    }

    fn packet(&mut self, packet: &Bytes, found: &mut Found) -> Result<(), Error> {
        let Some([_, b1, b2, b3]) = packet.first_chunk() else { return Ok(()) };
        let id = u16::from_be_bytes([b1 & 0x1f, *b2]);
        let (damaged, starts) = (b1 & 0x80 != 0, b1 & 0x40 != 0);
        let mut at = 4;
        if b3 & 0x20 != 0 {
            at += 1 + usize::from(packet.get(4).copied().unwrap_or_default());
        }
        // Without payload, scrambled, or an adaptation field that is too long.
        if damaged || b3 & 0x10 == 0 || b3 & 0xc0 != 0 || at >= packet.len() {
            return Ok(());
        }
        let payload = packet.slice(at..);
        if id == 0 {
            if let Some(section) = self.association.take(&payload, starts) {
                self.map = map_of(&section).or(self.map);
            }
        } else if Some(id) == self.map {
            if let Some(section) = self.program.take(&payload, starts) {
                self.program(section, found)?;
            }
        } else if let Some(index) = self.streams.iter().position(|stream| stream.id == id) {
            let collected: usize = self.streams.iter().map(|stream| stream.pes.len()).sum();
            let Some(stream) = self.streams.get_mut(index) else { return Ok(()) };
            let before = stream.pes.len();
            if starts {
                let pes = stream.pes.split().freeze();
                stream.take(&pes, &mut self.clock, found)?;
            } else if stream.pes.is_empty() {
                // The rest of something whose beginning was not seen.
                return Ok(());
            }
            if collected - before + stream.pes.len() + payload.len() > MAX_PES {
                return Err(Error::TooLarge("MPEG-TS"));
            }
            stream.pes.extend_from_slice(&payload);
            if stream.is_whole() {
                let pes = stream.pes.split().freeze();
                stream.take(&pes, &mut self.clock, found)?;
            }
        }
        Ok(())
    }

    /// The map of a program (2.4.4.9): its streams. A new one may come at any
    /// time; streams that stay go on.
    fn program(&mut self, section: Vec<u8>, found: &mut Found) -> Result<(), Error> {
        if self.mapped == section || section.first() != Some(&2) {
            return Ok(());
        }
        let length = |at: usize| {
            let [high, low] = *section.get(at..)?.first_chunk()?;
            Some(usize::from(u16::from_be_bytes([high & 0x0f, low])))
        };
        let (Some(information), Some(whole)) = (length(10), length(1)) else { return Ok(()) };
        // The checksum is not a stream.
        let end = (3 + whole).saturating_sub(4).min(section.len());
        let mut at = 12 + information;
        let mut before = std::mem::take(&mut self.streams);
        while at + 5 <= end && self.streams.len() < MAX_STREAMS {
            let Some([kind, p0, p1]) = section.get(at..).and_then(|s| s.first_chunk()) else {
                break;
            };
            let Some(size) = length(at + 3) else { break };
            let more = section.get(at + 5..(at + 5 + size).min(end)).unwrap_or_default();
            let id = u16::from_be_bytes([p0 & 0x1f, *p1]);
            if let Some(kind) = Kind::new(*kind, more) {
                let same = |s: &Stream| s.id == id && s.kind.is_like(&kind);
                self.streams.push(match before.iter().position(same) {
                    Some(index) => before.swap_remove(index),
                    None => Stream::new(id, kind),
                });
            }
            at += 5 + size;
        }
        self.mapped = section;
        // Those that end have all that belongs to them.
        for mut stream in before {
            let pes = stream.pes.split().freeze();
            stream.take(&pes, &mut self.clock, found)?;
            found.leave(stream.track);
        }
        Ok(())
    }
}

impl Section {
    /// Adds a packet's payload; gives the section when it is whole.
    fn take(&mut self, payload: &[u8], starts: bool) -> Option<Vec<u8>> {
        if starts {
            self.0.clear();
            let pointer = usize::from(*payload.first()?);
            self.0.extend_from_slice(payload.get(1 + pointer..)?);
        } else if !self.0.is_empty() {
            self.0.extend_from_slice(payload);
        }
        let [_, high, low] = *self.0.first_chunk()?;
        let length = 3 + usize::from(u16::from_be_bytes([high & 0x0f, low]));
        if length > MAX_SECTION {
            self.0.clear();
            return None;
        }
        let section = self.0.get(..length)?.to_vec();
        self.0.clear();
        Some(section)
    }
}

/// Where the map of the last program is (2.4.4.3).
fn map_of(section: &[u8]) -> Option<u16> {
    if section.first() != Some(&0) {
        return None;
    }
    let programs = section.get(8..section.len().checked_sub(4)?)?;
    let programs = programs.as_chunks::<4>().0.iter();
    let mut maps = programs.filter(|[n0, n1, ..]| (*n0, *n1) != (0, 0));
    maps.next_back().map(|[_, _, p0, p1]| u16::from_be_bytes([p0 & 0x1f, *p1]))
}

impl Kind {
    /// By `stream_type` (table 2-34) and descriptors.
    fn new(stream_type: u8, descriptors: &[u8]) -> Option<Self> {
        Some(match stream_type {
            0x1b => Self::Pictures(Pictures::h264()),
            0x24 => Self::Pictures(Pictures::h265()),
            0x03 | 0x04 => Self::Mpeg,
            0x0f => Self::Aac(adts::Reader::default()),
            0x90 => Self::Samples(CodecId::Pcma),
            0x91 => Self::Samples(CodecId::Pcmu),
            // Private data that is registered as Opus.
            0x06 if descriptors.windows(6).any(|w| w == b"\x05\x04Opus") => Self::Opus,
            _ => return None,
        })
    }
}

impl Kind {
    /// Whether a stream can go on as this one.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pictures(one), Self::Pictures(other)) => one.is_like(other),
            (Self::Samples(one), Self::Samples(other)) => one == other,
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        }
    }
}

impl Stream {
    fn new(id: u16, kind: Kind) -> Self {
        let (pes, rest) = (BytesMut::new(), BytesMut::new());
        Self { id, kind, track: None, rate: 90_000, pes, rest, next: 0 }
    }

    /// Whether the PES packet has the length that it says (2.4.3.7).
    fn is_whole(&self) -> bool {
        let Some([.., high, low]) = self.pes.first_chunk::<6>() else { return false };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        length != 0 && self.pes.len() >= 6 + length
    }

    /// Takes a whole PES packet.
    fn take(&mut self, pes: &Bytes, clock: &mut Clock, found: &mut Found) -> Result<(), Error> {
        let Some((times, data)) = split_pes(pes) else { return Ok(()) };
        let times = times.map(|(pts, dts)| {
            let dts = clock.extend(dts);
            let later = (pts - dts).rem_euclid(WRAP);
            (if later < WRAP / 2 { dts + later } else { dts }, dts)
        });
        match &mut self.kind {
            Kind::Pictures(pictures) => {
                let unit = pictures.unit(nal::split_annexb(&data))?;
                if self.track.is_none() {
                    self.track = found.add(pictures.codec())?;
                }
                if let (Some(track), Some((keyframe, payload))) = (self.track, unit) {
                    // A picture without a time is shown with the one before it.
                    let (pts, dts) = times.unwrap_or((self.next, self.next));
                    self.next = dts;
                    let time = Time::At { pts, dts };
                    found.units.push_back(Unit { track, keyframe, time, payload });
                }
            }
            Kind::Aac(reader) => {
                let mut reader = *reader;
                self.frames(adts::codec, |rest| reader.take(rest), &data, times, found)?;
                self.kind = Kind::Aac(reader);
            }
            Kind::Mpeg => {
                self.frames(|_| Ok(Some(mpa::codec())), mpa::take, &data, times, found)?;
            }
            Kind::Opus => self.opus(data, times, found)?,
            Kind::Samples(id) => {
                if self.track.is_none() {
                    self.rate = 8000;
                    self.track = found.add(Some(Codec::new(id.clone()).clock(8000)))?;
                }
                let length = i64::try_from(data.len()).unwrap_or(0);
                self.sound(data, length, times, found);
            }
        }
        Ok(())
    }

    /// Frames with headers, several in a packet, cut anywhere: read by `codec` and
    /// `take`.
    fn frames(
        &mut self,
        codec: impl Fn(&[u8]) -> Result<Option<Codec>, Error>,
        mut take: impl FnMut(&mut BytesMut) -> Result<Option<(Bytes, u32)>, Error>,
        data: &[u8],
        times: Option<(i64, i64)>,
        found: &mut Found,
    ) -> Result<(), Error> {
        // The time is that of the first frame that begins in this packet.
        let carried = !self.rest.is_empty();
        self.rest.extend_from_slice(data);
        let mut times = times;
        let mut first = true;
        loop {
            if self.track.is_none() {
                match codec(&self.rest) {
                    Ok(Some(codec)) => {
                        self.rate = codec.timestamp_rate();
                        self.track = found.add(Some(codec))?;
                    }
                    Ok(None) => return Ok(()),
                    Err(_) => break,
                }
            }
            match take(&mut self.rest) {
                Ok(Some((frame, duration))) => {
                    let own = if carried && first { None } else { times.take() };
                    first = false;
                    self.sound(frame, i64::from(duration), own, found);
                }
                Ok(None) if self.rest.len() <= MAX_SECTION * 8 => return Ok(()),
                Err(error @ Error::Changed(_)) => return Err(error),
                Ok(None) | Err(_) => break,
            }
        }
        // Not what it says: what comes next may be.
        self.rest.clear();
        Ok(())
    }

    /// Packets of Opus with control headers (ETSI TS 103 491 annex): a prefix of
    /// 11 bits, flags, and the length.
    fn opus(
        &mut self,
        mut data: Bytes,
        times: Option<(i64, i64)>,
        found: &mut Found,
    ) -> Result<(), Error> {
        if self.track.is_none() {
            self.rate = 48_000;
            self.track = found.add(Some(Codec::new(CodecId::Opus).clock(48_000).channels(2)))?;
        }
        let mut times = times;
        while let [0x7f, flags @ 0xe0..=0xff, ..] = *data {
            let mut at = 2;
            let mut length = 0_usize;
            loop {
                let Some(&byte) = data.get(at) else { return Ok(()) };
                at += 1;
                length += usize::from(byte);
                if byte != 0xff {
                    break;
                }
            }
            // Samples to leave out at the start and at the end.
            at += if flags & 0x10 != 0 { 2 } else { 0 } + if flags & 0x08 != 0 { 2 } else { 0 };
            if flags & 0x04 != 0 {
                at += 1 + usize::from(data.get(at).copied().unwrap_or_default());
            }
            if data.len() < at + length || length == 0 {
                return Ok(());
            }
            let packet = data.slice(at..at + length);
            data.advance(at + length);
            let duration = crate::codec::opus::duration(&packet).map_or(960, i64::from);
            self.sound(packet, duration, times.take(), found);
        }
        Ok(())
    }

    /// Sound that lasts so many ticks; with a time, or after the one before it.
    fn sound(&mut self, data: Bytes, length: i64, times: Option<(i64, i64)>, found: &mut Found) {
        let pts = times.map_or(self.next, |(pts, _)| rescale(pts, 90_000, self.rate));
        self.next = pts.saturating_add(length);
        if let (Some(track), false) = (self.track, data.is_empty()) {
            found.units.push_back(Unit::sound(track, Time::At { pts, dts: pts }, data));
        }
    }
}

/// Times (pts, dts) and content of a PES packet (2.4.3.6).
fn split_pes(pes: &Bytes) -> Option<(Option<(i64, i64)>, Bytes)> {
    let [0, 0, 1, id, l0, l1, _, flags, head] = *pes.first_chunk()? else { return None };
    // Padding, navigation and the like have no header of this form.
    if !matches!(id, 0xbd | 0xc0..=0xef | 0xfd) {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let end = if length == 0 { pes.len() } else { (6 + length).min(pes.len()) };
    let begin = 9 + usize::from(head);
    if begin > end {
        return None;
    }
    let time = |at: usize| {
        let [a, b, c, d, e] = pes.get(at..begin)?.first_chunk()?.map(i64::from);
        Some((a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
    };
    let times = match flags >> 6 {
        2 => time(9).map(|pts| (pts, pts)),
        3 => time(9).zip(time(14)),
        _ => None,
    };
    Some((times, pes.slice(begin..end)))
}
