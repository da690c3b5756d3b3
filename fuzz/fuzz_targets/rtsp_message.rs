//! Bytes into the RTSP decoder: it never panics, gives the same messages for
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::rtsp_message::run(data));
