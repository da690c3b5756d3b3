//! What leaves as MP4, over HTTP and over the WebSocket, as FFmpeg sees it: not one
//! error, and times that never run back.
//!
//! Some seconds of each; `MEDIA_SECONDS=60` (`just decode`) takes longer.

use std::thread;
use std::time::{Duration, Instant};

use super::harness::{Folder, Server, has_program, recording};
use super::packets::{decode, length, packets};
use super::socket::Socket;

fn seconds() -> f64 {
    std::env::var("MEDIA_SECONDS").map_or(3.0, |text| text.parse().unwrap())
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
    let file = recording(&media, "reordered.mp4", "320x240", "-preset veryfast -bf 3");
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
