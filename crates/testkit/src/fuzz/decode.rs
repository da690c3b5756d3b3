//! Pictures of cameras and of whoever publishes, decoded for snapshots: what cannot be
//! decoded is an error, and what can is a picture that everything takes.

use bytes::Bytes;
use rs2rtc_media::codec::h264::split_annexb;
use rs2rtc_media::codec::jpeg::presentable;
use rs2rtc_transcode::video::h264::Decoder;
use rs2rtc_transcode::video::jpeg::{Encoder, decode};
use rs2rtc_transcode::video::{Decoder as _, I420Frame, Rotation, Transform};

/// Access units of one run.
const MAX_UNITS: usize = 40;
/// Samples of luma in the largest picture that is decoded.
const MAX_JPEG: usize = 8192 * 4608;
const MAX_H264: usize = 36_864 * 256;

/// One run: an image of Motion JPEG.
pub fn jpeg(data: &[u8]) {
    let image = Bytes::copy_from_slice(data);
    let image = presentable(&image).unwrap_or(image);
    if let Ok(picture) = decode(&image) {
        show(&picture, MAX_JPEG);
    }
}

/// One run: a byte that says how, then a stream of H.264 in Annex B.
pub fn h264(data: &[u8]) {
    let Some((how, stream)) = data.split_first() else { return };
    let mut decoder = Decoder::new(how & 1 != 0).expect("the library is there");
    let mut unit = Vec::new();
    let mut units = 0;
    for nal in split_annexb(&Bytes::copy_from_slice(stream)) {
        let is_slice = nal.first().is_some_and(|head| matches!(head & 31, 1..=5));
        unit.push(nal);
        if !is_slice {
            continue;
        }
        units += 1;
        if units > MAX_UNITS {
            break;
        }
        // Every second picture, or each, is taken out.
        if how & 2 != 0 && units % 2 == 0 {
            let _ = decoder.pass(&unit);
        } else if let Ok(Some(picture)) = decoder.decode(&unit) {
            show(&picture, MAX_H264);
        }
        unit.clear();
    }
    if let Ok(Some(picture)) = decoder.flush() {
        show(&picture, MAX_H264);
    }
}

/// Makes a small image of a picture.
fn show(picture: &I420Frame, most: usize) {
    assert!(picture.is_consistent() && !picture.y.is_empty());
    assert!(picture.width * picture.height <= most);
    let small =
        Transform { width: Some(32), height: Some(32), rotation: Rotation::Right }.apply(picture);
    let image = Encoder::new(50).expect("a quality").encode_image(&small);
    let again = decode(&image.expect("a small picture")).expect("what was encoded");
    assert_eq!((again.width, again.height), (32, 32));
}
