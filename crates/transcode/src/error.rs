//! The error of every encoder and decoder of this crate.

/// Result of an encoder or decoder call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a codec could not be set up or a frame could not be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is outside what the codec accepts.
    #[error("{codec}: {name} is {value}, allowed is {allowed}")]
    Setting {
        /// Codec name as on the wire, for example `H264`.
        codec: &'static str,
        /// Name of the setting.
        name: &'static str,
        /// The refused value.
        value: String,
        /// The accepted range in words.
        allowed: &'static str,
    },
    /// The input has not the shape that was agreed when the codec was set up.
    #[error("{codec}: {reason}")]
    Input {
        /// Codec name as on the wire.
        codec: &'static str,
        /// What is wrong with the input.
        reason: String,
    },
    /// The codec library refused to work.
    #[error("{codec}: {reason}")]
    Library {
        /// Codec name as on the wire.
        codec: &'static str,
        /// The library's own words.
        reason: String,
    },
}
