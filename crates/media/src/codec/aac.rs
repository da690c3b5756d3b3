//! AAC: AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1) and ADTS frame headers
//! (ISO/IEC 14496-3 1.A.3.2).

use std::fmt::Write as _;

use crate::codec::bits::{BitReader, BitWriter};
use crate::codec::fmtp_value;

/// Sampling frequencies in Hz by index (table 1.18).
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000,
    7350,
];

/// Bytes of an ADTS header without CRC.
pub const ADTS_HEADER: usize = 7;

/// The parameters of an AAC stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioSpecificConfig {
    /// Audio object type: 2 is AAC-LC, 5 SBR, 29 PS, 39 AAC-ELD.
    pub object_type: u8,
    /// Sampling rate in Hz.
    pub rate: u32,
    /// Channels, 1..=8; 0 if described inside the stream.
    pub channels: u8,
    /// Samples per frame and channel: 1024, or 960; 512 or 480 for ELD.
    pub frame_length: u16,
}

impl AudioSpecificConfig {
    /// AAC-LC with 1024 samples per frame.
    pub const fn lc(rate: u32, channels: u8) -> Self {
        Self { object_type: 2, rate, channels, frame_length: 1024 }
    }

    /// Parses a config. `None` if it ends too early or has reserved values.
    /// With SBR or PS signalled in front, the rate is that of the core.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let mut r = BitReader::new(data);
        let object_type = read_object_type(&mut r)?;
        let rate = read_rate(&mut r)?;
        let channels = match r.bits(4)? as u8 {
            7 => 8,
            n @ 0..=6 => n,
            11 => 7,
            12 | 14 => 8,
            _ => return None,
        };
        let mut core = object_type;
        if matches!(object_type, 5 | 29) {
            read_rate(&mut r)?;
            core = read_object_type(&mut r)?;
        }
        let short = r.bit().unwrap_or(false);
        let frame_length = match (core, short) {
            (39, false) => 512,
            (39, true) => 480,
            (_, false) => 1024,
            (_, true) => 960,
        };
        Some(Self { object_type, rate, channels, frame_length })
    }

    /// The config as bytes: object type, rate, channels and frame length flag,
    /// without extensions.
    pub fn write(&self) -> Vec<u8> {
        let mut w = BitWriter::default();
        if self.object_type >= 31 {
            w.bits(31, 5);
            w.bits(u32::from(self.object_type - 32), 6);
        } else {
            w.bits(self.object_type.into(), 5);
        }
        match RATES.iter().position(|r| *r == self.rate) {
            Some(index) => w.bits(u32::try_from(index).unwrap_or(0), 4),
            None => {
                w.bits(15, 4);
                w.bits(self.rate, 24);
            }
        }
        w.bits(if self.channels == 8 { 7 } else { self.channels.into() }, 4);
        w.bits(u32::from(matches!(self.frame_length, 960 | 480)), 1);
        w.into_bytes()
    }

    /// Reads `config=` of an SDP `fmtp`.
    pub fn from_fmtp(fmtp: &str) -> Option<Self> {
        Self::parse(&config_bytes(fmtp)?)
    }

    /// The SDP `fmtp` of RFC 3640 high bit-rate mode with this config.
    pub fn to_fmtp(&self) -> String {
        fmtp_with_config(&self.write())
    }
}

/// The bytes of `config=` in an SDP `fmtp`; a last odd digit is left out.
pub fn config_bytes(fmtp: &str) -> Option<Vec<u8>> {
    let digits = fmtp_value(fmtp, "config")?.as_bytes();
    let bytes: Option<Vec<u8>> = digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    bytes.filter(|b| !b.is_empty())
}

/// The SDP `fmtp` of RFC 3640 high bit-rate mode with a config of any content.
pub fn fmtp_with_config(config: &[u8]) -> String {
    let mut fmtp = String::from(
        "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=",
    );
    for byte in config {
        let _ = write!(fmtp, "{byte:02X}");
    }
    fmtp
}

fn read_object_type(r: &mut BitReader<'_>) -> Option<u8> {
    let code = match r.bits(5)? {
        31 => 32 + r.bits(6)?,
        code => code,
    };
    u8::try_from(code).ok().filter(|c| *c != 0)
}

fn read_rate(r: &mut BitReader<'_>) -> Option<u32> {
    match r.bits(4)? {
        15 => r.bits(24).filter(|rate| *rate > 0),
        index => RATES.get(usize::try_from(index).ok()?).copied(),
    }
}

/// The header of an ADTS frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdtsHeader {
    /// MPEG-2 rather than MPEG-4 (the `ID` bit).
    pub mpeg2: bool,
    /// Audio object type, 1..=4; 2 is AAC-LC.
    pub object_type: u8,
    /// Index of the sampling rate, 0..=12.
    pub rate_index: u8,
    /// Channel configuration, 0..=7.
    pub channel_config: u8,
    /// Bytes of the header: 7, or 9 with CRC.
    pub header_len: usize,
    /// Bytes of the whole frame, header included.
    pub frame_len: usize,
}

