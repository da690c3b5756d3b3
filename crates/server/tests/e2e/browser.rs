//! Real Chromium plays what the server sends, on loopback and across a pair of
//! network namespaces.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use super::harness::{
    Folder, Ports, Server, binary, clip, foreign_camera, foreign_camera_in, has, has_program,
    pause, recording, root, run,
};

pub(crate) fn has_browser() -> bool {
    let modules = root().join("tools/ui/node_modules/puppeteer-core").exists();
    has_program("node", "--version")
        && has_program("chromium", "--version")
        && has("the node modules of tools/ui (npm ci)", modules)
}

/// Where Firefox is: Debian has it, others do not.
pub(crate) fn has_firefox() -> bool {
    let system = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let here = std::path::Path::new("/usr/bin/firefox-esr").exists();
    has_browser() && system.lines().any(|line| line == "ID=debian") && has("firefox-esr", here)
}

/// Plays and returns the player's report as JSON text.
pub(crate) fn play(url: &str, stream: &str, more: &[&str]) -> String {
    let script = root().join("tools/ui/play.mjs");
    let mut arguments = vec![
        script.to_str().unwrap(),
        "--url",
        url,
        "--src",
        stream,
        "--json",
        "--seconds",
        "3",
        "--pictures",
        "30",
        "--timeout",
        "30",
    ];
    arguments.extend_from_slice(more);
    let (ok, text, err) = run("node", &arguments);
    assert!(ok, "{stream}: {text}\n{err}");
    text
}

/// A number of the report, by the name of its field.
pub(crate) fn number(report: &str, field: &str) -> f64 {
    let at =
        report.find(&format!("\"{field}\":")).unwrap_or_else(|| panic!("no {field} in {report}"));
    let rest = &report[at + field.len() + 3..];
    let end = rest.find([',', '}']).unwrap_or(rest.len());
    rest[..end].trim().parse().unwrap_or_else(|_| panic!("{field} is no number in {report}"))
}

fn check_demo(report: &str) {
    assert!(report.contains("\"ok\":true"), "{report}");
    assert_eq!((number(report, "width"), number(report, "height")), (1280.0, 720.0));
    assert!(number(report, "decoded") > 20.0, "{report}");
    assert!(number(report, "advanced") > 20.0, "the burnt-in counter moves: {report}");
    assert!(report.contains("\"heard\":true"), "{report}");
}

/// Whether there is a browser, and hls.js for it.
fn has_foreign_player() -> bool {
    let module = root().join("tools/ui/node_modules/hls.js").exists();
    has_browser() && has("hls.js (npm ci in tools/ui)", module)
}

#[test]
fn the_first_command_plays_the_demo_camera() {
    if !has_browser() {
        return;
    }
    // No configuration at all but the ports, which other tests may have.
    let folder = Folder::new();
    let ports = Ports::free();
    folder.write("rs2rtc.yaml", &ports.config("127.0.0.1"));
    let server = Server::spawn(Command::new(binary()), folder, ports);
    server.wait_log("[api] listen addr=");
    let (_, streams) = server.request("GET", "api/streams");
    assert!(!streams.contains("demo"), "demo exists only without a configuration: {streams}");
    drop(server);

    let server = Server::with_streams("demo: \"demo:\"");
    for mdns in ["hide", "show"] {
        check_demo(&play(&server.url(""), "demo", &["--mdns", mdns]));
    }
    check_demo(&play(&server.url(""), "demo", &["--page", "index"]));
    server.until_stream("demo", "the camera is let go", |s| !s.contains("\"receivers\""));
}

#[test]
fn motion_jpeg_plays_on_a_canvas() {
    if !has_browser() {
        return;
    }
    let server =
        Server::with_streams("pictures: \"demo:?video=mjpeg&audio=none&width=640&height=360\"");
    for mode in ["mjpeg", "webrtc,mse,mjpeg"] {
        let report = play(&server.url(""), "pictures", &["--mode", mode]);
        assert_eq!((number(&report, "width"), number(&report, "height")), (640.0, 360.0));
        assert!(number(&report, "advanced") > 20.0, "the burnt-in counter moves: {report}");
        assert_eq!(number(&report, "damaged"), 0.0, "{report}");
        server.until_stream("pictures", "the camera is let go", |s| !s.contains("\"receivers\""));
    }
}

