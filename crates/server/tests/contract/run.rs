//! Runs the cases of one group against one server.

use std::net::{Ipv6Addr, SocketAddr};

use base64::Engine as _;
use serde_json::{Value, json};

use super::case::{self, Case, Http, Kind, filled, on_ports};
use super::client::{Answer, Frame, Socket, request};
use super::compare::{self, Findings, Way, text_matches};
use super::harness::{Killed, LIMIT};
use super::rtsp;
use super::server::Running;
use super::watching::Watching;

/// How a case came out.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Same,
    /// Rows of `docs/compatibility.md`.
    Better(Vec<String>),
    Missing(&'static str),
    /// This machine cannot do it.
    Skipped(&'static str),
    Different(Vec<String>),
}

/// What a stream is asked for over WebRTC, as errors say it: recorded, and ours.
const WEBRTC_CODECS: &str = "video:VP8, video:VP9, video:H264, video:AV1, audio:OPUS, \
     audio:G722, audio:PCMU, audio:PCMA, audio:S16B, audio:S16L";
const OUR_WEBRTC_CODECS: &str = "video:H264, video:AV1, audio:OPUS, audio:PCMU, audio:PCMA";

impl Outcome {
    /// The same with what was found besides.
    fn with(self, found: Findings) -> Self {
        match self {
            Self::Same | Self::Better(_) if !found.different.is_empty() => {
                Self::Different(found.different)
            }
            Self::Same if found.better.is_empty() => self,
            Self::Same => Self::Better(found.better.into_iter().map(str::to_owned).collect()),
            Self::Better(mut rows) => {
                rows.extend(found.better.into_iter().map(str::to_owned));
                rows.dedup();
                Self::Better(rows)
            }
            other => other,
        }
    }

    pub(crate) const fn is_different(&self) -> bool {
        matches!(self, Self::Different(_))
    }
}

/// What runs beside the requests of a group.
pub(crate) struct Run<'a> {
    pub(super) server: &'a Running,
    /// Answers that are meant to differ.
    ours: &'a Value,
    /// Ends with the group.
    pub(super) viewers: Vec<Killed>,
    /// Clients of the RTSP server that stay.
    clients: Vec<rtsp::Client>,
    /// Viewers as browsers are.
    pub(super) watching: Vec<Watching>,
    whip: String,
    /// Id of the last HLS session.
    hls: String,
    /// Where the server is for a client on another machine.
    remote: Option<SocketAddr>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(server: &'a Running, ours: &'a Value, remote: Option<SocketAddr>) -> Self {
        Self {
            server,
            ours,
            viewers: Vec::new(),
            clients: Vec::new(),
            watching: Vec::new(),
            whip: String::new(),
            hls: String::new(),
            remote,
        }
    }

    /// The recorded client was at another address than ours.
    fn at_this_address(&self, http: &Http) -> Http {
        let mut http = http.clone();
        if let Some(remote) = self.remote {
            let json = http.expected.json.map(|json| json.to_string());
            let json = json.map(|json| json.replace("10.9.9.1", &remote.ip().to_string()));
            http.expected.json = json.map(|json| serde_json::from_str(&json).unwrap());
        }
        http
    }

    fn address(&self, name: &str) -> SocketAddr {
        let port = self.server.ports.api;
        match name {
            "120f-auth-ipv6-loopback" => (Ipv6Addr::LOCALHOST, port).into(),
            "120g-auth-loopback" => self.server.api(),
            _ => self.remote.unwrap_or_else(|| self.server.api()),
        }
    }

    pub(crate) fn case(&mut self, case: &Case) -> Outcome {
        match &case.kind {
            Kind::Http(http) => self.http(&case.name, http),
            Kind::Ws(lines) => self.conversation(&case.name, lines),
        }
    }

    fn http(&mut self, name: &str, http: &Http) -> Outcome {
        if name == "80-webrtc-streams-after" {
            return self.never_connected();
        }
        self.before(name, http);
        let before = std::fs::read_to_string(&self.server.config).unwrap_or_default();
        let http = &self.at_this_address(http);
        let url = http.url.replace("<whip_id>", &self.whip).replace("<hls_id>", &self.hls);
        let body = request_body(name, &http.body);
        let actual = request(self.address(name), &http.method, &url, &http.headers, &body);
        if name == "52e-post-publish-bad-scheme" {
            // Ours begins what the reference refuses.
            assert_eq!(self.ask("DELETE", &url).status, Some(200));
        }
        if let Some((_, id)) = actual.headers.get("location").and_then(|l| l.split_once("id=")) {
            id.clone_into(&mut self.whip);
        }
        if let Some((_, id)) = actual.text().rsplit_once("hls/playlist.m3u8?id=") {
            id.clone_into(&mut self.hls);
        }
        let way = Way {
            unordered: name.starts_with("41-probe")
                || name.starts_with("54")
                || name.starts_with('2'),
            young: !name.contains("-active-"),
        };
        let mut found = match name {
            "06-schemes" | "106b-modules-schemes" => schemes(&http.expected.body, &actual),
            _ if name.ends_with("-active-dot") => compare::graph(&http.expected, &actual),
            _ => compare::answer(&http.expected, &actual, way),
        };
        self.file(name, http, &before, &mut found);
        self.judge(name, found, |pinned| {
            compare::answer(&case::Expected::parse(pinned), &actual, way)
        })
    }

    /// The same, better as written down, or different.
    fn judge(
        &self,
        name: &str,
        found: Findings,
        compare_ours: impl FnOnce(&Value) -> Findings,
    ) -> Outcome {
        if found.different.is_empty() {
            return match found.better.is_empty() {
                true => Outcome::Same,
                false => Outcome::Better(found.better.iter().map(|&row| row.into()).collect()),
            };
        }
        let Some(ours) = self.ours.get(name) else { return Outcome::Different(found.different) };
        let text = on_ports(&ours["response"].to_string(), self.server.ports);
        let pinned: Value = serde_json::from_str(&text).unwrap();
        let again = compare_ours(&pinned);
        if !again.different.is_empty() {
            return Outcome::Different(again.different);
        }
        let mut rows: Vec<String> = again.better.iter().map(|&row| row.into()).collect();
        rows.push(ours["row"].as_str().unwrap().to_owned());
        Outcome::Better(rows)
    }

    /// What a case finds besides the configuration.
    fn before(&mut self, name: &str, http: &Http) {
        let file = &self.server.config;
        match name {
            "110p-config-patch-on-empty-file" => std::fs::write(file, "").unwrap(),
            "110s-config-get-missing" => std::fs::remove_file(file).unwrap(),
            "110w-delete-no-streams-section" => {
                std::fs::write(file, "log:\n  level: info\n").unwrap();
            }
            "110z-get-after-broken-file" => {
                std::fs::write(file, "streams: [\n").unwrap();
                let put = self.ask("PUT", "/api/streams?name=z2&src=rtsp://127.0.0.1:1/z");
                assert_eq!(put.status, Some(400), "a file that cannot be changed");
            }
            "54p-preload-get-end" => {
                for name in ["cam_pcma", "two_way"] {
                    let deleted = self.ask("DELETE", &format!("/api/preload?src={name}"));
                    assert_eq!(deleted.status, Some(200), "{name}");
                }
            }
            "110x-put-flow-style" => std::fs::write(file, "streams: {a: b}\n").unwrap(),
            "20-active-1rtsp" => self.view("cam"),
            "21-active-1rtsp" => {
                // The session that was the last viewer of the first one ends by its clock.
                self.leave("cam");
                self.view("cam_opus");
            }
            "41-probe-cam" => self.leave("cam"),
            "41-probe-cam_h265" => self.leave("cam_h265"),
            "22-active-1rtsp" => self.view("cam_pcma"),
            "20-active-rtsp-mse-webrtc" => self.watch("cam"),
            "21-active-rtsp-mse-webrtc" => self.watch("cam_opus"),
            "22-active-rtsp-mse-webrtc" => self.watch("cam_pcma"),
            "20-active-hls" => self.view_hls("cam"),
            // The last case that fetched a segment was the one before it.
            "33-hls-ts-7-playlist-expired" => self.leave("cam"),
            "20-after-all-left" => self.leave("cam"),
            "21-after-all-left" => self.leave("cam_opus"),
            "22-after-all-left" => self.leave("cam_pcma"),
            "64-streams-while-ts-push" => {
                let to = format!("http://{}/api/stream.ts?dst=empty", self.server.api());
                self.push(&["-f", "mpegts", &to]);
                let _ = self.until_stream("empty", |stream| !has_no_source(stream));
            }
            "64d-streams-while-rtsp-push" => {
                let to = self.server.server.rtsp("empty");
                self.push(&["-rtsp_transport", "tcp", "-f", "rtsp", &to]);
                let _ = self.until_flowing("empty", 2);
            }
            "84e-streams-after-whip-delete" => self.until_pushed_no_more(),
            "64b-streams-after-ts-push" | "64e-streams-after-rtsp-push" => {
                self.viewers.clear();
                self.until_pushed_no_more();
            }
            "64f-streams-during-rtsp-record" => {
                let json = http.expected.json.as_ref().unwrap();
                let sdp = json["producers"][0]["sdp"].as_str().unwrap();
                self.clients.push(rtsp::Client::record(self.server.ports.rtsp, "empty", sdp));
            }
            "65j-streams-after-stop" => {
                self.until_stream("two_way", |stream| stream["producers"][1].get("id").is_none());
            }
            "65h-streams-while-playing" => {
                self.until_flowing("two_way", 2);
            }
            "67-streams-two-way-rtsp-backchannel" => {
                self.clients.clear();
                self.until_pushed_no_more();
                // What was spoken has ended.
                self.ask("POST", "/api/streams?src=&dst=two_way");
                let path = "two_way?backchannel=1";
                self.clients.push(rtsp::Client::play(self.server.ports.rtsp, path));
                self.until_flowing("two_way", 4);
            }
            _ => {}
        }
    }

    fn ask(&self, method: &str, url: &str) -> Answer {
        request(self.server.api(), method, url, &[], b"")
    }

    /// Viewers that never connect hold the camera for seconds, not for half a minute.
    fn never_connected(&self) -> Outcome {
        let none = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
        match self.within(LIMIT / 2, "cam_opus", |stream| none(&stream["consumers"])) {
            true => Outcome::Better(vec!["unconnected-viewer".into()]),
            false => Outcome::Different(vec!["viewers that never connected stay".into()]),
        }
    }

    fn file(&self, name: &str, http: &Http, before: &str, found: &mut Findings) {
        let after = std::fs::read_to_string(&self.server.config).unwrap_or_default();
        if let Some(wanted) = &http.file_after {
            let wanted = on_ports(wanted, self.server.ports);
            let same = match http.method.as_str() {
                // Ours brings the file that was removed back, with the change in it.
                "PUT" if name.ends_with("-missing-file") => {
                    found.better.insert("config-file-gone");
                    let run = ["streams", "api"].map(|key| !yaml(&after)[key].is_null());
                    run == [true; 2]
                        && yaml(&after)["streams"]["n"] == yaml(&wanted)["streams"]["n"]
                }
                // The reference writes the whole file anew, sorted and without comments.
                "PATCH" => yaml(&wanted) == yaml(&after),
                _ => {
                    wanted == after
                        || (yaml(&wanted) == yaml(&after) && wanted.len() == after.len())
                }
            };
            if !same {
                found
                    .different
                    .push(format!("file after {name}: expected {wanted:?}, got {after:?}"));
            }
        }
        if let Some(diff) = &http.file_diff {
            let wanted = |sign: char| -> Vec<String> {
                let lines = diff.iter().filter(|line| !line.starts_with("@@"));
                let lines = lines.filter_map(|line| line.strip_prefix(sign)).map(str::to_owned);
                lines.collect()
            };
            let (gone, come) = changed_lines(before, &after);
            if wanted('+') != come || wanted('-') != gone {
                found.different.push(format!("file: expected {diff:?}, got -{gone:?} +{come:?}"));
            }
        }
    }

    fn conversation(&self, name: &str, lines: &[Value]) -> Outcome {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let url = text(&lines.iter().find(|line| !line["url"].is_null()).unwrap()["url"]);
        let headers = lines[0]["request_headers"].as_object().into_iter().flatten();
        let mut headers: Vec<_> =
            headers.map(|(name, value)| (name.clone(), text(value))).collect();
        headers.push(("User-Agent".into(), "Python/3.12 websockets/17.4".into()));
        let asides: Vec<_> = lines.iter().filter(|line| !line["json"].is_null()).collect();
        for aside in &asides {
            // Viewers of cases before this one that never connected. A name that nobody has
            // yet has none.
            let stream = stream_of(aside);
            let answer = self.ask("GET", &format!("/api/streams?src={stream}"));
            if serde_json::from_str::<Value>(&answer.text()).is_ok() {
                self.until_stream(&stream, |stream| {
                    stream["consumers"].as_array().is_none_or(Vec::is_empty)
                });
            }
        }
        let refused = lines.iter().find(|line| line["event"] == "handshake refused");
        let mut socket = match Socket::open(self.server.api(), &url, &headers) {
            Ok(socket) => socket,
            Err(answer) => {
                let found = match refused {
                    Some(line) => {
                        compare::answer(&case::Expected::parse(line), &answer, Way::default())
                    }
                    None => Findings {
                        different: vec![format!(
                            "refused: {:?} {:?}",
                            answer.status,
                            answer.text()
                        )],
                        ..Findings::default()
                    },
                };
                return self.judge(name, found, |pinned| {
                    compare::answer(&case::Expected::parse(pinned), &answer, Way::default())
                });
            }
        };
        if refused.is_some() {
            return Outcome::Different(vec!["the handshake was not refused".into()]);
        }
        let mut found = Findings::default();
        let mut heard = Vec::new();
        for line in lines.iter().filter(|line| line["dir"] == "client") {
            socket.text(&filled(&text(&line["text"])));
        }
        let mut wanted: Vec<String> = lines
            .iter()
            .filter(|line| line["dir"] == "server" && !line["text"].is_null())
            .map(|line| text(&line["text"]))
            .collect();
        // Which of its modes a page hears of first is chance, so that no whole
        // conversation can stand for ours.
        if name.contains("browser-all-modes") {
            for line in &mut wanted {
                let ours = line.replace(WEBRTC_CODECS, OUR_WEBRTC_CODECS);
                if ours != *line {
                    *line = ours;
                    found.better.insert("webrtc-codecs");
                }
            }
        }
        let media = lines.iter().find(|line| !line["binary"].is_null());
        let mut came = None;
        while !wanted.is_empty() || (media.is_some() && came.is_none()) {
            match socket.next(LIMIT) {
                Frame::Binary(bytes) if media.is_some() => drop(came.get_or_insert(bytes)),
                Frame::Text(ours) => {
                    heard.push(ours.clone());
                    match wanted.iter().position(|wanted| message_matches(wanted, &ours)) {
                        Some(index) => drop(wanted.remove(index)),
                        None if name.starts_with("ws/01-") && ours.contains("webrtc/candidate") => {
                        }
                        None => {
                            found.different.push(format!("expected {wanted:?}, got {ours:?}"));
                            let same = wanted.iter().position(|w| type_of(w) == type_of(&ours));
                            let Some(index) = same else { break };
                            wanted.remove(index);
                        }
                    }
                }
                other => {
                    found.different.push(format!("expected {wanted:?}, got {other:?}"));
                    break;
                }
            }
        }
        if let (Some(media), Some(came)) = (media, &came) {
            let names = media["boxes"].as_array().into_iter().flatten().map(text);
            let names: Vec<_> = names.map(|name| name[..4].to_owned()).collect();
            if !names.is_empty() && names != boxes(came) {
                found.different.push(format!("expected {names:?}, got {:?}", boxes(came)));
            }
        }
        let mut aside = Findings::default();
        self.asides(&asides, &mut aside);
        if found.different.is_empty() {
            socket.ping();
            match socket.next(LIMIT) {
                Frame::Pong | Frame::Binary(_) => {}
                // The recorded player had closed its socket already.
                Frame::Text(_) if name.starts_with("ws/01-") => {}
                other => found.different.push(format!("then {other:?}")),
            }
        }
        let outcome = self.judge(name, found, |pinned| {
            let mut again = Findings::default();
            let expected: Vec<String> = pinned
                .as_array()
                .unwrap()
                .iter()
                .map(|line| line.as_str().unwrap().to_owned())
                .collect();
            let same = expected.len() == heard.len()
                && expected.iter().zip(&heard).all(|(e, h)| message_matches(e, h));
            if !same {
                again.different.push(format!("expected {expected:?}, got {heard:?}"));
            }
            again
        });
        outcome.with(aside)
    }

    /// What was asked over HTTP while the socket was open.
    fn asides(&self, asides: &[&Value], found: &mut Findings) {
        for aside in asides {
            let answer = self.ask("GET", &format!("/api/streams?src={}", stream_of(aside)));
            let ours = serde_json::from_str(&answer.text()).unwrap_or(json!(null));
            let way = Way { unordered: true, young: true };
            let expected = compare::without_unread(&aside["json"], &ours, found);
            compare::values(&expected, &ours, way, found);
        }
    }
}

