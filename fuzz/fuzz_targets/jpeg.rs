//! Pictures of Motion JPEG cameras: whatever they are, they are made readable once.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::jpeg::run(data));
