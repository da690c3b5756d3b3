//! A track on its way to one viewer: which frames go, when, with which times.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rs2rtc_media::frame::SizeClass;
use rs2rtc_media::rtp::pay;
use rs2rtc_media::{Codec, Frame, Kind};
use str0m::Rtc;

use super::sender::{MediaSender, Packet};
use super::timeline::{Timeline, Wallclock};

/// A burst is over after this time; it may cost less, never more.
const BURST_WINDOW: Duration = Duration::from_millis(200);
/// Speed of a burst in bytes per second (50 Mbit/s) as long as that keeps the window.
const BURST_RATE: u64 = 6_250_000;
/// This much of a burst goes at once.
const BURST_HEAD: usize = 64 * 1024;

/// Payloads that cannot be split and are longer than this do not fit a datagram
/// on usual links; their frames are left out.
const MAX_PAYLOAD: usize = 1400;

/// One track of a session, on the sending side.
#[derive(Debug)]
pub(super) struct Outgoing {
    index: usize,
    codec: Codec,
    kind: Kind,
    /// Random offset of RTP timestamps.
    offset: u32,
    timeline: Timeline,
    /// Nothing can be decoded before the next keyframe.
    waiting: bool,
    last_dts: i64,
    burst: Option<Burst>,
    packets: u64,
    bytes: u64,
}

/// Frames that leave one after the other within a window.
#[derive(Debug)]
struct Burst {
    queue: VecDeque<(Arc<Frame>, i64)>,
    begin: Instant,
    window: Duration,
    total: usize,
    sent: usize,
}

impl Burst {
    /// When the next frame may leave.
    fn due(&self) -> Instant {
        let ahead = self.sent.saturating_sub(BURST_HEAD) as f64;
        let share = ahead / self.total.max(1) as f64;
        self.begin + self.window.mul_f64(share.clamp(0.0, 1.0))
    }
}

impl Outgoing {
    /// A track of `codec` (the source's) sent with an RTP clock of `rate` Hz.
    pub(super) fn new(index: usize, codec: &Codec, rate: u32, offset: u32) -> Self {
        let kind = codec.id.kind();
        Self {
            index,
            codec: codec.clone(),
            kind,
            offset,
            timeline: Timeline::new(codec.timestamp_rate(), rate),
            waiting: kind == Kind::Video,
            last_dts: i64::MIN,
            burst: None,
            packets: 0,
            bytes: 0,
        }
    }

    /// Leaves out frames up to the next keyframe.
    pub(super) fn skip_to_keyframe(&mut self) {
        self.waiting = self.kind == Kind::Video;
    }

    /// Says whether nothing was sent yet, or something is missing.
    pub(super) const fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// Whether this frame is to be sent: the next one, decodable, of our codec.
    fn admit(&mut self, frame: &Frame) -> bool {
        let video = self.kind == Kind::Video;
        if frame.codec != self.codec.id || (video && frame.dts <= self.last_dts) {
            return false;
        }
        if self.waiting && !frame.keyframe {
            return false;
        }
        self.waiting = false;
        self.last_dts = frame.dts;
        true
    }

    /// The next frame, now or behind a burst that is under way.
    pub(super) fn frame(&mut self, frame: &Arc<Frame>, out: &mut Out<'_>) {
        if !self.admit(frame) {
            return;
        }
        let time = self.timeline.live(frame);
        match &mut self.burst {
            Some(burst) => burst.queue.push_back((Arc::clone(frame), time)),
            None => self.send(frame, time, out),
        }
    }

    /// A group of old frames, keyframe first, that ends before the next frame.
    pub(super) fn start_burst(&mut self, frames: &[Arc<Frame>], now: Instant) {
        let usable = frames.first().is_some_and(|f| f.keyframe)
            && frames.iter().all(|f| f.codec == self.codec.id)
            && frames.last().is_some_and(|f| f.dts >= self.last_dts)
            && self.burst.is_none();
        if !usable {
            return;
        }
        let times = self.timeline.burst(frames);
        let total = frames.iter().map(|f| f.payload.len()).sum();
        let window = Duration::from_micros(1_000_000 * total as u64 / BURST_RATE).min(BURST_WINDOW);
        self.waiting = false;
        self.last_dts = frames.last().map_or(self.last_dts, |f| f.dts);
        let queue = frames.iter().cloned().zip(times).collect();
        self.burst = Some(Burst { queue, begin: now, window, total, sent: 0 });
    }

    /// When [`Self::continue_burst`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.burst.as_ref().map(Burst::due)
    }

    /// Sends what is due of a burst.
    pub(super) fn continue_burst(&mut self, out: &mut Out<'_>) {
        while let Some(burst) = self.burst.as_mut().filter(|b| b.due() <= out.now) {
            let Some((frame, time)) = burst.queue.pop_front() else {
                self.burst = None;
                return;
            };
            burst.sent += frame.payload.len();
            if burst.queue.is_empty() {
                self.burst = None;
            }
            self.send(&frame, time, out);
        }
    }

    fn send(&mut self, frame: &Frame, time: i64, out: &mut Out<'_>) {
        let payloads = frame.rtp(SizeClass::WebRtc);
        if payloads.iter().any(|p| p.len() > MAX_PAYLOAD) {
            return;
        }
        let wallclock = out.wallclock.at(self.timeline.since_epoch(time), out.now);
        // RTP timestamps are the low 32 bits.
        let timestamp = (time as u32).wrapping_add(self.offset);
        let mut before = 0;
        for (index, payload) in payloads.iter().enumerate() {
            let marker = self.kind == Kind::Video && index + 1 == payloads.len();
            let offset = if before == 0 { 0 } else { pay::timestamp_offset(&self.codec, before) };
            before += payload.len();
            let packet =
                Packet { payload, timestamp: timestamp.wrapping_add(offset), wallclock, marker };
            out.sender.write(out.transport, self.index, packet);
        }
        self.packets += payloads.len() as u64;
        self.bytes += before as u64;
    }

    /// Packets and payload bytes sent since the last call.
    pub(super) fn take_sent(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.packets), std::mem::take(&mut self.bytes))
    }
}

/// Where packets go.
pub(super) struct Out<'a> {
    pub(super) transport: &'a mut Rtc,
    pub(super) sender: &'a mut dyn MediaSender,
    pub(super) wallclock: &'a mut Wallclock,
    pub(super) now: Instant,
}
