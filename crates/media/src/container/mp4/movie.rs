//! The index of a file (`moov`, ISO/IEC 14496-12 8.2): its tracks and what their
//! samples are (sample entries of ISO/IEC 14496-14, 14496-15, the AV1, the Opus
//! and the QuickTime mappings).

use bytes::Bytes;
use rs2rtc_base::{Reader, UnexpectedEnd};

use super::boxes::{Boxes, Name, full, long};
use super::samples::Table;
use crate::codec::{Codec, CodecId, av1};
use crate::container::picture::Pictures;
use crate::container::{flv, mpa};

/// Tracks that are taken.
const MAX_TRACKS: usize = 16;

/// What the samples of a track are.
#[derive(Debug)]
pub(super) enum Kind {
    /// H.264 or H.265; bytes of the length in front of a NAL unit.
    Pictures(Pictures, usize),
    /// AV1: each sample is a temporal unit.
    Av1(av1::Pictures),
    /// Each sample is a unit as it is.
    Whole(Codec),
    /// G.711: each sample is one byte for each channel.
    Samples(Codec),
}

/// Values of samples that a fragment does not write down (`trex`, 8.8.3).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Defaults {
    pub(super) duration: u32,
    pub(super) size: u32,
}

/// A track.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) id: u32,
    /// Ticks of its times in a second, not 0.
    pub(super) timescale: u32,
    /// Ticks that its edit list adds to its times.
    pub(super) shift: i64,
    pub(super) kind: Kind,
    pub(super) table: Table,
    pub(super) defaults: Defaults,
    /// Where the next fragment begins that does not say it.
    pub(super) next: i64,
    /// Its place among the tracks, once its codec is known.
    pub(super) index: Option<usize>,
}

impl Track {
    /// The codec, once its parameter sets are known.
    pub(super) fn codec(&self) -> Option<Codec> {
        match &self.kind {
            Kind::Pictures(pictures, _) => pictures.codec(),
            Kind::Av1(pictures) => pictures
                .header()
                .map(|header| Codec::new(CodecId::Av1).clock(90_000).fmtp(header.fmtp())),
            Kind::Whole(codec) | Kind::Samples(codec) => Some(codec.clone()),
        }
    }

    /// Clock rate of its units in Hz.
    pub(super) fn rate(&self) -> u32 {
        match &self.kind {
            Kind::Pictures(..) | Kind::Av1(_) => 90_000,
            Kind::Whole(codec) | Kind::Samples(codec) => codec.timestamp_rate(),
        }
    }
}

/// The tracks of an index that can be read.
pub(super) fn tracks(moov: &Bytes) -> Vec<Track> {
    let movie = Boxes(moov).find(b"mvhd").and_then(|mvhd| timescale(mvhd).ok()).unwrap_or(0);
    let traks = Boxes(moov).filter(|(name, _)| name == b"trak");
    let mut tracks: Vec<Track> =
        traks.filter_map(|(_, trak)| track(moov, trak, movie)).take(MAX_TRACKS).collect();
    let extends = Boxes(moov).find(b"mvex").unwrap_or_default();
    for (_, trex) in Boxes(extends).filter(|(name, _)| name == b"trex") {
        if let Ok((id, defaults)) = trex_of(trex)
            && let Some(track) = tracks.iter_mut().find(|track| track.id == id)
        {
            track.defaults = defaults;
        }
    }
    tracks
}

fn track(moov: &Bytes, trak: &[u8], movie: u32) -> Option<Track> {
    let media = Boxes(trak).find(b"mdia")?;
    let timescale = timescale(Boxes(media).find(b"mdhd")?).ok().filter(|scale| *scale > 0)?;
    let id = track_id(Boxes(trak).find(b"tkhd")?).ok()?;
    let table = Boxes(media).path(&[b"minf", b"stbl"])?;
    let kind = kind(moov, Boxes(table).find(b"stsd")?)?;
    let shift = Boxes(trak).path(&[b"edts", b"elst"]);
    let shift = shift.and_then(|elst| edit(elst, movie, timescale).ok()).unwrap_or(0);
    let group = match &kind {
        // 20 ms.
        Kind::Samples(codec) => (codec.timestamp_rate() / 50).max(1),
        _ => 1,
    };
    let table = Table::new(moov, table, group);
    let (defaults, next, index) = (Defaults::default(), 0, None);
    Some(Track { id, timescale, shift, kind, table, defaults, next, index })
}

/// Of `mvhd` and `mdhd` (8.2.2, 8.4.2).
fn timescale(content: &[u8]) -> Result<u32, UnexpectedEnd> {
    let (version, _, mut reader) = full(content)?;
    long(&mut reader, version)?;
    long(&mut reader, version)?;
    reader.u32()
}

/// Of `tkhd` (8.3.2).
fn track_id(content: &[u8]) -> Result<u32, UnexpectedEnd> {
    let (version, _, mut reader) = full(content)?;
    long(&mut reader, version)?;
    long(&mut reader, version)?;
    reader.u32()
}

fn trex_of(content: &[u8]) -> Result<(u32, Defaults), UnexpectedEnd> {
    let (_, _, mut reader) = full(content)?;
    let id = reader.u32()?;
    reader.u32()?; // description
    Ok((id, Defaults { duration: reader.u32()?, size: reader.u32()? }))
}

