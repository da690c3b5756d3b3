//! Starts the binary in a folder of its own and talks to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(40);

/// A folder that is removed with its owner.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rs2rtc-e2e-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The path of a new file, as text.
    pub(crate) fn write_bytes(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Ports that were free a moment ago.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) api: u16,
    pub(crate) rtsp: u16,
    pub(crate) webrtc: u16,
}

impl Ports {
    pub(crate) fn free() -> Self {
        let port = free_port;
        Self { api: port(), rtsp: port(), webrtc: port() }
    }

    /// The part of a configuration that listens on them, on `host`.
    pub(crate) fn config(self, host: &str) -> String {
        let Self { api, rtsp, webrtc } = self;
        format!(
            "api: {{listen: \"{host}:{api}\"}}\nrtsp: {{listen: \"{host}:{rtsp}\"}}\nwebrtc: {{listen: \"{host}:{webrtc}\"}}\n"
        )
    }
}

/// A port that nobody else takes before the server does: not one of those that the
/// system gives to connections (Linux: from 32768 on), not one that browsers refuse (10080 is
/// the highest), and each process has some of its own.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const OWN: u32 = 64;
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id() * OWN;
        let Ok(port) = u16::try_from(10_100 + next % 21_900) else { continue };
        let tcp = TcpListener::bind(("127.0.0.1", port));
        let udp = UdpSocket::bind(("127.0.0.1", port));
        if tcp.is_ok() && udp.is_ok() {
            return port;
        }
    }
}

#[derive(Default)]
struct Log {
    text: Mutex<String>,
    grown: Condvar,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) ports: Ports,
    /// Removed when the server is gone.
    pub(crate) _folder: Folder,
    log: Arc<Log>,
}

impl Server {
    /// Starts with `streams` (YAML below `streams:`) on free loopback ports.
    pub(crate) fn with_streams(streams: &str) -> Self {
        let ports = Ports::free();
        let indented: String = streams.lines().map(|l| format!("  {l}\n")).collect();
        let config =
            format!("{}log: {{level: debug}}\nstreams:\n{indented}", ports.config("127.0.0.1"));
        Self::with_config(&config, ports)
    }

    pub(crate) fn with_config(config: &str, ports: Ports) -> Self {
        let server = Self::spawn_config(config, ports);
        server.wait_log("[api] listen addr=");
        server
    }

    /// Starts and does not wait for anything.
    pub(crate) fn spawn_config(config: &str, ports: Ports) -> Self {
        let folder = Folder::new();
        folder.write("rs2rtc.yaml", config);
        Self::spawn(Command::new(binary()), folder, ports)
    }

    /// Runs a command that is the binary, or runs it, in the folder.
    pub(crate) fn spawn(mut command: Command, folder: Folder, ports: Ports) -> Self {
        let mut child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        follow(out, Arc::clone(&log));
        follow(err, Arc::clone(&log));
        Self { child, ports, _folder: folder, log }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.ports.api)
    }

    pub(crate) fn rtsp(&self, stream: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{stream}", self.ports.rtsp)
    }

    /// The text of its configuration.
    pub(crate) fn file(&self) -> String {
        std::fs::read_to_string(self.in_folder("rs2rtc.yaml")).unwrap()
    }

    /// A file in the folder where it runs.
    pub(crate) fn in_folder(&self, name: &str) -> PathBuf {
        self._folder.path().join(name)
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().clone()
    }

    /// Waits until the log contains a text.
    pub(crate) fn wait_log(&self, wanted: &str) {
        let end = Instant::now() + LIMIT;
        let mut text = self.log.lock();
        while !text.contains(wanted) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the log never said {wanted:?}");
            text =
                self.log.grown.wait_timeout(text, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// (status, body) of a request.
    pub(crate) fn request(&self, method: &str, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.api)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let head = format!(
            "{method} /{path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            self.ports.api
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let text = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        (status, body.to_owned())
    }

    /// The body of an answer that lasts until the server ends it.
    pub(crate) fn download(&self, path: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.api)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        // Of that version an answer has no parts with lengths of their own.
        stream.write_all(format!("GET /{path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let body = answer.split_off(end + 4);
        let head = String::from_utf8(answer).unwrap();
        assert!(head.split(' ').nth(1) == Some("200"), "{path}: {head}");
        body
    }

    /// Polls the state of a stream until it says what is wanted.
    pub(crate) fn until_stream(
        &self,
        name: &str,
        what: &str,
        is_true: impl Fn(&str) -> bool,
    ) -> String {
        let mut last = String::new();
        until(what, || {
            last = self.request("GET", &format!("api/streams?src={name}")).1;
            is_true(&last)
        });
        last
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for the process to end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the server does not end:\n{}", self.log());
            pause();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
            let end = Instant::now() + Duration::from_secs(4);
            while self.child.try_wait().ok().flatten().is_none() && Instant::now() < end {
                pause();
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- log of the server ---\n{}", self.log());
        }
    }
}

fn follow(from: impl std::io::Read + Send + 'static, log: Arc<Log>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            let mut text = log.lock();
            text.push_str(&line);
            text.push('\n');
            log.grown.notify_all();
        }
    });
}

