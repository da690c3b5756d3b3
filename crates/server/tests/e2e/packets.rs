//! The packets of a file as ffprobe lists them.

use serde_json::Value;

use super::harness::run;

/// A packet; times in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub(crate) is_video: bool,
    pub(crate) dts: f64,
    pub(crate) is_key: bool,
}

/// All packets in the order of the file; the test fails if ffprobe complains.
pub(crate) fn packets(file: &str) -> Vec<Packet> {
    let (ok, text, said) = run("ffprobe", &["-v", "error", "-show_packets", "-of", "json", file]);
    assert!(ok && said.is_empty(), "{said}");
    let probed: Value = serde_json::from_str(&text).unwrap();
    let number = |value: &Value| value.as_str().unwrap().parse::<f64>().unwrap();
    let packet = |packet: &Value| Packet {
        is_video: packet["codec_type"] == "video",
        dts: number(&packet["dts_time"]),
        is_key: packet["flags"].as_str().unwrap().starts_with('K'),
    };
    probed["packets"].as_array().unwrap().iter().map(packet).collect()
}

/// FFmpeg decodes a file to its end without a word, with the times of the file and
/// not those of a steady picture.
pub(crate) fn decode(file: &str) {
    let how = "-fps_mode passthrough -enc_time_base -1 -f null -";
    let words = ["-v", "warning", "-xerror", "-i", file].into_iter().chain(how.split(' '));
    let (ok, _, said) = run("ffmpeg", &words.collect::<Vec<&str>>());
    assert!(ok && said.is_empty(), "{file}: {said}");
}

/// Packets of one kind; from the first to the last one their times only grow, in
/// steps of at most `step` seconds. Gives the seconds between these two.
pub(crate) fn length(packets: &[Packet], is_video: bool, step: f64) -> f64 {
    let of: Vec<&Packet> = packets.iter().filter(|p| p.is_video == is_video).collect();
    for pair in of.windows(2) {
        let took = pair[1].dts - pair[0].dts;
        assert!(took > 0.0 && took <= step, "a step of {took} s: {pair:?}");
    }
    of.first().zip(of.last()).map_or(0.0, |(first, last)| last.dts - first.dts)
}
