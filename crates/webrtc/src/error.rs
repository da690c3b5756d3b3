//! Why an offer cannot be answered.

use thiserror::Error;

/// Why an offer cannot be answered. All but [`Error::Setup`] are found by
/// parsing alone, before a source is dialled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The text has no `m=` line.
    #[error("webrtc: offer is not a session description")]
    NotSdp,
    /// The text is longer than any browser's.
    #[error("webrtc: offer is too long")]
    TooLong,
    /// Credentials of the transport are missing.
    #[error("webrtc: offer has no {0}")]
    Missing(&'static str),
    /// The certificate fingerprint is not SHA-256.
    #[error("webrtc: offer has no SHA-256 fingerprint")]
    Fingerprint,
    /// No section carries a codec that we can send or receive.
    #[error("webrtc: offer has no usable medias{0}")]
    NoMedias(String),
    /// It is not the offer of a data channel alone.
    #[error("webrtc: the offer of one data channel and nothing else is needed")]
    NoChannel,
    /// The transport refused the offer.
    #[error("webrtc: {0}")]
    Setup(String),
}
