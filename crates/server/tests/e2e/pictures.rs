//! Pictures that foreign programs read: Motion JPEG, uncompressed, and stills of cameras
//! that FFmpeg stands for.

use super::harness::{Folder, Server, has_program, run};

/// Reads so many pictures with ffmpeg, which must have nothing to complain about.
fn decodes(server: &Server, format: &str, path: &str, frames: u32) {
    let (url, frames) = (server.url(path), frames.to_string());
    let arguments = [
        "-v",
        "warning",
        "-xerror",
        "-f",
        format,
        "-i",
        &url,
        "-frames:v",
        &frames,
        "-f",
        "null",
        "-",
    ];
    let (ok, _, complaints) = run("ffmpeg", &arguments);
    assert!(ok && complaints.is_empty(), "{path}: {complaints}");
}

/// Codec and size of the pictures of a file or an address, as ffprobe sees them.
fn probe(input: &str) -> String {
    let entries = "stream=codec_name,width,height";
    let arguments = ["-v", "error", "-show_entries", entries, "-of", "csv=p=0", input];
    let (ok, text, complaints) = run("ffprobe", &arguments);
    assert!(ok && complaints.is_empty(), "{input}: {complaints}");
    text.trim().to_owned()
}

fn has_ffmpeg() -> bool {
    has_program("ffmpeg", "-version") && has_program("ffprobe", "-version")
}

#[test]
fn players_read_what_moves() {
    if !has_ffmpeg() {
        return;
    }
    let raw = "exec:ffmpeg -v error -re -f lavfi -i testsrc2=size=320x240:rate=25";
    let server = Server::with_streams(&format!(
        "camera: \"demo:?video=mjpeg&width=640&height=360\"\n\
         raw: {raw} -pix_fmt yuv420p -f yuv4mpegpipe -\n\
         wide: {raw} -pix_fmt yuv422p -f yuv4mpegpipe -"
    ));
    decodes(&server, "mpjpeg", "api/stream.mjpeg?src=camera", 60);
    decodes(&server, "mpjpeg", "api/stream.mjpeg?src=raw", 30);
    decodes(&server, "yuv4mpegpipe", "api/stream.y4m?src=raw", 30);
    decodes(&server, "yuv4mpegpipe", "api/stream.y4m?src=wide", 30);
    // Without a hint what it is.
    assert_eq!(probe(&server.url("api/stream.mjpeg?src=camera")), "mjpeg,640,360");
    assert_eq!(probe(&server.url("api/stream.y4m?src=raw")), "rawvideo,320,240");
    assert_eq!(probe(&server.url("api/frame.jpeg?src=raw&w=160")), "mjpeg,160,120");
    for name in ["camera", "raw", "wide"] {
        server.until_stream(name, "the camera is let go", |s| !s.contains("\"receivers\""));
    }
}

#[test]
fn stills_of_every_codec() {
    if !has_ffmpeg() {
        return;
    }
    let source = "exec:ffmpeg -v error -re -f lavfi -i testsrc2=size=320x240:rate=25";
    let server = Server::with_streams(&format!(
        "h264: {source} -c:v libx264 -preset ultrafast -bf 2 -g 50 -pix_fmt yuv420p -f h264 -\n\
         h265: {source} -c:v libx265 -preset ultrafast -x265-params log-level=none -g 25 -pix_fmt yuv420p -f hevc -\n\
         high: {source} -c:v libx264 -preset ultrafast -pix_fmt yuv422p -f h264 -"
    ));
    let folder = Folder::new();
    for name in ["h264", "h265", "high"] {
        let file = folder.path().join(format!("{name}.jpeg"));
        let file = file.to_str().unwrap();
        for (path, size) in
            [("frame.jpeg", "320,240"), ("frame.jpeg", "120,160"), ("rs/poster", "320,240")]
        {
            let more = if size == "120,160" { "&w=160&rotate=90" } else { "" };
            let url = server.url(&format!("api/{path}?src={name}{more}"));
            let (ok, _, complaints) = run("curl", &["-fsS", "--max-time", "60", "-o", file, &url]);
            assert!(ok, "{url}: {complaints}\n{}", server.log());
            assert_eq!(probe(file), format!("mjpeg,{size}"), "{url}");
        }
        server.until_stream(name, "the camera is let go", |s| !s.contains("\"receivers\""));
    }
}
