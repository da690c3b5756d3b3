//! Bytes and time into the RTSP server: it never panics, closes at most once,
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::rtsp_server::run(data));
