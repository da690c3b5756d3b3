//! The unit that travels from a source to its viewers.
//!
//! A frame is immutable and shared by reference. Work that is equal for all
//! viewers (RTP payloads of a size class) is done at most once per frame and
//! cached on it. Payloads are slices of the receive buffer wherever possible.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;

use crate::codec::CodecId;
use crate::rtp::pay;

/// The bytes of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// One access unit of H.264 or H.265: NAL units without start codes or
    /// length prefixes, in decoding order, none empty. A keyframe begins with its
    /// parameter sets.
    Nals(Vec<Bytes>),
    /// One self-contained unit: a JPEG picture, an AAC access unit, an Opus
    /// packet, a run of PCM samples, a temporal unit of AV1 out of a container (units
    /// with their lengths, without delimiters; a keyframe has its sequence header).
    Data(Bytes),
    /// RTP payloads of a codec that is carried as it came, in order, all of one
    /// timestamp: those we do not understand, VP8, VP9, and AV1 out of RTP.
    Opaque(Vec<Bytes>),
}

impl Payload {
    /// Payload bytes, without any framing.
    pub fn len(&self) -> usize {
        match self {
            Self::Nals(parts) | Self::Opaque(parts) => parts.iter().map(Bytes::len).sum(),
            Self::Data(data) => data.len(),
        }
    }

    /// True if there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// RTP payloads as they arrived, to be sent on unchanged where they fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Payloads without RTP headers, in order.
    pub payloads: Vec<Bytes>,
}

/// Which output an RTP packetisation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeClass {
    /// WebRTC: at most [`pay::WEBRTC_PAYLOAD`] bytes, fragments of even size so
    /// that one GSO send carries a frame.
    WebRtc,
    /// RTSP and other RTP over TCP: at most [`pay::RTSP_PAYLOAD`] bytes.
    Rtsp,
}

/// RTP payloads of one frame for one size class; the marker bit belongs on the
/// last one of a video frame.
pub type RtpPayloads = Arc<[Arc<[u8]>]>;

/// One access unit or one audio packet.
#[derive(Debug)]
pub struct Frame {
    /// What the payload is.
    pub codec: CodecId,
    /// True if decoding can begin here. Always true for audio and JPEG.
    pub keyframe: bool,
    /// Presentation time in ticks of the track's clock rate, counted from the
    /// stream's epoch. Continuous: jumps of the source are already repaired.
    pub pts: i64,
    /// Decoding time in the same unit; differs from `pts` only with B-frames.
    pub dts: i64,
    /// When the last byte of it arrived.
    pub arrival: Instant,
    /// The bytes.
    pub payload: Payload,
    /// The RTP payloads it came as, if it came as RTP.
    pub received: Option<Received>,
    forms: Forms,
}

#[derive(Debug, Default)]
struct Forms {
    webrtc: OnceLock<RtpPayloads>,
    rtsp: OnceLock<RtpPayloads>,
}

impl Frame {
    /// A frame whose decoding time equals its presentation time.
    pub fn new(
        codec: CodecId,
        keyframe: bool,
        pts: i64,
        arrival: Instant,
        payload: Payload,
    ) -> Self {
        Self {
            codec,
            keyframe,
            pts,
            dts: pts,
            arrival,
            payload,
            received: None,
            forms: Forms::default(),
        }
    }

    /// The same with the RTP payloads it was received as.
    #[must_use]
    pub fn with_received(mut self, payloads: Vec<Bytes>) -> Self {
        self.received = Some(Received { payloads });
        self
    }

    /// The same content at another time; cached forms are kept.
    #[must_use]
    pub fn at(&self, pts: i64, dts: i64) -> Self {
        let forms = Forms::default();
        if let Some(done) = self.forms.webrtc.get() {
            let _ = forms.webrtc.set(Arc::clone(done));
        }
        if let Some(done) = self.forms.rtsp.get() {
            let _ = forms.rtsp.set(Arc::clone(done));
        }
        Self {
            codec: self.codec.clone(),
            keyframe: self.keyframe,
            pts,
            dts,
            arrival: self.arrival,
            payload: self.payload.clone(),
            received: self.received.clone(),
            forms,
        }
    }

    /// The same content alone, to be kept for long: without the packets it came in
    /// and the forms that outputs made of it.
    #[must_use]
    pub fn bare(&self) -> Self {
        Self {
            codec: self.codec.clone(),
            keyframe: self.keyframe,
            pts: self.pts,
            dts: self.dts,
            arrival: self.arrival,
            payload: self.payload.clone(),
            received: None,
            forms: Forms::default(),
        }
    }

    /// RTP payloads for a size class, made on first use and shared by all viewers.
    pub fn rtp(&self, class: SizeClass) -> RtpPayloads {
        let cell = match class {
            SizeClass::WebRtc => &self.forms.webrtc,
            SizeClass::Rtsp => &self.forms.rtsp,
        };
        Arc::clone(cell.get_or_init(|| pay::packetise(self, class)))
    }
}