/// The sound comes over WebRTC or MSE, and the picture beside it.
#[test]
fn motion_jpeg_with_sound_is_seen_and_heard() {
    if !has_browser() {
        return;
    }
    let server = Server::with_streams(
        "pcmu: demo:?video=mjpeg&audio=pcmu&width=640&height=360\nopus: demo:?video=mjpeg&width=640&height=360",
    );
    for (stream, mode) in [
        ("pcmu", "webrtc,mse,hls,mjpeg"),
        ("opus", "webrtc,mse,hls,mjpeg"),
        ("pcmu", "webrtc,mjpeg"),
        ("pcmu", "mse,mjpeg"),
    ] {
        let report = play(&server.url(""), stream, &["--mode", mode]);
        assert_eq!((number(&report, "width"), number(&report, "height")), (640.0, 360.0));
        assert!(number(&report, "advanced") > 20.0, "the burnt-in counter moves: {report}");
        assert_eq!(number(&report, "damaged"), 0.0, "{report}");
        assert!(number(&report, "time") > 1.0, "the sound plays: {report}");
        let over_webrtc = mode.contains("webrtc");
        assert_eq!(report.contains("\"heard\":true"), over_webrtc, "{report}");
        server.until_stream(stream, "the camera is let go", |s| !s.contains("\"receivers\""));
    }
}

#[test]
fn cameras_play_in_the_browser() {
    if !has_browser() || !has_program("ffmpeg", "-version") {
        return;
    }
    let Some((_camera, open, _)) = foreign_camera() else { return };
    let media = Folder::new();
    let file = clip(&media);
    let server = Server::with_streams(&format!(
        "gst: rtsp://127.0.0.1:{open}/h264\nfile: exec:ffmpeg -v error -re -stream_loop -1 -i {} -c:v copy -c:a libopus -rtsp_transport tcp -f rtsp {{output}}",
        file.display()
    ));
    for stream in ["gst", "file"] {
        let report = play(&server.url(""), stream, &[]);
        assert!(report.contains("\"ok\":true"), "{report}");
        assert_eq!((number(&report, "width"), number(&report, "height")), (640.0, 360.0));
        assert!(number(&report, "decoded") > 20.0, "{report}");
        assert!(number(&report, "distinct") > 3.0, "pictures differ: {report}");
        assert!(report.contains("\"heard\":true"), "{report}");
    }
}

#[test]
fn ice_over_tcp_plays_too() {
    if !has_browser() {
        return;
    }
    let server = Server::with_streams("demo: \"demo:\"");
    let report = play(&server.url(""), "demo", &["--mode", "webrtc/tcp"]);
    check_demo(&report);
    assert!(report.contains("\"protocol\":\"tcp\""), "{report}");
}

/// Media source extensions, with Opus and with G.711 as FLAC: plays, near the live
/// edge, and lets go of the camera when the page is closed.
#[test]
fn media_source_extensions_play() {
    if !has_browser() {
        return;
    }
    plays_by_media_source_extensions("chromium");
}

/// The same in Firefox, where it is installed.
#[test]
fn media_source_extensions_play_in_firefox() {
    if has_firefox() {
        plays_by_media_source_extensions("firefox");
    }
}

/// Plays with Opus and with G.711 as FLAC.
fn plays_by_media_source_extensions(browser: &str) {
    let server = Server::with_streams("demo: \"demo:\"\npcmu: demo:?audio=pcmu");
    for stream in ["demo", "pcmu"] {
        let report = play(&server.url(""), stream, &["--mode", "mse", "--browser", browser]);
        assert!(report.contains("\"ok\":true"), "{report}");
        assert_eq!((number(&report, "width"), number(&report, "height")), (1280.0, 720.0));
        assert!(number(&report, "advanced") > 20.0, "the burnt-in counter moves: {report}");
        // The browser decodes without help, on a machine that does other things too.
        assert!(number(&report, "p95") < 1500.0, "it is near the live edge: {report}");
        eprintln!("{stream}: at most {} ms behind live (p95)", number(&report, "p95"));
        server.until_stream(stream, "the camera is let go", |s| !s.contains("\"receivers\""));
    }
}

