//! Unauthenticated bytes on the shared port: STUN look-up and TCP framing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rs2rtc_webrtc::{framing::Deframer, stun};

fuzz_target!(|data: &[u8]| {
    let _ = stun::kind(data);
    let _ = stun::local_ufrag(data);
    let mut deframer = Deframer::default();
    let mut total = 0;
    for part in data.chunks(7) {
        deframer.push(part);
        while let Some(frame) = deframer.next_frame() {
            total += frame.len() + 2;
        }
    }
    assert!(total <= data.len());
});
