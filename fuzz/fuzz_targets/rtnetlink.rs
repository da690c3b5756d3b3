//! What the kernel says about networks.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::rtnetlink::run(data));
