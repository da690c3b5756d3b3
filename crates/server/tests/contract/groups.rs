//! Which cases share a server. They run in the recorded order: later ones see
//! what earlier ones left.

use super::case::{self, number};

/// Where the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Loopback,
    /// At an address of the machine that is not loopback.
    Remote,
}

/// Cases that run against one server.
pub(crate) struct Group {
    /// What is set on top of the recorded configuration.
    pub(crate) overlay: &'static str,
    /// Another configuration file.
    pub(crate) file: Option<&'static str>,
    pub(crate) place: Place,
    /// Which HTTP cases belong to it.
    http: fn(&str) -> bool,
    /// Which WebSocket cases belong to it.
    ws: fn(&str) -> bool,
}

impl Group {
    /// The names of its cases, those of WebSocket cases with `ws/` before them.
    pub(crate) fn cases(&self) -> Vec<String> {
        let mut http: Vec<String> =
            case::names("http").into_iter().filter(|name| (self.http)(name)).collect();
        // It looks at what the requests after it left.
        if let Some(at) = http.iter().position(|name| name.starts_with("80-")) {
            let late = http.remove(at);
            http.push(late);
        }
        // Viewers come one after the other, go together, and one of HLS is alone.
        http.sort_by_key(|name| match (number(name), name.split_once('-')) {
            (20..=22, Some((_, rest))) => {
                let order = ["active-1rtsp", "active-rtsp-mse-webrtc", "active-all", "active-dot"];
                let last = ["active-probe", "after-all-left", "active-hls"];
                let place = order.iter().chain(&last).position(|other| *other == rest);
                (number(name), place.unwrap_or(0))
            }
            _ => (0, 0),
        });
        let ws = case::names("ws").into_iter().filter(|name| (self.ws)(name));
        http.extend(ws.map(|name| format!("ws/{name}")));
        http
    }
}

const BASE: Group =
    Group { overlay: "", file: None, place: Place::Loopback, http: |_| false, ws: |_| false };

/// All of them; slow ones first.
pub(crate) static GROUPS: &[Group] = &[
    Group { http: |n| (30..=49).contains(&number(n)), ..BASE },
    Group { http: |n| (70..=89).contains(&number(n)), ..BASE },
    Group { ws: |_| true, ..BASE },
    Group { http: |n| (20..=22).contains(&number(n)), ..BASE },
    Group { http: |n| (50..=54).contains(&number(n)), ..BASE },
    Group { http: |n| (60..=67).contains(&number(n)), ..BASE },
    Group { http: |n| number(n) <= 15 && !n.starts_with("11e") && !n.starts_with("11f"), ..BASE },
    Group { http: |n| n.starts_with("11e"), ..BASE },
    Group { http: |n| n.starts_with("11f"), ..BASE },
    Group { http: |n| (90..=92).contains(&number(n)), ..BASE },
    Group { http: |n| number(n) == 100, overlay: "api: {username: admin, password: pass}", ..BASE },
    Group {
        http: |n| number(n) == 101 && !n.starts_with("101i"),
        overlay: "api: {username: admin, password: pass, local_auth: true}",
        ..BASE
    },
    Group {
        http: |n| n.starts_with("101i"),
        overlay: "api: {username: admin, local_auth: true}",
        ..BASE
    },
    Group {
        http: |n| {
            (number(n) == 102 && !["102h", "102i", "102j"].contains(&&n[..4]))
                || n.starts_with("103-")
        },
        overlay: "api: {origin: \"*\"}",
        ..BASE
    },
    Group {
        http: |n| n.starts_with("102h") || n.starts_with("102i"),
        overlay: "api: {origin: \"*\", username: admin, password: pass, local_auth: true}",
        ..BASE
    },
    Group {
        http: |n| n.starts_with("102j") || n.starts_with("103b"),
        overlay: "api: {origin: \"http://example.com\"}",
        ..BASE
    },
    Group {
        http: |n| number(n) == 103 && !n.starts_with("103-") && !n.starts_with("103b"),
        ..BASE
    },
    Group { http: |n| number(n) == 104, overlay: "api: {base_path: /rtc}", ..BASE },
    Group {
        http: |n| number(n) == 105,
        overlay: "api: {allow_paths: [/, /api, /api/streams]}",
        ..BASE
    },
    Group { http: |n| number(n) == 106, overlay: "app: {modules: [api, ws, http]}", ..BASE },
    Group { http: |n| number(n) == 110, file: Some(FILE), ..BASE },
    Group {
        http: |n| number(n) == 120,
        overlay: "api: {username: admin, password: pass}",
        place: Place::Remote,
        ..BASE
    },
];

/// The file that the cases about the file begin with.
const FILE: &str = "# comment\napi:\n  listen: \"127.0.0.1:21984\"\nrtsp:\n  listen: \"\"\nwebrtc:\n  listen: \"\"\nsrtp:\n  listen: \"\"\nstreams:\n  a: rtsp://127.0.0.1:1/x  # inline\n  b:\n    - rtsp://127.0.0.1:1/y\n";
