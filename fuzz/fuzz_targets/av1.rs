//! AV1 in temporal units: what goes into RTP comes out of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::av1::run(data));
