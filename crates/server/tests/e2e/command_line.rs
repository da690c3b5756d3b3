//! The command line: help, version, the forms of go2rtc.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::harness::{Folder, Ports, Server, binary};

fn said(name: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(binary()).arg0(name).args(arguments).output().unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    text.push_str(&String::from_utf8(output.stderr).unwrap());
    (output.status.success(), text)
}

#[test]
fn help_says_how_to_use_it() {
    for form in ["--help", "-h", "-help"] {
        let (ok, text) = said("rs2rtc", &[form]);
        assert!(ok, "{text}");
        for wanted in
            ["--config", "--daemon", "--version", "--check-config", "rs2rtc.yaml", "Examples:"]
        {
            assert!(text.contains(wanted), "{form}: no {wanted}:\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}

#[test]
fn the_version_is_that_of_the_name() {
    for form in ["--version", "-v", "-version"] {
        let (ok, text) = said("/usr/local/bin/rs2rtc", &[form]);
        assert!(
            ok && text.starts_with(&format!("rs2rtc version {} (", env!("CARGO_PKG_VERSION"))),
            "{text}"
        );
        assert!(text.contains("compatible with go2rtc 1.9."), "{text}");
        let (ok, text) = said("/usr/local/bin/go2rtc", &[form]);
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(ok && words[..3] == ["go2rtc", "version", "1.9.14"], "{text}");
        assert!(words[4].starts_with("linux/"), "{text}");
    }
}

#[test]
fn a_wrong_flag_is_told() {
    let (ok, text) = said("rs2rtc", &["--conifg", "x.yaml"]);
    assert!(!ok && text.contains("--conifg") && text.contains("--config"), "{text}");
}

#[test]
fn items_of_the_command_line_come_in_order() {
    let (folder, ports) = (Folder::new(), Ports::free());
    folder.write("first.yaml", "streams: {one: \"demo:\", two: \"demo:\"}\nlog: {level: error}\n");
    folder.write("second.yaml", "streams: {two: \"rtsp://127.0.0.1:1/x\"}\n");
    let mut command = Command::new(binary());
    command.args(["-config", "first.yaml", "-c", "second.yaml", "--config=log.level=info"]);
    for (key, port) in [("api", ports.api), ("rtsp", ports.rtsp), ("webrtc", ports.webrtc)] {
        command.args(["-c", &format!("{key}.listen=127.0.0.1:{port}")]);
    }
    command.args(["-c", "{streams: {three: \"demo:\"}}"]);
    let server = Server::spawn(command, folder, ports);
    server.wait_log("INF [api] listen addr=");
    let (_, body) = server.request("GET", "api/streams");
    let streams: serde_json::Value = serde_json::from_str(&body).unwrap();
    let names: Vec<&String> = streams.as_object().unwrap().keys().collect();
    assert_eq!(names, ["one", "three", "two"]);
    assert_eq!(streams["two"]["producers"][0]["url"], "rtsp://127.0.0.1:1/x");
    let (_, body) = server.request("GET", "api");
    assert!(body.contains("first.yaml"), "the first file is the one that is written: {body}");
}
