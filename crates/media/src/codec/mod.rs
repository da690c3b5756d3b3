//! Codec identities and their names in SDP, in the API and in error texts.
//!
//! Sources: `spec/core.md` 6.1-6.2 and `spec/media.md` 1. Parsing of parameter
//! sets and codec headers is in the modules below, one per codec.

use std::fmt;
use std::sync::Arc;

use crate::track::Kind;

pub mod aac;
pub mod av1;
pub(crate) mod bits;
pub mod g711;
pub mod h264;
pub mod h265;
pub mod jpeg;
pub mod loudness;
pub mod mpa;
pub mod nal;
pub mod opus;
pub mod pcm;
mod sets;
mod text;

pub use sets::ParameterSets;

/// What a codec is, independent of its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CodecId {
    /// ITU-T H.264.
    H264,
    /// ITU-T H.265 (HEVC).
    H265,
    /// VP8 (RFC 6386).
    Vp8,
    /// VP9.
    Vp9,
    /// AV1.
    Av1,
    /// Motion JPEG, one picture per frame.
    Jpeg,
    /// Uncompressed pictures (y4m).
    RawVideo,
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// AAC, one access unit per frame (SDP `MPEG4-GENERIC`).
    Aac,
    /// AAC-ELD.
    Eld,
    /// Opus (RFC 6716), one packet per frame.
    Opus,
    /// G.722.
    G722,
    /// MPEG audio (MP3).
    Mpa,
    /// 16 bit PCM, big endian.
    L16,
    /// 16 bit PCM, little endian.
    Pcml,
    /// FLAC.
    Flac,
    /// Wildcard of a consumer: every track of the kind.
    All,
    /// Wildcard of a consumer: one track, any codec.
    Any,
    /// A codec we do not know, by its upper-cased SDP name; carried as opaque RTP.
    Other(Arc<str>),
}

/// id, internal name, FFmpeg name, kind.
const NAMES: &[(CodecId, &str, &str, Kind)] = &[
    (CodecId::H264, "H264", "h264", Kind::Video),
    (CodecId::H265, "H265", "hevc", Kind::Video),
    (CodecId::Vp8, "VP8", "vp8", Kind::Video),
    (CodecId::Vp9, "VP9", "vp9", Kind::Video),
    (CodecId::Av1, "AV1", "av1", Kind::Video),
    (CodecId::Jpeg, "JPEG", "mjpeg", Kind::Video),
    (CodecId::RawVideo, "RAW", "rawvideo", Kind::Video),
    (CodecId::Pcmu, "PCMU", "pcm_mulaw", Kind::Audio),
    (CodecId::Pcma, "PCMA", "pcm_alaw", Kind::Audio),
    (CodecId::Aac, "MPEG4-GENERIC", "aac", Kind::Audio),
    (CodecId::Eld, "ELD", "aac/eld", Kind::Audio),
    (CodecId::Opus, "OPUS", "opus", Kind::Audio),
    (CodecId::G722, "G722", "G722", Kind::Audio),
    (CodecId::Mpa, "MPA", "mp3", Kind::Audio),
    (CodecId::L16, "L16", "pcm_s16be", Kind::Audio),
    (CodecId::Pcml, "PCML", "pcm_s16le", Kind::Audio),
    (CodecId::Flac, "FLAC", "flac", Kind::Audio),
    (CodecId::All, "ALL", "ALL", Kind::Other),
    (CodecId::Any, "ANY", "ANY", Kind::Other),
];

impl CodecId {
    /// From the internal name, upper-cased by the caller or not (`H264`, `opus`).
    pub fn from_name(name: &str) -> Self {
        NAMES
            .iter()
            .find(|(_, n, _, _)| n.eq_ignore_ascii_case(name))
            .map_or_else(|| Self::Other(name.to_ascii_uppercase().into()), |(id, ..)| id.clone())
    }

    fn row(&self) -> Option<&'static (Self, &'static str, &'static str, Kind)> {
        NAMES.iter().find(|(id, ..)| id == self)
    }

    /// Internal name, as shown in `medias` and SDP (`H264`, `MPEG4-GENERIC`).
    pub fn name(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => known.row().map_or("", |r| r.1),
        }
    }

    /// FFmpeg's name, as shown in the API (`h264`, `pcm_alaw`).
    pub fn ffmpeg_name(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => known.row().map_or("", |r| r.2),
        }
    }

    /// Name in "codecs not matched" texts: as internal, except `AAC`, `S16B`, `S16L`.
    pub fn error_name(&self) -> &str {
        match self {
            Self::Aac => "AAC",
            Self::L16 => "S16B",
            Self::Pcml => "S16L",
            other => other.name(),
        }
    }

    /// Video, audio, or other for unknown codecs and wildcards.
    pub fn kind(&self) -> Kind {
        self.row().map_or(Kind::Other, |r| r.3)
    }

    /// True for codecs whose frames are lists of NAL units.
    pub const fn is_nal(&self) -> bool {
        matches!(self, Self::H264 | Self::H265)
    }

    /// True for the wildcards of a consumer.
    pub const fn is_wildcard(&self) -> bool {
        matches!(self, Self::All | Self::Any)
    }
}