/// The binary under test.
pub(crate) fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_rs2rtc")
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Polls until something is true; there is no event to wait for across processes.
pub(crate) fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_true() {
        assert!(Instant::now() < end, "not in time: {what}");
        pause();
    }
}

#[allow(clippy::disallowed_methods)] // the step of a poll, not a wait for a result
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

/// Whether a needed thing is there; says so if not, and fails in CI.
pub(crate) fn has(what: &str, there: bool) -> bool {
    if !there {
        assert!(std::env::var_os("CI").is_none(), "CI needs {what}");
        eprintln!("SKIPPED: needs {what}");
    }
    there
}

/// Whether a program can be run.
pub(crate) fn has_program(program: &str, argument: &str) -> bool {
    let status =
        Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    has(program, status.is_ok())
}

/// Runs a program to its end; (success, stdout, stderr).
pub(crate) fn run(program: &str, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new("timeout")
        .arg("--kill-after=5")
        .arg("90")
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

/// A child that is killed with its owner.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// GStreamer's RTSP server (`tools/gst_rtsp_server.py`): open and locked port.
pub(crate) fn foreign_camera() -> Option<(Killed, u16, u16)> {
    foreign_camera_in(None)
}

/// The same in a network namespace.
pub(crate) fn foreign_camera_in(namespace: Option<&str>) -> Option<(Killed, u16, u16)> {
    let probe = "import gi; gi.require_version('GstRtspServer', '1.0')";
    let there = Command::new("/usr/bin/python3").args(["-c", probe]).stderr(Stdio::null()).status();
    if !has("GStreamer's RTSP server for Python", there.is_ok_and(|s| s.success())) {
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/gst_rtsp_server.py");
    let mut command = match namespace {
        Some(name) => {
            let mut ip = Command::new("ip");
            ip.args(["netns", "exec", name, "/usr/bin/python3"]);
            ip
        }
        None => Command::new("/usr/bin/python3"),
    };
    let mut child = command.arg(script).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mut words = line.split_whitespace().skip(1).map(|w| w.parse().unwrap());
    let (open, locked) = (words.next().unwrap(), words.next().unwrap());
    Some((Killed(child), open, locked))
}

/// A file with H.264 that browsers decode, in several slices, and AAC.
pub(crate) fn clip(folder: &Folder) -> PathBuf {
    let encoder = "libx264 -preset ultrafast -bf 0 -profile:v baseline -slices 3";
    recording(folder, "clip.mp4", "640x360", encoder)
}

/// A file of eight seconds with pictures of an encoder, with its options, and AAC.
pub(crate) fn recording(folder: &Folder, name: &str, size: &str, encoder: &str) -> PathBuf {
    let path = folder.path().join(name);
    let words = format!(
        "-v error -y -f lavfi -i testsrc2=size={size}:rate=25:duration=8 \
         -f lavfi -i sine=frequency=440:duration=8 \
         -c:v {encoder} -g 25 -pix_fmt yuv420p -c:a aac -shortest"
    );
    let mut arguments: Vec<&str> = words.split(' ').collect();
    arguments.push(path.to_str().unwrap());
    let (ok, _, err) = run("ffmpeg", &arguments);
    assert!(ok, "{err}");
    path
}
