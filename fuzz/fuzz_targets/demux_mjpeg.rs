//! JPEG pictures one after another: any bytes give units or errors.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::container::mjpeg(data));
