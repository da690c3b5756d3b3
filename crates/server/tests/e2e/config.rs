//! The configuration of a running program: a signal, a full disk, and checking.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use super::harness::{Folder, Ports, Server, binary, run, until};

fn post(ports: Ports, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", ports.api)).unwrap();
    let head = format!(
        "POST /{path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        ports.api,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned())
}

#[test]
fn a_signal_reads_the_file_again() {
    let ports = Ports::free();
    let start = format!("{}streams:\n  a: \"demo:\"\n", ports.config("127.0.0.1"));
    let server = Server::with_config(&start, ports);
    let folder = &server._folder;
    // An address is for the next start; the stream is there at once.
    let other = start.replace(&format!("\"127.0.0.1:{}\"", ports.rtsp), "\"127.0.0.1:1\"");
    folder.write("rs2rtc.yaml", &format!("{other}  b: \"demo:\"\n"));
    server.signal("-HUP");
    until("the new stream", || server.request("GET", "api/streams?src=b").0 == 200);
    server.wait_log("[config] takes effect with the next start keys=rtsp.listen");
    folder.write("rs2rtc.yaml", "streams:\n  a: 5\n");
    server.signal("-HUP");
    server.wait_log("rs2rtc.yaml:2:6: streams.a: must be a source");
    assert_eq!(server.request("GET", "api/streams?src=b").0, 200);
}

#[test]
fn a_full_disk_leaves_everything_as_it_was() {
    let ports = Ports::free();
    let folder = Folder::new();
    let text = format!("{}streams:\n  a: \"demo:\"\n", ports.config("127.0.0.1"));
    let path = folder.write("rs2rtc.yaml", &text);
    let mut command = Command::new("sh");
    // No file may grow beyond 64 blocks; the program is told by the error only.
    command.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\"", binary()]);
    let server = Server::spawn(command, folder, ports);
    server.wait_log("[api] listen addr=");
    let long = format!("{text}{}", "# a comment that fills the disk\n".repeat(8000));
    let (status, body) = post(ports, "api/config", &long);
    assert_eq!(status, 500, "{body}");
    assert!(body.contains("rs2rtc.yaml: ") && body.contains("too large"), "{body}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert_eq!(server.request("GET", "api/streams?src=a").0, 200);
    assert_eq!(server.request("PUT", "api/streams?name=b&src=rtsp://127.0.0.1:1/b").0, 200);
    assert!(std::fs::read_to_string(&path).unwrap().contains("  b:\n"));
}

#[test]
fn checking_says_what_is_wrong_and_where() {
    let folder = Folder::new();
    let good = folder.write("good.yaml", "streams:\n  a: \"demo:\"\n");
    let bad = folder.write("bad.yaml", "api:\n  lisen: :1\nstreams:\n  a: rtps://h/1\n  b: 5\n");
    let check = |path: &str| run(binary(), &["--check-config", "-c", path]);
    let (ok, out, _) = check(good.to_str().unwrap());
    assert!(ok && out.is_empty(), "{out}");
    let name = bad.to_str().unwrap();
    let (ok, out, _) = check(name);
    assert!(!ok);
    for wanted in [
        ":2:3: api.lisen: unknown key, did you mean \"listen\"?",
        ":4:6: streams.a: no source accepts \"rtps\", did you mean \"rtsp\"?",
        ":5:6: streams.b: must be a source, a list of sources or a mapping with url, not a number",
    ] {
        assert!(out.contains(&format!("{name}{wanted}\n")), "{out}");
    }
    let (ok, out, _) = check("missing.yaml");
    assert!(!ok && out.contains("missing.yaml: does not exist"), "{out}");
}
