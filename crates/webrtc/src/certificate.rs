//! The DTLS certificate: self-signed, made once per process.

use std::fmt;

use str0m::config::DtlsCert;

use crate::Error;

/// A self-signed certificate, shared by all sessions of a process (making one
/// per session costs time and gains nothing: viewers know it by its fingerprint).
#[derive(Clone)]
pub struct Certificate(pub(crate) DtlsCert);

impl Certificate {
    /// Makes a certificate with a fresh key.
    ///
    /// # Errors
    /// [`Error::Setup`] if the crypto library has no randomness.
    pub fn generate() -> Result<Self, Error> {
        str0m::crypto::from_feature_flags()
            .dtls_provider
            .generate_certificate()
            .map(Self)
            .ok_or_else(|| Error::Setup("cannot make a certificate".to_owned()))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}
