//! Codecs whose bytes map to time directly: G.711, G.722 and linear PCM (RFC
//! 3551 sections 4.5.2, 4.5.11 and 4.5.14).

use crate::codec::{Codec, CodecId};

/// Bytes of one sample of all channels, for codecs of a constant rate; `None`
/// for others. Unspecified channels count as one.
pub fn sample_bytes(codec: &Codec) -> Option<usize> {
    let channels = usize::from(codec.channels.max(1));
    match codec.id {
        CodecId::Pcmu | CodecId::Pcma | CodecId::G722 => Some(channels),
        CodecId::L16 | CodecId::Pcml => Some(2 * channels),
        _ => None,
    }
}

/// Duration of `bytes` bytes in RTP clock ticks. G.722 counts 8000 ticks a
/// second for its 16000 samples, so one tick is one byte. `None` for codecs that
/// are not of constant rate.
pub fn duration(codec: &Codec, bytes: usize) -> Option<u32> {
    u32::try_from(bytes / sample_bytes(codec)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let pcma = Codec::new(CodecId::Pcma).clock(8000);
        assert_eq!(duration(&pcma, 160), Some(160));
        let stereo = Codec::new(CodecId::L16).clock(44_100).channels(2);
        assert_eq!(duration(&stereo, 1764), Some(441));
        assert_eq!(duration(&Codec::new(CodecId::Opus), 100), None);
    }
}
