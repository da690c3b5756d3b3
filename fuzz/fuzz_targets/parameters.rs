//! Parameter sets, records of MP4 and texts of SDP: written, they say the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::parameters::run(data));
