//! Payloads in RTP that are not taken apart.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::depay_other::run(data));
