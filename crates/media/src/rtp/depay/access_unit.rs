//! Access units of H.264 and H.265 out of NAL units.
//!
//! Where a unit ends (RFC 6184 5.1, RFC 7798 4.1, and what cameras do):
//!
//! 1. at the marker, if the unit has a slice: some cameras mark parameter sets
//!    and SEI of their own (Tapo TC70, Reolink Duo);
//! 2. at the next timestamp, for sources that never set the marker;
//! 3. at the first slice of another picture or a delimiter within one timestamp.
//!
//! A source that goes on with slices of the same picture after a marker sets it
//! on every NAL unit. From then on its marker means nothing, and so it is for a
//! source that never sets it. To spare those the wait for the next picture, the
//! number of slices is learnt: if it was the same for [`LEARN_PICTURES`] pictures
//! with [`LEARN_KEYFRAMES`] keyframes among them, the last slice ends the unit. A
//! picture with more slices than that ends the practice for good.
//!
//! Parameter sets are remembered. Those in band win over those from SDP, and each
//! keyframe gets all of them in front, once. Delimiters and filler are dropped;
//! SEI is kept with its picture, not alone.

use std::time::Instant;

use bytes::Bytes;

use super::order::DecodingTimes;
use super::{MAX_PACKETS, MAX_UNIT, Output, Packet, Unit};
use crate::codec::{Codec, ParameterSets, h264, h265, nal};
use crate::frame::Payload;

/// Pictures with an equal number of slices before the last slice is believed.
const LEARN_PICTURES: u32 = 16;
/// Keyframes among them.
const LEARN_KEYFRAMES: u32 = 2;
/// Units that ended at the timestamp before a source counts as one without markers.
const UNMARKED: u32 = 16;

/// What a NAL unit means for the access unit it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// A slice; true if it begins a picture.
    Slice(bool),
    ParameterSet,
    Delimiter,
    /// Filler and ends.
    Dispensable,
    Sei,
    Other,
}

/// Ends and numbers of slices as the source has shown them.
#[derive(Debug, Default)]
struct Habits {
    /// The marker does not end units.
    marker_is_meaningless: bool,
    unmarked: u32,
    slices: usize,
    pictures: u32,
    keyframes: u32,
    slices_vary: bool,
}

/// An access unit being collected.
#[derive(Debug)]
struct Collecting {
    time: i64,
    arrival: Instant,
    nals: Vec<Bytes>,
    received: Vec<Bytes>,
    /// The received payloads can be sent on.
    reusable: bool,
    bytes: usize,
    slices: usize,
    /// Sets that changed in this unit.
    new_sets: Vec<Bytes>,
    has_sps: bool,
    marked: bool,
    after_loss: bool,
    damaged: bool,
    oversize: bool,
}

/// Collects NAL units into access units.
#[derive(Debug)]
pub(super) struct AccessUnits {
    /// In force.
    sets: ParameterSets,
    /// False if one picture may come as two fields.
    frames_only: bool,
    rate: u32,
    times: DecodingTimes,
    habits: Habits,
    current: Option<Collecting>,
    /// Timestamp of the last unit that ended before its timestamp did.
    ended: Option<i64>,
    started: bool,
}

impl AccessUnits {
    pub(super) fn new(codec: &Codec) -> Self {
        let sets = ParameterSets::from_codec(codec)
            .unwrap_or_else(|| ParameterSets::H264(h264::ParameterSets::default()));
        let rate = codec.timestamp_rate();
        let mut units = Self {
            sets,
            frames_only: true,
            rate,
            times: DecodingTimes::new(rate),
            habits: Habits::default(),
            current: None,
            ended: None,
            started: false,
        };
        units.sets_changed();
        units
    }

    /// To be called with each packet before its NAL units.
    pub(super) fn begin_packet(&mut self, packet: &Packet, output: &mut Output) {
        if let Some(current) = &mut self.current {
            current.damaged |= packet.after_loss;
            if current.time != packet.time {
                self.finish(output);
            }
        }
        if self.current.is_none() {
            self.current = Some(Collecting::new(packet.time, packet.arrival, packet.after_loss));
        }
        if let Some(current) = &mut self.current {
            current.arrival = packet.arrival;
            current.marked |= packet.marker;
        }
    }

    /// Marks the unit as incomplete.
    pub(super) fn damage(&mut self) {
        if let Some(current) = &mut self.current {
            current.damaged = true;
        }
    }

