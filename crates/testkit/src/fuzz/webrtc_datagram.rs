//! Unauthenticated bytes on the shared port: STUN look-up and TCP framing.

use rs2rtc_webrtc::framing::Deframer;
use rs2rtc_webrtc::stun;

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    if stun::local_ufrag(data).is_some() {
        assert!(stun::kind(data).is_some());
    }
    let mut deframer = Deframer::default();
    let mut total = 0;
    for part in data.chunks(7) {
        deframer.push(part);
        while let Some(frame) = deframer.next_frame() {
            total += frame.len() + 2;
        }
    }
    assert!(total <= data.len());
}
