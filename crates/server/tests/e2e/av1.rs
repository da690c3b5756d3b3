//! AV1: out of fragmented MP4, over RTSP and back, and into MP4 and media source
//! extensions.

use super::browser::{has_browser, number, play};
use super::harness::{Folder, Server, has_program, run};
use super::packets::{decode, packets};

/// Small, and encoded in real time: the encoder shares the machine with a browser.
const CAMERA: &str = "exec:ffmpeg -v error -re -f lavfi -i testsrc2=size=320x180:rate=10 \
     -c:v libaom-av1 -usage realtime -cpu-used 8 -lag-in-frames 0 -g 10 -b:v 200k \
     -pix_fmt yuv420p -movflags frag_every_frame+empty_moov+default_base_moof -f mp4 -";

/// The camera, and a reader of it over RTSP, whose frames come out of RTP.
fn server() -> Server {
    let ports = super::harness::Ports::free();
    let again = format!("rtsp://127.0.0.1:{}/cam?video=av1", ports.rtsp);
    Server::with_config(
        &format!("{}streams:\n  cam: {CAMERA}\n  again: {again}\n", ports.config("127.0.0.1")),
        ports,
    )
}

#[test]
fn ffmpeg_decodes_av1_as_mp4_out_of_a_container_and_out_of_rtp() {
    if !has_program("ffmpeg", "-version") || !has_program("ffprobe", "-version") {
        return;
    }
    let (server, media) = (server(), Folder::new());
    std::thread::scope(|scope| {
        for stream in ["cam", "again"] {
            let (server, media) = (&server, &media);
            scope.spawn(move || {
                let path = format!("api/stream.mp4?src={stream}&mp4=all&duration=3");
                let file = media.write_bytes(&format!("{stream}.mp4"), &server.download(&path));
                decode(&file);
                let packets = packets(&file);
                assert!(packets[0].is_key && packets.len() > 15, "{stream}: {packets:?}");
                let keys = packets.iter().filter(|packet| packet.is_key).count();
                assert!((2..=4).contains(&keys), "{stream}: {packets:?}");
                let (_, codec, _) = run(
                    "ffprobe",
                    &[
                        "-v",
                        "error",
                        "-show_entries",
                        "stream=codec_name,width",
                        "-of",
                        "csv",
                        &file,
                    ],
                );
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
    let server = server();
    for stream in ["cam", "again"] {
        let report = play(&server.url(""), stream, &["--mode", "mse"]);
        assert!(report.contains("\"ok\":true"), "{stream}: {report}");
        let size = (number(&report, "width"), number(&report, "height"));
        assert_eq!(size, (320.0, 180.0), "{stream}");
        assert!(number(&report, "distinct") > 3.0, "pictures differ: {stream}: {report}");
        server.until_stream(stream, "the camera is let go", |s| !s.contains("\"receivers\""));
    }
}
