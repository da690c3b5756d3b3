//! Session descriptions: any text gives medias, and what we write is read back.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::sdp::run(data));
