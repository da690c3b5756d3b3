//! Answers without an end: FFmpeg decodes them without a complaint, and their packets
//! are in order.

use std::collections::HashMap;
use std::thread;

use super::super::harness::run;

/// What is in an answer: names of FFmpeg.
#[derive(Clone, Copy)]
pub(super) enum Content {
    /// Packets with times, of these codecs.
    Timed(&'static str),
    /// A codec, without times.
    Bare(&'static str),
    /// A format that FFmpeg must be told, and its codec, without times.
    Parts(&'static str, &'static str),
}

/// Packets by the kind of their stream: (pts, dts) in seconds.
type Packets = HashMap<String, Vec<(f64, f64)>>;

/// So long FFmpeg looks for streams; by itself it would for five seconds. Pictures
/// come in a burst, and sound must be found behind it.
const LOOK: [&str; 4] = ["-analyzeduration", "1000000", "-probesize", "1000000"];

/// Decodes an address for so many seconds, and looks at as many packets; tells of them.
pub(super) fn judge(url: &str, content: &Content, seconds: f64) -> String {
    let format = match content {
        Content::Parts(format, _) => &["-f", *format][..],
        Content::Timed(_) | Content::Bare(_) => &[],
    };
    let (Content::Timed(wanted) | Content::Bare(wanted) | Content::Parts(_, wanted)) = content;
    let has_times = matches!(content, Content::Timed(_));
    // Packets without times are as long as FFmpeg likes.
    let interval = if has_times { format!("%+{seconds}") } else { "%+#5".to_owned() };
    let (said, (names, packets)) = thread::scope(|scope| {
        let decoding = scope.spawn(|| complaints(url, format, seconds));
        let seen = probe(url, format, &interval);
        (decoding.join().unwrap(), seen)
    });
    assert_eq!(said, "", "{url}");
    let unique = names.split(',').take(wanted.split(',').count()).collect::<Vec<_>>();
    assert_eq!(unique.join(","), **wanted, "{url}");
    if !has_times {
        return format!("{seconds:.1} s");
    }
    in_order(url, &packets, seconds);
    let told = |kind: &str, name: &str| {
        packets.get(kind).map(|all| format!("{} {name}", all.len())).into_iter()
    };
    let counts: Vec<String> =
        told("video", "pictures").chain(told("audio", "packets of sound")).collect();
    format!("{seconds:.1} s, {}", counts.join("; "))
}

fn in_order(url: &str, packets: &Packets, seconds: f64) {
    for (kind, times) in packets {
        assert!(times.len() as f64 > 5.0 * seconds, "{url}: {} packets of {kind}", times.len());
        for pair in times.windows(2) {
            let ((_, before), (pts, dts)) = (pair[0], pair[1]);
            assert!(before < dts && dts <= pts, "{url}: {kind} {pair:?}");
            assert!(dts - before <= 1.0, "{url}: a gap in {kind}: {pair:?}");
        }
    }
    if let (Some(picture), Some(sound)) = (packets.get("video"), packets.get("audio")) {
        let apart = (picture[0].1 - sound[0].1).abs();
        assert!(apart < 0.5, "{url}: they begin {apart} s apart");
    }
    let is_reordered = packets.get("video").is_some_and(|all| all.iter().any(|(p, d)| p > d));
    assert!(is_reordered || !url.contains("reordered") || url.contains("audio="), "{url}");
}

/// Names of the streams, and packets of an interval.
fn probe(url: &str, format: &[&str], interval: &str) -> (String, Packets) {
    let show = "stream=codec_name:packet=codec_type,pts_time,dts_time";
    let show = ["-v", "error", "-show_entries", show, "-of", "compact=p=1:nk=0"];
    let arguments = [&show[..], &LOOK, format, &["-read_intervals", interval, url]].concat();
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
fn complaints(url: &str, format: &[&str], seconds: f64) -> String {
    let seconds = seconds.to_string();
    // With the times of the pictures, not those of a steady rate. Those of sound are in samples:
    // FFmpeg would round what it decodes of packets a millisecond apart to one millisecond.
    let times = ["-fps_mode", "passthrough", "-enc_time_base:v", "-1"];
    let (input, output) = (["-i", url, "-t", &seconds], ["-f", "null", "-"]);
    let arguments =
        [&["-v", "warning", "-xerror"][..], &LOOK, format, &input, &times, &output].concat();
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
