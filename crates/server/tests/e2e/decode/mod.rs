//! Every output over HTTP and over the WebSocket, as FFmpeg sees it: not one error,
//! and times that never run back.
//!
//! Some seconds of each, and a line that tells what was decoded; `MEDIA_SECONDS=60`
//! (`just decode`) takes longer.

use std::thread;
use std::time::{Duration, Instant};

use super::harness::{Folder, Server, has_program, recording, run};
use super::packets::{decode, length, packets};
use super::socket::Socket;

mod endless;
mod hls;

/// Everything that browsers say they play.
const ALL: &str = "avc1.640029,hvc1.1.6.L153.B0,av01.0.08M.08,mp4a.40.2,flac,opus";

/// How an output is asked for.
enum Way {
    /// `stream.mp4` with this in its query.
    File(&'static str),
    /// A clip of what comes.
    Clip,
    /// The newest keyframe as a file.
    Still,
    /// Media source extensions over the WebSocket.
    Mse,
    /// Each keyframe as a file, over the WebSocket.
    Keyframes,
    /// Motion JPEG over the WebSocket.
    Pictures,
    /// Segments of HLS with this in its query, or their parts.
    Hls(&'static str, hls::Latency),
    /// An answer without an end: its name and more of its query, and what is in it.
    Endless(&'static str, &'static str, endless::Content),
}

/// Every output: its stream, and how it is asked for.
fn outputs() -> Vec<(&'static str, Way)> {
    use Way::{Clip, Endless, File, Hls, Keyframes, Mse, Pictures, Still};
    use endless::Content::{Bare, Parts, Timed};
    use hls::Latency::{Low, Usual};
    vec![
        ("avc", File("")),
        ("opus", File("mp4=all")),
        ("pcmu", File("mp4=flac")),
        ("hevc", File("")),
        ("av1", File("mp4=all")),
        ("reordered_ts", File("")),
        ("reordered_rtsp", File("")),
        ("avc", Mse),
        ("opus", Mse),
        ("pcmu", Mse),
        ("hevc", Mse),
        ("av1", Mse),
        ("reordered_ts", Mse),
        ("reordered_rtsp", Mse),
        ("avc", Keyframes),
        ("avc", Clip),
        ("hevc", Still),
        ("avc", Hls("", Usual)),
        ("hevc", Hls("", Usual)),
        ("reordered_ts", Hls("", Usual)),
        ("avc", Hls("mp4", Usual)),
        ("opus", Hls("mp4=all", Usual)),
        ("pcmu", Hls("mp4=flac", Usual)),
        ("av1", Hls("mp4=all", Usual)),
        ("reordered_rtsp", Hls("mp4", Usual)),
        ("avc", Hls("", Low)),
        ("opus", Hls("mp4=all", Low)),
        ("reordered_ts", Endless("ts", "", Timed("h264,aac"))),
        ("hevc", Endless("ts", "", Timed("hevc,aac"))),
        ("reordered_ts", Endless("ts", "video=h264", Timed("h264"))),
        ("reordered_ts", Endless("ts", "audio=aac", Timed("aac"))),
        ("opus", Endless("ts", "video=h264&audio=opus", Timed("h264,opus"))),
        ("reordered_ts", Endless("flv", "", Timed("h264,aac"))),
        ("pcmu", Endless("flv", "video=h264&audio=pcmu", Timed("h264,pcm_mulaw"))),
        ("avc", Endless("aac", "", Bare("aac"))),
        ("pcmu", Endless("wav", "", Bare("pcm_mulaw"))),
        ("reordered_ts", Endless("h264", "", Bare("h264"))),
        ("hevc", Endless("hevc", "", Bare("hevc"))),
        ("mjpeg", Endless("mjpeg", "", Parts("mpjpeg", "mjpeg"))),
        ("raw", Endless("mjpeg", "", Parts("mpjpeg", "mjpeg"))),
        ("raw", Endless("y4m", "", Bare("rawvideo"))),
        ("mjpeg", Pictures),
    ]
}

/// The cameras of [`outputs`]. What FFmpeg encodes is encoded once.
fn server(media: &Folder) -> Server {
    let small = "320x240";
    let avc = recording(media, "avc.mp4", small, "libx264 -preset ultrafast -bf 0");
    let reordered = recording(media, "reordered.mp4", small, "libx264 -preset veryfast -bf 3");
    let hevc = "libx265 -preset ultrafast -x265-params log-level=error:keyint=25";
    let hevc = recording(media, "hevc.mp4", small, hevc);
    let av1 = "libaom-av1 -usage realtime -cpu-used 8 -lag-in-frames 0 -b:v 200k";
    let av1 = recording(media, "av1.mp4", small, av1);
    let play = |file: &std::path::Path| {
        format!("exec:ffmpeg -v error -re -stream_loop -1 -i {} -c copy", file.display())
    };
    let fragments = "-movflags frag_every_frame+empty_moov+default_base_moof -f mp4 -";
    let raw = "exec:ffmpeg -v error -re -f lavfi -i testsrc2=size=160x120:rate=25";
    Server::with_streams(&format!(
        "avc: {{url: \"{} -f mpegts -\", clip: 5s}}\n\
         opus: demo:?width=320&height=240\n\
         pcmu: demo:?width=320&height=240&audio=pcmu\n\
         hevc: {} -f mpegts -\n\
         av1: {} {fragments}\n\
         reordered_ts: {} -f mpegts -\n\
         reordered_rtsp: {} -rtsp_transport tcp -f rtsp {{output}}\n\
         mjpeg: demo:?video=mjpeg&width=320&height=240\n\
         raw: {raw} -pix_fmt yuv420p -f yuv4mpegpipe -",
        play(&avc),
        play(&hevc),
        play(&av1),
        play(&reordered),
        play(&reordered),
    ))
}

fn seconds() -> f64 {
    std::env::var("MEDIA_SECONDS").map_or(3.0, |text| text.parse().unwrap())
}

#[test]
fn ffmpeg_decodes_every_output_without_a_word() {
    if !has_program("ffmpeg", "-version") || !has_program("ffprobe", "-version") {
        return;
    }
    let media = Folder::new();
    let server = server(&media);
    let outputs = outputs();
    // Side by side: it is mostly waiting.
    thread::scope(|scope| {
        for (number, (stream, way)) in outputs.iter().enumerate() {
            let place = Place { server: &server, media: &media, stream, number };
            scope.spawn(move || {
                let (what, decoded) = place.judge(way);
                println!("{what:<56} {decoded}");
            });
        }
    });
    // All of them have left, and so has what they watched.
    for (stream, _) in &outputs {
        server.until_stream(stream, "a free camera", |s| !s.contains("\"receivers\""));
    }
}

/// What is judged, and where its files go.
struct Place<'a> {
    server: &'a Server,
    media: &'a Folder,
    stream: &'a str,
    number: usize,
}

impl Place<'_> {
    /// The name of an output, and what was decoded of it.
    fn judge(&self, way: &Way) -> (String, String) {
        let stream = self.stream;
        let query = |more: &str| if more.is_empty() { String::new() } else { format!("&{more}") };
        match way {
            Way::File(more) => {
                let path = format!("api/stream.mp4?src={stream}{}", query(more));
                let limit = seconds().ceil();
                let bytes = self.server.download(&format!("{path}&duration={limit}"));
                let decoded = self.movie(&path, "mp4", &bytes);
                (path, decoded)
            }
            Way::Clip => {
                let path = format!("api/rs/clip.mp4?src={stream}");
                let after = (seconds() * 1000.0).round();
                let bytes = self.server.download(&format!("{path}&after={after}ms"));
                let decoded = self.movie(&path, "mp4", &bytes);
                (path, decoded)
            }
            Way::Still => {
                let path = format!("api/frame.mp4?src={stream}");
                self.still(&self.server.download(&path));
                (path, "one picture".to_owned())
            }
            Way::Mse => {
                let mut socket = self.ask("mse", ALL);
                let mut bytes = Vec::new();
                self.take(&mut socket, |message| bytes.extend(message));
                let what = format!("WebSocket, mse, {stream}");
                let decoded = self.movie(&what, "mp4", &bytes);
                (what, decoded)
            }
            Way::Keyframes => {
                let mut socket = self.ask("mp4", ALL);
                let mut files = Vec::new();
                self.take(&mut socket, |message| files.push(message));
                // Who takes nothing while he decodes is sent away.
                drop(socket);
                files.iter().for_each(|file| self.still(file));
                let count = files.len();
                assert!(count as f64 >= seconds() / 2.0, "{count} files");
                (format!("WebSocket, mp4, {stream}"), format!("{count} files of a keyframe"))
            }
            Way::Pictures => {
                let mut socket = self.ask("mjpeg", "");
                let (mut pictures, mut count) = (Vec::new(), 0);
                self.take(&mut socket, |message| {
                    pictures.extend(message);
                    count += 1;
                });
                let file = self.write("mjpeg", &pictures);
                let how = ["-v", "warning", "-xerror", "-f", "mjpeg", "-i", &file];
                let (ok, _, said) = run("ffmpeg", &[&how[..], &["-f", "null", "-"]].concat());
                assert!(ok && said.is_empty(), "{said}");
                assert!(f64::from(count) > 5.0 * seconds(), "{count} pictures");
                (format!("WebSocket, mjpeg, {stream}"), format!("{count} pictures"))
            }
            Way::Hls(more, latency) => {
                let path = format!("api/stream.m3u8?src={stream}{}", query(more));
                let (bytes, pieces) = hls::record(self.server, &path, *latency, seconds());
                let form = if more.is_empty() { "ts" } else { "mp4" };
                let what = format!("{path}{}", latency.words());
                let decoded = self.movie(&what, form, &bytes);
                (what, format!("{decoded}, {pieces}"))
            }
            Way::Endless(form, more, content) => {
                let path = format!("api/stream.{form}?src={stream}{}", query(more));
                let url = self.server.url(&path);
                let decoded = endless::judge(&url, content, seconds());
                (path, decoded)
            }
        }
    }

