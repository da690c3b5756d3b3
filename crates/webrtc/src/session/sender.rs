//! The way out of a session for media packets.
//!
//! [`MediaSender`] is a seam: which implementation is in use decides what a
//! packet costs, and nobody else may know. Two senders never share a key and a
//! source identifier. The first one is str0m's RTP path.

use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::Rtc;
use str0m::media::{Mid, Pt};
use str0m::rtp::{RtpWrite, SeqNo, Ssrc};

/// Packets kept for resending, per video track. Payloads are shared with other
/// viewers; what counts is some 400 bytes of bookkeeping for each.
const RESEND_PACKETS: usize = 256;
/// Older packets are not sent again: the viewer has given them up.
const RESEND_AGE: Duration = Duration::from_secs(1);
/// Resends stop above this share of the traffic.
const RESEND_SHARE: f32 = 0.15;

/// One packet of a track.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    pub(super) payload: &'a Arc<[u8]>,
    /// RTP timestamp with the track's offset.
    pub(super) timestamp: u32,
    /// The moment the timestamp stands for; not after now.
    pub(super) wallclock: Instant,
    pub(super) marker: bool,
}

/// Numbers, protects and queues packets; sends again what is asked for; writes
/// sender reports.
pub(super) trait MediaSender: Send {
    /// Queues a packet. It leaves with the transport's next output.
    fn write(&mut self, transport: &mut Rtc, track: usize, packet: Packet<'_>);
}

/// What a sender must know of a track.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) mid: Mid,
    pub(super) ssrc: Ssrc,
    pub(super) resend: Option<Ssrc>,
    pub(super) payload_type: Pt,
}

/// str0m's RTP mode.
#[derive(Debug)]
pub(super) struct RtpPath {
    streams: Vec<Option<(Stream, u64)>>,
}

impl RtpPath {
    /// A sender for these tracks; `None` stands for one that is not sent.
    pub(super) fn new(streams: Vec<Option<Stream>>) -> Self {
        // Sequence numbers start in the lower half, so that losing the first
        // packets cannot be taken for a wrap (RFC 3711 section 3.3.1).
        let first = |stream: Stream| {
            let start = u64::from(*Ssrc::new() & 0x7fff);
            (stream, start)
        };
        Self { streams: streams.into_iter().map(|s| s.map(first)).collect() }
    }
}

impl MediaSender for RtpPath {
    fn write(&mut self, transport: &mut Rtc, track: usize, packet: Packet<'_>) {
        let Some(Some((stream, sequence))) = self.streams.get_mut(track) else { return };
        let mut api = transport.direct_api();
        // Declared with the first packet: a report made earlier would tie the
        // clock to a time that no packet has.
        if api.stream_tx(&stream.ssrc).is_none() {
            api.declare_stream_tx(stream.ssrc, stream.resend, stream.mid, None).set_rtx_cache(
                RESEND_PACKETS,
                RESEND_AGE,
                Some(RESEND_SHARE),
            );
        }
        let Some(out) = api.stream_tx(&stream.ssrc) else { return };
        let number = SeqNo::from(*sequence);
        *sequence += 1;
        let write = RtpWrite::new(
            stream.payload_type,
            number,
            packet.timestamp,
            packet.wallclock,
            Arc::clone(packet.payload),
        );
        out.write_rtp(write.marker(packet.marker).nackable(stream.resend.is_some()));
    }
}
