//! Which hardware encoders work here: each is asked to encode a second of a test
//! picture (`spec/protocols-standard.md` 7.4).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rs2rtc_streams::Tasks;
use tokio::sync::OnceCell;

use super::hardware::Engine;
use super::run::run;

/// A working encoder needs one second, the first use of a driver some more.
const LIMIT: Duration = Duration::from_secs(10);

#[cfg(any(target_arch = "arm", target_arch = "aarch64"))]
static ENCODERS: [(Engine, &str, &str); 5] = [
    (Engine::V4l2m2m, "h264", "h264_v4l2m2m"),
    (Engine::V4l2m2m, "h265", "hevc_v4l2m2m"),
    (Engine::Rkmpp, "h264", "h264_rkmpp"),
    (Engine::Rkmpp, "h265", "hevc_rkmpp"),
    (Engine::Rkmpp, "mjpeg", "mjpeg_rkmpp"),
];
/// Engine, codec and FFmpeg's encoder, as the API lists them.
#[cfg(not(any(target_arch = "arm", target_arch = "aarch64")))]
static ENCODERS: [(Engine, &str, &str); 5] = [
    (Engine::Vaapi, "h264", "h264_vaapi"),
    (Engine::Vaapi, "h265", "hevc_vaapi"),
    (Engine::Vaapi, "mjpeg", "mjpeg_vaapi"),
    (Engine::Cuda, "h264", "h264_nvenc"),
    (Engine::Cuda, "h265", "hevc_nvenc"),
];

/// Best first, for `#hardware` without a name.
#[cfg(any(target_arch = "arm", target_arch = "aarch64"))]
const ORDER: [Engine; 2] = [Engine::V4l2m2m, Engine::Rkmpp];
/// Best first, for `#hardware` without a name.
#[cfg(not(any(target_arch = "arm", target_arch = "aarch64")))]
const ORDER: [Engine; 2] = [Engine::Cuda, Engine::Vaapi];

/// An encoder of one program.
type Key = (String, &'static str);
type Known = HashMap<Key, Arc<OnceCell<bool>>>;

static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

/// The encoders that this machine may have, and whether each works now.
pub(super) async fn all(bin: &str, tasks: &Tasks) -> Vec<(Engine, &'static str, bool)> {
    let mut found = Vec::new();
    for (engine, codec, encoder) in ENCODERS {
        let works = encodes(bin, engine, encoder, tasks).await;
        let cell = Arc::new(OnceCell::new_with(Some(works)));
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert_default().insert((bin.to_owned(), encoder), cell);
        drop(known);
        found.push((engine, codec, works));
    }
    found
}

/// The best engine that encodes a codec, software if none does. Each is tried
/// once in the life of this process.
pub(super) async fn best(bin: &str, codec: &str, tasks: &Tasks) -> Engine {
    for engine in ORDER {
        let mut encoders = ENCODERS.iter();
        let Some((.., encoder)) = encoders.find(|(e, c, _)| *e == engine && *c == codec) else {
            continue;
        };
        let encoder = *encoder;
        let cell = cell(bin, encoder);
        if *cell.get_or_init(|| encodes(bin, engine, encoder, tasks)).await {
            return engine;
        }
    }
    Engine::Software
}

fn cell(bin: &str, encoder: &'static str) -> Arc<OnceCell<bool>> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(known.get_or_insert_default().entry((bin.to_owned(), encoder)).or_default())
}

async fn encodes(bin: &str, engine: Engine, encoder: &str, tasks: &Tasks) -> bool {
    let mut arguments = vec!["-hide_banner", "-v", "error"];
    match engine {
        Engine::Vaapi => arguments.extend(["-init_hw_device", "vaapi"]),
        Engine::Cuda => arguments.extend(["-init_hw_device", "cuda"]),
        _ => {}
    }
    arguments.extend(["-f", "lavfi", "-i", "testsrc2", "-t", "1"]);
    if engine == Engine::Vaapi {
        arguments.extend(["-vf", "format=nv12,hwupload"]);
    }
    arguments.extend(["-c:v", encoder, "-f", "null", "-"]);
    let works = match run(bin, &arguments, LIMIT, tasks).await {
        Ok((status, words)) => {
            tracing::debug!(target: "ffmpeg", encoder, %status, words, "[ffmpeg] hardware");
            status.success()
        }
        Err(error) => {
            tracing::debug!(target: "ffmpeg", encoder, %error, "[ffmpeg] hardware");
            false
        }
    };
    tracing::info!(target: "ffmpeg", encoder, works, "[ffmpeg] hardware");
    works
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands for FFmpeg: knows the encoders that are named in its own name, and
    /// notes each run.
    fn program(name: &str, knows: &str) -> (String, std::path::PathBuf) {
        let folder = std::env::temp_dir().join(format!("rs2rtc-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let log = folder.join("log");
        let _ = std::fs::remove_file(&log);
        let script = format!(
            "for a; do case $a in {knows}) ok=1;; esac; done; echo run >> {}; test \"$ok\"",
            log.display()
        );
        (format!("/bin/sh -c '{script}' ffmpeg"), log)
    }

    fn runs(log: &std::path::Path) -> usize {
        std::fs::read_to_string(log).unwrap_or_default().lines().count()
    }

    #[cfg(target_arch = "x86_64")]
    #[tokio::test]
    async fn each_engine_is_tried_once() {
        let tasks = Tasks::new();
        let (bin, log) = program("once", "h264_vaapi");
        for _ in 0..3 {
            assert_eq!(best(&bin, "h264", &tasks).await, Engine::Vaapi);
        }
        assert_eq!(runs(&log), 2, "cuda, then vaapi");
        assert_eq!(best(&bin, "mjpeg", &tasks).await, Engine::Software);
        assert_eq!(runs(&log), 3);
        let (bin, log) = program("none", "h264_quantum");
        let two = tokio::join!(best(&bin, "h264", &tasks), best(&bin, "h264", &tasks));
        assert_eq!(two, (Engine::Software, Engine::Software));
        assert_eq!(runs(&log), 2, "who comes meanwhile waits for the same answer");
    }

    #[cfg(target_arch = "x86_64")]
    #[tokio::test]
    async fn the_list_is_looked_up_anew_and_remembered() {
        let tasks = Tasks::new();
        let (bin, log) = program("list", "hevc_nvenc|mjpeg_vaapi");
        let list = all(&bin, &tasks).await;
        let works: Vec<_> =
            list.iter().map(|(engine, codec, w)| (engine.name(), *codec, *w)).collect();
        let expected = [
            ("vaapi", "h264", false),
            ("vaapi", "h265", false),
            ("vaapi", "mjpeg", true),
            ("cuda", "h264", false),
            ("cuda", "h265", true),
        ];
        assert_eq!(works, expected);
        assert_eq!(best(&bin, "mjpeg", &tasks).await, Engine::Vaapi);
        assert_eq!(runs(&log), 5);
    }
}
