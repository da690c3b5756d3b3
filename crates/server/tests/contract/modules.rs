//! Parts of the contract that this version may not have yet. Each one is asked
//! for before the cases run: once it is there, its cases count.

use std::collections::BTreeSet;

use super::case::number;
use super::client::{Frame, Socket, request};
use super::harness::LIMIT;
use super::server::Running;

/// How to see that something is missing.
enum Probe {
    /// This path is answered with the 404 of an unknown page.
    Page(&'static str),
    /// A POST there is answered with this status.
    Post(&'static str, u16),
    /// A WebSocket message of this type is refused as not available.
    Message(&'static str),
    /// This scheme is not listed.
    Scheme(&'static str),
    /// This stream cannot be opened.
    Stream(&'static str),
}

const MODULES: &[(&str, Probe)] = &[
    ("api/preload", Probe::Page("/api/preload?src=x")),
    ("api/stack", Probe::Page("/api/stack")),
    ("schema.json", Probe::Page("/schema.json")),
    ("stream/", Probe::Page("/stream/x/add")),
    ("frame.jpeg", Probe::Page("/api/frame.jpeg?src=x")),
    ("frame.mp4", Probe::Page("/api/frame.mp4?src=x")),
    ("stream.mp4", Probe::Page("/api/stream.mp4?src=x")),
    ("hls", Probe::Page("/api/stream.m3u8?src=x")),
    ("stream.ts", Probe::Page("/api/stream.ts?src=x")),
    ("stream.flv", Probe::Page("/api/stream.flv?src=x")),
    ("stream.mjpeg", Probe::Page("/api/stream.mjpeg?src=x")),
    ("stream.ascii", Probe::Page("/api/stream.ascii?src=x")),
    ("stream.y4m", Probe::Page("/api/stream.y4m?src=x")),
    ("http ingest", Probe::Page("/api/stream?dst=x")),
    ("api/ffmpeg", Probe::Page("/api/ffmpeg?dst=x")),
    ("api/ffmpeg/hardware", Probe::Page("/api/ffmpeg/hardware")),
    ("playing to a camera", Probe::Post("/api/streams?src=demo:&dst=cam", 501)),
    ("publishing to a server", Probe::Post("/api/streams?src=cam&dst=rtmp://127.0.0.1:1/x", 501)),
    ("publishing over WebRTC", Probe::Post("/api/webrtc?dst=empty", 501)),
    ("rtmp", Probe::Scheme("rtmp")),
    ("mse", Probe::Message("mse")),
    ("ws mp4", Probe::Message("mp4")),
    ("ws hls", Probe::Message("hls")),
    ("ws mjpeg", Probe::Message("mjpeg")),
    ("mpegts source", Probe::Stream("cam_ts")),
    ("flv source", Probe::Stream("cam_flv")),
    ("y4m source", Probe::Stream("cam_y4m")),
    ("h264 source", Probe::Stream("cam_h264raw")),
    ("backchannel of exec", Probe::Stream("two_way")),
    ("onvif", Probe::Page("/onvif/device_service")),
    ("api/onvif", Probe::Page("/api/onvif")),
    ("api/alsa", Probe::Page("/api/alsa")),
    ("api/v4l2", Probe::Page("/api/v4l2")),
    ("api/hass", Probe::Page("/api/hass")),
    ("api/homekit", Probe::Page("/api/homekit")),
    ("api/roborock", Probe::Page("/api/roborock")),
    ("api/tuya", Probe::Page("/api/tuya")),
    ("api/webtorrent", Probe::Page("/api/webtorrent")),
    ("api/wyze", Probe::Page("/api/wyze")),
    ("api/xiaomi", Probe::Page("/api/xiaomi")),
];

/// The modules that are missing in a running server.
pub(crate) fn missing(server: &Running) -> BTreeSet<&'static str> {
    let is_missing = |probe: &Probe| match probe {
        Probe::Page(path) => {
            let answer = request(server.api(), "GET", path, &[], b"");
            answer.status == Some(404) && answer.text() == "404 page not found\n"
        }
        Probe::Post(path, status) => {
            request(server.api(), "POST", path, &[], b"").status == Some(*status)
        }
        Probe::Message(kind) => {
            let mut socket = Socket::open(server.api(), "/api/ws?src=nosuch", &[]).unwrap();
            socket.text(&format!("{{\"type\":\"{kind}\"}}"));
            match socket.next(LIMIT) {
                Frame::Text(text) => text.contains("not available in this version"),
                Frame::Silence => panic!("{kind} is not answered"),
                _ => true,
            }
        }
        Probe::Scheme(scheme) => {
            let answer = request(server.api(), "GET", "/api/schemes", &[], b"");
            !answer.text().contains(&format!("\"{scheme}\""))
        }
        Probe::Stream(name) => {
            let path = format!("/api/streams?src={name}&video=all&audio=all&microphone");
            request(server.api(), "GET", &path, &[], b"").status != Some(200)
        }
    };
    MODULES.iter().filter(|(_, probe)| is_missing(probe)).map(|(name, _)| *name).collect()
}

/// What an HTTP case needs.
pub(crate) fn of_http(name: &str) -> &'static [&'static str] {
    match number(name) {
        9 | 54 => &["api/preload"],
        10 => &["api/stack"],
        15 => &["stream/"],
        20..=22 if name.contains("-hls") => &["hls"],
        20..=22 if name.contains("-1rtsp") || name.contains("-after-") => &[],
        20..=22 => &["mse"],
        30 if name.contains("y4m") => &["frame.jpeg", "y4m source"],
        30 => &["frame.jpeg"],
        31 => &["frame.mp4"],
        32 if name.contains("safari") => &["stream.mp4", "hls"],
        32 => &["stream.mp4"],
        33..=35 => &["hls"],
        36 => &["stream.ts"],
        37 => &["stream.flv"],
        39 => &["stream.mjpeg"],
        40 if name.contains("ascii") => &["stream.ascii"],
        40 if name.contains("y4m") => &["stream.y4m"],
        41 if name.ends_with("cam_ts") => &["mpegts source"],
        41 if name.ends_with("cam_flv") => &["flv source"],
        41 if name.ends_with("cam_y4m") => &["y4m source"],
        41 if name.ends_with("two_way") => &["backchannel of exec"],
        52 => match &name[..3] {
            "52c" | "52d" => &["playing to a camera"],
            "52e" => &["publishing to a server"],
            "52f" | "52g" | "52h" => &["rtmp", "publishing to a server"],
            "52i" | "52j" => &["playing to a camera", "backchannel of exec"],
            _ => &[],
        },
        // The list shows what all the cases before it left.
        53 if name.starts_with("53d") => &["rtmp", "playing to a camera"],
        60 if name.contains("mp4") => &["stream.mp4"],
        60..=63 => &["http ingest"],
        // It shows that somebody has viewed an MP4 before.
        64 if name.contains("while-push") => &["http ingest", "stream.mp4"],
        64 if name.contains("ts-push") => &["http ingest"],
        64 if name.contains("rtmp") => &["rtmp"],
        65 if name.contains("hardware") => &["api/ffmpeg/hardware"],
        65 => &["api/ffmpeg"],
        66 => match name {
            "66-alsa" => &["api/alsa"],
            "66-hass" => &["api/hass"],
            "66-homekit-accessories" => &["api/homekit"],
            "66-onvif-bad" => &["api/onvif"],
            "66-roborock" => &["api/roborock"],
            "66-tuya" => &["api/tuya"],
            "66-v4l2" => &["api/v4l2"],
            "66-webtorrent" | "66-webtorrent-src" => &["api/webtorrent"],
            "66-wyze" => &["api/wyze"],
            "66-xiaomi" => &["api/xiaomi"],
            _ => &[],
        },
        67 => &["backchannel of exec"],
        84 => &["publishing over WebRTC"],
        85 => &["stream/"],
        90..=92 => &["onvif"],
        102 if name.contains("hls") => &["hls"],
        104 if name.contains("hls") => &["hls"],
        104 if name.contains("safari") => &["stream.mp4", "hls"],
        104 if name.contains("onvif") => &["onvif"],
        13 if name.contains("schema") => &["schema.json"],
        _ => &[],
    }
}

/// What a WebSocket case needs.
pub(crate) fn of_ws(name: &str) -> &'static [&'static str] {
    match number(name) {
        1 | 30..=33 | 37 => &[],
        34 | 9 => &["backchannel of exec"],
        35 => &["publishing over WebRTC"],
        5 | 22 => &["ws mjpeg"],
        6..=8 => &["mse", "ws mjpeg"],
        20 => &["ws mp4"],
        21 => &["ws hls"],
        36 if name.contains("value-wrong") => &["mse"],
        36 => &[],
        _ => &["mse"],
    }
}
