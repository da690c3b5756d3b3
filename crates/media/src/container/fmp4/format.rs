//! What a track is to MP4: its codec with everything an initialisation segment
//! says about it, and its name for media source extensions.

use crate::codec::aac::AudioSpecificConfig;
use crate::codec::{Codec, CodecId, aac, av1, h264, h265, mpa, opus};
use crate::frame::{Frame, Payload};
use crate::rtp::depay::av1 as rtp_av1;
use crate::track::Kind;

/// A codec that has no place in MP4.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mp4: unsupported codec: {0}")]
pub struct Unsupported(pub String);

/// A track as an initialisation segment describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    /// Ticks a second of the track's timestamps: the clock rate of its codec.
    pub timescale: u32,
    pub(super) config: Config,
    /// `profile-level-id` and the like, while no parameter sets are known.
    fmtp: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Config {
    H264(h264::ParameterSets),
    H265(h265::ParameterSets),
    Av1(Option<av1::SequenceHeader>),
    Aac {
        /// The `AudioSpecificConfig`.
        bytes: Vec<u8>,
        rate: u32,
        channels: u8,
        frame_length: u16,
    },
    Mpa {
        rate: u32,
        channels: u8,
        /// A frame has said it; else it is a guess.
        is_told: bool,
    },
    Opus {
        channels: u8,
    },
    /// Samples that leave as FLAC.
    Pcm {
        codec: CodecId,
        rate: u32,
        channels: u8,
    },
}

impl Format {
    /// The codecs that MP4 carries, as a consumer asks for them.
    pub const CODECS: [CodecId; 10] = [
        CodecId::H264,
        CodecId::H265,
        CodecId::Av1,
        CodecId::Aac,
        CodecId::Opus,
        CodecId::Mpa,
        CodecId::Pcma,
        CodecId::Pcmu,
        CodecId::L16,
        CodecId::Pcml,
    ];

    /// From a codec as its source offers it.
    ///
    /// # Errors
    /// MP4 cannot carry it.
    pub fn new(codec: &Codec) -> Result<Self, Unsupported> {
        let timescale = codec.timestamp_rate();
        let channels = codec.channels.max(1);
        let config = match &codec.id {
            CodecId::H264 => Config::H264(h264::ParameterSets::from_fmtp(&codec.fmtp)),
            CodecId::H265 => Config::H265(h265::ParameterSets::from_fmtp(&codec.fmtp)),
            CodecId::Av1 => Config::Av1(None),
            CodecId::Aac => {
                let bytes = aac::config_bytes(&codec.fmtp)
                    .unwrap_or_else(|| AudioSpecificConfig::lc(timescale, channels).write());
                let parsed = AudioSpecificConfig::parse(&bytes)
                    .unwrap_or_else(|| AudioSpecificConfig::lc(timescale, channels));
                Config::Aac {
                    bytes,
                    rate: parsed.rate,
                    channels: parsed.channels,
                    frame_length: parsed.frame_length,
                }
            }
            // The first frame tells more.
            CodecId::Mpa => Config::Mpa { rate: 44_100, channels: 2, is_told: false },
            CodecId::Opus => Config::Opus { channels: channels.min(2) },
            id @ (CodecId::Pcma | CodecId::Pcmu | CodecId::L16 | CodecId::Pcml) => {
                Config::Pcm { codec: id.clone(), rate: timescale, channels: channels.min(8) }
            }
            _ => return Err(Unsupported(codec.to_string())),
        };
        Ok(Self { timescale, config, fmtp: codec.fmtp.clone() })
    }

    /// Video or audio.
    pub const fn kind(&self) -> Kind {
        match self.config {
            Config::H264(_) | Config::H265(_) | Config::Av1(_) => Kind::Video,
            _ => Kind::Audio,
        }
    }

    /// Whether an initialisation segment can be written.
    pub fn is_complete(&self) -> bool {
        match &self.config {
            Config::H264(sets) => sets.is_complete() && sets.parse_sps().is_some(),
            Config::H265(sets) => sets.is_complete() && sets.parse_sps().is_some(),
            Config::Av1(header) => header.is_some(),
            _ => true,
        }
    }

    /// Whether nothing has been told of it but its codec, and a file that begins so stays
    /// right: frames of MPEG audio say what they are.
    pub const fn is_guessed(&self) -> bool {
        matches!(self.config, Config::Mpa { is_told: false, .. })
    }

