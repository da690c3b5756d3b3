//! Streams that are published to foreign RTSP servers: ffmpeg and GStreamer.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::{
    Folder, Killed, Ports, Server, clip, foreign_camera, has_program, run, until,
};

/// ffmpeg as an RTSP server: takes some seconds of what is published to `port` and ends.
struct Listener {
    child: Killed,
    file: PathBuf,
}

impl Listener {
    fn start(port: u16, folder: &Folder, file: &str, seconds: &str) -> Self {
        let file = folder.path().join(file);
        let child = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-rtsp_flags", "listen", "-i"])
            .arg(format!("rtsp://127.0.0.1:{port}/live"))
            .args(["-t", seconds, "-c", "copy"])
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child: Killed(child), file }
    }

    fn has_ended(&mut self) -> bool {
        let child: &mut Child = &mut self.child.0;
        child.try_wait().unwrap().inspect(|status| assert!(status.success())).is_some()
    }

    /// Codecs of what it took, and how many packets.
    fn taken(mut self) -> (String, usize) {
        until("all of it is there", || self.has_ended());
        probe(&self.file)
    }
}

fn probe(file: &Path) -> (String, usize) {
    let entries = "stream=codec_name:packet=stream_index";
    let path = file.to_str().unwrap();
    let (ok, out, err) =
        run("ffprobe", &["-v", "error", "-show_entries", entries, "-of", "csv", path]);
    assert!(ok && err.is_empty(), "{err}");
    let of = |kind: &str| out.lines().filter_map(|l| l.strip_prefix(kind)).collect::<Vec<_>>();
    (of("stream,").join(" "), of("packet,").len())
}

fn stream(server: &Server, name: &str) -> Value {
    let (status, body) = server.request("GET", &format!("api/streams?src={name}"));
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn is_idle(server: &Server, name: &str) -> bool {
    let stream = stream(server, name);
    let none = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    none(&stream["consumers"]) && stream["producers"][0]["id"].is_null()
}

#[test]
fn what_the_configuration_publishes_goes_on_after_the_server_was_away() {
    if !has_program("ffmpeg", "-version") {
        return;
    }
    let (folder, ports, to) = (Folder::new(), Ports::free(), Ports::free().webrtc);
    let file = clip(&folder);
    let start = format!(
        "{}log: {{level: debug}}\nstreams:\n  film: exec:ffmpeg -v error -re -stream_loop -1 -i {} -c copy -rtsp_transport tcp -f rtsp {{output}}\n",
        ports.config("127.0.0.1"),
        file.display(),
    );
    let published = format!("{start}publish:\n  film: rtsp://user:pa55word@127.0.0.1:{to}/live\n");
    let server = Server::with_config(&published, ports);
    // Nobody is there yet, which is said once.
    server.wait_log(&format!("can't connect to 127.0.0.1:{to}"));
    for round in ["one.mkv", "two.mkv"] {
        let (codecs, packets) = Listener::start(to, &folder, round, "2").taken();
        assert_eq!(codecs, "h264 aac");
        assert!(packets > 10, "{packets}");
    }
    // One that is there until it is let go.
    let last = Listener::start(to, &folder, "three.mkv", "600");
    let mut shown = Value::Null;
    until("it is shown", || {
        let mut consumers = stream(&server, "film")["consumers"].take();
        shown = consumers.get_mut(0).map(Value::take).unwrap_or_default();
        shown["bytes_send"].as_u64() > Some(10_000)
    });
    assert_eq!(shown["format_name"], "rtsp");
    assert_eq!(shown["protocol"], "rtsp+tcp");
    assert_eq!(shown["remote_addr"], format!("127.0.0.1:{to}"));
    assert_eq!(shown["url"], format!("rtsp://127.0.0.1:{to}/live"));
    assert_eq!(shown["senders"].as_array().unwrap().len(), 2);
    server._folder.write("rs2rtc.yaml", &start);
    server.signal("-HUP");
    until("the camera is free", || is_idle(&server, "film"));
    server.wait_log("the last viewer of film left (withdrawn)");
    drop(last);
    assert!(!server.log().contains("pa55word"));
}

#[test]
fn what_the_api_publishes_goes_until_the_api_ends_it() {
    if !has_program("ffmpeg", "-version") {
        return;
    }
    let (folder, to) = (Folder::new(), Ports::free().webrtc);
    let server = Server::with_streams("plain: demo:?width=320&height=240&audio=pcmu");
    let listener = Listener::start(to, &folder, "plain.mkv", "2");
    let query = format!("api/streams?src=plain&dst=rtsp://127.0.0.1:{to}/live");
    assert_eq!(server.request("POST", &query), (200, String::new()));
    let (codecs, packets) = listener.taken();
    assert_eq!(codecs, "h264 pcm_mulaw");
    assert!(packets > 10, "{packets}");
    assert_eq!(server.request("DELETE", &query), (200, String::new()));
    until("the camera is free", || is_idle(&server, "plain"));
    let nothing = "streams: nothing is published there\n";
    assert_eq!(server.request("DELETE", &query), (404, nothing.to_owned()));
    for (parameter, status, text) in [
        ("%23transport=udp", 400, "rtsp: #transport=udp is not available yet, use tcp\n"),
        ("%23media=text", 400, "rtsp: #media=text names neither video nor audio\n"),
    ] {
        let answer = server.request("POST", &format!("{query}{parameter}"));
        assert_eq!(answer, (status, text.to_owned()));
    }
}

#[test]
fn a_server_with_a_password() {
    let Some((_server, _, locked)) = foreign_camera() else { return };
    let server = Server::with_streams("demo: demo:?width=320&height=240");
    let publish = |user: &str| {
        let query = format!("api/streams?src=demo&dst=rtsp://{user}@127.0.0.1:{locked}/record");
        assert_eq!(server.request("POST", &query), (200, String::new()));
    };
    publish("cam:nope-secret");
    server.wait_log(&format!("rtsp: 127.0.0.1:{locked}: RTSP wrong user/pass"));
    publish("cam:pa55");
    until("it takes it", || {
        let shown = stream(&server, "demo")["consumers"].take();
        let consumers = shown.as_array().map_or(&[][..], Vec::as_slice);
        consumers.iter().any(|shown| shown["bytes_send"].as_u64() > Some(50_000))
    });
    assert!(!server.log().contains("nope-secret") && !server.log().contains("pa55"));
}
