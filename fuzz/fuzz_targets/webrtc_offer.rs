//! Offers of any bytes: never a panic, and what was read can be answered.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::webrtc_offer::run(data));
