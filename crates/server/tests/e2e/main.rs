//! The release binary as people use it: real browsers, real ffmpeg, a foreign
//! RTSP server, killed processes, wrong configurations.
//!
//! What a test needs and does not find is said with `SKIPPED`; in CI
//! (`CI=true`) nothing may be skipped.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout)]

mod av1;
mod bad_input;
mod browser;
mod clips;
mod command_line;
mod config;
mod decode;
mod engine;
mod harness;
mod home_assistant;
mod https;
mod load;
mod packets;
mod pictures;
mod players;
mod processes;
mod publish;
mod publish_rtsp;
mod secrets;
mod socket;
mod sources;
mod token;
mod whip;
