//! Unauthenticated bytes on the shared port: STUN look-up and TCP framing.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::webrtc_datagram::run(data));
