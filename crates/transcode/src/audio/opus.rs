//! Opus (RFC 6716) at 48 kHz, 20 ms packets (RFC 7587).

use bytes::Bytes;
use rusty_opus::{Application, OpusDecoder, OpusEncoder};

use crate::{Error, Result};

const CODEC: &str = "OPUS";
/// The RTP clock is always 48 kHz (RFC 7587 4.1).
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples per channel in one packet of 20 ms.
pub const FRAME_SAMPLES: usize = 960;
/// The longest packet is 120 ms (RFC 6716 2.1.4).
const MAX_SAMPLES: usize = 5760;
/// An Opus frame has at most 1275 bytes (RFC 6716 3.4 rule R2), plus the TOC byte.
const MAX_PACKET: usize = 1276;

/// Settings of an [`Encoder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// 1 or 2.
    pub channels: u8,
    /// Target in bits per second, 6_000..=510_000.
    pub bitrate: u32,
    /// 0..=10; 5 costs about 0.6 % of a core, 10 three times that.
    pub complexity: u8,
    /// 2.5 ms instead of 6.5 ms look-ahead; without the speech modes, so for 48
    /// kbit/s and more.
    pub low_delay: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { channels: 1, bitrate: 64_000, complexity: 5, low_delay: true }
    }
}

/// Opus encoder.
pub struct Encoder {
    inner: OpusEncoder,
    config: Config,
    float: Vec<f32>,
}

impl Encoder {
    /// Sets up the library.
    ///
    /// # Errors
    ///
    /// A setting is out of range.
    pub fn new(config: Config) -> Result<Self> {
        let refuse = |name, value: u32, allowed| {
            Err(Error::Setting { codec: CODEC, name, value: value.to_string(), allowed })
        };
        if !(1..=2).contains(&config.channels) {
            return refuse("channels", config.channels.into(), "1 or 2");
        }
        if !(6_000..=510_000).contains(&config.bitrate) {
            return refuse("bitrate", config.bitrate, "6000 to 510000 bit/s");
        }
        if config.complexity > 10 {
            return refuse("complexity", config.complexity.into(), "0 to 10");
        }
        let application =
            if config.low_delay { Application::RestrictedLowDelay } else { Application::Audio };
        let mut inner =
            OpusEncoder::new(SAMPLE_RATE as i32, usize::from(config.channels), application)
                .map_err(library)?;
        inner.bitrate_bps = config.bitrate as i32;
        inner.complexity = config.complexity.into();
        inner.lsb_depth = 16;
        Ok(Self { inner, config, float: Vec::with_capacity(FRAME_SAMPLES * 2) })
    }
}

impl super::Encoder for Encoder {
    fn sample_rate(&self) -> u32 {
        SAMPLE_RATE
    }

    fn channels(&self) -> u8 {
        self.config.channels
    }

    fn frame_samples(&self) -> usize {
        FRAME_SAMPLES
    }

    fn encode(&mut self, pcm: &[i16]) -> Result<Bytes> {
        if pcm.len() != FRAME_SAMPLES * usize::from(self.config.channels) {
            return Err(Error::Input {
                codec: CODEC,
                reason: format!(
                    "{} samples given, a packet takes {FRAME_SAMPLES} for each of {} channels",
                    pcm.len(),
                    self.config.channels
                ),
            });
        }
        self.float.clear();
        self.float.extend(pcm.iter().map(|&sample| f32::from(sample) / 32768.0));
        let mut packet = [0; MAX_PACKET];
        let len = self.inner.encode(&self.float, FRAME_SAMPLES, &mut packet).map_err(library)?;
        Ok(Bytes::copy_from_slice(packet.get(..len).unwrap_or_default()))
    }
}

/// Opus decoder; safe on packets from the network.
pub struct Decoder {
    inner: OpusDecoder,
    channels: u8,
    float: Vec<f32>,
}

impl Decoder {
    /// Decodes to 48 kHz with 1 or 2 interleaved channels, whatever was sent.
    ///
    /// # Errors
    ///
    /// The number of channels is not 1 or 2.
    pub fn new(channels: u8) -> Result<Self> {
        let inner = OpusDecoder::new(SAMPLE_RATE as i32, usize::from(channels)).map_err(library)?;
        Ok(Self { inner, channels, float: vec![0.0; MAX_SAMPLES * usize::from(channels)] })
    }

    /// Decodes one packet, at most 120 ms. `None` stands for a lost packet of
    /// `FRAME_SAMPLES`, which is concealed.
    ///
    /// # Errors
    ///
    /// The packet is not Opus.
    pub fn decode(&mut self, packet: Option<&[u8]>) -> Result<Vec<i16>> {
        let (input, limit) = match packet {
            Some([]) => {
                return Err(Error::Input { codec: CODEC, reason: "an empty packet".into() });
            }
            Some(packet) => (packet, MAX_SAMPLES),
            None => (&[][..], FRAME_SAMPLES),
        };
        let samples = self.inner.decode(input, limit, &mut self.float).map_err(library)?;
        let count = samples.saturating_mul(usize::from(self.channels));
        Ok(self
            .float
            .iter()
            .take(count)
            .map(|&sample| (sample * 32768.0).round().clamp(-32768.0, 32767.0) as i16)
            .collect())
    }
}

fn library(error: rusty_opus::Error) -> Error {
    Error::Library { codec: CODEC, reason: error.to_string() }
}