    /// To be called before a NAL unit is added or its first fragment is kept,
    /// with at least its first four bytes: ends the unit before it where the
    /// new one belongs to another picture.
    pub(super) fn before_nal(&mut self, head: &[u8], output: &mut Output) {
        let class = self.classify(head);
        let Some(current) = &mut self.current else { return };
        let other_picture = match class {
            Class::Slice(true) => self.frames_only,
            Class::Delimiter => true,
            _ => false,
        };
        if current.slices > 0 && other_picture {
            let next = Collecting::new(current.time, current.arrival, false);
            self.finish(output);
            self.current = Some(next);
            return;
        }
        if class == Class::Slice(false) && current.slices == 0 {
            if current.after_loss {
                current.damaged = true;
            } else if self.ended == Some(current.time) {
                // The picture goes on after what looked like its end.
                current.damaged = true;
                if self.habits.marker_is_meaningless {
                    self.habits.slices_vary = true;
                } else {
                    self.habits.marker_is_meaningless = true;
                }
            }
        }
    }

    /// Adds a whole NAL unit. Several units with start codes between them, as
    /// some cameras send, are taken apart.
    pub(super) fn nal(&mut self, nal: Bytes, output: &mut Output) {
        if self.hides_others(&nal) {
            if let Some(current) = &mut self.current {
                current.reusable = false;
            }
            let parts = if nal::starts_with_code(&nal) {
                nal::split_annexb(&nal)
            } else {
                // The first one has no start code.
                let end = nal::find_start_code(&nal, 0).unwrap_or(nal.len());
                let mut parts = nal::split_annexb(&nal.slice(end..));
                let first = nal.get(..end).unwrap_or_default();
                let zeros = first.iter().rev().take_while(|b| **b == 0).count();
                if end > zeros {
                    parts.insert(0, nal.slice(..end - zeros));
                }
                parts
            };
            for part in parts {
                self.before_nal(&part, output);
                self.add(part);
            }
        } else {
            self.add(nal);
        }
    }

    /// True if a unit has other units behind start codes in it: slices are not
    /// searched, they would cost.
    fn hides_others(&self, nal: &[u8]) -> bool {
        if nal::starts_with_code(nal) {
            return true;
        }
        let searched =
            matches!(self.classify(nal), Class::ParameterSet | Class::Delimiter | Class::Sei);
        searched && nal::find_start_code(nal, 0).is_some()
    }

    fn add(&mut self, nal: Bytes) {
        let class = self.classify(&nal);
        let Some(current) = &mut self.current else { return };
        match class {
            Class::ParameterSet => {
                current.has_sps |= match &self.sets {
                    ParameterSets::H264(_) => h264::nal_type(&nal) == h264::SPS,
                    ParameterSets::H265(_) => h265::nal_type(&nal) == h265::SPS,
                };
                if self.sets.put(&nal) {
                    current.new_sets.push(nal);
                    self.sets_changed();
                }
            }
            Class::Delimiter | Class::Dispensable => {}
            Class::Slice(_) => {
                current.slices += 1;
                current.push(nal);
            }
            Class::Sei | Class::Other => current.push(nal),
        }
    }

    /// To be called with each packet after its NAL units. `reusable`: the
    /// payload can be sent on as it is. `open`: a fragmented NAL unit goes on in
    /// the next packet.
    pub(super) fn end_packet(
        &mut self,
        packet: Packet,
        reusable: bool,
        open: bool,
        output: &mut Output,
    ) {
        let Some(current) = &mut self.current else { return };
        current.keep_received(packet.payload, reusable);
        if open || current.slices == 0 {
            return;
        }
        let ended = if self.habits.marker_is_meaningless {
            self.habits.is_last_slice(current.slices)
        } else {
            packet.marker
        };
        if ended {
            self.finish(output);
            self.ended = Some(packet.time);
        }
    }

    fn finish(&mut self, output: &mut Output) {
        let Some(unit) = self.current.take() else { return };
        if unit.slices == 0 {
            // Parameter sets are remembered, SEI alone says nothing.
            output.stats.damaged += u64::from(unit.damaged);
            return;
        }
        let keyframe = self.is_keyframe(&unit);
        if unit.oversize {
            output.stats.oversize += 1;
            return;
        }
        if unit.damaged {
            output.stats.damaged += 1;
            return;
        }
        self.habits.learn(&unit, keyframe);
        if !(self.started || keyframe && self.sets.is_complete()) {
            output.stats.before_keyframe += 1;
            return;
        }
        self.started = true;
        let mut nals = Vec::with_capacity(unit.nals.len() + 3);
        if keyframe {
            self.sets.copy_to(&mut nals);
        } else {
            nals.extend(unit.new_sets);
        }
        nals.extend(unit.nals);
        let h264 = matches!(self.sets, ParameterSets::H264(_));
        let dts = self.times.next(unit.time, || {
            let mut slices = nals.iter().filter_map(|n| h264::slice_type(n));
            h264 && slices.any(|(_, kind)| kind == h264::SliceType::B)
        });
        let received = if unit.reusable { unit.received } else { Vec::new() };
        output.push(Unit {
            keyframe,
            pts: unit.time,
            dts,
            payload: Payload::Nals(nals),
            received,
            arrival: unit.arrival,
        });
    }

