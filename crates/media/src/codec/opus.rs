//! Opus: what the first bytes of a packet tell (RFC 6716 section 3.1 and 3.2).

/// The clock rate of Opus in RTP, in Hz (RFC 7587 section 4.1).
pub const CLOCK_RATE: u32 = 48_000;

/// Samples at 48 kHz that a packet decodes to, 120..=5760. `None` for an empty
/// packet, a missing frame count, or more than 120 ms.
pub fn duration(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    let samples = frames * frame_samples(toc);
    (1..=5760).contains(&samples).then_some(samples)
}

/// Channels of a packet: 1 or 2. `None` for an empty one.
pub fn channels(packet: &[u8]) -> Option<u8> {
    packet.first().map(|toc| if toc & 4 == 0 { 1 } else { 2 })
}

/// Samples at 48 kHz of one frame by configuration number (table 2).
const fn frame_samples(toc: u8) -> u32 {
    let config = toc >> 3;
    match config {
        0..=11 => [480, 960, 1920, 2880][(config & 3) as usize],
        12..=15 => [480, 960][(config & 1) as usize],
        _ => [120, 240, 480, 960][(config & 3) as usize],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration(&[0xfc, 0]), Some(960));
        assert_eq!(duration(&[0xe0, 0]), Some(120));
        assert_eq!(duration(&[0xfd, 0]), Some(1920));
        assert_eq!(duration(&[0x18, 0]), Some(2880));
        assert_eq!(duration(&[0xff, 3]), Some(2880));
        assert_eq!(duration(&[0xff]), None);
        assert_eq!(duration(&[0xff, 63]), None);
        assert_eq!(duration(&[]), None);
        for toc in 0..=255 {
            let _ = duration(&[toc, toc]);
        }
    }

    #[test]
    fn stereo_flag() {
        assert_eq!(channels(&[0xfc]), Some(2));
        assert_eq!(channels(&[0xf8]), Some(1));
        assert_eq!(channels(&[]), None);
    }
}
