//! Answers of cameras: any bytes give a body or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::http_body::run(data));
