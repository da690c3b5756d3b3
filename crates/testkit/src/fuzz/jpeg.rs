//! Pictures of Motion JPEG cameras: whatever they are, making them readable neither
//! fails nor has to be done twice.

use bytes::Bytes;
use rs2rtc_media::codec::jpeg::presentable;

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    let picture = Bytes::copy_from_slice(data);
    if let Some(shown) = presentable(&picture) {
        assert!(shown.len() == picture.len() || shown.len() == picture.len() + 432);
        assert_eq!(presentable(&shown), Some(shown));
    }
}
