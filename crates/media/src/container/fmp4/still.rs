//! One keyframe as a whole file.

use bytes::Bytes;

use super::{Cursor, Format, Fragment, Pace, Picture, Track, init};
use crate::Frame;
use crate::codec::Codec;

/// A file that shows a keyframe, and its MIME type. `None` if its codec cannot be in an
/// MP4, or too little is known of it.
pub fn still(codec: &Codec, keyframe: &Frame) -> Option<(Bytes, String)> {
    let mut track = Track::new(0, Format::new(codec).ok()?);
    track.learn(keyframe);
    let formats = [track.format().clone()];
    if !formats.iter().all(Format::is_complete) {
        return None;
    }
    // There is no other picture that it could be shown after.
    let fragment = Fragment { composition: 0, ..track.fragment(keyframe)? };
    let timescales = formats.each_ref().map(|format| format.timescale);
    let head = Cursor::new(Pace::Live, &timescales, 0).place(&fragment)?;
    let mut file = init::write(&formats, Picture::default(), &[]);
    file.extend_from_slice(&head);
    file.extend_from_slice(&fragment.payload);
    Some((file.into(), Format::content_type(&formats)))
}
