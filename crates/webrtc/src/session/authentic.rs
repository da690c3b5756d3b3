//! Which datagrams were authentic: str0m does not tell, its cipher does.
//!
//! The transport's crypto is wrapped: every media or control packet that was
//! decrypted, and so carried the viewer's key, is counted on this thread. A
//! session looks at the count around one input.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};

use str0m::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, Aes128CmSha1_80Cipher, CryptoError, CryptoProvider,
    SrtpProvider, SupportedAeadAes128Gcm, SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
    from_feature_flags,
};

thread_local! {
    static DECRYPTED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a packet was decrypted on this thread since the last call.
pub(super) fn take() -> bool {
    DECRYPTED.take()
}

/// The crypto of all sessions.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    static WATCHED: Watched = Watched;
    let provider = || Arc::new(CryptoProvider { srtp_provider: &WATCHED, ..from_feature_flags() });
    Arc::clone(PROVIDER.get_or_init(provider))
}

fn inner() -> &'static dyn SrtpProvider {
    static INNER: OnceLock<&'static dyn SrtpProvider> = OnceLock::new();
    *INNER.get_or_init(|| from_feature_flags().srtp_provider)
}

/// The backend's SRTP with watched ciphers.
#[derive(Debug)]
struct Watched;

impl SrtpProvider for Watched {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        &Self
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        &Self
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        &Self
    }

    fn srtp_aes_128_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        inner().srtp_aes_128_ecb_round(key, input, output);
    }

    fn srtp_aes_256_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        inner().srtp_aes_256_ecb_round(key, input, output);
    }
}

impl SupportedAes128CmSha1_80 for Watched {
    fn create_cipher(&self, key: [u8; 16], encrypt: bool) -> Box<dyn Aes128CmSha1_80Cipher> {
        let inner = inner().aes_128_cm_sha1_80().create_cipher(key, encrypt);
        if encrypt { inner } else { Box::new(Cipher(inner)) }
    }
}

impl SupportedAeadAes128Gcm for Watched {
    fn create_cipher(&self, key: [u8; 16], encrypt: bool) -> Box<dyn AeadAes128GcmCipher> {
        let inner = inner().aead_aes_128_gcm().create_cipher(key, encrypt);
        if encrypt { inner } else { Box::new(Cipher(inner)) }
    }
}

impl SupportedAeadAes256Gcm for Watched {
    fn create_cipher(&self, key: [u8; 32], encrypt: bool) -> Box<dyn AeadAes256GcmCipher> {
        let inner = inner().aead_aes_256_gcm().create_cipher(key, encrypt);
        if encrypt { inner } else { Box::new(Cipher(inner)) }
    }
}

/// A cipher that tells of every packet it opened.
#[derive(Debug)]
struct Cipher<T: ?Sized>(Box<T>);

fn told<T>(result: Result<T, CryptoError>) -> Result<T, CryptoError> {
    if result.is_ok() {
        DECRYPTED.set(true);
    }
    result
}

// The tag of this one is checked before the cipher is called.
impl Aes128CmSha1_80Cipher for Cipher<dyn Aes128CmSha1_80Cipher> {
    fn encrypt(
        &mut self,
        iv: &[u8; 16],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.0.encrypt(iv, input, output)
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 16],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        told(self.0.decrypt(iv, input, output))
    }
}

macro_rules! aead {
    ($cipher:ident) => {
        impl $cipher for Cipher<dyn $cipher> {
            fn encrypt(
                &mut self,
                iv: &[u8; 12],
                aad: &[u8],
                input: &[u8],
                output: &mut [u8],
            ) -> Result<(), CryptoError> {
                self.0.encrypt(iv, aad, input, output)
            }

            fn decrypt(
                &mut self,
                iv: &[u8; 12],
                aads: &[&[u8]],
                input: &[u8],
                output: &mut [u8],
            ) -> Result<usize, CryptoError> {
                told(self.0.decrypt(iv, aads, input, output))
            }
        }
    };
}

aead!(AeadAes128GcmCipher);
aead!(AeadAes256GcmCipher);