/// Names of the boxes of an MP4.
fn boxes(mut bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while let Some((size, rest)) = bytes.split_first_chunk::<4>() {
        let size = u32::from_be_bytes(*size) as usize;
        names.push(String::from_utf8_lossy(rest.get(..4).unwrap_or_default()).into_owned());
        bytes = bytes.get(size.max(8)..).unwrap_or_default();
    }
    names
}

/// The stream that was looked at in a line such as `GET /api/streams?src=cam now`.
fn stream_of(aside: &Value) -> String {
    let note = aside["note"].as_str().unwrap();
    let stream = note.strip_prefix("GET /api/streams?src=").and_then(|n| n.strip_suffix(" now"));
    stream.unwrap().to_owned()
}

fn type_of(message: &str) -> Value {
    serde_json::from_str::<Value>(message).unwrap_or_default()["type"].take()
}

/// Whether a message is the recorded one; answers are compared as such.
fn message_matches(wanted: &str, ours: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let (w, o) = (parse(wanted), parse(ours));
    if w["type"] != o["type"] || !ours.ends_with('\n') {
        return false;
    }
    let sdp = |value: &Value| -> Option<String> {
        let text = value["value"].as_str().or_else(|| value["value"]["sdp"].as_str())?;
        text.starts_with("v=0").then(|| text.to_owned())
    };
    match (sdp(&w), sdp(&o)) {
        (Some(w), Some(o)) => {
            let mut different = Vec::new();
            super::sdp::answers(&w, &o, &mut different);
            different.is_empty()
        }
        (None, None) => match (w["value"].as_str(), o["value"].as_str()) {
            (Some(w), Some(o)) => text_matches(w, o),
            _ => w == o,
        },
        _ => false,
    }
}

