//! G.711 sample by sample (ITU-T G.711 tables 1a to 2b, in the segment form of
//! ITU-T G.191): 16-bit linear PCM to and from eight logarithmic bits.

/// Added before the segment search, so that each segment begins at a power of two.
const MU_BIAS: i32 = 0x84;

/// One linear sample to µ-law (PCMU).
#[must_use]
pub fn encode_mu_law(sample: i16) -> u8 {
    let value = i32::from(sample);
    let (sign, magnitude) = if value < 0 { (0x80, -value) } else { (0, value) };
    let biased = magnitude.min(0x7FFF - MU_BIAS) + MU_BIAS;
    // Bits 7..=14 of the biased value select segment 0..=7.
    let segment = (biased >> 7).ilog2();
    let mantissa = (biased >> (segment + 3)) & 0x0F;
    !(sign | (segment << 4) as u8 | mantissa as u8)
}

/// One µ-law byte to a linear sample. The negative zero (0x7F) becomes -1, so that
/// coding again gives the same byte.
#[must_use]
pub fn decode_mu_law(byte: u8) -> i16 {
    if byte == 0x7F {
        return -1;
    }
    let code = !byte;
    let segment = (code >> 4) & 0x07;
    let magnitude = (((i32::from(code & 0x0F) << 3) + MU_BIAS) << segment) - MU_BIAS;
    (if code & 0x80 == 0 { magnitude } else { -magnitude }) as i16
}

/// One linear sample to A-law (PCMA).
#[must_use]
pub fn encode_a_law(sample: i16) -> u8 {
    // The law is defined on one's complement: -1 is the negative zero.
    let (sign, magnitude) =
        if sample < 0 { (0, i32::from(!sample)) } else { (0x80, i32::from(sample)) };
    let code = if magnitude < 0x100 {
        magnitude >> 4
    } else {
        let segment = (magnitude >> 7).ilog2();
        ((segment as i32) << 4) | ((magnitude >> (segment + 3)) & 0x0F)
    };
    (code as u8 | sign) ^ 0x55
}

/// One A-law byte to a linear sample.
#[must_use]
pub fn decode_a_law(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let segment = (code >> 4) & 0x07;
    let step = (i32::from(code & 0x0F) << 4) + 8;
    let magnitude = match segment {
        0 => step,
        _ => (step + 0x100) << (segment - 1),
    };
    (if code & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINEAR: &str = "FCCA00130343062808130B510D9E0F7610DA111113EA15BD16F2168215D41561";

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
            .collect()
    }

    fn linear() -> Vec<i16> {
        hex(LINEAR).chunks(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).collect()
    }

    #[test]
    fn mu_law_vector() {
        let coded: Vec<u8> = linear().into_iter().map(encode_mu_law).collect();
        assert_eq!(coded, hex("52FDD1C5BEB8B3B0AEAEABA9A8A8A9AA"));
    }

    #[test]
    fn a_law_vector() {
        let coded: Vec<u8> = linear().into_iter().map(encode_a_law).collect();
        assert_eq!(coded, hex("7CD4FFED95939E9B8584868083838080"));
    }

    #[test]
    fn known_points() {
        assert_eq!(encode_mu_law(0), 0xFF);
        assert_eq!(decode_mu_law(0xFF), 0);
        assert_eq!(encode_mu_law(i16::MAX), 0x80);
        assert_eq!(encode_mu_law(i16::MIN), 0x00);
        assert_eq!(decode_mu_law(0x80), 32124);
        assert_eq!(decode_mu_law(0x00), -32124);
        assert_eq!(encode_a_law(0), 0xD5);
        assert_eq!(decode_a_law(0xD5), 8);
        assert_eq!(encode_a_law(i16::MAX), 0xAA);
        assert_eq!(encode_a_law(i16::MIN), 0x2A);
        assert_eq!(decode_a_law(0xAA), 32256);
    }

    #[test]
    fn every_code_survives_a_round_trip() {
        for byte in 0..=255u8 {
            assert_eq!(encode_a_law(decode_a_law(byte)), byte);
            assert_eq!(encode_mu_law(decode_mu_law(byte)), byte);
        }
    }

    #[test]
    fn the_error_is_within_half_a_step() {
        for sample in (i16::MIN..=i16::MAX).step_by(7) {
            let limit = (i32::from(sample).abs() / 30).max(16) + 16;
            for back in [decode_mu_law(encode_mu_law(sample)), decode_a_law(encode_a_law(sample))] {
                let error = i32::from(back) - i32::from(sample);
                assert!(
                    error.abs() <= limit || sample.unsigned_abs() > 32000,
                    "{sample} came back as {back}"
                );
            }
        }
    }
}
