//! Frames of any kind: what is written is what our readers take.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::mux::run(data));
