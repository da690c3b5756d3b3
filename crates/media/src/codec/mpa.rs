//! MPEG audio (MP3 and its older layers): what a frame header tells (ISO/IEC
//! 11172-3 2.4.1.3, ISO/IEC 13818-3 2.4.2.3).

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Sampling rate in Hz.
    pub rate: u32,
    /// 1 or 2.
    pub channels: u8,
    /// Samples of each channel, 384..=1152.
    pub samples: u32,
    /// Bytes of the frame with its header.
    pub len: usize,
}

/// kbit/s of MPEG-1 layers 1, 2, 3 and of MPEG-2 layers 1 and 2/3, by index.
const BIT_RATES: [[u16; 15]; 5] = [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

impl Header {
    /// Parses the beginning of a frame. `None` if it is too short, has no sync
    /// word, reserved values or a free bit rate.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let [0xff, b1, b2, b3] = *data.first_chunk::<4>()? else { return None };
        let (version, layer) = (b1 >> 3 & 3, 4 - (b1 >> 1 & 3));
        if b1 & 0xe0 != 0xe0 || version == 1 || layer == 4 {
            return None;
        }
        let is_first = version == 3;
        let halvings = match version {
            3 => 0,
            2 => 1,
            _ => 2,
        };
        let rate = [44_100, 48_000, 32_000].get(usize::from(b2 >> 2 & 3))? >> halvings;
        let table = match (is_first, layer) {
            (true, layer) => usize::from(layer) - 1,
            (false, 1) => 3,
            (false, _) => 4,
        };
        let bit_rate = *BIT_RATES.get(table)?.get(usize::from(b2 >> 4))?;
        let samples = match (layer, is_first) {
            (1, _) => 384,
            (3, false) => 576,
            _ => 1152,
        };
        let padding = usize::from(b2 >> 1 & 1);
        let per_second = usize::from(bit_rate) * 1000;
        let len = match layer {
            1 => (12 * per_second / rate as usize + padding) * 4,
            _ => samples as usize / 8 * per_second / rate as usize + padding,
        };
        let channels = if b3 >> 6 == 3 { 1 } else { 2 };
        (bit_rate > 0).then_some(Self { rate, channels, samples, len })
    }
}

/// Samples of each channel of the whole frames in a packet; 0 without a frame.
pub fn samples(packet: &[u8]) -> u32 {
    let mut at = 0;
    let mut samples = 0;
    while let Some(header) = packet.get(at..).and_then(Header::parse) {
        samples += header.samples;
        at += header.len.max(4);
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        // MPEG-1 layer 3, 128 kbit/s, 44.1 kHz, joint stereo.
        let header = Header::parse(&[0xff, 0xfb, 0x90, 0x64]).unwrap();
        assert_eq!(header, Header { rate: 44_100, channels: 2, samples: 1152, len: 417 });
        // MPEG-2 layer 3, 32 kbit/s, 16 kHz, mono.
        let header = Header::parse(&[0xff, 0xf3, 0x48, 0xc4]).unwrap();
        assert_eq!(header, Header { rate: 16_000, channels: 1, samples: 576, len: 144 });
        for broken in [&[0xff, 0xfb, 0x90][..], &[0xff, 0xfb, 0xf0, 0], &[0xff, 0xfb, 0x9c, 0]] {
            assert_eq!(Header::parse(broken), None);
        }
        for b1 in 0..=255 {
            for b2 in 0..=255 {
                let _ = samples(&[0xff, b1, b2, 0, 0xff, b1, b2, 0]);
            }
        }
    }
}
