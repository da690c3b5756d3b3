//! What leaves as MP4, over HTTP and over the WebSocket, as FFmpeg sees it: not one
//! error, and times that never run back.
//!
//! Some seconds of each; `MEDIA_SECONDS=60` (`just decode`) takes longer.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::harness::{Folder, Server, has_program, run};
use super::packets::{decode, length, packets};
use super::socket::Socket;

fn seconds() -> f64 {
    std::env::var("MEDIA_SECONDS").map_or(3.0, |text| text.parse().unwrap())
}

/// A file with B-frames.
fn reordered(folder: &Folder) -> PathBuf {
    let path = folder.path().join("reordered.mp4");
    let (ok, _, err) = run(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=320x240:rate=25:duration=8",
            "-f",
            "lavfi",
            "-i",
            "sine=duration=8",
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-bf",
            "3",
            "-g",
            "25",
            "-pix_fmt",
            "yuv420p",
            "-c:a",
            "aac",
            "-shortest",
            path.to_str().unwrap(),
        ],
    );
    assert!(ok, "{err}");
    path
}

/// FFmpeg decodes a file to its end without a word, and its times only grow.
fn judge(name: &str, file: &str) {
    decode(file);
    let packets = packets(file);
    assert!(packets[0].is_key && packets[0].is_video, "{name} begins with {:?}", packets[0]);
    for is_video in [true, false] {
        let length = length(&packets, is_video, 1.0);
        assert!(length > seconds() - 1.5, "{name}: {length} s, video: {is_video}");
    }
}

#[test]
fn ffmpeg_decodes_every_source_without_a_word() {
    if !has_program("ffmpeg", "-version") || !has_program("ffprobe", "-version") {
        return;
    }
    let media = Folder::new();
    let file = reordered(&media);
    let play = format!("exec:ffmpeg -v error -re -stream_loop -1 -i {} -c copy", file.display());
    let server = Server::with_streams(&format!(
        "demo: demo:?width=320&height=240\n\
         pcmu: demo:?width=320&height=240&audio=pcmu\n\
         reordered_ts: {play} -f mpegts -\n\
         reordered_rtsp: {play} -rtsp_transport tcp -f rtsp {{output}}"
    ));
    thread::scope(|scope| {
        for stream in ["demo", "pcmu", "reordered_ts", "reordered_rtsp"] {
            let (server, media) = (&server, &media);
            scope.spawn(move || {
                let duration = seconds().ceil();
                let path = format!("api/stream.mp4?src={stream}&mp4=all&duration={duration}");
                let file = media.write_bytes(&format!("{stream}.mp4"), &server.download(&path));
                judge(&format!("{stream} over HTTP"), &file);
            });
            scope.spawn(move || {
                let mut socket = Socket::open(server, stream);
                socket.say(r#"{"type":"mse","value":"avc1.640029,mp4a.40.2,flac,opus"}"#);
                let kind = socket.hear();
                assert!(kind.contains("video/mp4; codecs="), "{kind}");
                let mut bytes = socket.media();
                let end = Instant::now() + Duration::from_secs_f64(seconds());
                while Instant::now() < end {
                    bytes.extend(socket.media());
                }
                let file = media.write_bytes(&format!("{stream}.mse"), &bytes);
                judge(&format!("{stream} over the WebSocket"), &file);
            });
        }
    });
}
