//! A publisher's pictures and sound: from its packets to frames of a stream.
//!
//! Packets come out of order, and late after a resend: each track waits a moment
//! for one that is missing. One that stays missing damages its picture, and a new
//! keyframe is asked for; so it is when the last one is [`KEYFRAME_EVERY`] old,
//! because browsers send none by themselves and viewers begin with one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use rs2rtc_media::codec::ParameterSets;
use rs2rtc_media::rtp::depay::{Depacketiser, Unit};
use rs2rtc_media::rtp::{Header, PayloadType, SeqNo, Ssrc};
use rs2rtc_media::{Codec, Kind, Payload};
use rs2rtc_streams::{TrackWriter, Tracks};
use rs2rtc_webrtc::Received;

use crate::io::rtp::ntp;

/// How long a track waits for a packet that is missing.
const WAIT: Duration = Duration::from_millis(150);
/// Packets of a track that wait for one that is missing.
const MAX_WAITING: usize = 1024;
/// Bytes of a track that wait for one that is missing.
const MAX_WAITING_BYTES: usize = 4 << 20;
/// Another SSRC takes a track over when the one before was silent for so long;
/// until then it is another layer of the same picture.
const SSRC_SILENCE: Duration = Duration::from_secs(1);
/// A packet so far from the expected one begins anew.
const JUMP: u64 = 4096;
/// Age of the last keyframe at which another one is asked for.
const KEYFRAME_EVERY: Duration = Duration::from_secs(2);
/// Distance of requests while there is no picture to begin with.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What a publisher sends, on its way into a stream.
pub struct Intake {
    tracks: Tracks,
    inputs: Vec<Input>,
}

/// One track; its number is that of the publication's media and of the session's track.
struct Input {
    codec: Codec,
    order: Order,
    depacketiser: Depacketiser,
    writer: Option<TrackWriter>,
    /// Of pictures only.
    keyframes: Option<Keyframes>,
    reported: Option<(SystemTime, u32)>,
}

impl Intake {
    /// For the tracks of a publication, with the codec of each.
    pub fn new(tracks: Tracks, codecs: impl IntoIterator<Item = Codec>) -> Self {
        let input = |codec: Codec| Input {
            order: Order::default(),
            depacketiser: Depacketiser::new(&codec),
            writer: None,
            keyframes: (codec.id.kind() == Kind::Video).then(Keyframes::default),
            reported: None,
            codec,
        };
        Self { tracks, inputs: codecs.into_iter().map(input).collect() }
    }

    /// Takes a packet. Says whether a keyframe of its track is to be asked for.
    pub(super) fn packet(&mut self, packet: Received, now: Instant) -> bool {
        let track = packet.track;
        let Some(input) = self.inputs.get_mut(track) else { return false };
        input.order.put(packet, now);
        input.go_on(track, now, &mut self.tracks);
        input.keyframes.as_mut().is_some_and(|keyframes| keyframes.is_due(now))
    }

    /// When something that waits is given up, if nothing comes before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.inputs.iter().filter_map(|input| input.order.deadline()).min()
    }

    /// Gives up what has waited long enough.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for (track, input) in self.inputs.iter_mut().enumerate() {
            input.go_on(track, now, &mut self.tracks);
        }
    }
}

impl Input {
    fn go_on(&mut self, media: usize, now: Instant, tracks: &mut Tracks) {
        while let Some((packet, arrival)) = self.order.next(now) {
            self.take(media, packet, arrival, tracks);
        }
    }

    fn take(&mut self, media: usize, packet: Received, arrival: Instant, tracks: &mut Tracks) {
        let header = Header {
            marker: packet.marker,
            payload_type: PayloadType(packet.payload_type),
            seq: SeqNo(packet.sequence as u16),
            timestamp: packet.timestamp,
            ssrc: Ssrc(packet.ssrc),
            ..Header::default()
        };
        let before = self.depacketiser.stats();
        self.depacketiser.push(&header, Bytes::from_owner(packet.payload), arrival);
        let after = self.depacketiser.stats();
        if let Some(writer) = &self.writer {
            writer.count_packet(after.lost.saturating_sub(before.lost));
        }
        if let Some(keyframes) = &mut self.keyframes {
            keyframes.broken |= (after.lost, after.damaged) != (before.lost, before.damaged);
        }
        while let Some(unit) = self.depacketiser.poll() {
            self.write(media, unit, tracks);
        }
        if let (Some(report), Some(writer)) = (packet.report, &self.writer)
            && self.reported.replace(report) != Some(report)
        {
            let (wallclock, timestamp) = report;
            writer.sender_report(ntp(wallclock), self.depacketiser.extend(timestamp));
        }
    }