/// What an edit list (8.6.6) adds to times: emptiness in front, less what is cut
/// off. Edits in the middle are left out.
fn edit(content: &[u8], movie: u32, timescale: u32) -> Result<i64, UnexpectedEnd> {
    let (version, _, mut reader) = full(content)?;
    let count = reader.u32()?;
    let mut empty = 0_i64;
    for _ in 0..count.min(8) {
        let duration = i64::try_from(long(&mut reader, version)?).unwrap_or(0);
        let begin = match version {
            0 => i64::from(i32::from_be_bytes(reader.array()?)),
            _ => i64::from_be_bytes(reader.array()?),
        };
        reader.u32()?; // rate
        if begin >= 0 {
            return Ok(empty.saturating_sub(begin));
        }
        if movie > 0 {
            let added = crate::time::rescale(duration, movie, timescale);
            empty = empty.saturating_add(added);
        }
    }
    Ok(empty)
}

/// What the first sample entry says (8.5.2).
fn kind(moov: &Bytes, stsd: &[u8]) -> Option<Kind> {
    let (_, _, mut reader) = full(stsd).ok()?;
    reader.u32().ok()?; // how many
    let (name, entry) = Boxes(reader.rest()).next()?;
    match &name {
        b"avc1" | b"avc3" | b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => {
            let boxes = Boxes(entry.get(VISUAL..)?);
            let (mut pictures, record, at) = match boxes.find(b"avcC") {
                Some(record) => (Pictures::h264(), record, 4),
                None => (Pictures::h265(), boxes.find(b"hvcC")?, 21),
            };
            let length = usize::from(record.get(at)? & 3) + 1;
            pictures.record(&moov.slice_ref(record));
            Some(Kind::Pictures(pictures, length))
        }
        b"av01" => {
            let record = Boxes(entry.get(VISUAL..)?).find(b"av1C")?;
            Some(Kind::Av1(av1::Pictures::of_record(&moov.slice_ref(record))))
        }
        b"jpeg" | b"mjpa" => Some(Kind::Whole(super::super::mjpeg::codec())),
        b"mp4a" => {
            let boxes = Boxes(entry.get(audio_head(entry)..)?);
            // QuickTime puts it one level down.
            let esds = boxes.find(b"esds").or_else(|| boxes.path(&[b"wave", b"esds"]))?;
            elementary(esds).ok()?.map(Kind::Whole)
        }
        b".mp3" => Some(Kind::Whole(mpa::codec())),
        b"Opus" => Some(Kind::Whole(Codec::new(CodecId::Opus).clock(48_000).channels(2))),
        b"ulaw" => samples(CodecId::Pcmu, entry),
        b"alaw" => samples(CodecId::Pcma, entry),
        _ => None,
    }
}

/// Bytes of a visual sample entry in front of its boxes (12.1.3).
const VISUAL: usize = 78;

/// Bytes of an audio sample entry in front of its boxes (12.2.3; QuickTime has
/// longer ones).
fn audio_head(entry: &[u8]) -> usize {
    match entry.get(8..10) {
        Some([0, 1]) => 44,
        Some([0, 2]) => 64,
        _ => 28,
    }
}

fn samples(id: CodecId, entry: &[u8]) -> Option<Kind> {
    let mut reader = Reader::new(entry.get(16..)?);
    let channels = u8::try_from(reader.u16().ok()?).ok().filter(|n| (1..=8).contains(n))?;
    reader.skip(6).ok()?;
    let rate = u32::from(reader.u16().ok()?);
    (rate > 0).then(|| Kind::Samples(Codec::new(id).clock(rate).channels(channels)))
}

/// The codec of an elementary stream descriptor (ISO/IEC 14496-1 7.2.6); nothing if
/// it is neither AAC nor MPEG audio.
fn elementary(esds: &[u8]) -> Result<Option<Codec>, UnexpectedEnd> {
    const STREAM: u8 = 3;
    const DECODER: u8 = 4;
    const SPECIFIC: u8 = 5;
    let (_, _, reader) = full(esds)?;
    let mut stream = Reader::new(descriptor(reader, STREAM)?);
    stream.u16()?; // id
    let flags = stream.u8()?;
    if flags & 0x80 != 0 {
        stream.u16()?;
    }
    if flags & 0x40 != 0 {
        let length = stream.u8()?;
        stream.skip(usize::from(length))?;
    }
    if flags & 0x20 != 0 {
        stream.u16()?;
    }
    let mut decoder = Reader::new(descriptor(stream, DECODER)?);
    let object = decoder.u8()?;
    decoder.skip(12)?;
    Ok(match object {
        0x40 | 0x66..=0x68 => flv::aac(descriptor(decoder, SPECIFIC)?),
        0x69 | 0x6b => Some(mpa::codec()),
        _ => None,
    })
}

/// The content of the first descriptor of a tag.
fn descriptor(mut reader: Reader<'_>, tag: u8) -> Result<&[u8], UnexpectedEnd> {
    loop {
        let found = reader.u8()?;
        let mut length = 0_usize;
        for _ in 0..4 {
            let byte = reader.u8()?;
            length = length << 7 | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
        }
        if found == tag {
            // Some writers count too many.
            return reader.take(length.min(reader.remaining()));
        }
        reader.skip(length)?;
    }
}

/// A box's content as shared bytes.
pub(super) fn shared(moov: &Bytes, table: &[u8], name: &Name) -> Option<Bytes> {
    Boxes(table).find(name).map(|content| moov.slice_ref(content))
}
