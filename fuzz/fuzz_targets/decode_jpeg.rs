//! Images of Motion JPEG cameras into the decoder of snapshots.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::decode::jpeg(data));
