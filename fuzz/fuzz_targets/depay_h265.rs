//! H.265 in RTP: packets with lengths, gaps, markers and timestamps from the input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::depay_h265::run(data));
