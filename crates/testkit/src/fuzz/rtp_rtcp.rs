//! RTP headers and RTCP compound packets: parse, write, parse again.

use bytes::Bytes;
use rs2rtc_media::rtp::{self, rtcp};

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    let packet = Bytes::copy_from_slice(data);
    if let Ok((header, payload)) = rtp::parse(&packet) {
        let again = Bytes::from(header.packet(&payload));
        assert_eq!(rtp::parse(&again), Ok((header, payload)));
    }
    rtcp::is_rtcp(data);
    if let Ok(packets) = rtcp::parse(data) {
        // Texts may be shortened and NACK lists grouped anew: the second time
        // must not differ from the first.
        let written = rtcp::write(&packets);
        if let Ok(second) = rtcp::parse(&written) {
            assert_eq!(rtcp::write(&second), written);
        }
    }
}
