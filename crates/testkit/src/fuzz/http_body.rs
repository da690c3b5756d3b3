//! Answers of cameras: a head, then a body that ends as the head says.

use bytes::BytesMut;
use rs2rtc_base::http::{BodyDecoder, Head};

/// One run on arbitrary bytes. The first one says how they are cut.
pub fn run(data: &[u8]) {
    let Some((first, stream)) = data.split_first() else { return };
    let Ok(Some((head, length))) = Head::parse(stream) else { return };
    let Ok(mut decoder) = BodyDecoder::new(200, &head.headers) else { return };
    let body = stream.get(length..).unwrap_or_default();
    let (mut buffer, mut taken) = (BytesMut::new(), 0);
    for piece in body.chunks(usize::from(first % 16) + 1) {
        buffer.extend_from_slice(piece);
        while let Ok(Some(bytes)) = decoder.take(&mut buffer) {
            assert!(!bytes.is_empty(), "nothing is not told");
            taken += bytes.len();
        }
    }
    assert!(taken + buffer.len() <= body.len(), "nothing is made up");
}
