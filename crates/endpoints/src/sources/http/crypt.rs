//! Segments that are encrypted as a whole: AES-128 in CBC mode with PKCS7 padding
//! (RFC 8216 4.3.2.4). Nothing here tells a key.

use std::fmt;

use aws_lc_rs::cipher::{
    AES_128, AES_128_KEY_LEN, DecryptionContext, StreamingDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind};

/// Bytes of a block.
const BLOCK: usize = 16;

/// A key. It is shown to nobody.
#[derive(Clone)]
pub(super) struct Key([u8; AES_128_KEY_LEN]);

impl Key {
    /// Bytes that an answer with a key may have, so that a page is told from one.
    pub(super) const LIMIT: usize = 64;

    /// A key as it was fetched.
    ///
    /// # Errors
    /// `Protocol` if it has not 16 bytes.
    pub(super) fn new(bytes: &[u8]) -> Result<Self, Error> {
        let key = bytes.try_into().map_err(|_| {
            let text = format!("the key of the segments has {} bytes, not 16", bytes.len());
            Error::new(ErrorKind::Protocol, text)
        });
        key.map(Self)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// Decrypts a file as it comes.
pub(super) struct Decryptor {
    state: Option<StreamingDecryptingKey>,
}

impl Decryptor {
    /// With a key and the vector that it begins with.
    ///
    /// # Errors
    /// `Protocol` if the library refuses it.
    pub(super) fn new(key: &Key, iv: [u8; BLOCK]) -> Result<Self, Error> {
        let state = UnboundCipherKey::new(&AES_128, &key.0).and_then(|key| {
            let context = DecryptionContext::Iv128(FixedLength::from(iv));
            StreamingDecryptingKey::cbc_pkcs7(key, context)
        });
        Ok(Self { state: Some(state.map_err(|_| wrong())?) })
    }

    /// The next bytes; what is not a whole block yet is kept.
    pub(super) fn update(&mut self, bytes: &[u8]) -> Result<Bytes, Error> {
        let Some(state) = &mut self.state else { return Ok(Bytes::new()) };
        let mut out = vec![0; bytes.len() + BLOCK];
        let length = state.update(bytes, &mut out).map_err(|_| wrong())?.written().len();
        out.truncate(length);
        Ok(out.into())
    }

    /// What is left at the end. Then there is nothing more.
    ///
    /// # Errors
    /// `Protocol`: it does not end as it must, so the key is a wrong one or something is
    /// missing.
    pub(super) fn finish(&mut self) -> Result<Bytes, Error> {
        let Some(state) = self.state.take() else { return Ok(Bytes::new()) };
        let mut out = vec![0; BLOCK];
        let length = state.finish(&mut out).map_err(|_| wrong())?.written().len();
        out.truncate(length);
        Ok(out.into())
    }
}

fn wrong() -> Error {
    Error::new(ErrorKind::Protocol, "the segments cannot be decrypted with their key")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] = *b"\x2b\x7e\x15\x16\x28\xae\xd2\xa6\xab\xf7\x15\x88\x09\xcf\x4f\x3c";
    const IV: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    /// The first block of NIST SP 800-38A F.2.1, and a block of padding behind it.
    const PLAIN: &[u8; 16] = b"\x6b\xc1\xbe\xe2\x2e\x40\x9f\x96\xe9\x3d\x7e\x11\x73\x93\x17\x2a";
    const CIPHER: &[u8; 16] = b"\x76\x49\xab\xac\x81\x19\xb2\x46\xce\xe9\x8e\x9b\x12\xe9\x19\x7d";

    fn encrypted() -> Vec<u8> {
        use aws_lc_rs::cipher::{EncryptionContext, PaddedBlockEncryptingKey};
        let key = UnboundCipherKey::new(&AES_128, &KEY).unwrap();
        let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).unwrap();
        let mut bytes = PLAIN.to_vec();
        let context = EncryptionContext::Iv128(FixedLength::from(IV));
        key.less_safe_encrypt(&mut bytes, context).unwrap();
        bytes
    }

    #[test]
    fn pieces_of_any_length_are_decrypted() {
        let bytes = encrypted();
        assert_eq!((&bytes[..16], bytes.len()), (&CIPHER[..], 32));
        for length in 1..=33 {
            let mut decryptor = Decryptor::new(&Key::new(&KEY).unwrap(), IV).unwrap();
            let mut plain = Vec::new();
            for piece in bytes.chunks(length) {
                plain.extend(decryptor.update(piece).unwrap());
            }
            plain.extend(decryptor.finish().unwrap());
            assert_eq!(plain, PLAIN, "{length}");
            assert!(decryptor.finish().unwrap().is_empty());
        }
    }

    #[test]
    fn what_is_cut_or_has_another_key_is_refused() {
        let bytes = encrypted();
        for length in (0..bytes.len()).filter(|length| length % 16 != 0) {
            let mut decryptor = Decryptor::new(&Key::new(&KEY).unwrap(), IV).unwrap();
            let _ = decryptor.update(&bytes[..length]).unwrap();
            assert!(decryptor.finish().is_err(), "{length}");
        }
        let mut other = Decryptor::new(&Key::new(&IV).unwrap(), IV).unwrap();
        let _ = other.update(&bytes).unwrap();
        assert_eq!(other.finish().unwrap_err().kind(), ErrorKind::Protocol);
        for wrong in [&KEY[..15], &[0; 17], &[]] {
            assert_eq!(Key::new(wrong).unwrap_err().kind(), ErrorKind::Protocol);
        }
        assert_eq!(format!("{:?}", Key::new(&KEY).unwrap()), "Key");
    }
}