impl AdtsHeader {
    /// A header without CRC for a frame of `payload` bytes; `None` if the rate
    /// is not in the table, the object type above 4 or the payload above 8184 bytes.
    pub fn new(config: &AudioSpecificConfig, payload: usize) -> Option<Self> {
        let rate_index = RATES.iter().position(|r| *r == config.rate)?;
        let frame_len = payload.checked_add(ADTS_HEADER).filter(|len| *len < 1 << 13)?;
        // SBR and PS travel as their LC core.
        let object_type = if matches!(config.object_type, 5 | 29) { 2 } else { config.object_type };
        (1..=4).contains(&object_type).then_some(Self {
            mpeg2: false,
            object_type,
            rate_index: u8::try_from(rate_index).ok()?,
            channel_config: if config.channels == 8 { 7 } else { config.channels.min(7) },
            header_len: ADTS_HEADER,
            frame_len,
        })
    }

    /// Parses the beginning of a frame; `None` if it is too short, has no sync
    /// word, a reserved rate, or a length below its header's.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let [0xff, b1, b2, b3, b4, b5, _] = *data.first_chunk::<7>()? else { return None };
        if b1 & 0xf6 != 0xf0 {
            return None;
        }
        let header = Self {
            mpeg2: b1 & 8 != 0,
            object_type: (b2 >> 6) + 1,
            rate_index: b2 >> 2 & 15,
            channel_config: (b2 & 1) << 2 | b3 >> 6,
            header_len: if b1 & 1 == 1 { 7 } else { 9 },
            frame_len: usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5 >> 5),
        };
        let sane =
            usize::from(header.rate_index) < RATES.len() && header.frame_len >= header.header_len;
        sane.then_some(header)
    }

    /// The 7 bytes of a header without CRC, buffer fullness "variable rate".
    pub const fn write(&self) -> [u8; ADTS_HEADER] {
        let len = self.frame_len;
        [
            0xff,
            0xf1 | (self.mpeg2 as u8) << 3,
            (self.object_type.wrapping_sub(1) & 3) << 6
                | (self.rate_index & 15) << 2
                | (self.channel_config >> 2 & 1),
            (self.channel_config & 3) << 6 | (len >> 11 & 3) as u8,
            (len >> 3 & 0xff) as u8,
            ((len & 7) as u8) << 5 | 0x1f,
            0xfc,
        ]
    }

    /// The config that describes the stream.
    pub fn config(&self) -> AudioSpecificConfig {
        AudioSpecificConfig {
            object_type: self.object_type,
            rate: RATES.get(usize::from(self.rate_index)).copied().unwrap_or(0),
            channels: if self.channel_config == 7 { 8 } else { self.channel_config },
            frame_length: 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tests::hex;

    #[test]
    fn config_vectors() {
        for (bytes, rate) in [("1188", 48_000), ("1408", 16_000), ("1588", 8000)] {
            let config = AudioSpecificConfig::parse(&hex(bytes)).unwrap();
            assert_eq!(config, AudioSpecificConfig::lc(rate, 1));
            assert_eq!(config.write(), hex(bytes));
        }
        let eld = AudioSpecificConfig::parse(&hex("F8EC3000")).unwrap();
        assert_eq!(
            (eld.object_type, eld.rate, eld.channels, eld.frame_length),
            (39, 24_000, 1, 480)
        );
        let sbr = AudioSpecificConfig::parse(&hex("2b920800")).unwrap();
        assert_eq!((sbr.object_type, sbr.rate, sbr.channels), (5, 22_050, 2));
    }

    #[test]
    fn explicit_rate_round_trip() {
        let config = AudioSpecificConfig::lc(12_345, 2);
        assert_eq!(AudioSpecificConfig::parse(&config.write()), Some(config));
        let bytes = config.write();
        for n in 0..bytes.len() {
            let _ = AudioSpecificConfig::parse(&bytes[..n]);
        }
    }

    #[test]
    fn fmtp_round_trip() {
        let config = AudioSpecificConfig::lc(16_000, 1);
        let fmtp = "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1408";
        assert_eq!(config.to_fmtp(), fmtp);
        assert_eq!(AudioSpecificConfig::from_fmtp(fmtp), Some(config));
        assert_eq!(
            AudioSpecificConfig::from_fmtp("mode=AAC-hbr; config=118856E500").map(|c| c.rate),
            Some(48_000)
        );
        assert_eq!(AudioSpecificConfig::from_fmtp("config=zz"), None);
    }

    #[test]
    fn adts_header() {
        let bytes = hex("fff15080021ffc");
        let header = AdtsHeader::parse(&bytes).unwrap();
        assert_eq!(
            (header.config().rate, header.config().channels, header.frame_len),
            (44_100, 2, 16)
        );
        assert_eq!(header.write(), bytes[..]);
        assert_eq!(AdtsHeader::new(&header.config(), 9), Some(header));
        for n in 0..bytes.len() {
            assert_eq!(AdtsHeader::parse(&bytes[..n]), None);
        }
        assert_eq!(AdtsHeader::parse(&[0xff; 7]), None);
    }
}
