//! G.711 as an [`Encoder`](super::Encoder): 8 kHz, mono, 20 ms packets (RFC 3551 4.5.14).

use bytes::Bytes;

use crate::{Error, Result, g711};

/// Which companding law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// PCMU, RTP payload type 0.
    Mu,
    /// PCMA, RTP payload type 8.
    A,
}

/// G.711 encoder for 20 ms packets at 8 kHz.
#[derive(Debug, Clone, Copy)]
pub struct G711(Law);

impl G711 {
    const FRAME: usize = 160;

    /// An encoder for that law.
    #[must_use]
    pub fn new(law: Law) -> Self {
        Self(law)
    }
}

impl super::Encoder for G711 {
    fn sample_rate(&self) -> u32 {
        8000
    }

    fn channels(&self) -> u8 {
        1
    }

    fn frame_samples(&self) -> usize {
        Self::FRAME
    }

    fn encode(&mut self, pcm: &[i16]) -> Result<Bytes> {
        let (codec, encode): (_, fn(i16) -> u8) = match self.0 {
            Law::Mu => ("PCMU", g711::encode_mu_law),
            Law::A => ("PCMA", g711::encode_a_law),
        };
        if pcm.len() != Self::FRAME {
            return Err(Error::Input {
                codec,
                reason: format!("{} samples given, a packet takes 160", pcm.len()),
            });
        }
        Ok(pcm.iter().map(|&sample| encode(sample)).collect())
    }
}
