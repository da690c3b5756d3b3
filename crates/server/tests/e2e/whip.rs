//! Publishing with a foreign WHIP client (aiortc), and how its end is noticed.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Killed, Server, has, has_program, root, run};

/// A client that publishes `empty`, connected.
fn publisher(server: &Server) -> Option<(Killed, BufReader<std::process::ChildStdout>)> {
    let python = root().join("target/test-python/bin/python");
    let there = Command::new(&python).args(["-c", "import aiortc"]).stderr(Stdio::null()).status();
    if !has("aiortc (tools/install-test-tools.sh)", there.is_ok_and(|s| s.success())) {
        return None;
    }
    let mut child = Command::new(&python)
        .arg(root().join("crates/server/tests/tools/whip_client.py"))
        .arg(server.url("api/webrtc?dst=empty"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let child = Killed(child);
    assert_eq!(line(&mut out), "connected");
    Some((child, out))
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line.trim().to_owned()
}

fn published(server: &Server) -> String {
    server.until_stream("empty", "two tracks with packets", |stream| {
        stream.matches("\"packets\"").count() == 2
    })
}

/// Waits until nothing is published; gives how long that took.
fn until_gone(server: &Server) -> Duration {
    let from = Instant::now();
    server.until_stream("empty", "nothing is published", |stream| {
        let stream: Value = serde_json::from_str(stream).unwrap();
        stream["producers"].as_array().is_none_or(Vec::is_empty)
    });
    from.elapsed()
}

#[test]
fn a_foreign_publisher_is_played_and_its_end_is_noticed_at_once() {
    let server = Server::with_streams("empty:");
    let Some((mut client, mut out)) = publisher(&server) else { return };
    let stream = published(&server);
    for codec in ["\"codec_name\": \"h264\"", "\"codec_name\": \"opus\""] {
        assert!(stream.contains(codec), "{stream}");
    }
    let (_, sessions) = server.request("GET", "api/rs/sessions?ended=0");
    let sessions: Value = serde_json::from_str(&sessions).unwrap();
    assert_eq!(sessions["sessions"][0]["publishes"], true, "{sessions}");
    if has_program("ffprobe", "-version") {
        let url = server.rtsp("empty");
        let show =
            ["-v", "error", "-rtsp_transport", "tcp", "-show_entries", "stream=codec_name,width"];
        let arguments = [&show[..], &["-of", "csv=p=0", &url]].concat();
        let (ok, shown, errors) = run("ffprobe", &arguments);
        assert!(ok && shown.contains("h264,320") && shown.contains("opus"), "{shown}{errors}");
    }

    client.0.stdin.as_mut().unwrap().write_all(b"end\n").unwrap();
    assert_eq!(line(&mut out), "200");
    let by_delete = until_gone(&server);
    drop(client);

    let Some((mut client, _out)) = publisher(&server) else { return };
    published(&server);
    // Who published is told of afterwards, like viewers.
    let (_, sessions) = server.request("GET", "api/rs/sessions");
    let sessions: Value = serde_json::from_str(&sessions).unwrap();
    let ended = sessions["ended"].as_array().unwrap();
    let is_first = |s: &&Value| s["publishes"] == true && s["format"] == "webrtc";
    assert_eq!(ended.iter().filter(is_first).count(), 1, "{sessions}");
    let first = ended.iter().find(is_first).unwrap();
    assert!(first["left_at"].as_f64().is_some_and(|ms| ms > 1e12), "{first}");
    assert_eq!(first["state"], "gone", "{first}");
    assert_eq!(first["reason"], "http_delete", "{first}");
    assert!(first["remote"].as_str().is_some_and(|a| a.ends_with(" host")), "{first}");
    client.0.kill().unwrap();
    let by_kill = until_gone(&server);
    println!("a foreign publisher is off after DELETE {by_delete:?}, after kill -9 {by_kill:?}");
    // It was missed by a signal, not by its silence; its session may still wait for it.
    let (_, sessions) = server.request("GET", "api/rs/sessions");
    assert!(sessions.contains("\"reason\":\"icmp_verified\""), "{sessions}");
}
