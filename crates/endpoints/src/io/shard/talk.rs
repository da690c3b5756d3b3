//! A viewer's own sound: from its packets to frames of a backchannel track.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rs2rtc_media::time::{Unwrapper, to_ticks};
use rs2rtc_media::{Codec, Frame, Payload};
use rs2rtc_streams::Track;
use rs2rtc_webrtc::Received;

/// Packets later than this behind the newest are left out.
const MAX_LATE: u64 = 64;

/// One microphone.
#[derive(Debug)]
pub(super) struct Talk {
    track: Arc<Track>,
    codec: Codec,
    times: Unwrapper,
    /// Stream time minus RTP time, in ticks.
    offset: Option<i64>,
    newest: Option<u64>,
}

impl Talk {
    pub(super) fn new(track: Arc<Track>, codec: Codec) -> Self {
        Self { track, codec, times: Unwrapper::default(), offset: None, newest: None }
    }

    /// Takes a packet. One packet is one frame (Opus, G.711); late and doubled
    /// ones are left out, order is kept.
    pub(super) fn packet(&mut self, packet: &Received, epoch: Instant, now: Instant) {
        let restarted = self.newest.is_some_and(|n| packet.sequence + MAX_LATE < n);
        if packet.payload.is_empty()
            || (self.newest.is_some_and(|n| packet.sequence <= n) && !restarted)
        {
            return;
        }
        self.newest = Some(packet.sequence);
        let time = self.times.unwrap(packet.timestamp);
        let rate = self.codec.timestamp_rate();
        let at = || to_ticks(now.saturating_duration_since(epoch), rate).saturating_sub(time);
        let offset = *self.offset.get_or_insert_with(at);
        let payload = Payload::Data(Bytes::copy_from_slice(&packet.payload));
        let pts = time.saturating_add(offset);
        self.track.push(&Arc::new(Frame::new(self.codec.id.clone(), true, pts, now, payload)));
    }
}
