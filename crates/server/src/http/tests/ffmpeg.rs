//! `/api/ffmpeg/…`, with a script in FFmpeg's place.

use super::Server;

/// A configuration whose FFmpeg is a script.
fn with(script: &str) -> String {
    format!("ffmpeg:\n  bin: \"/bin/sh -c '{script}' ffmpeg\"\n")
}

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn hardware_that_does_not_work_is_listed_as_such() {
    let server = Server::start("hardware", &with("exit 1"));
    let answer = server.call("GET", "/api/ffmpeg/hardware").await;
    let expected = concat!(
        r#"{"sources":[{"name":"ERROR","url":"ffmpeg:...#video=h264#hardware=vaapi"},"#,
        r#"{"name":"ERROR","url":"ffmpeg:...#video=h265#hardware=vaapi"},"#,
        r#"{"name":"ERROR","url":"ffmpeg:...#video=mjpeg#hardware=vaapi"},"#,
        r#"{"name":"ERROR","url":"ffmpeg:...#video=h264#hardware=cuda"},"#,
        r#"{"name":"ERROR","url":"ffmpeg:...#video=h265#hardware=cuda"}]}"#,
        "\n"
    );
    answer.is(200, expected);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    server.stop().await;
    let works = "for a; do case $a in hevc_nvenc) exit 0;; esac; done; exit 1";
    let server = Server::start("hardware-works", &with(works));
    let answer = server.call("GET", "/api/ffmpeg/hardware").await;
    let ok = r#"{"name":"OK","url":"ffmpeg:...#video=h265#hardware=cuda"}]}"#;
    assert!(answer.body.trim_end().ends_with(ok), "{}", answer.body);
    assert_eq!(answer.body.matches("ERROR").count(), 4);
    server.stop().await;
}

#[tokio::test]
async fn devices_are_listed_with_their_source_text() {
    let microphone = "for a; do case $a in alsa) exit 0;; esac; done; exit 1";
    let server = Server::start("devices", &with(microphone));
    let answer = server.call("GET", "/api/ffmpeg/devices").await;
    let default =
        "ffmpeg:device?audio=default\\u0026channels=1\\u0026sample_rate=16000\\u0026#audio=opus";
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains(default), "{}", answer.body);
    server.stop().await;
    let server = Server::start("no-devices", &with("exit 1"));
    server.call("GET", "/api/ffmpeg/devices").await.is(404, "no sources\n");
    server.stop().await;
    // What may not be run is not asked.
    let forbidden = with("exit 0") + "exec:\n  allow_paths: []\n";
    let server = Server::start("forbidden-devices", &forbidden);
    server.call("GET", "/api/ffmpeg/devices").await.is(404, "no sources\n");
    server.stop().await;
}
