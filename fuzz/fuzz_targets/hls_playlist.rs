//! Playlists: any text gives what to fetch or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rs2rtc_testkit::fuzz::hls_playlist::run(data));
