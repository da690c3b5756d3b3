//! Frames to RTP payloads.
use std::sync::Arc;
use crate::codec::Codec;
use crate::frame::{Frame, RtpPayloads, SizeClass};

/// Largest payload of size class WebRTC in bytes: 1200 with the RTP header (12)
/// and header extensions (up to 20).
pub const WEBRTC_PAYLOAD: usize = 1200 - 12 - 20;
/// Largest payload of size class RTSP in bytes: 1472 with the RTP header (12).
pub const RTSP_PAYLOAD: usize = 1460;

/// RTP payloads of a frame.
pub fn packetise(_frame: &Frame, _class: SizeClass) -> RtpPayloads { Arc::from([]) }

/// Timestamp offset in clock ticks of an audio payload that begins after
/// `bytes` bytes of its frame; 0 for codecs that are not split.
pub fn timestamp_offset(_codec: &Codec, _bytes: usize) -> u32 { 0 }
