//! Answers of STUN servers: any bytes, and any attributes of a message that is ours.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::stun_binding::run(data));
