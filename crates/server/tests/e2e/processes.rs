//! Nothing is left behind: no child, no grandchild, whatever ends the server.

use std::process::Command;

use super::harness::{Server, has_program, until};

/// A child that starts a grandchild, both with a mark in their arguments.
fn source(mark: &str) -> String {
    // The shell stays (it waits), the pipe's other end is a grandchild.
    format!(
        "exec:sh -c 'ffmpeg -v error -re -f lavfi -i testsrc=size=160x120:rate=10 -metadata title={mark} -c:v libx264 -preset ultrafast -tune zerolatency -g 10 -pix_fmt yuv420p -rtsp_transport tcp -f rtsp {{output}}; true'"
    )
}

/// Processes with a mark in their command line.
fn marked(mark: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let is_marked = line.windows(mark.len()).any(|w| w == mark.as_bytes());
        let zombie = std::fs::read_to_string(entry.path().join("stat"))
            .is_ok_and(|s| s.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')));
        if is_marked && !zombie && pid != std::process::id() {
            found.push(pid);
        }
    }
    found
}

/// Starts a watched stream with children; returns the viewer too.
fn playing(mark: &str) -> (Server, super::harness::Killed) {
    let server = Server::with_streams(&format!("cam: {}", source(mark)));
    let viewer = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-rtsp_transport",
            "tcp",
            "-i",
            &server.rtsp("cam"),
            "-f",
            "null",
            "-",
        ])
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let viewer = super::harness::Killed(viewer);
    server.until_stream("cam", "the stream plays", |s| {
        s.contains("\"senders\"") && s.contains("\"packets\"")
    });
    assert!(marked(mark).len() >= 2, "a child and a grandchild: {:?}", marked(mark));
    (server, viewer)
}

#[test]
fn sigterm_leaves_no_process_behind() {
    if !has_program("ffmpeg", "-version") {
        return;
    }
    let (mut server, _viewer) = playing("mark-sigterm");
    server.signal("-TERM");
    let status = server.wait();
    assert!(status.success(), "{status:?}");
    // Its last words are read after its end.
    server.wait_log("exit with signal: terminated");
    until("all children are gone", || marked("mark-sigterm").is_empty());
}

#[test]
fn sigkill_leaves_no_process_behind() {
    if !has_program("ffmpeg", "-version") {
        return;
    }
    let (mut server, _viewer) = playing("mark-sigkill");
    server.signal("-KILL");
    server.wait();
    until("all children are gone", || marked("mark-sigkill").is_empty());
}

#[test]
fn the_last_viewer_takes_the_children_with_it() {
    if !has_program("ffmpeg", "-version") {
        return;
    }
    let (server, viewer) = playing("mark-viewer");
    drop(viewer);
    until("all children are gone", || marked("mark-viewer").is_empty());
    let state = server.request("GET", "api/streams?src=cam").1;
    assert!(!state.contains("\"receivers\""), "{state}");
}

/// Its words are read to the end however many they are, and few of them are logged.
#[test]
fn a_program_that_floods_its_error_output_is_not_blocked_and_fills_no_log() {
    let script = "yes \"a warning that repeats itself\" | head -n 400000 >&2; exit 3";
    let server = Server::with_streams(&format!("flood: exec:sh -c '{script}'"));
    let (status, body) = server.request("GET", "api/streams?src=flood&video");
    assert_eq!(status, 500);
    assert!(body.contains("exec/pipe: EOF") && body.contains("a warning that"), "{body}");
    let mut lines = 0;
    // What is left out is told now and then, and at the end.
    until("all are counted", || {
        let log = server.log();
        lines = log.lines().filter(|line| line.contains("[exec] a warning")).count();
        let left_out = log.lines().filter_map(|line| line.split(" lines left out").next());
        let left_out = left_out.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
        left_out.sum::<usize>() + lines == 400_000
    });
    assert!((1..1000).contains(&lines), "{lines} lines");
}