    /// Takes what a frame says about the format: the parameter sets of a keyframe,
    /// the header of MPEG audio. True if that is something else than before.
    pub fn learn(&mut self, frame: &Frame) -> bool {
        match (&mut self.config, &frame.payload) {
            (Config::H264(sets), Payload::Nals(nals)) if frame.keyframe => {
                let mut found = h264::ParameterSets::from_nals(nals);
                if found.sps.is_empty() {
                    nals.iter().filter(|nal| sets.put(nal)).count() > 0
                } else {
                    if found.pps.is_empty() {
                        found.pps.clone_from(&sets.pps);
                    }
                    replace(sets, found)
                }
            }
            (Config::H265(sets), Payload::Nals(nals)) if frame.keyframe => {
                let mut found = h265::ParameterSets::from_nals(nals);
                if found.sps.is_empty() {
                    nals.iter().filter(|nal| sets.put(nal)).count() > 0
                } else {
                    for (list, known) in [(&mut found.vps, &sets.vps), (&mut found.pps, &sets.pps)]
                    {
                        if list.is_empty() {
                            list.clone_from(known);
                        }
                    }
                    replace(sets, found)
                }
            }
            (Config::Av1(known), Payload::Opaque(payloads)) if frame.keyframe => {
                let units = rtp_av1::units(payloads).unwrap_or_default();
                rtp_av1::sequence_header(&units).is_some_and(|header| replace(known, Some(header)))
            }
            (Config::Av1(known), Payload::Data(data)) if frame.keyframe => {
                let header = av1::units(data).and_then(|units| av1::SequenceHeader::among(&units));
                header.is_some_and(|header| replace(known, Some(header)))
            }
            (Config::Mpa { rate, channels, is_told }, Payload::Data(data)) => {
                mpa::Header::parse(data).is_some_and(|header| {
                    *is_told = true;
                    replace(rate, header.rate) | replace(channels, header.channels)
                })
            }
            _ => false,
        }
    }

    /// The name in the `codecs` of a MIME type. What browsers are told about H.264
    /// and H.265 is a profile and level that they know; the stream may be less.
    pub fn mime(&self) -> String {
        match &self.config {
            Config::H264(sets) => {
                let fmtp = sets.to_fmtp();
                let fmtp = if fmtp.is_empty() { &self.fmtp } else { &fmtp };
                format!("avc1.{}", h264::mse_profile_level(fmtp))
            }
            Config::H265(sets) => match sets.parse_sps().map(|sps| sps.profile()) {
                Some(2) => "hvc1.2.4.L153.B0".to_owned(),
                _ => "hvc1.1.6.L153.B0".to_owned(),
            },
            Config::Av1(Some(header)) => header.mime(),
            Config::Av1(None) => av1::mime_of_fmtp(&self.fmtp),
            Config::Aac { .. } => "mp4a.40.2".to_owned(),
            Config::Mpa { .. } => "mp4a.6B".to_owned(),
            Config::Opus { .. } => "opus".to_owned(),
            Config::Pcm { .. } => "flac".to_owned(),
        }
    }

    /// The MIME type of tracks in their order.
    pub fn content_type(formats: &[Self]) -> String {
        let codecs: Vec<String> = formats.iter().map(Self::mime).collect();
        format!("video/mp4; codecs=\"{}\"", codecs.join(","))
    }

    /// The codec as it leaves, if that is not how it comes.
    pub fn leaves_as(&self) -> Option<Codec> {
        match &self.config {
            Config::Pcm { rate, .. } => Some(Codec::new(CodecId::Flac).clock(*rate)),
            _ => None,
        }
    }

    /// Width and height in pixels; zero for sound.
    pub fn size(&self) -> (u32, u32) {
        match &self.config {
            Config::H264(sets) => sets.parse_sps().map(|s| (s.width, s.height)),
            Config::H265(sets) => sets.parse_sps().map(|s| (s.width, s.height)),
            Config::Av1(header) => header.as_ref().map(|h| (h.width, h.height)),
            _ => None,
        }
        .unwrap_or_default()
    }

    /// How long a packet of sound lasts, in ticks; `None` if it does not say.
    pub(super) fn lasts(&self, packet: &[u8]) -> Option<u32> {
        let scaled = |samples: u64, rate: u32| {
            let ticks = samples * u64::from(self.timescale) / u64::from(rate.max(1));
            u32::try_from(ticks).ok().filter(|ticks| *ticks > 0)
        };
        match &self.config {
            Config::Aac { rate, frame_length, .. } => scaled((*frame_length).into(), *rate),
            Config::Mpa { rate, .. } => scaled(mpa::samples(packet).into(), *rate),
            Config::Opus { .. } => scaled(opus::duration(packet)?.into(), opus::CLOCK_RATE),
            _ => None,
        }
    }
}

fn replace<T: PartialEq>(place: &mut T, value: T) -> bool {
    let changed = *place != value;
    *place = value;
    changed
}
