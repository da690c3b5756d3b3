//! Clips out of the past, with ffprobe as the judge.

use std::thread;

use super::harness::{Folder, Server, clip, has_program, until};
use super::packets::{decode, length, packets};

/// The longest distance of frames in seconds: a picture is shown for 40 ms, and the
/// recording ends and begins again.
const STEP: f64 = 0.15;

#[test]
fn a_clip_holds_what_passed_and_what_comes() {
    if !has_program("ffprobe", "-version") || !has_program("ffmpeg", "-version") {
        return;
    }
    let media = Folder::new();
    let file = clip(&media);
    // It is late where the machine is busy, but leaves nothing out as the built-in
    // camera does: whatever is missing was lost on the way.
    let server = Server::with_streams(&format!(
        "cam: {{url: \"exec:ffmpeg -v error -re -stream_loop -1 -i {} -c copy -f mpegts -pes_payload_size 0 -\", clip: 4s}}",
        file.display()
    ));
    assert_eq!(server.request("PUT", "api/preload?src=cam").0, 200);
    let past = "api/rs/clip.mp4?src=cam";
    until("something has passed", || server.request("HEAD", past).0 == 200);
    let load = &|name: &str, path: &str| media.write_bytes(name, &server.download(path));
    until("four seconds have passed", || {
        length(&packets(&load("past.mp4", past)), true, STEP) >= 4.0
    });
    let asked = "api/rs/clip.mp4?src=cam&before=2s&after=1500ms";
    let clips = thread::scope(|scope| {
        let both = ["a.mp4", "b.mp4"].map(|name| scope.spawn(move || load(name, asked)));
        both.map(|clip| clip.join().unwrap())
    });
    for file in clips {
        let packets = packets(&file);
        let first = packets[0];
        assert!(first.is_video && first.is_key && first.dts == 0.0, "{first:?}");
        for is_video in [true, false] {
            let length = length(&packets, is_video, STEP);
            // From the keyframe before that moment, at most a second earlier. What is late
            // at either end is not in it, or comes in addition.
            assert!((2.0..8.0).contains(&length), "{length} s, video: {is_video}");
            let first = packets.iter().find(|p| p.is_video == is_video).unwrap();
            assert!(first.dts < 0.2, "{first:?}");
        }
        decode(&file);
    }
    // The clips have left; the preload stays.
    until("only the preload is left", || {
        server.request("GET", "api/streams?src=cam").1.matches("\"format_name\":\"mp4\"").count()
            == 0
    });
}
