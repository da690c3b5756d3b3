//! MP4 and fragmented MP4: any bytes give units or errors.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::container::mp4(data));
