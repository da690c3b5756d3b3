//! AAC and the other simple payloads in RTP: packets with lengths, gaps, markers
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::depay_aac::run(data));
