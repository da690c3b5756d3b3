//! From a session description to the medias of a producer.

use super::{MediaDesc, Session, Side};
use crate::codec::{Codec, CodecId};
use crate::track::{Direction, Kind, Media};

/// Origin user of cameras that describe their sound as `sendonly`.
const FORCED_RECVONLY: &str = "CV-RTSPHandler";

impl Session {
    /// The medias of a producer, one per `m=` section in order; those without
    /// formats have no codecs.
    ///
    /// A camera writes directions from our side (ONVIF streaming specification
    /// 5.3): its backchannel is `sendonly`. Cameras that write them from their
    /// own side are known by a `sendonly` picture or by their origin; all their
    /// medias come to us. A missing direction means that too.
    pub fn medias(&self, side: Side) -> Vec<Media> {
        let all_to_us = side == Side::Publisher
            || self.origin_user == FORCED_RECVONLY
            || self.medias.iter().any(|m| {
                kind(&m.kind) == Kind::Video && m.direction() == Some(Direction::SendOnly)
            });
        self.medias
            .iter()
            .map(|desc| Media {
                kind: kind(&desc.kind),
                direction: if all_to_us {
                    Direction::RecvOnly
                } else {
                    desc.direction().unwrap_or(Direction::RecvOnly)
                },
                codecs: desc.formats.iter().map(|format| self.codec(desc, format)).collect(),
                id: desc.attribute("control").unwrap_or_default().to_owned(),
            })
            .collect()
    }

    fn codec(&self, desc: &MediaDesc, format: &str) -> Codec {
        let mut codec = match desc.format_attribute("rtpmap", format) {
            Some(rtpmap) => from_rtpmap(rtpmap),
            None => static_codec(format, desc.bandwidth),
        };
        codec.payload_type = format.parse().ok().filter(|pt| *pt < 128);
        let mut fmtp = desc.format_attribute("fmtp", format).unwrap_or_default();
        match codec.id {
            // Some cameras put the line into another media.
            CodecId::H264 if fmtp.is_empty() => {
                let mut elsewhere = self.medias.iter();
                fmtp =
                    elsewhere.find_map(|m| m.format_attribute("fmtp", format)).unwrap_or_default();
            }
            // A set that lacks a part is of no use.
            CodecId::H265
                if !["sprop-vps=", "sprop-sps=", "sprop-pps="].iter().all(|p| fmtp.contains(p)) =>
            {
                fmtp = "";
            }
            // RFC 7587 section 7 wants 48000/2 whatever the content; not all write it.
            CodecId::Opus => {
                codec.clock_rate = 48_000;
                codec.channels = 2;
            }
            _ => {}
        }
        fmtp.clone_into(&mut codec.fmtp);
        codec
    }
}

fn kind(name: &str) -> Kind {
    match name {
        "video" => Kind::Video,
        "audio" => Kind::Audio,
        _ => Kind::Other,
    }
}

/// `NAME/clock[/channels]`. One channel is the same as none given.
fn from_rtpmap(rtpmap: &str) -> Codec {
    let mut parts = rtpmap.split('/').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let clock_rate = parts.next().and_then(|c| c.parse().ok()).unwrap_or(0);
    let channels = if parts.next() == Some("2") { 2 } else { 0 };
    // Hikvision's name for little endian samples.
    let id =
        if name.eq_ignore_ascii_case("PCM") { CodecId::Pcml } else { CodecId::from_name(name) };
    // The wildcards are ours, no camera's.
    let id = if id.is_wildcard() { CodecId::Other(name.to_ascii_uppercase().into()) } else { id };
    Codec::new(id).clock(clock_rate).channels(channels)
}

/// A format without `rtpmap`: the static payload types (RFC 3551 section 6),
/// and raw samples whose rate shows in the bandwidth (FFmpeg's `pcm_s16le`).
fn static_codec(format: &str, bandwidth: Option<u32>) -> Codec {
    match (format, bandwidth) {
        ("0", _) => Codec::new(CodecId::Pcmu).clock(8000),
        ("8", _) => Codec::new(CodecId::Pcma).clock(8000),
        ("10", _) => Codec::new(CodecId::L16).clock(44_100).channels(2),
        ("11", _) => Codec::new(CodecId::L16).clock(44_100),
        ("14", _) => Codec::new(CodecId::Mpa).clock(90_000),
        ("26", _) => Codec::new(CodecId::Jpeg).clock(90_000),
        ("96" | "97" | "98", Some(kbits)) => {
            let (clock, channels) = match kbits {
                128 => (8000, 0),
                256 => (16_000, 0),
                384 => (24_000, 0),
                512 => (32_000, 0),
                705 => (44_100, 0),
                768 => (48_000, 0),
                1411 => (44_100, 2),
                1536 => (48_000, 2),
                _ => (0, 0),
            };
            Codec::new(CodecId::Pcml).clock(clock).channels(channels)
        }
        _ => Codec::new(CodecId::Other(format.to_ascii_uppercase().into())),
    }
}
