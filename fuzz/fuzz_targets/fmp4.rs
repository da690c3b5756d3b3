//! Any frames into fragmented MP4: no panic, no gap.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::fmp4::run(data));
