//! Bytes and time into the RTSP client: it never panics, ends at most once,
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::rtsp_client::run(data));
