//! Pictures of H.264 and H.265 for the containers that carry them: remembers the
//! parameter sets and puts them in front of every keyframe.

use bytes::Bytes;

use crate::codec::{Codec, CodecId, h264, h265};
use crate::frame::Payload;

#[derive(Debug)]
enum Sets {
    H264(h264::ParameterSets),
    H265(h265::ParameterSets),
}

/// The pictures of one track.
#[derive(Debug)]
pub(super) struct Pictures {
    sets: Sets,
    started: bool,
}

impl Pictures {
    pub(super) fn h264() -> Self {
        Self { sets: Sets::H264(h264::ParameterSets::default()), started: false }
    }

    pub(super) fn h265() -> Self {
        Self { sets: Sets::H265(h265::ParameterSets::default()), started: false }
    }

    /// Whether they are of the same codec.
    pub(super) const fn is_like(&self, other: &Self) -> bool {
        matches!(
            (&self.sets, &other.sets),
            (Sets::H264(_), Sets::H264(_)) | (Sets::H265(_), Sets::H265(_))
        )
    }

    /// Takes the parameter sets of an `avcC` or `hvcC` record.
    pub(super) fn record(&mut self, record: &Bytes) {
        match &mut self.sets {
            Sets::H264(sets) => {
                let Some(new) = h264::ParameterSets::parse_record(record) else { return };
                new.nals().for_each(|nal| _ = sets.put(nal));
            }
            Sets::H265(sets) => {
                let Some(new) = h265::ParameterSets::parse_record(record) else { return };
                new.nals().for_each(|nal| _ = sets.put(nal));
            }
        }
    }

    /// The codec, once its parameter sets are known.
    pub(super) fn codec(&self) -> Option<Codec> {
        let (id, complete, fmtp) = match &self.sets {
            Sets::H264(sets) => (CodecId::H264, sets.is_complete(), sets.to_fmtp()),
            Sets::H265(sets) => (CodecId::H265, sets.is_complete(), sets.to_fmtp()),
        };
        complete.then(|| Codec::new(id).clock(90_000).fmtp(fmtp))
    }

    /// Whether the NAL unit is a slice.
    pub(super) fn is_slice(&self, nal: &[u8]) -> bool {
        match self.sets {
            Sets::H264(_) => h264::is_vcl(h264::nal_type(nal)),
            Sets::H265(_) => h265::is_vcl(h265::nal_type(nal)),
        }
    }

    /// Whether a NAL unit after a picture's slices belongs to the next picture
    /// (ITU-T H.264 7.4.1.2.3, H.265 7.4.2.4.4). `last` is the slice before it.
    pub(super) fn begins_unit(&self, nal: &[u8], last: &[u8]) -> bool {
        match &self.sets {
            Sets::H264(sets) => match h264::nal_type(nal) {
                h264::SEI | h264::SPS | h264::PPS | h264::AUD | 14..=18 => true,
                h264::SLICE | 2 | h264::IDR => {
                    h264::first_mb_is_zero(nal) && !is_second_field(sets, nal, last)
                }
                _ => false,
            },
            Sets::H265(_) => match h265::nal_type(nal) {
                kind if h265::is_vcl(kind) => h265::is_first_slice(nal),
                h265::VPS..=h265::AUD | h265::PREFIX_SEI | 41..=44 | 48..=55 => true,
                _ => false,
            },
        }
    }

    /// The payload of one access unit and whether it is a keyframe. Nothing for
    /// one without a picture, and before the first keyframe with its sets.
    pub(super) fn unit(&mut self, nals: Vec<Bytes>) -> Option<(bool, Payload)> {
        let mut changed = Vec::new();
        let mut content = Vec::with_capacity(nals.len());
        let (mut has_sps, mut slices) = (false, false);
        for nal in nals {
            let (is_set, put, dispensable) = match &mut self.sets {
                Sets::H264(sets) => {
                    let kind = h264::nal_type(&nal);
                    has_sps |= kind == h264::SPS;
                    let is_set = matches!(kind, h264::SPS | h264::PPS);
                    (is_set, sets.put(&nal), h264::is_dispensable(kind))
                }
                Sets::H265(sets) => {
                    let kind = h265::nal_type(&nal);
                    let is_set = matches!(kind, h265::VPS | h265::SPS | h265::PPS);
                    (is_set, sets.put(&nal), h265::is_dispensable(kind))
                }
            };
            if put {
                changed.push(nal);
            } else if !is_set && !dispensable && !nal.is_empty() {
                slices |= self.is_slice(&nal);
                content.push(nal);
            }
        }
        if !slices {
            return None;
        }
        let (keyframe, complete) = match &self.sets {
            Sets::H264(sets) => (is_keyframe(&content, has_sps), sets.is_complete()),
            Sets::H265(sets) => (h265::is_keyframe(&content), sets.is_complete()),
        };
        if !(self.started || keyframe && complete) {
            return None;
        }
        self.started = true;
        let mut nals = match (&self.sets, keyframe) {
            (Sets::H264(sets), true) => sets.nals().cloned().collect(),
            (Sets::H265(sets), true) => sets.nals().cloned().collect(),
            (_, false) => changed,
        };
        nals.append(&mut content);
        Some((keyframe, Payload::Nals(nals)))
    }
}

/// IDR, or a picture of I-slices that comes with an SPS: where open groups of
/// pictures begin.
fn is_keyframe(nals: &[Bytes], has_sps: bool) -> bool {
    let mut slices = nals.iter().filter(|nal| h264::is_vcl(h264::nal_type(nal)));
    h264::is_keyframe(nals)
        || has_sps
            && slices.all(|nal| {
                h264::slice_type(nal).is_some_and(|(_, kind)| kind == h264::SliceType::I)
            })
}

/// Whether a slice is of the second field of the frame whose first field the
/// other slice is of.
fn is_second_field(sets: &h264::ParameterSets, nal: &[u8], last: &[u8]) -> bool {
    let Some(sps) = sets.parse_sps().filter(|sps| !sps.frame_mbs_only) else { return false };
    let header = |nal| h264::SliceHeader::parse(nal, &sps);
    match (header(last), header(nal)) {
        (Some(first), Some(second)) => {
            let pair = matches!(
                (first.field, second.field),
                (Some(first), Some(second)) if first != second
            );
            pair && first.frame_num == second.frame_num
        }
        _ => false,
    }
}