    fn write(&self, form: &str, bytes: &[u8]) -> String {
        self.media.write_bytes(&format!("{}.{form}", self.number), bytes)
    }

    /// A socket that gives media once it was asked.
    fn ask(&self, kind: &str, value: &str) -> Socket {
        let mut socket = Socket::open(self.server, self.stream);
        socket.say(&format!(r#"{{"type":"{kind}","value":"{value}"}}"#));
        let answer = socket.hear();
        assert!(answer.contains("\"value\":\"video/") || kind == "mjpeg", "{answer}");
        assert!(!answer.contains("\"error\""), "{answer}");
        socket
    }

    /// Messages of media for so long.
    fn take(&self, socket: &mut Socket, mut each: impl FnMut(Vec<u8>)) {
        each(socket.media());
        let end = Instant::now() + Duration::from_secs_f64(seconds());
        while Instant::now() < end {
            each(socket.media());
        }
    }

    /// FFmpeg decodes a file to its end without a word, and its times only grow.
    fn movie(&self, what: &str, form: &str, bytes: &[u8]) -> String {
        let file = self.write(form, bytes);
        decode(&file);
        let packets = packets(&file);
        let first = packets.iter().find(|packet| packet.is_video).unwrap();
        assert!(first.is_key, "{what} begins with {first:?}");
        let mut decoded = String::new();
        for (is_video, name) in [(true, "pictures"), (false, "packets of sound")] {
            let count = packets.iter().filter(|packet| packet.is_video == is_video).count();
            let length = length(&packets, is_video, 1.0);
            assert!(length > seconds() - 1.5, "{what}: {length} s, video: {is_video}");
            decoded += &format!("{length:.1} s, {count} {name}; ");
        }
        decoded.trim_end_matches("; ").to_owned()
    }

    /// FFmpeg decodes a file of one keyframe without a word.
    fn still(&self, bytes: &[u8]) {
        let file = self.write("still.mp4", bytes);
        decode(&file);
        let packets = packets(&file);
        assert!(packets.iter().all(|packet| packet.is_key) && !packets.is_empty());
    }
}