    fn write(&mut self, media: usize, unit: Unit, tracks: &mut Tracks) {
        if unit.keyframe {
            if let Some(keyframes) = &mut self.keyframes {
                keyframes.came(unit.arrival);
            }
            if self.writer.is_none() {
                // The track itself sees later changes.
                let known = with_parameters(&self.codec, &unit.payload);
                self.codec = known.unwrap_or_else(|| self.codec.clone());
                self.writer = tracks.open(media, &self.codec);
            }
        }
        if let Some(writer) = &self.writer {
            let (pts, dts) = (unit.pts, unit.dts);
            writer.write(unit.into_frame(self.codec.id.clone(), pts, dts));
        }
    }
}

/// The codec with the parameter sets of a keyframe: others than WebRTC viewers
/// must know them before the first picture.
fn with_parameters(codec: &Codec, keyframe: &Payload) -> Option<Codec> {
    let Payload::Nals(nals) = keyframe else { return None };
    let sets = ParameterSets::from_nals(&codec.id, nals)?;
    Some(codec.clone().fmtp(sets.to_fmtp()))
}

/// When a keyframe has to be asked for.
#[derive(Debug, Default)]
struct Keyframes {
    last: Option<Instant>,
    asked: Option<Instant>,
    /// Something was lost since the last one.
    broken: bool,
}

impl Keyframes {
    fn came(&mut self, now: Instant) {
        self.last = Some(now);
        self.broken = false;
    }

    /// Says so once; then it counts as asked for.
    fn is_due(&mut self, now: Instant) -> bool {
        let since = |at: Option<Instant>| at.map(|at| now.saturating_duration_since(at));
        let is_urgent = self.broken || self.last.is_none();
        let spacing = if is_urgent { ASK_AGAIN } else { KEYFRAME_EVERY };
        let is_due = (is_urgent || since(self.last).is_none_or(|age| age >= KEYFRAME_EVERY))
            && since(self.asked).is_none_or(|age| age >= spacing);
        if is_due {
            self.asked = Some(now);
        }
        is_due
    }
}

/// Puts packets in order.
#[derive(Debug, Default)]
struct Order {
    /// Who sends, and when it was last heard.
    sender: Option<(u32, Instant)>,
    /// The sequence number that is to come.
    next: Option<u64>,
    waiting: BTreeMap<u64, (Received, Instant)>,
    /// Payload bytes of what waits.
    bytes: usize,
}

impl Order {
    fn put(&mut self, packet: Received, now: Instant) {
        match self.sender {
            Some((ssrc, _)) if ssrc == packet.ssrc => {}
            Some((_, heard)) if now.saturating_duration_since(heard) < SSRC_SILENCE => return,
            _ => self.restart(),
        }
        self.sender = Some((packet.ssrc, now));
        let number = packet.sequence;
        let next = *self.next.get_or_insert(number);
        if number.abs_diff(next) > JUMP {
            self.restart();
            self.next = Some(number);
        } else if number < next {
            // Too late, or here already.
            return;
        }
        let bytes = packet.payload.len();
        if let Entry::Vacant(place) = self.waiting.entry(number) {
            place.insert((packet, now));
            self.bytes += bytes;
        }
    }

    fn restart(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
        self.next = None;
    }

