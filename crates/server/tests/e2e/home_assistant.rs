//! Home Assistant starts this binary as its go2rtc: its configuration, the line
//! it waits for, and its client library.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use super::harness::{Folder, Ports, Server, binary, has, root, run};

/// A configuration as Home Assistant writes it.
fn config(ports: Ports, socket: &str) -> String {
    format!(
        r#"# This file is managed by Home Assistant
# Do not edit it manually

app:
  modules: ["api","exec","ffmpeg","http","mjpeg","onvif","rtmp","rtsp","srtp","webrtc","ws","debug"]

api:
  listen: "127.0.0.1:{}"
  unix_listen: "{socket}"
  allow_paths: ["/","/api","/api/frame.jpeg","/api/preload","/api/schemes","/api/streams","/api/webrtc","/api/ws"]
  local_auth: true
  username: f3b1c0de
  password: 0a1b2c3d

# ffmpeg needs the exec module
# Restrict execution to only ffmpeg binary
exec:
  allow_paths:
    - ffmpeg

rtsp:
  listen: "127.0.0.1:{}"

webrtc:
  listen: ":{}/tcp"
  ice_servers: []
"#,
        ports.api, ports.rtsp, ports.webrtc
    )
}

/// The binary under the name that it replaces.
fn drop_in(folder: &Folder) -> Command {
    let name = folder.path().join("go2rtc");
    std::os::unix::fs::symlink(binary(), &name).unwrap();
    let mut command = Command::new(&name);
    command.arg0("go2rtc").args(["-c", folder.path().join("go2rtc.yaml").to_str().unwrap()]);
    command
}

/// Python with the client library (`tools/install-test-tools.sh`).
fn python() -> Option<PathBuf> {
    let python = root().join("target/test-python/bin/python");
    let there = Command::new(&python).args(["-c", "import go2rtc_client"]).status();
    has("the Python client of Home Assistant", there.is_ok_and(|s| s.success())).then_some(python)
}

#[test]
fn its_configuration_starts_and_its_client_passes_all_calls() {
    let Some(python) = python() else { return };
    // A camera of somebody else.
    let camera = Server::with_streams("demo: \"demo:\"");
    let (folder, ports) = (Folder::new(), Ports::free());
    let socket = folder.path().join("api.sock");
    let socket = socket.to_str().unwrap().to_owned();
    folder.write("go2rtc.yaml", &config(ports, &socket));
    let command = drop_in(&folder);
    let server = Server::spawn(command, folder, ports);
    server.wait_log("INF [api] listen addr=");
    server.wait_log("[webrtc] listen tcp");
    let log = server.log();
    let line = log.lines().find(|line| line.contains("INF [api] listen addr=")).unwrap();
    assert_eq!(
        line[12..].trim(),
        format!("INF [api] listen addr=127.0.0.1:{}", ports.api),
        "{line}"
    );
    assert!(!log.contains(" ERR "), "{log}");
    let script = root().join("crates/server/tests/tools/ha_client.py");
    let rtsp = camera.ports.rtsp.to_string();
    let (ok, out, err) = run(
        python.to_str().unwrap(),
        &[script.to_str().unwrap(), &socket, "f3b1c0de", "0a1b2c3d", &rtsp],
    );
    println!("{out}");
    assert!(ok && out.ends_with("all calls passed\n"), "{out}\n{err}");
    // It logs in even on this machine, and sees no more than it asked for.
    assert_eq!(server.request("GET", "api").0, 401);
}

#[test]
fn an_old_socket_file_is_replaced_and_what_is_no_socket_is_not() {
    use std::os::unix::fs::FileTypeExt as _;
    let (folder, ports) = (Folder::new(), Ports::free());
    let socket = folder.path().join("api.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists(), "a stale socket file");
    folder.write("go2rtc.yaml", &config(ports, socket.to_str().unwrap()));
    let command = drop_in(&folder);
    let server = Server::spawn(command, folder, ports);
    server.wait_log("listen unix");
    assert!(std::fs::metadata(&socket).unwrap().file_type().is_socket());
    std::os::unix::net::UnixStream::connect(&socket).unwrap();

    let (folder, ports) = (Folder::new(), Ports::free());
    let file = folder.write("precious.txt", "mine");
    folder.write("go2rtc.yaml", &config(ports, file.to_str().unwrap()));
    let command = drop_in(&folder);
    let server = Server::spawn(command, folder, ports);
    server.wait_log("precious.txt");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}