    /// IDR or IRAP; with H.264 also a picture of I-slices that comes with an SPS
    /// or a recovery point, which is where open groups of pictures begin.
    fn is_keyframe(&self, unit: &Collecting) -> bool {
        if matches!(self.sets, ParameterSets::H265(_)) {
            return h265::is_keyframe(&unit.nals);
        }
        if h264::is_keyframe(&unit.nals) {
            return true;
        }
        let recovery = |n: &Bytes| h264::nal_type(n) == h264::SEI && n.get(1) == Some(&6);
        (unit.has_sps || unit.nals.iter().any(recovery))
            && unit
                .nals
                .iter()
                .filter(|n| h264::nal_type(n) == h264::SLICE)
                .all(|n| h264::slice_type(n).is_some_and(|(_, kind)| kind == h264::SliceType::I))
    }

    fn classify(&self, nal: &[u8]) -> Class {
        match self.sets {
            ParameterSets::H264(_) => match h264::nal_type(nal) {
                h264::SLICE | h264::IDR => Class::Slice(h264::first_mb_is_zero(nal)),
                // Data partitions: A begins like a slice, B and C do not tell.
                2 => Class::Slice(h264::first_mb_is_zero(nal)),
                h264::SPS | h264::PPS => Class::ParameterSet,
                h264::AUD => Class::Delimiter,
                h264::SEI => Class::Sei,
                h264::END_OF_SEQUENCE | h264::END_OF_STREAM | h264::FILLER => Class::Dispensable,
                _ => Class::Other,
            },
            ParameterSets::H265(_) => match h265::nal_type(nal) {
                0..=31 => Class::Slice(h265::is_first_slice(nal)),
                h265::VPS | h265::SPS | h265::PPS => Class::ParameterSet,
                h265::AUD => Class::Delimiter,
                h265::PREFIX_SEI | h265::SUFFIX_SEI => Class::Sei,
                h265::END_OF_SEQUENCE | h265::END_OF_BITSTREAM | h265::FILLER => Class::Dispensable,
                _ => Class::Other,
            },
        }
    }

    fn sets_changed(&mut self) {
        match &self.sets {
            ParameterSets::H264(sets) => {
                let Some(sps) = sets.parse_sps() else { return };
                self.frames_only = sps.frame_mbs_only;
                let ticks = sps.fps.map(|fps| (f64::from(self.rate) / fps) as i64);
                self.times.describe(sps.reorder_depth(), ticks);
            }
            ParameterSets::H265(sets) => {
                let Some(sps) = sets.parse_sps() else { return };
                self.times.describe(Some(sps.max_reorder), None);
            }
        }
    }
}

impl Collecting {
    const fn new(time: i64, arrival: Instant, after_loss: bool) -> Self {
        Self {
            time,
            arrival,
            nals: Vec::new(),
            received: Vec::new(),
            reusable: true,
            bytes: 0,
            slices: 0,
            new_sets: Vec::new(),
            has_sps: false,
            marked: false,
            after_loss,
            damaged: false,
            oversize: false,
        }
    }

    fn push(&mut self, nal: Bytes) {
        if !self.oversize {
            self.nals.push(nal);
        }
    }

    fn keep_received(&mut self, payload: Bytes, reusable: bool) {
        self.reusable &= reusable;
        self.bytes = self.bytes.saturating_add(payload.len());
        if !payload.is_empty() {
            self.received.push(payload);
        }
        if self.bytes > MAX_UNIT
            || self.received.len() > MAX_PACKETS
            || self.nals.len() > nal::MAX_UNITS
            || self.new_sets.len() > nal::MAX_UNITS
        {
            self.oversize = true;
            self.nals = Vec::new();
            self.received = Vec::new();
            self.new_sets = Vec::new();
        }
    }
}

impl Habits {
    fn learn(&mut self, unit: &Collecting, keyframe: bool) {
        self.unmarked = if unit.marked { 0 } else { self.unmarked + 1 };
        if self.unmarked >= UNMARKED {
            self.marker_is_meaningless = true;
        }
        if unit.slices != self.slices {
            self.slices = unit.slices;
            self.pictures = 0;
            self.keyframes = 0;
        }
        self.pictures = self.pictures.saturating_add(1);
        self.keyframes = self.keyframes.saturating_add(u32::from(keyframe));
    }

    const fn is_last_slice(&self, slices: usize) -> bool {
        !self.slices_vary
            && slices == self.slices
            && self.pictures >= LEARN_PICTURES
            && self.keyframes >= LEARN_KEYFRAMES
    }
}
