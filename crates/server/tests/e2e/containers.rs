//! Answers without an end, with FFmpeg as the judge: it decodes them without a
//! complaint, and their packets are in order.

use std::collections::HashMap;

use super::harness::{Server, has_program, run};

/// Pictures that are not sent in the order they are shown in, with sound.
const CAMERA: &str = "exec:ffmpeg -v error -re -f lavfi -i testsrc2=size=320x240:rate=25 \
     -f lavfi -i sine=frequency=440:sample_rate=48000 -c:v libx264 -preset veryfast -bf 2 -g 25 \
     -pix_fmt yuv420p -c:a aac -ac 1 -f mpegts -";
const HEVC: &str = "exec:ffmpeg -v error -re -f lavfi -i testsrc2=size=320x240:rate=15 \
     -c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=15 -pix_fmt yuv420p \
     -f mpegts -";

/// Packets by the kind of their stream: (pts, dts) in seconds.
type Packets = HashMap<String, Vec<(f64, f64)>>;

/// So long FFmpeg looks for streams; by itself it would for five seconds.
const LOOK: [&str; 4] = ["-analyzeduration", "1000000", "-probesize", "100000"];

/// Names of the streams and their packets: of some seconds, or so many if they
/// have no times.
fn probe(url: &str, has_times: bool) -> (String, Packets) {
    let show = "stream=codec_name:packet=codec_type,pts_time,dts_time";
    let interval = if has_times { "%+2" } else { "%+#40" };
    let show = ["-v", "error", "-show_entries", show, "-of", "compact=p=1:nk=0"];
    let arguments = [&show[..], &LOOK, &["-read_intervals", interval, url]].concat();
    let (ok, text, complaints) = run("ffprobe", &arguments);
    assert!(ok && complaints.is_empty(), "{url}: {complaints}");
    let (mut names, mut packets) = (Vec::new(), Packets::new());
    for line in text.lines() {
        // The first stream of a program stands on its line.
        let line = line.strip_prefix("program|").unwrap_or(line);
        let field = |name: &str| {
            let found = line.split('|').find_map(|f| f.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_default()
        };
        if line.starts_with("packet") {
            let time = |name| field(name).parse().unwrap_or(f64::NAN);
            let times = (time("pts_time"), time("dts_time"));
            packets.entry(field("codec_type").to_owned()).or_default().push(times);
        } else if line.starts_with("stream") {
            names.push(field("codec_name").to_owned());
        }
    }
    (names.join(","), packets)
}

/// What FFmpeg says while it decodes some seconds.
fn complaints(url: &str, seconds: u32) -> String {
    let seconds = seconds.to_string();
    let decode = ["-i", url, "-t", &seconds, "-f", "null", "-"];
    let arguments = [&["-v", "warning", "-xerror"][..], &LOOK, &decode].concat();
    let (ok, _, text) = run("ffmpeg", &arguments);
    assert!(ok, "{url}: {text}");
    // Answers without an end have neither a length nor, some of them, times.
    let is_usual = |line: &&str| {
        line.contains("Ignoring maximum wav data size")
            || line.contains("Estimating duration from bitrate")
            || line.contains("Timestamps are unset")
            || line.contains("Guessed Channel Layout")
    };
    text.lines().filter(|line| !is_usual(line)).collect::<Vec<_>>().join("\n")
}

/// FFmpeg decodes an address without a complaint, and its packets are in order.
fn plays(server: &Server, path: &str, streams: &str, has_times: bool) {
    let url = server.url(&format!("api/{path}"));
    assert_eq!(complaints(&url, 3), "", "{path}");
    let (names, packets) = probe(&url, has_times);
    let unique = names.split(',').take(streams.split(',').count()).collect::<Vec<_>>();
    assert_eq!(unique.join(","), streams, "{path}");
    for (kind, times) in &packets {
        // Packets without times are as long as FFmpeg likes.
        if !has_times {
            continue;
        }
        assert!(times.len() > 20, "{path}: {} packets of {kind}", times.len());
        for pair in times.windows(2) {
            let ((_, before), (pts, dts)) = (pair[0], pair[1]);
            assert!(before < dts && dts <= pts, "{path}: {kind} {pair:?}");
            assert!(dts - before < 0.5, "{path}: a gap in {kind}: {pair:?}");
        }
    }
    if let (true, [picture, sound]) = (has_times, ["video", "audio"].map(|k| packets.get(k)))
        && let (Some(picture), Some(sound)) = (picture, sound)
    {
        let apart = (picture[0].1 - sound[0].1).abs();
        assert!(apart < 0.5, "{path}: they begin {apart} s apart");
    }
    let reordered = packets.get("video").is_some_and(|all| all.iter().any(|(p, d)| p > d));
    assert!(reordered || !(path.contains("h264") && has_times), "{path}: no B-frames");
}

#[test]
fn ffmpeg_plays_every_answer_without_an_end() {
    if !has_program("ffmpeg", "-version") || !has_program("ffprobe", "-version") {
        return;
    }
    let sources = format!("cam: {CAMERA}\nhevc: {HEVC}\ndemo: 'demo:?audio=pcmu'");
    let server = Server::with_streams(&sources);
    // Side by side: it is mostly waiting.
    std::thread::scope(|scope| {
        for (path, streams, has_times) in [
            ("stream.ts?src=cam", "h264,aac", true),
            ("stream.flv?src=cam", "h264,aac", true),
            ("stream.ts?src=hevc", "hevc", true),
            ("stream.ts?src=cam&video=h264", "h264", true),
            ("stream.ts?src=cam&audio=aac", "aac", true),
            ("stream.aac?src=cam", "aac", false),
            ("stream.wav?src=demo", "pcm_mulaw", false),
            ("stream.h264?src=cam", "h264", false),
            ("stream.hevc?src=hevc", "hevc", false),
        ] {
            let server = &server;
            scope.spawn(move || plays(server, path, streams, has_times));
        }
    });
    // All of them have left, and so has what they watched.
    server.until_stream("cam", "a free camera", |stream| !stream.contains("\"format_name\""));
}
