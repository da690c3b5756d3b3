//! Which datagrams were authentic: str0m does not tell, its cipher does.
//!
//! The transport's crypto is wrapped: what was decrypted carried the viewer's
//! key, and is noted on this thread. A session looks at the note around one
//! input.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use dimpl::SecurityError;
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
};
use str0m::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, Aes128CmSha1_80Cipher, CryptoError, CryptoProvider,
    SrtpProvider, SupportedAeadAes128Gcm, SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
    from_feature_flags,
};

/// How a media or control packet was protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// AES in counter mode with HMAC-SHA1-80.
    CounterMode,
    /// AES-GCM.
    Gcm,
}

/// What was authenticated on this thread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// A media or control packet.
    pub(super) opened: Option<Opened>,
    /// Data inside of DTLS, which accepts each record once.
    pub(super) data: bool,
    /// DTLS was ended by the other side because of an error. Authentic only
    /// after the handshake: an alert in the clear is not heeded then.
    pub(super) fatal_alert: bool,
}

thread_local! {
    static SEEN: Cell<Seen> = const { Cell::new(Seen { opened: None, data: false, fatal_alert: false }) };
}

/// What was authenticated on this thread since the last call.
pub(super) fn take() -> Seen {
    SEEN.take()
}

fn note(change: impl FnOnce(&mut Seen)) {
    let mut seen = SEEN.get();
    change(&mut seen);
    SEEN.set(seen);
}

/// The crypto of all sessions.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    static WATCHED: Watched = Watched;
    let provider = || {
        Arc::new(CryptoProvider {
            srtp_provider: &WATCHED,
            dtls_provider: &WATCHED,
            ..from_feature_flags()
        })
    };
    Arc::clone(PROVIDER.get_or_init(provider))
}

fn inner() -> &'static dyn SrtpProvider {
    static INNER: OnceLock<&'static dyn SrtpProvider> = OnceLock::new();
    *INNER.get_or_init(|| from_feature_flags().srtp_provider)
}

/// The backend's SRTP and DTLS, watched.
#[derive(Debug)]
struct Watched;

impl DtlsProvider for Watched {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        from_feature_flags().dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let provider = from_feature_flags().dtls_provider;
        provider.new_dtls(certificate, now, version, mtu).map(|inner| Box::new(Dtls(inner)) as _)
    }
}

/// A DTLS connection that tells what it authenticated.
#[derive(Debug)]
struct Dtls(Box<dyn DtlsInstance>);

impl DtlsInstance for Dtls {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        let result = self.0.handle_packet(packet);
        if let Err(DtlsImplError::SecurityError(SecurityError::FatalAlert { .. })) = result {
            note(|seen| seen.fatal_alert = true);
        }
        result
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.0.poll_output(buffer);
        if matches!(output, DtlsOutput::ApplicationData(_)) {
            note(|seen| seen.data = true);
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<(), DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}

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

fn told<T>(opened: Opened, result: Result<T, CryptoError>) -> Result<T, CryptoError> {
    if result.is_ok() {
        note(|seen| seen.opened = Some(opened));
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
        told(Opened::CounterMode, self.0.decrypt(iv, input, output))
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
                told(Opened::Gcm, self.0.decrypt(iv, aads, input, output))
            }
        }
    };
}

aead!(AeadAes128GcmCipher);
aead!(AeadAes256GcmCipher);
