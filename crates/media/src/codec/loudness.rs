//! Whether a packet of sound has anything to hear in it, where that shows without
//! decoding: linear PCM and G.711 by their samples, Opus (RFC 6716) by its length.

use crate::codec::{CodecId, g711};

/// Samples up to 1 % of full scale (-40 dB) are silence: the noise of a microphone in a
/// quiet room is below that, speech far above.
const QUIET: u16 = 328;
/// A packet of Opus as short as this codes silence: one byte of configuration and at
/// most two of a frame (DTX, or digital silence at a constant rate).
const EMPTY_OPUS: usize = 3;

/// Whether a packet is silence; `None` for codecs that do not show it.
#[must_use]
pub fn is_silent(codec: &CodecId, payload: &[u8]) -> Option<bool> {
    let is_quiet = |sample: i16| sample.unsigned_abs() <= QUIET;
    let samples = |decode: fn([u8; 2]) -> i16| {
        payload.chunks_exact(2).all(|pair| is_quiet(decode([pair[0], pair[1]])))
    };
    match codec {
        CodecId::Pcma => Some(payload.iter().all(|byte| is_quiet(g711::decode_a_law(*byte)))),
        CodecId::Pcmu => Some(payload.iter().all(|byte| is_quiet(g711::decode_mu_law(*byte)))),
        CodecId::L16 => Some(samples(i16::from_be_bytes)),
        CodecId::Pcml => Some(samples(i16::from_le_bytes)),
        CodecId::Opus => Some(payload.len() <= EMPTY_OPUS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_is_told_from_silence() {
        let says = |id: CodecId, payload: &[u8]| is_silent(&id, payload);
        let coded = |sample: i16| [g711::encode_a_law(sample), g711::encode_mu_law(sample)];
        for (sample, silent) in [(0, true), (-300, true), (1000, false), (i16::MIN, false)] {
            let [a, mu] = coded(sample);
            let quiet = coded(0);
            assert_eq!(says(CodecId::Pcma, &[quiet[0], a]), Some(silent), "{sample}");
            assert_eq!(says(CodecId::Pcmu, &[quiet[1], mu]), Some(silent), "{sample}");
            assert_eq!(says(CodecId::L16, &sample.to_be_bytes()), Some(silent), "{sample}");
            assert_eq!(says(CodecId::Pcml, &sample.to_le_bytes()), Some(silent), "{sample}");
        }
        assert_eq!(says(CodecId::Opus, &[0xF8, 0xFF, 0xFE]), Some(true));
        assert_eq!(says(CodecId::Opus, &[0xF8; 40]), Some(false));
        assert_eq!(says(CodecId::Aac, &[0]), None);
        for id in [CodecId::Pcma, CodecId::Pcmu, CodecId::L16, CodecId::Pcml, CodecId::Opus] {
            assert_eq!(says(id, &[]), Some(true), "nothing is silence");
        }
    }
}
