//! Pictures of H.264 and H.265 for the containers that carry them: remembers the
//! parameter sets and puts them in front of every keyframe.

use bytes::Bytes;

use super::Error;
use crate::codec::nal::MAX_UNITS;
use crate::codec::{Codec, CodecId, ParameterSets, h264, h265};
use crate::frame::Payload;

/// The pictures of one track.
#[derive(Debug)]
pub(super) struct Pictures {
    sets: ParameterSets,
    started: bool,
}

impl Pictures {
    pub(super) fn h264() -> Self {
        Self { sets: ParameterSets::H264(h264::ParameterSets::default()), started: false }
    }

    pub(super) fn h265() -> Self {
        Self { sets: ParameterSets::H265(h265::ParameterSets::default()), started: false }
    }

    /// Whether they are of the same codec.
    pub(super) const fn is_like(&self, other: &Self) -> bool {
        matches!(
            (&self.sets, &other.sets),
            (ParameterSets::H264(_), ParameterSets::H264(_))
                | (ParameterSets::H265(_), ParameterSets::H265(_))
        )
    }

    /// Takes the parameter sets of an `avcC` or `hvcC` record.
    pub(super) fn record(&mut self, record: &Bytes) {
        match &mut self.sets {
            ParameterSets::H264(sets) => {
                let Some(new) = h264::ParameterSets::parse_record(record) else { return };
                new.nals().for_each(|nal| _ = sets.put(nal));
            }
            ParameterSets::H265(sets) => {
                let Some(new) = h265::ParameterSets::parse_record(record) else { return };
                new.nals().for_each(|nal| _ = sets.put(nal));
            }
        }
    }

    /// The codec, once its parameter sets are known.
    pub(super) fn codec(&self) -> Option<Codec> {
        let id = match self.sets {
            ParameterSets::H264(_) => CodecId::H264,
            ParameterSets::H265(_) => CodecId::H265,
        };
        let is_complete = self.sets.is_complete();
        is_complete.then(|| Codec::new(id).clock(90_000).fmtp(self.sets.to_fmtp()))
    }

    /// Whether the NAL unit is a slice.
    pub(super) fn is_slice(&self, nal: &[u8]) -> bool {
        match self.sets {
            ParameterSets::H264(_) => h264::is_vcl(h264::nal_type(nal)),
            ParameterSets::H265(_) => h265::is_vcl(h265::nal_type(nal)),
        }
    }

    /// Whether a NAL unit after a picture's slices belongs to the next picture
    /// (ITU-T H.264 7.4.1.2.3, H.265 7.4.2.4.4). `last` is the slice before it.
    pub(super) fn begins_unit(&self, nal: &[u8], last: &[u8]) -> bool {
        match &self.sets {
            ParameterSets::H264(sets) => match h264::nal_type(nal) {
                h264::SEI | h264::SPS | h264::PPS | h264::AUD | 14..=18 => true,
                h264::SLICE | 2 | h264::IDR => {
                    h264::first_mb_is_zero(nal) && !is_second_field(sets, nal, last)
                }
                _ => false,
            },
            ParameterSets::H265(_) => match h265::nal_type(nal) {
                kind if h265::is_vcl(kind) => h265::is_first_slice(nal),
                h265::VPS..=h265::AUD | h265::PREFIX_SEI | 41..=44 | 48..=55 => true,
                _ => false,
            },
        }
    }

    /// The payload of one access unit and whether it is a keyframe. Nothing for
    /// one without a picture, and before the first keyframe with its sets.
    ///
    /// # Errors
    /// It has more than [`MAX_UNITS`].
    pub(super) fn unit(&mut self, nals: Vec<Bytes>) -> Result<Option<(bool, Payload)>, Error> {
        if nals.len() > MAX_UNITS {
            return Err(Error::TooLarge(match self.sets {
                ParameterSets::H264(_) => "H.264",
                ParameterSets::H265(_) => "H.265",
            }));
        }
        Ok(self.picture(nals))
    }

    fn picture(&mut self, nals: Vec<Bytes>) -> Option<(bool, Payload)> {
        let mut changed = Vec::new();
        let mut content = Vec::with_capacity(nals.len());
        let (mut has_sps, mut slices) = (false, false);
        for nal in nals {
            let dispensable = match &self.sets {
                ParameterSets::H264(_) => {
                    has_sps |= h264::nal_type(&nal) == h264::SPS;
                    h264::is_dispensable(h264::nal_type(&nal))
                }
                ParameterSets::H265(_) => h265::is_dispensable(h265::nal_type(&nal)),
            };
            if self.sets.put(&nal) {
                changed.push(nal);
            } else if !self.sets.is_set(&nal) && !dispensable && !nal.is_empty() {
                slices |= self.is_slice(&nal);
                content.push(nal);
            }
        }
        if !slices {
            return None;
        }
        let keyframe = match self.sets {
            ParameterSets::H264(_) => is_keyframe(&content, has_sps),
            ParameterSets::H265(_) => h265::is_keyframe(&content),
        };
        if !(self.started || keyframe && self.sets.is_complete()) {
            return None;
        }
        self.started = true;
        let mut nals = Vec::new();
        if keyframe {
            self.sets.copy_to(&mut nals);
        } else {
            nals = changed;
        }
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
