//! The names of modules in `app.modules`, and which of them this version has.
//!
//! A module exists if a source or a call belongs to it: the tables of both are
//! asked, so that no list has to follow them.

use rs2rtc_endpoints::table;

use crate::http;

/// All modules of the contract in the order of their start (`spec/core.md` 1.2),
/// with the second name of `mpegts`, and ours.
pub const ALL: &[&str] = &[
    "api",
    "ws",
    "http",
    "rtsp",
    "webrtc",
    "mp4",
    "hls",
    "mjpeg",
    "hass",
    "homekit",
    "onvif",
    "rtmp",
    "webtorrent",
    "wyoming",
    "echo",
    "exec",
    "expr",
    "ffmpeg",
    "alsa",
    "v4l2",
    "bubble",
    "doorbird",
    "dvrip",
    "eseecloud",
    "flussonic",
    "gopro",
    "isapi",
    "ivideon",
    "kasa",
    "mpegts",
    "mpeg",
    "multitrans",
    "nest",
    "ring",
    "roborock",
    "tapo",
    "tuya",
    "wyze",
    "xiaomi",
    "yandex",
    "debug",
    "ngrok",
    "pinggy",
    "srtp",
    "demo",
];

/// Whether this version has something of a module.
pub fn exists(name: &str) -> bool {
    let name = if name == "mpeg" { "mpegts" } else { name };
    let mut sources = table::SOURCES.iter().map(|entry| entry.module);
    sources.any(|module| module == name) || http::modules().any(|module| module == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_that_is_asked_for_can_be_named() {
        let sources = table::SOURCES.iter().map(|entry| entry.module);
        for module in sources.chain(http::modules()) {
            assert!(ALL.contains(&module), "{module} cannot be switched on");
        }
    }

    #[test]
    fn what_this_version_has() {
        for there in ["api", "ws", "http", "rtsp", "webrtc", "mp4", "hls", "mjpeg", "mpegts"] {
            assert!(exists(there), "{there}");
        }
        assert!(exists("mpeg") && exists("exec") && exists("ffmpeg") && exists("demo"));
        assert!(!exists("homekit") && !exists("rs2rtc"));
    }
}