/// A stream gets a source with a picture of another size: a new initialisation
/// segment, in the same page and over the same socket.
#[test]
fn another_picture_goes_on_in_the_same_page() {
    if !has_browser() {
        return;
    }
    let put = "demo:?width=320&height=240";
    // The time of HLS begins anew with it.
    for mode in ["mse", "hls"] {
        let server = Server::with_streams("cam: \"demo:?width=640&height=360\"");
        let report = play(&server.url(""), "cam", &["--mode", mode, "--put", put]);
        assert!(report.contains("\"changed\":{\"ok\":true,\"sockets\":0}"), "{mode}: {report}");
        assert!(report.contains("\"ok\":true"), "{mode}: {report}");
        assert_eq!((number(&report, "width"), number(&report, "height")), (320.0, 240.0));
        assert!(number(&report, "advanced") > 20.0, "the burnt-in counter moves: {mode}: {report}");
    }
}

/// A source whose timestamps jump back every second, as what is pushed is the same
/// second again and again.
#[test]
fn jumping_timestamps_play_on() {
    if !has_browser() || !has_program("ffmpeg", "-version") {
        return;
    }
    let media = Folder::new();
    let second = media.path().join("second.ts");
    let make = "-v error -f lavfi -i testsrc2=size=640x360:rate=25:duration=1 -c:v libx264 -preset ultrafast -tune zerolatency -profile:v baseline -pix_fmt yuv420p -g 25";
    let mut words: Vec<&str> = make.split(' ').collect();
    words.push(second.to_str().unwrap());
    let (ok, _, err) = run("ffmpeg", &words);
    assert!(ok, "{err}");
    let second = std::fs::read(second).unwrap();
    let server = Server::with_streams("cam:");
    let mut push = TcpStream::connect(("127.0.0.1", server.ports.api)).unwrap();
    let head = "POST /api/stream.ts?dst=cam HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    push.write_all(head.as_bytes()).unwrap();
    let pieces: Vec<Vec<u8>> =
        second.chunks(second.len().div_ceil(50)).map(<[u8]>::to_vec).collect();
    // It ends with the server.
    std::thread::spawn(move || {
        for piece in pieces.iter().cycle() {
            let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
            if push.write_all(&chunk).is_err() {
                return;
            }
            pause();
        }
    });
    server.until_stream("cam", "it is pushed", |s| s.contains("\"medias\""));
    let report = play(&server.url(""), "cam", &["--mode", "mse", "--seconds", "5"]);
    assert!(report.contains("\"ok\":true"), "{report}");
    assert!(number(&report, "time") > 3.5 && number(&report, "shown") > 25.0, "{report}");
    assert!(number(&report, "distinct") > 3.0, "pictures differ: {report}");
}

/// HLS in its forms, with hls.js on a page of another origin: plays whenever it joins and
/// however far apart keyframes are, goes on wherever it loses its place, with low latency
/// at most two seconds behind live, and the camera is let go when nothing is fetched.
#[test]
fn a_foreign_player_plays_hls() {
    if !has_foreign_player() {
        return;
    }
    let stream = |name: &str, gop| format!("{name}: demo:?width=320&height=180&gop={gop}");
    let streams = [stream("one", 30), stream("four", 120), stream("ten", 300)];
    let server = Server::with_streams(&streams.join("\n"));
    let script = root().join("tools/ui/foreign-hls.mjs");
    let url = server.url("");
    for (src, query, is_low, joins, bound) in [
        ("one", "", false, "1", 6000.0),
        ("four", "mp4", false, "2", 6000.0),
        ("ten", "", true, "3", 2000.0),
        ("four", "mp4=all", true, "1", 2000.0),
    ] {
        let mut arguments = vec![script.to_str().unwrap(), "--url", &url, "--src", src, "--json"];
        arguments.extend(["--query", query, "--seconds", "3", "--joins", joins]);
        arguments.extend(is_low.then_some("--low-latency"));
        arguments.extend((src == "four" && is_low).then_some("--restarts"));
        let (ok, report, complaints) = run("node", &arguments);
        assert!(ok, "{src} {query}: {report}\n{complaints}");
        assert!(!report.contains("\"fatal"), "{report}");
        let form = if query.is_empty() { "MPEG-TS" } else { "fMP4" };
        let latency = if is_low { "low latency" } else { "whole segments" };
        for report in report.lines() {
            assert_eq!(number(report, "parts") > 10.0, is_low, "{report}");
            let (first, behind) = (number(report, "firstFrame"), number(report, "p50"));
            eprintln!(
                "{src}, {form}, {latency}: first picture after {first} ms, {behind} ms behind live"
            );
            assert!(behind < bound, "{report}");
        }
    }
    for name in ["one", "four", "ten"] {
        server.until_stream(name, "the camera is let go", |s| !s.contains("\"receivers\""));
    }
}

