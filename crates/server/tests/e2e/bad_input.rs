//! Wrong configurations, addresses and peers: a clear text, and the rest goes on.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use super::harness::{Folder, Ports, Server, binary};

#[test]
fn broken_configurations_name_the_place() {
    let ports = Ports::free();
    let config = format!(
        "{}strems:\n  x: \"demo:\"\nstreams:\n  good: \"demo:\"\n  number: 5\n",
        ports.config("127.0.0.1")
    );
    let server = Server::with_config(&config, ports);
    let log = server.log();
    assert!(log.contains("strems") && log.contains("streams"), "{log}");
    assert!(log.contains("number"), "{log}");
    assert!(log.contains("rs2rtc.yaml"), "{log}");
    let (status, body) = server.request("GET", "api/streams");
    assert!(status == 200 && body.contains("\"good\""), "{body}");
}

#[test]
fn what_is_not_yaml_is_told_with_line_and_column() {
    let folder = Folder::new();
    folder.write("rs2rtc.yaml", "streams:\n  cam: [unclosed\nlog: {level: info}\n");
    let ports = Ports { api: 1984, rtsp: 8554, webrtc: 8555 };
    let inline = Ports::free();
    let mut command = Command::new(binary());
    command.args(["-c", "rs2rtc.yaml"]);
    command.args(["-c", &format!("api.listen=127.0.0.1:{}", inline.api)]);
    command.args(["-c", &format!("rtsp.listen=127.0.0.1:{}", inline.rtsp)]);
    command.args(["-c", &format!("webrtc.listen=127.0.0.1:{}", inline.webrtc)]);
    let mut server = Server::spawn(command, folder, Ports { api: inline.api, ..ports });
    server.wait_log("rs2rtc.yaml:2:8: streams: unclosed bracket");
    server.signal("-TERM");
    server.wait();
}

#[test]
fn sources_that_cannot_work_say_why() {
    let server = Server::with_streams(
        "scheme: nonsense:abc\nclosed: rtsp://user:hidden-pass@127.0.0.1:1/x\nparam: demo:?widht=1\nprogram: exec:no-such-program-here {output}",
    );
    let probe =
        |name: &str| server.request("GET", &format!("api/streams?src={name}&video=all&audio=all"));
    let (status, body) = probe("closed");
    assert_eq!(status, 500);
    assert!(body.contains("127.0.0.1:1"), "{body}");
    assert!(probe("param").1.contains("width"), "{}", probe("param").1);
    assert!(probe("program").1.contains("no-such-program-here"), "{}", probe("program").1);
    assert!(probe("scheme").1.contains("nonsense"), "{}", probe("scheme").1);
    assert_eq!(probe("missing").0, 404);
    assert!(!server.log().contains("hidden-pass"));
}

#[test]
fn a_port_in_use_is_named_and_the_rest_goes_on() {
    let ports = Ports::free();
    let _taken = TcpListener::bind(("127.0.0.1", ports.rtsp)).unwrap();
    let config = format!("{}streams: {{demo: \"demo:\"}}\n", ports.config("127.0.0.1"));
    let server = Server::with_config(&config, ports);
    server.wait_log(&ports.rtsp.to_string());
    server.wait_log("another program uses this port");
    assert_eq!(server.request("GET", "api").0, 200);
}

#[test]
fn garbage_on_the_ports_disturbs_nobody() {
    let server = Server::with_streams("demo: demo:?width=160&height=120&fps=5");
    for port in [server.ports.rtsp, server.ports.api, server.ports.webrtc] {
        for junk in [
            &b"\x00\x01\x02\xff\xfe"[..],
            b"OPTIONS",
            b"GET / HTTP/9.9\r\nA\r\n\r\n",
            b"$\xff\xff\xff",
        ] {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
                let _ = stream.write_all(&junk.repeat(2000));
            }
        }
    }
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for size in [0, 1, 12, 20, 100, 1400] {
        let _ = udp.send_to(&vec![0x80; size], ("127.0.0.1", server.ports.webrtc));
        let _ = udp.send_to(&vec![0x00; size], ("127.0.0.1", server.ports.webrtc));
        let _ = udp.send_to(&vec![0x16; size], ("127.0.0.1", server.ports.webrtc));
    }
    assert_eq!(server.request("GET", "api").0, 200);
    assert!(!server.log().contains("panic"), "{}", server.log());
}

#[test]
fn a_missing_ffmpeg_is_told() {
    let ports = Ports::free();
    let folder = Folder::new();
    let config = format!(
        "{}streams: {{file: \"ffmpeg:/media/x.mp4#video=copy\"}}\n",
        ports.config("127.0.0.1")
    );
    folder.write("rs2rtc.yaml", &config);
    let mut command = Command::new(binary());
    command.env("PATH", folder.path());
    let server = Server::spawn(command, folder, ports);
    server.wait_log("[api] listen addr=");
    let (status, body) = server.request("GET", "api/streams?src=file&video=all");
    assert_eq!(status, 500);
    assert!(body.contains("ffmpeg") && body.contains("not found"), "{body}");
    server.wait_log("not found");
}

#[test]
fn exit_code_1_only_if_nothing_can_start() {
    let ports = Ports::free();
    let _api = TcpListener::bind(("127.0.0.1", ports.api)).unwrap();
    let _rtsp = TcpListener::bind(("127.0.0.1", ports.rtsp)).unwrap();
    let folder = Folder::new();
    let config = format!("{}app: {{modules: [api, rtsp]}}\n", ports.config("127.0.0.1"));
    folder.write("rs2rtc.yaml", &config);
    let mut server = Server::spawn(Command::new(binary()), folder, ports);
    assert_eq!(server.wait().code(), Some(1), "{}", server.log());
    server.wait_log(&format!("127.0.0.1:{}", ports.api));
}