/// A codec with its parameters, as offered or wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    /// Which codec.
    pub id: CodecId,
    /// Clock rate in Hz; 0 means any (wanted) or unknown (offered).
    pub clock_rate: u32,
    /// Audio channels; 0 means any or unspecified.
    pub channels: u8,
    /// SDP `fmtp` text without the payload type; may be empty. Carries the
    /// parameter sets of H.264 and H.265 and the AudioSpecificConfig of AAC.
    pub fmtp: String,
    /// RTP payload type of this connection, if one is assigned.
    pub payload_type: Option<u8>,
}

impl Codec {
    /// A codec without parameters: any clock, any channels.
    pub const fn new(id: CodecId) -> Self {
        Self { id, clock_rate: 0, channels: 0, fmtp: String::new(), payload_type: None }
    }

    /// The same with a clock rate in Hz.
    #[must_use]
    pub const fn clock(mut self, clock_rate: u32) -> Self {
        self.clock_rate = clock_rate;
        self
    }

    /// The same with a number of channels.
    #[must_use]
    pub const fn channels(mut self, channels: u8) -> Self {
        self.channels = channels;
        self
    }

    /// The same with an SDP `fmtp` text.
    #[must_use]
    pub fn fmtp(mut self, fmtp: impl Into<String>) -> Self {
        self.fmtp = fmtp.into();
        self
    }

    /// The same with an RTP payload type.
    #[must_use]
    pub const fn payload_type(mut self, payload_type: u8) -> Self {
        self.payload_type = Some(payload_type);
        self
    }

    /// Whether this offered codec satisfies a wanted one (`spec/core.md` 6.2).
    pub fn matches(&self, wanted: &Self) -> bool {
        wanted.id.is_wildcard()
            || (self.id == wanted.id
                && (wanted.clock_rate == 0 || wanted.clock_rate == self.clock_rate)
                && (wanted.channels == 0 || wanted.channels == self.channels))
    }

    /// Clock rate for timestamps in Hz, never 0: the codec's own, else 90000
    /// for video and 8000 for audio.
    pub fn timestamp_rate(&self) -> u32 {
        match (self.clock_rate, self.id.kind()) {
            (0, Kind::Audio) => 8000,
            (0, _) => 90_000,
            (rate, _) => rate,
        }
    }
}

/// The form used in `medias`: `NAME[/clock][/channels]`; 90000 is not shown.
impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id.name())?;
        if self.clock_rate != 0 && self.clock_rate != 90_000 {
            write!(f, "/{}", self.clock_rate)?;
        }
        if self.channels > 0 {
            write!(f, "/{}", self.channels)?;
        }
        Ok(())
    }
}

/// The value of a parameter in an SDP `fmtp` text (`a=1; b=2`), without spaces;
/// names are compared without case.
pub fn fmtp_value<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Standard base64 with or without padding; `None` if it is none or empty.
pub(crate) fn lenient_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    LENIENT.decode(text.trim()).ok().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn hex(text: &str) -> bytes::Bytes {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    #[test]
    fn names_round_trip() {
        for (id, name, _, kind) in NAMES {
            assert_eq!(&CodecId::from_name(name), id);
            assert_eq!(&CodecId::from_name(&name.to_lowercase()), id);
            assert_eq!(id.kind(), *kind);
        }
        assert_eq!(CodecId::from_name("vnd.onvif").name(), "VND.ONVIF");
    }

    #[test]
    fn matching_rules() {
        let opus = Codec::new(CodecId::Opus).clock(48_000).channels(2);
        assert!(opus.matches(&Codec::new(CodecId::Opus)));
        assert!(opus.matches(&Codec::new(CodecId::Any)));
        assert!(!opus.matches(&Codec::new(CodecId::Opus).clock(16_000)));
        assert!(!Codec::new(CodecId::Any).matches(&opus));
        assert_eq!(opus.to_string(), "OPUS/48000/2");
    }
}