    /// When the first one is not waited with any longer.
    fn deadline(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, (_, since))| *since + WAIT)
    }

    /// The next packet in order, or the first after those that are given up,
    /// and when it came.
    fn next(&mut self, now: Instant) -> Option<(Received, Instant)> {
        let first = self.waiting.first_entry()?;
        let in_order = self.next == Some(*first.key());
        let is_late = now >= first.get().1 + WAIT;
        let is_full = self.waiting.len() > MAX_WAITING || self.bytes > MAX_WAITING_BYTES;
        if !in_order && !is_late && !is_full {
            return None;
        }
        let (number, packet) = self.waiting.pop_first()?;
        self.bytes -= packet.0.payload.len();
        self.next = Some(number.wrapping_add(1));
        Some(packet)
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("tracks", &self.inputs.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u64) -> Received {
        Received {
            track: 0,
            ssrc: 1,
            sequence,
            timestamp: 0,
            payload_type: 96,
            marker: false,
            payload: (&b"x"[..]).into(),
            report: None,
        }
    }

    fn given(order: &mut Order, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| order.next(now)).map(|(packet, _)| packet.sequence).collect()
    }

    #[test]
    fn packets_are_put_in_order() {
        let (mut order, now) = (Order::default(), Instant::now());
        let mut out = Vec::new();
        for number in [7, 8, 10, 11, 9, 9, 8, 12] {
            order.put(packet(number), now);
            out.extend(given(&mut order, now));
        }
        assert_eq!(out, [7, 8, 9, 10, 11, 12]);
    }

    #[test]
    fn a_missing_packet_is_given_up_after_a_moment() {
        let (mut order, now) = (Order::default(), Instant::now());
        for number in [1, 3, 4] {
            order.put(packet(number), now);
        }
        assert_eq!(given(&mut order, now), [1]);
        order.put(packet(6), now + WAIT / 2);
        assert_eq!(given(&mut order, now + WAIT / 2), []);
        assert_eq!(given(&mut order, now + WAIT), [3, 4], "6 waits for its own time");
        order.put(packet(2), now + WAIT);
        assert_eq!(given(&mut order, now + WAIT), [], "2 is too late");
        assert_eq!(given(&mut order, now + WAIT * 2), [6]);
    }

    #[test]
    fn what_waits_is_bounded_and_a_jump_begins_anew() {
        let (mut order, now) = (Order::default(), Instant::now());
        order.put(packet(1), now);
        assert_eq!(given(&mut order, now), [1]);
        for number in 3..2000 {
            order.put(packet(number), now);
            let _ = order.next(now);
            assert!(order.waiting.len() <= MAX_WAITING);
        }
        order.put(packet(1 << 40), now);
        assert_eq!(given(&mut order, now), [1 << 40]);
        order.put(packet(5), now);
        assert_eq!(given(&mut order, now), [5], "it began anew");
        order.put(packet(u64::MAX), now);
        assert_eq!(given(&mut order, now), [u64::MAX]);
    }

    #[test]
    fn bytes_that_wait_are_bounded_and_given_up_without_another_packet() {
        let (mut order, now) = (Order::default(), Instant::now());
        order.put(packet(1), now);
        assert_eq!(given(&mut order, now), [1]);
        assert_eq!(order.deadline(), None);
        let large = |number| Received { payload: vec![0; 60_000].into(), ..packet(number) };
        for number in 3..200 {
            order.put(large(number), now);
            let _ = order.next(now);
            assert!(order.bytes <= MAX_WAITING_BYTES, "{}", order.bytes);
        }
        order.put(packet(300), now);
        let due = order.deadline().unwrap();
        assert_eq!(due, now + WAIT);
        assert_eq!(given(&mut order, due).last(), Some(&300));
        assert_eq!((order.bytes, order.deadline()), (0, None));
    }

    #[test]
    fn one_sender_has_the_track_until_it_is_silent() {
        let (mut order, now) = (Order::default(), Instant::now());
        let other = |number| Received { ssrc: 2, ..packet(number) };
        order.put(packet(500), now);
        order.put(other(7), now);
        assert_eq!(given(&mut order, now), [500]);
        let later = now + SSRC_SILENCE;
        order.put(other(8), later);
        assert_eq!(given(&mut order, later), [8], "it takes over and begins anew");
        order.put(packet(501), later);
        assert_eq!(given(&mut order, later), []);
    }

    #[test]
    fn keyframes_are_asked_for_while_there_is_none_and_when_it_is_old() {
        let (mut keyframes, now) = (Keyframes::default(), Instant::now());
        let at = |ms| now + Duration::from_millis(ms);
        assert!(keyframes.is_due(now), "the first");
        assert!(!keyframes.is_due(at(499)));
        assert!(keyframes.is_due(at(500)), "it did not come");
        keyframes.came(at(600));
        assert!(!keyframes.is_due(at(2599)));
        assert!(keyframes.is_due(at(2600)), "it is old");
        assert!(!keyframes.is_due(at(2700)));
        keyframes.came(at(2700));
        keyframes.broken = true;
        assert!(keyframes.is_due(at(3100)), "something was lost");
        keyframes.came(at(3150));
        assert!(!keyframes.is_due(at(4000)));
    }
}
