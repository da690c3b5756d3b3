//! Streams of H.264 into the decoder of snapshots.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::decode::h264(data));
