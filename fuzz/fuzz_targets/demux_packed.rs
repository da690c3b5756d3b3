//! Bare sound with ID3 tags: any bytes give units or errors.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::container::packed(data));