/// The same with B-frames and sound that comes in bursts of a third of a second, as FFmpeg
/// writes it: many parts have none, and the player takes what it finds first for all there is.
#[test]
fn a_foreign_player_joins_between_bursts_of_sound() {
    if !has_foreign_player() {
        return;
    }
    if !has_program("ffmpeg", "-version") {
        return;
    }
    let media = Folder::new();
    let file =
        recording(&media, "b.mp4", "320x180", "libx264 -bf 3 -x264-params keyint=100:scenecut=0");
    let server = Server::with_streams(&format!(
        "cam: exec:ffmpeg -v error -re -stream_loop -1 -i {} -c copy -f mpegts -",
        file.display()
    ));
    let script = root().join("tools/ui/foreign-hls.mjs");
    let (script, url) = (script.to_str().unwrap(), server.url(""));
    let words = ["--low-latency", "--json", "--seconds", "1", "--joins", "8"];
    let arguments = [&[script, "--url", &url, "--src", "cam"][..], &words].concat();
    let (ok, report, complaints) = run("node", &arguments);
    assert!(ok, "{report}\n{complaints}");
    assert!(!report.contains("\"fatal"), "{report}");
    assert!(report.lines().all(|report| number(report, "parts") > 3.0), "{report}");
}

/// The size of the pictures changes again and again, and the sound of each moment comes after its
/// pictures: the player has no hole in front of the new ones that it would have to jump over. The
/// first change comes when it has caught up: it begins with its camera, and waits for the first ones.
#[test]
fn a_foreign_player_has_no_hole_where_parameters_change() {
    if !has_foreign_player() {
        return;
    }
    if !has_program("ffmpeg", "-version") {
        return;
    }
    let media = Folder::new();
    let mut both = Vec::new();
    for (size, from, length) in [("320x180", "0", "6.32"), ("640x360", "6.32", "3.32")] {
        let file = recording(&media, "one.mp4", size, "libx264 -preset ultrafast -bf 0");
        let part = media.path().join("one.ts");
        let (file, part) = (file.to_str().unwrap(), part.to_str().unwrap());
        let cut = ["-v", "error", "-y", "-i", file, "-t", length, "-c", "copy"];
        let place = ["-output_ts_offset", from, "-muxdelay", "0", "-muxpreload", "0", part];
        let (ok, _, complaints) = run("ffmpeg", &[&cut[..], &place].concat());
        assert!(ok, "{complaints}");
        both.extend(std::fs::read(part).unwrap());
    }
    let both = media.write_bytes("both.ts", &both);
    let server = Server::with_streams(&format!(
        "cam: exec:ffmpeg -v error -re -stream_loop -1 -i {both} -c copy -f mpegts -"
    ));
    let script = root().join("tools/ui/foreign-hls.mjs");
    let (script, url) = (script.to_str().unwrap(), server.url(""));
    let words = ["--json", "--seconds", "17", "--query", "mp4"];
    let arguments = [&[script, "--url", &url, "--src", "cam"][..], &words].concat();
    let (_, report, complaints) = run("node", &arguments);
    assert!(!report.contains("fatal"), "{report}\n{complaints}");
    // Each begins with its name, and has its milliseconds; those before the first picture
    // are of the join.
    let json: serde_json::Value = serde_json::from_str(report.trim()).unwrap();
    for error in json["errors"].as_array().unwrap() {
        let mut words = error.as_str().unwrap().split_whitespace();
        let hole = words
            .next()
            .is_some_and(|w| matches!(w, "bufferSeekOverHole" | "bufferAppendNoProgress"));
        let at = words.find_map(|word| word.parse::<f64>().ok()).unwrap();
        assert!(!hole || at < number(&report, "firstFrame"), "{report}\n{complaints}");
    }
    assert!(number(&report, "advanced") > 100.0, "{report}\n{complaints}");
}

#[test]
fn an_unknown_stream_is_told_on_the_page() {
    if !has_browser() {
        return;
    }
    let server = Server::with_streams("demo: \"demo:\"");
    let script = root().join("tools/ui/play.mjs");
    let (ok, text, _) = run(
        "node",
        &[
            script.to_str().unwrap(),
            "--url",
            &server.url(""),
            "--src",
            "nothing",
            "--json",
            "--until-error",
            "--timeout",
            "30",
        ],
    );
    assert!(!ok);
    assert!(text.contains("stream not found"), "{text}");
}

/// Two network namespaces with a pair of interfaces and default routes.
struct Namespaces {
    server: String,
    client: String,
}