fn has_no_source(stream: &Value) -> bool {
    stream["producers"].as_array().is_none_or(Vec::is_empty)
}

/// Placeholders of request bodies.
fn request_body(name: &str, recorded: &str) -> Vec<u8> {
    if recorded == "<binary>" {
        let clip = if name.contains("flv") { "h264_aac.flv" } else { "h264_aac.ts" };
        return std::fs::read(super::server::media().join(clip)).unwrap();
    }
    text_body(name, recorded).into_bytes()
}

fn text_body(name: &str, recorded: &str) -> String {
    let whole = match name {
        "84-whip-post" => "11-whip",
        _ => "01-video-audio-h264-opus",
    };
    if recorded.starts_with("<SDP offer") {
        return case::offer(whole);
    }
    if recorded.starts_with("data=<percent") {
        let base64 = base64::engine::general_purpose::STANDARD.encode(case::offer(whole));
        return format!(
            "data={}",
            base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
        );
    }
    if recorded.contains("<offer of ") {
        return json!({"type": "offer", "sdp": case::offer(whole)}).to_string();
    }
    recorded.to_owned()
}

/// Schemes in any order: ours may lack those of modules to come.
fn schemes(expected: &str, actual: &Answer) -> Findings {
    let list = |text: &str| -> Vec<String> { serde_json::from_str(text).unwrap_or_default() };
    let (theirs, ours) = (list(expected), list(&actual.text()));
    let mut found = Findings::default();
    for scheme in &ours {
        if !theirs.contains(scheme) && scheme != "demo" {
            found.different.push(format!("scheme {scheme}"));
        }
        if ours.iter().filter(|s| *s == scheme).count() > 1 {
            found.different.push(format!("scheme {scheme} twice"));
        }
    }
    if ours != theirs {
        found.better.insert("schemes");
    }
    if actual.headers.get("content-type").is_none_or(|t| t != "application/json") {
        found.different.push("content type".into());
    }
    found
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_default()
}

/// Lines that went and lines that came, in order.
fn changed_lines(before: &str, after: &str) -> (Vec<String>, Vec<String>) {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.lines().collect(), after.lines().collect());
    let same_start = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let (b, a) = (&before[same_start..], &after[same_start..]);
    let same_end = b.iter().rev().zip(a.iter().rev()).take_while(|(a, b)| a == b).count();
    let own = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
    (own(&b[..b.len() - same_end]), own(&a[..a.len() - same_end]))
}
