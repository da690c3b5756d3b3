//! A server with the recorded configuration, on ports of this run.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::case::{folder, on_ports};
use super::harness::{Folder, Ports, Server, binary};

/// A running server.
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) ports: Ports,
    pub(crate) config: PathBuf,
}

impl Running {
    /// Starts with the recorded configuration and what `overlay` changes in it.
    pub(crate) fn start(overlay: &str) -> Self {
        let text = std::fs::read_to_string(folder().join("server.yaml")).unwrap();
        Self::with_file(&text, overlay, "127.0.0.1")
    }

    /// Starts with a file; `host` takes the place of the recorded one in `listen`.
    pub(crate) fn with_file(file: &str, overlay: &str, host: &str) -> Self {
        for _ in 0..5 {
            let ports = Ports::free();
            let text = on_ports(file, ports)
                .replace("listen: \"127.0.0.1:", &format!("listen: \"{host}:"));
            let folder = Folder::new();
            let config = folder.write("rs2rtc.yaml", &text);
            std::os::unix::fs::symlink(media(), folder.path().join("media")).unwrap();
            let mut command = Command::new(binary());
            command.args(["-config", config.to_str().unwrap()]);
            if !overlay.is_empty() {
                command.args(["-config", &format!("{{{overlay}}}")]);
            }
            let server = Server::spawn(command, folder, ports);
            server.wait_log("[api] listen addr=");
            // Another process may have taken a port meanwhile.
            if !server.log().contains("another program uses this port") {
                return Self { server, ports, config };
            }
        }
        panic!("no free ports");
    }

    pub(crate) fn api(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.api).into()
    }
}

/// The folder with the clips that the configuration names, made once.
pub(crate) fn media() -> &'static Path {
    static MEDIA: OnceLock<PathBuf> = OnceLock::new();
    MEDIA.get_or_init(|| {
        let done = Path::new(env!("CARGO_TARGET_TMPDIR")).join("contract-media");
        if !done.is_dir() {
            let making = Path::new(env!("CARGO_TARGET_TMPDIR"))
                .join(format!("contract-media-{}", std::process::id()));
            std::fs::create_dir_all(&making).unwrap();
            make(&making);
            // Another process may have been faster.
            if std::fs::rename(&making, &done).is_err() {
                let _ = std::fs::remove_dir_all(&making);
            }
        }
        done
    })
}

/// 320x240, 25 fps, a keyframe a second, 20 s.
fn make(folder: &Path) {
    let picture = "testsrc2=size=320x240:rate=25:duration=20";
    let ffmpeg = |arguments: &str, output: &str| {
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-y"])
            .args(arguments.split_whitespace())
            .arg(folder.join(output))
            .current_dir(folder)
            .status();
        assert!(status.unwrap().success(), "ffmpeg {arguments} {output}");
    };
    let h264 =
        "-c:v libx264 -preset veryfast -profile:v baseline -bf 0 -g 25 -b:v 200k -pix_fmt yuv420p";
    let inputs = |tone: &str| {
        format!("-f lavfi -i {picture} -f lavfi -i sine=frequency=440:duration=20{tone}")
    };
    ffmpeg(
        &format!("{} {h264} -c:a aac -ac 1 -b:a 64k", inputs(":sample_rate=48000")),
        "h264_aac.mp4",
    );
    for name in ["h264_aac.ts", "h264_aac.flv"] {
        ffmpeg("-i h264_aac.mp4 -c copy", name);
    }
    ffmpeg("-i h264_aac.mp4 -c:v copy -c:a libopus -ac 2", "h264_opus.mkv");
    ffmpeg("-i h264_aac.mp4 -c:v copy -c:a pcm_alaw -ar 8000 -ac 1", "h264_pcma.mkv");
    ffmpeg(
        &format!(
            "-f lavfi -i {picture} -c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=25:bframes=0 -b:v 200k -pix_fmt yuv420p"
        ),
        "h265.mp4",
    );
    ffmpeg(
        &format!("-f lavfi -i {picture} -t 10 -c:v mjpeg -q:v 5 -pix_fmt yuvj420p"),
        "mjpeg.avi",
    );
}
