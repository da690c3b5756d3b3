//! Every kind of source through the RTSP output, with ffprobe as the judge.

use super::harness::{Folder, Server, clip, foreign_camera, has_program, run};

/// Reads the stream for some seconds; returns its codecs and checks its times.
fn probe(server: &Server, stream: &str, seconds: u32) -> String {
    let (ok, text, err) = run(
        "ffprobe",
        &[
            "-v",
            "error",
            "-rtsp_transport",
            "tcp",
            "-show_entries",
            "stream=codec_name,width,height:packet=stream_index,dts",
            "-of",
            "compact=p=1:nk=0",
            "-read_intervals",
            &format!("%+{seconds}"),
            &server.rtsp(stream),
        ],
    );
    assert!(ok, "{stream}: {err}\n{}", server.log());
    let mut last = std::collections::HashMap::new();
    let (mut codecs, mut packets) = (Vec::new(), 0);
    for line in text.lines() {
        let field = |name: &str| {
            line.split('|')
                .find_map(|f| f.strip_prefix(name)?.strip_prefix('='))
                .unwrap_or_default()
        };
        if line.starts_with("packet") {
            let Ok(dts) = field("dts").parse::<i64>() else { continue };
            let before = last.insert(field("stream_index").to_owned(), dts);
            assert!(before.is_none_or(|b| b < dts), "{stream}: {before:?} then {line}");
            packets += 1;
        } else if line.starts_with("stream") {
            codecs.push(format!("{} {}x{}", field("codec_name"), field("width"), field("height")));
        }
    }
    assert!(packets > 10, "{stream}: only {packets} packets");
    codecs.join(", ")
}

#[test]
fn demo_camera_in_all_its_forms() {
    if !has_program("ffprobe", "-version") {
        return;
    }
    let server = Server::with_streams(
        "demo: demo:?width=640&height=360\nplain: demo:?width=320&height=240&audio=pcmu\npictures: demo:?video=mjpeg&audio=none&width=320&height=240\nsame: plain",
    );
    assert!(probe(&server, "demo", 3).starts_with("h264 640x360, opus"));
    assert!(probe(&server, "plain", 2).starts_with("h264 320x240, pcm_mulaw"));
    assert!(probe(&server, "pictures", 2).starts_with("mjpeg 320x240"));
    assert!(probe(&server, "same", 2).starts_with("h264 320x240, pcm_mulaw"));
}

#[test]
fn programs_and_files() {
    if !has_program("ffmpeg", "-version") {
        return;
    }
    let media = Folder::new();
    let file = clip(&media);
    let file = file.display();
    let server = Server::with_streams(&format!(
        "exec: exec:ffmpeg -v error -re -stream_loop -1 -i {file} -c copy -rtsp_transport tcp -f rtsp {{output}}\n\
         file: ffmpeg:{file}#video=copy#audio=opus\n\
         again: ffmpeg:file#video=h264#width=320",
    ));
    assert!(probe(&server, "exec", 4).starts_with("h264 640x360, aac"));
    assert!(probe(&server, "file", 3).starts_with("h264 640x360, opus"));
    assert!(probe(&server, "again", 3).starts_with("h264 320x180"));
}

#[test]
fn a_foreign_rtsp_server() {
    let Some((_camera, open, locked)) = foreign_camera() else { return };
    if !has_program("ffprobe", "-version") {
        return;
    }
    let server = Server::with_streams(&format!(
        "slices: rtsp://127.0.0.1:{open}/h264\naac: rtsp://127.0.0.1:{open}/aac\nhevc: rtsp://127.0.0.1:{open}/h265\n\
         digest: rtsp://cam:pa55@127.0.0.1:{locked}/auth\nwrong: rtsp://cam:nope-secret@127.0.0.1:{locked}/auth",
    ));
    assert!(probe(&server, "slices", 3).starts_with("h264 640x360, opus"));
    assert!(probe(&server, "aac", 3).starts_with("h264 640x360, aac"));
    assert!(probe(&server, "hevc", 3).starts_with("hevc 640x360"));
    assert!(probe(&server, "digest", 3).starts_with("h264 640x360, opus"));
    let (status, body) = server.request("GET", "api/streams?src=wrong&video=all");
    assert_eq!(status, 500);
    assert!(body.contains("wrong user/pass"), "{body}");
    server.wait_log("wrong user/pass");
    assert!(!server.log().contains("nope-secret") && !server.log().contains("pa55"));
}

#[test]
fn a_program_pushes_to_a_stream_without_sources() {
    if !has_program("ffmpeg", "-version") {
        return;
    }
    let server = Server::with_streams("push:");
    let child = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=15"])
        .args([
            "-c:v",
            "libx265",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-x265-params",
            "log-level=error:keyint=15",
        ])
        .args(["-pix_fmt", "yuv420p", "-rtsp_transport", "tcp", "-f", "rtsp", &server.rtsp("push")])
        .stdin(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let _child = super::harness::Killed(child);
    server
        .until_stream("push", "the push arrives", |s| s.contains("\"hevc\"") || s.contains("H265"));
    assert!(probe(&server, "push", 3).starts_with("hevc 320x240"));
}
