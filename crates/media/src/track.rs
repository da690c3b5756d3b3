//! What a connection offers or wants: medias and how they are matched.
//!
//! Source: the contract's rules for kinds, directions and codec order
//! (`spec/core.md` 6.2).

use std::fmt;

use crate::codec::Codec;

/// Kind of a media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Anything else (ONVIF metadata, data channels); never carried.
    Other,
}

impl Kind {
    /// The name used in SDP and in the API: `video`, `audio`, `application`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Other => "application",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Direction of a media, seen from the local side of its connection.
///
/// A camera's picture is `RecvOnly` on the producer and `SendOnly` on the
/// consumer; a microphone (backchannel) is the reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// We send on this connection.
    SendOnly,
    /// We receive on this connection.
    RecvOnly,
}

impl Direction {
    /// The SDP attribute name: `sendonly` or `recvonly`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
        }
    }

    /// The same media seen from the other end.
    #[must_use]
    pub const fn inverted(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One media of a connection: kind, direction and codecs in order of preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Video, audio or other.
    pub kind: Kind,
    /// Direction from the local side.
    pub direction: Direction,
    /// Acceptable codecs, best first. A producer's media lists what it has, a
    /// consumer's what it takes (wildcards allowed).
    pub codecs: Vec<Codec>,
    /// The connection's own name for it: RTSP `control`, WebRTC `mid`; may be empty.
    pub id: String,
}

impl Media {
    /// A media with one codec and no id.
    pub fn new(kind: Kind, direction: Direction, codec: Codec) -> Self {
        Self { kind, direction, codecs: vec![codec], id: String::new() }
    }
}

/// The API's one-line form, e.g. `audio, recvonly, MPEG4-GENERIC/16000`
/// (`spec/api.md` 3.1). A codec text already contained in the line is skipped.
impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = format!("{}, {}", self.kind, self.direction);
        for codec in &self.codecs {
            let text = codec.to_string();
            if !line.contains(&text) {
                line.push_str(", ");
                line.push_str(&text);
            }
        }
        f.write_str(&line)
    }
}

/// A pair found by [`match_medias`]: indexes into the two codec lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Index in the producer's media.
    pub producer: usize,
    /// Index in the consumer's media.
    pub consumer: usize,
}

/// Finds the first matching codec pair of a producer's and a consumer's media.
///
/// Kinds must be equal and directions opposite. Producer order has priority,
/// and wildcards count on the consumer side only (`spec/core.md` 6.2).
pub fn match_medias(producer: &Media, consumer: &Media) -> Option<Match> {
    if producer.kind != consumer.kind || producer.direction == consumer.direction {
        return None;
    }
    producer.codecs.iter().enumerate().find_map(|(p, offered)| {
        consumer
            .codecs
            .iter()
            .position(|wanted| offered.matches(wanted))
            .map(|c| Match { producer: p, consumer: c })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::CodecId;

    fn media(direction: Direction, codecs: &[CodecId]) -> Media {
        Media {
            kind: Kind::Audio,
            direction,
            codecs: codecs.iter().cloned().map(Codec::new).collect(),
            id: String::new(),
        }
    }

    #[test]
    fn producer_order_has_priority() {
        let p = media(Direction::RecvOnly, &[CodecId::Pcma, CodecId::Opus]);
        let c = media(Direction::SendOnly, &[CodecId::Opus, CodecId::Pcma]);
        assert_eq!(match_medias(&p, &c), Some(Match { producer: 0, consumer: 1 }));
    }

    #[test]
    fn wildcard_counts_on_the_consumer_side_only() {
        let p = media(Direction::RecvOnly, &[CodecId::Pcma]);
        let any = media(Direction::SendOnly, &[CodecId::Any]);
        assert!(match_medias(&p, &any).is_some());
        let p_any = media(Direction::RecvOnly, &[CodecId::Any]);
        let c = media(Direction::SendOnly, &[CodecId::Pcma]);
        assert!(match_medias(&p_any, &c).is_none());
    }

    #[test]
    fn same_direction_never_matches() {
        let p = media(Direction::RecvOnly, &[CodecId::Pcma]);
        assert!(match_medias(&p, &p).is_none());
    }

    #[test]
    fn line_form_skips_contained_codecs() {
        let mut m = media(Direction::SendOnly, &[CodecId::Pcma, CodecId::Pcma]);
        m.codecs[0].clock_rate = 8000;
        assert_eq!(m.to_string(), "audio, sendonly, PCMA/8000");
        m.codecs.swap(0, 1);
        assert_eq!(m.to_string(), "audio, sendonly, PCMA, PCMA/8000");
        m.codecs[1].clock_rate = 0;
        assert_eq!(m.to_string(), "audio, sendonly, PCMA");
    }
}