impl Namespaces {
    fn new(tag: &str) -> Option<Self> {
        let root =
            Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.starts_with(b"0\n"));
        if !has("root and iproute2 for network namespaces", root) || !has_program("ip", "-V") {
            return None;
        }
        let id = std::process::id();
        let this = Self { server: format!("rs-{tag}-s{id}"), client: format!("rs-{tag}-c{id}") };
        let (s, c) = (this.server.as_str(), this.client.as_str());
        let (vs, vc) = (format!("vs{id}"), format!("vc{id}"));
        for line in [
            format!("netns add {s}"),
            format!("netns add {c}"),
            format!("link add {vs} netns {s} type veth peer name {vc} netns {c}"),
            format!("-n {s} addr add 10.77.0.1/24 dev {vs}"),
            format!("-n {c} addr add 10.77.0.2/24 dev {vc}"),
            format!("-n {s} addr add fd77::1/64 dev {vs} nodad"),
            format!("-n {c} addr add fd77::2/64 dev {vc} nodad"),
            format!("-n {s} link set {vs} up"),
            format!("-n {c} link set {vc} up"),
            format!("-n {s} link set lo up"),
            format!("-n {c} link set lo up"),
            format!("-n {s} route add default via 10.77.0.2"),
            format!("-n {c} route add default via 10.77.0.1"),
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            let (ok, _, err) = run("ip", &words);
            assert!(ok, "ip {line}: {err}");
        }
        Self::wait_link(&this.server, &vs);
        Self::wait_link(&this.client, &vc);
        Some(this)
    }

    /// Until a link can carry something and the kernel has given it its own IPv6 address,
    /// up to some seconds after it was set up. A Chromium that starts before the link is up
    /// finds no address for WebRTC for as long as it runs; one that starts before the
    /// address can be used drops what it loads when it can (`ERR_NETWORK_CHANGED`).
    fn wait_link(netns: &str, link: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let (_, state, _) = run("ip", &["-n", netns, "-o", "link", "show", link]);
            let (_, addresses, _) = run("ip", &["-n", netns, "-6", "-o", "addr", "show", link]);
            let own = addresses.contains("inet6 fe80:") && !addresses.contains("tentative");
            if state.contains("state UP") && own {
                return;
            }
            assert!(Instant::now() < deadline, "{link} is not up: {state}{addresses}");
            pause();
        }
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            let _ = run("ip", &["netns", "del", name]);
        }
    }
}

#[test]
fn a_browser_in_another_network_namespace() {
    if !has_browser() {
        return;
    }
    let Some(net) = Namespaces::new("play") else { return };
    let folder = Folder::new();
    // Nothing is configured: the built-in camera is there, on the usual ports.
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &net.server, binary()]);
    let ports = Ports { api: 1984, rtsp: 8554, webrtc: 8555 };
    let server = Server::spawn(command, folder, ports);
    server.wait_log("[api] listen addr=");
    for (address, mdns) in [("10.77.0.1", "hide"), ("10.77.0.1", "show"), ("[fd77::1]", "hide")] {
        let url = format!("http://{address}:1984/");
        check_demo(&play(&url, "demo", &["--netns", &net.client, "--mdns", mdns]));
    }
    drop(server);

    if !has_program("ffmpeg", "-version") {
        return;
    }
    let media = Folder::new();
    let file = clip(&media);
    let folder = Folder::new();
    let source = format!(
        "exec:ffmpeg -v error -re -stream_loop -1 -i {} -c:v copy -c:a libopus -rtsp_transport tcp -f rtsp {{output}}",
        file.display()
    );
    let Some((_camera, open, _)) = foreign_camera_in(Some(&net.server)) else { return };
    let gst = format!("rtsp://127.0.0.1:{open}/h264");
    folder.write("rs2rtc.yaml", &format!("streams:\n  file: {source}\n  gst: {gst}\n"));
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &net.server, binary()]);
    let server = Server::spawn(command, folder, ports);
    server.wait_log("[api] listen addr=");
    for (stream, mdns) in [("file", "hide"), ("file", "show"), ("gst", "hide"), ("gst", "show")] {
        let report =
            play("http://10.77.0.1:1984/", stream, &["--netns", &net.client, "--mdns", mdns]);
        assert!(report.contains("\"ok\":true") && report.contains("\"heard\":true"), "{report}");
        assert!(number(&report, "decoded") > 20.0, "{report}");
    }
}
