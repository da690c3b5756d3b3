//! AV1: out of fragmented MP4, over RTSP and back, and into MP4, media source
//! extensions and WebRTC; and out of a browser that publishes it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use super::browser::{has_browser, has_firefox, number, play};
use super::harness::{Folder, Ports, Server, has_program, recording, root, run};
use super::packets::{decode, length, packets};

/// The camera, whose pictures are encoded once, and a reader of it over RTSP, whose
/// frames come out of RTP.
fn server(media: &Folder) -> Server {
    let encoder = "libaom-av1 -usage realtime -cpu-used 8 -lag-in-frames 0 -b:v 200k";
    let file = recording(media, "av1.mp4", "320x180", encoder);
    let camera = format!(
        "exec:ffmpeg -v error -re -stream_loop -1 -i {} -c copy \
         -movflags frag_every_frame+empty_moov+default_base_moof -f mp4 -",
        file.display()
    );
    let ports = Ports::free();
    let again = format!("rtsp://127.0.0.1:{}/cam?video=av1", ports.rtsp);
    Server::with_config(
        &format!("{}streams:\n  cam: {camera}\n  again: {again}\n", ports.config("127.0.0.1")),
        ports,
    )
}

#[test]
fn ffmpeg_decodes_av1_as_mp4_out_of_a_container_and_out_of_rtp() {
    if !has_program("ffmpeg", "-version") || !has_program("ffprobe", "-version") {
        return;
    }
    let media = Folder::new();
    let server = server(&media);
    std::thread::scope(|scope| {
        for stream in ["cam", "again"] {
            let (server, media) = (&server, &media);
            scope.spawn(move || {
                let path = format!("api/stream.mp4?src={stream}&mp4=all&duration=3");
                let file = media.write_bytes(&format!("{stream}.mp4"), &server.download(&path));
                decode(&file);
                let packets = packets(&file);
                assert!(packets[0].is_key && packets.len() > 15, "{stream}: {packets:?}");
                let keys = packets.iter().filter(|packet| packet.is_video && packet.is_key).count();
                assert!((2..=4).contains(&keys), "{stream}: {packets:?}");
                let show =
                    "-v error -select_streams v -show_entries stream=codec_name,width -of csv";
                let words: Vec<&str> = show.split(' ').chain([file.as_str()]).collect();
                let (_, codec, _) = run("ffprobe", &words);
                assert_eq!(codec.trim(), "stream,av1,320", "{stream}");
            });
        }
    });
}

/// Chromium plays it, out of a container and out of RTP.
#[test]
fn chromium_plays_av1() {
    if !has_browser() || !has_program("ffmpeg", "-version") {
        return;
    }
    let media = Folder::new();
    let server = server(&media);
    for (stream, mode) in
        [("cam", "mse"), ("again", "mse"), ("cam", "webrtc"), ("again", "webrtc/tcp")]
    {
        let report = play(&server.url(""), stream, &["--mode", mode]);
        assert!(report.contains("\"ok\":true"), "{stream}: {report}");
        let size = (number(&report, "width"), number(&report, "height"));
        assert_eq!(size, (320.0, 180.0), "{stream}");
        assert!(number(&report, "distinct") > 3.0, "pictures differ: {stream}: {report}");
        if mode.starts_with("webrtc") {
            assert!(report.contains("\"codec\":\"video/AV1\""), "{stream}: {report}");
            assert!(number(&report, "decoded") > 10.0, "{stream}: {report}");
            assert_eq!(number(&report, "lost"), 0.0, "{stream}: {report}");
        }
        server.until_stream(stream, "the camera is let go", |s| !s.contains("\"receivers\""));
    }
}

/// So does Firefox.
#[test]
fn firefox_plays_av1() {
    if !has_firefox() || !has_program("ffmpeg", "-version") {
        return;
    }
    let media = Folder::new();
    let server = server(&media);
    for (stream, mode) in [("cam", "mse"), ("again", "mse"), ("cam", "webrtc"), ("again", "webrtc")]
    {
        let how = ["--mode", mode, "--browser", "firefox"];
        let report = play(&server.url(""), stream, &how);
        assert!(report.contains("\"ok\":true"), "{stream}: {report}");
        let size = (number(&report, "width"), number(&report, "height"));
        assert_eq!(size, (320.0, 180.0), "{stream}");
        assert!(number(&report, "distinct") > 3.0, "pictures differ: {stream}: {report}");
        if mode == "webrtc" {
            assert!(report.contains("\"codec\":\"video/AV1\""), "{stream}: {report}");
            assert!(number(&report, "decoded") > 10.0, "{stream}: {report}");
        }
    }
}

/// What Chromium publishes as AV1 plays over WebRTC and as MP4.
#[test]
fn a_browser_publishes_av1() {
    if !has_browser() {
        return;
    }
    let server = Server::with_streams("studio:");
    let mut publisher = Command::new("node")
        .arg(root().join("tools/ui/publish.mjs"))
        .args(["--url", &server.url(""), "--dst", "studio", "--codec", "AV1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(publisher.stdout.take().unwrap()).read_line(&mut said).unwrap();
    if said != "connected\n" {
        publisher.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        panic!("{said}");
    }
    let stream = server.until_stream("studio", "pictures", |s| s.contains("\"packets\""));
    assert!(stream.contains("\"codec_name\": \"av1\""), "{stream}");
    for mode in ["webrtc", "mse"] {
        let report = play(&server.url(""), "studio", &["--mode", mode]);
        assert_eq!((number(&report, "width"), number(&report, "height")), (320.0, 180.0));
        assert!(number(&report, "advanced") > 20.0, "the burnt-in counter moves: {report}");
    }
    if has_program("ffmpeg", "-version") && has_program("ffprobe", "-version") {
        let media = Folder::new();
        let movie = server.download("api/stream.mp4?src=studio&mp4=all&duration=2");
        let file = media.write_bytes("studio.mp4", &movie);
        decode(&file);
        assert!(length(&packets(&file), true, 1.0) > 1.0);
    }
    drop(publisher.stdin.take());
    assert!(publisher.wait().unwrap().success());
    server.until_stream("studio", "nothing is published", |s| !s.contains("\"codec_name\""));
}
