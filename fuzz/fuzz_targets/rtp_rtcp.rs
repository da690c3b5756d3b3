//! RTP headers and RTCP compound packets: parse, write, parse again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::rtp_rtcp::run(data));
