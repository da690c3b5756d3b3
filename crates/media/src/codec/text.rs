//! Codecs as people write them in parameters: `alaw/8000`, `s16le/16000/2`
//! (`spec/media.md` 1.3).

use super::{Codec, CodecId};

/// Highest sampling rate that is believed, in Hz.
const MAX_RATE: u32 = 768_000;

impl Codec {
    /// Reads `name[/clock[/channels]]` of a sound, in any case: FFmpeg's names,
    /// their short forms and the names of the API. `None` for anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let id = match parts.next()?.to_ascii_lowercase().as_str() {
            "pcm_s16be" | "s16be" | "pcm" | "l16" => CodecId::L16,
            "pcm_s16le" | "s16le" | "pcml" => CodecId::Pcml,
            "pcm_alaw" | "alaw" | "pcma" | "g711a" => CodecId::Pcma,
            "pcm_mulaw" | "mulaw" | "pcmu" | "g711u" => CodecId::Pcmu,
            "aac" | "mpeg4-generic" => CodecId::Aac,
            "opus" => CodecId::Opus,
            "flac" => CodecId::Flac,
            _ => return None,
        };
        let clock = parts.next().map(str::parse).transpose().ok()?.unwrap_or(0);
        let channels = parts.next().map(str::parse).transpose().ok()?.unwrap_or(0);
        let sane = clock <= MAX_RATE && channels <= 8 && parts.next().is_none();
        sane.then(|| Self::new(id).clock(clock).channels(channels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_contract() {
        for (text, line) in [
            ("pcm_s16be/16000", "L16/16000"),
            ("s16be", "L16"),
            ("pcm/8000/2", "L16/8000/2"),
            ("pcm_s16le", "PCML"),
            ("s16le/16000", "PCML/16000"),
            ("pcml/44100/2", "PCML/44100/2"),
            ("pcm_alaw/8000", "PCMA/8000"),
            ("ALAW/8000", "PCMA/8000"),
            ("g711a", "PCMA"),
            ("pcm_mulaw/8000", "PCMU/8000"),
            ("mulaw/8000/1", "PCMU/8000/1"),
            ("g711u", "PCMU"),
            ("aac/16000", "MPEG4-GENERIC/16000"),
            ("mpeg4-generic", "MPEG4-GENERIC"),
            ("opus/48000/2", "OPUS/48000/2"),
            ("flac/48000", "FLAC/48000"),
        ] {
            assert_eq!(Codec::from_text(text).unwrap().to_string(), line, "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in ["", "h264", "alaw/", "alaw/x", "alaw/8000/9", "alaw/8000/1/", "s16le/999999"] {
            assert_eq!(Codec::from_text(text), None, "{text}");
        }
    }
}
