//! JPEG in RTP.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::depay_jpeg::run(data));
