//! `exec:` and `ffmpeg:` through the streams engine, with scripts and with FFmpeg.
#![allow(clippy::unwrap_used, clippy::print_stderr, unsafe_code)]

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_endpoints::Context;
use rs2rtc_endpoints::io::process::{guard_main_if_asked, kills};
use rs2rtc_endpoints::outputs::rtsp::{Config, Server};
use rs2rtc_endpoints::table::Table;
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media, Payload};
use rs2rtc_streams::{
    Attached, CancellationToken, Connection, Description, Opener, Origin, Request, Settings,
    Stream, Streams, events::Event,
};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// This binary has no `main` of its own that could ask first.
#[used]
#[unsafe(link_section = ".init_array")]
static ASK: extern "C" fn() = {
    extern "C" fn ask() {
        guard_main_if_asked();
    }
    ask
};

mod watching;

use watching::{view, watch};

struct Bench {
    streams: Streams,
    cancel: CancellationToken,
}

/// Streams, with an RTSP server that programs can push to.
fn bench(server: bool) -> Bench {
    bench_with(server, false)
}

/// As above; `open` lets clients talk and publish.
fn bench_with(server: bool, open: bool) -> Bench {
    let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
    let table: Arc<dyn Opener> = Arc::new(Table::new(Arc::clone(&context)));
    let streams = Streams::new(table, Settings::default());
    context.set_streams(streams.clone());
    let cancel = CancellationToken::new();
    if server {
        let config = Config { listen: "127.0.0.1:0".into(), ..Config::default() };
        // Nobody may publish but the programs that we started.
        let gate = Arc::new(move |_, access| match access {
            rs2rtc_endpoints::outputs::rtsp::Access::View => Ok(()),
            rs2rtc_endpoints::outputs::rtsp::Access::Publish if open => Ok(()),
            rs2rtc_endpoints::outputs::rtsp::Access::Publish => Err("not here".to_owned()),
        });
        let server = Server::bind(config, Arc::clone(&context), streams.clone(), gate).unwrap();
        context.tasks.spawn("server", server.run(cancel.clone()));
    }
    Bench { streams, cancel }
}

impl Bench {
    fn stream(&self, name: &str, source: &str) -> Arc<Stream> {
        self.streams.create(name, &[source.to_owned()], Origin::Config).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

async fn failure(source: &str, server: bool) -> Error {
    let b = bench(server);
    view(&b.stream("x", source)).await.err().expect("it fails")
}

/// Processes whose command line has a mark, guards too.
fn marked(mark: &str) -> Vec<OwnedFd> {
    marked_all(&[mark])
}

fn marked_all(marks: &[&str]) -> Vec<OwnedFd> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command);
        let has = marks.iter().all(|mark| command.contains(mark));
        if has { pidfd_open(pid, PidfdFlags::empty()).ok() } else { None }
    });
    processes.collect()
}

/// Waits until processes have ended; how long that took.
async fn ended(processes: Vec<OwnedFd>) -> Duration {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let began = Instant::now();
    let wait = move || {
        for process in &processes {
            let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
            let mut fds = [PollFd::new(process, PollFlags::IN)];
            let ready = rustix::io::retry_on_intr(|| poll(&mut fds, Some(&limit)));
            assert_eq!(ready.unwrap(), 1, "the process lives on");
        }
        began.elapsed()
    };
    tokio::task::spawn_blocking(wait).await.unwrap()
}

fn ffmpeg_is_missing(test: &str) -> bool {
    let missing =
        !["/usr/bin/ffmpeg", "/usr/local/bin/ffmpeg"].iter().any(|p| Path::new(p).exists());
    if missing {
        eprintln!("SKIPPED {test}: ffmpeg is not installed");
    }
    missing
}

/// G.711 in a WAV file without end, as a script; 20 ms at a time.
const WAV: &str = r#"exec:/bin/sh -c 'printf "RIFF....WAVEfmt \020\000\000\000\007\000\001\000\100\037\000\000\100\037\000\000\001\000\010\000data...."; while :; do printf "%0160d" 1; sleep 0.02; done'"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_from_a_pipe() {
    let b = bench(false);
    let viewer = view(&b.stream("sound", WAV)).await.unwrap();
    assert_eq!(viewer.codecs(), ["PCMU/8000/1"]);
    let first = viewer.next().await;
    assert_eq!(first.payload.len(), 160);
    let mut last = first.pts;
    for _ in 0..5 {
        let frame = viewer.next().await;
        assert_eq!(frame.pts - last, 160);
        last = frame.pts;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_says_why() {
    for (source, server, kind, text) in [
        (
            "exec:/nowhere/x {output}",
            true,
            ErrorKind::Config,
            "exec: program not found: /nowhere/x: install it or fix the path",
        ),
        ("exec:/bin/true {output}", false, ErrorKind::Config, "exec: rtsp module disabled"),
        (
            "exec:/bin/sh -c 'echo no camera >&2' {output}",
            true,
            ErrorKind::Ended,
            "exec/rtsp\nno camera",
        ),
        ("exec:sleep 1000#starttimeout=1", false, ErrorKind::Unreachable, "exec/pipe: timeout"),
        (
            "exec:/bin/sh -c 'echo broken >&2; exit 1'",
            false,
            ErrorKind::Ended,
            "exec/pipe: EOF\nbroken",
        ),
        (
            "exec:echo hello",
            false,
            ErrorKind::Unsupported,
            "exec/pipe: magic: unsupported header: 68656c6c (known over a pipe are",
        ),
        (
            "exec:/bin/sh -c 'exit 3' {output}",
            true,
            ErrorKind::Ended,
            "exec/rtsp\nthe program ended: exit status: 3",
        ),
    ] {
        let error = failure(source, server).await;
        assert!(error.to_string().contains(text), "{source}: {error}");
        assert_eq!(error.kind(), kind, "{source}: {error}");
    }
    let error = failure("exec:/bin/sh -c 'exec sleep 1000' {output}#starttimeout=1", true).await;
    assert!(error.to_string().contains("exec: timeout"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_wait_any_more_ends_the_program() {
    let b = bench(false);
    let stream =
        b.stream("slow", "exec:/bin/sh -c 'echo mark-slow >/dev/null; exec sleep 1000.125'");
    let viewer = tokio::time::timeout(Duration::from_millis(500), view(&stream)).await;
    assert!(viewer.is_err(), "it delivers nothing");
    ended(marked("1000.125")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_ends_is_started_again() {
    let b = bench(false);
    let once = WAV.replace("while :; do", "for i in 1 2 3; do");
    let viewer = view(&b.stream("short", &once)).await.unwrap();
    for _ in 0..7 {
        viewer.next().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_pushes_and_lets_go() {
    if ffmpeg_is_missing("ffmpeg_pushes_and_lets_go") {
        return;
    }
    let b = bench(true);
    let source = "exec:ffmpeg -hide_banner -v error -re -f lavfi -i testsrc=size=320x240:rate=15 -c:v libx264 -g 15 -preset:v ultrafast -tune:v zerolatency -metadata title=mark-push -rtsp_transport tcp -f rtsp {output}";
    let began = Instant::now();
    let viewer = view(&b.stream("pushed", source)).await.unwrap();
    assert_eq!(viewer.codecs(), ["H264"]);
    // The key it pushes to opens a door; nobody else is told of it.
    let producers = b.streams.get("pushed").unwrap().snapshot().producers.unwrap();
    let shown = &producers[0].connection.as_ref().unwrap().description;
    assert_eq!(shown.url, "");
    let output = shown.source.rsplit('/').next().unwrap();
    assert!(
        output.len() == 32 && output.chars().all(|c| c.is_ascii_hexdigit()),
        "{}",
        shown.source
    );
    assert!(viewer.next().await.keyframe);
    eprintln!("first picture after {:?}", began.elapsed());
    let mut last = viewer.next().await.dts;
    for _ in 0..15 {
        let frame = viewer.next().await;
        assert!(frame.dts > last);
        last = frame.dts;
    }
    let processes = marked("mark-push");
    assert_eq!(processes.len(), 2, "ffmpeg and its guard");
    let killed = kills();
    drop(viewer);
    let took = ended(processes).await;
    eprintln!("capture (SIGKILL): gone {took:?} after the last viewer");
    assert_eq!(kills(), killed + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_says_goodbye_to_a_camera() {
    if ffmpeg_is_missing("ffmpeg_says_goodbye_to_a_camera") {
        return;
    }
    let b = bench(true);
    // The address does not look like our own, so that it counts as a camera.
    b.stream("camera", "demo:?width=320&height=240&fps=15&gop=15");
    let camera = b.streams.get("camera").unwrap();
    let watched = view(&camera).await.unwrap();
    watched.next().await;
    let port = server_port(&b).await;
    let source = format!(
        "exec:ffmpeg -v error -i rtsp://127.1:{port}/camera?video -c copy -metadata title=mark-goodbye -rtsp_transport tcp -f rtsp {{output}}"
    );
    let viewer = view(&b.stream("copy", &source)).await.unwrap();
    viewer.next().await;
    let processes = marked("mark-goodbye");
    assert_eq!(processes.len(), 2, "ffmpeg and its guard");
    let (before, began) = (kills(), Instant::now());
    drop(viewer);
    ended(processes).await;
    let (killed, took) = (kills() - before, began.elapsed());
    eprintln!("network (SIGTERM): gone {took:?} after the last viewer, killed: {killed}");
    // Whoever has not said goodbye in its time is killed then, and not before.
    assert!(killed == 0 || took >= Duration::from_millis(150), "{took:?}");
    if killed == 0 {
        assert_eq!(left(&b, "camera").await, "teardown");
    }
}

/// Why a viewer of a stream left.
async fn left(b: &Bench, name: &str) -> String {
    let events = b.streams.events();
    let mut read = 0;
    loop {
        for record in events.since(read).records {
            read = record.seq;
            if let Event::ViewerLeft { stream, reason, .. } = &record.event
                && stream == name
            {
                return reason.to_string();
            }
        }
        let changed = tokio::time::timeout(Duration::from_secs(10), events.changed(read));
        changed.await.expect("in time");
    }
}

/// Asks the context by way of a source text that names it.
async fn server_port(b: &Bench) -> u16 {
    let source = "exec:/bin/sh -c 'echo $0 >&2' {output}";
    let error = view(&b.stream("port", source)).await.err().unwrap().to_string();
    let after = error.split_once("127.0.0.1:").unwrap().1;
    after.split_once('/').unwrap().0.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_sources() {
    if ffmpeg_is_missing("ffmpeg_sources") {
        return;
    }
    let b = bench(true);
    b.stream("demo", "demo:?width=320&height=240&fps=15&gop=15");
    for (name, source, codec) in [
        ("pictures", "ffmpeg:virtual?video=testsrc2&size=320x240#video=mjpeg", "JPEG"),
        ("small", "ffmpeg:demo#video=h264#width=160", "H264"),
        ("aac", "ffmpeg:demo#audio=aac", "MPEG4-GENERIC/48000/2"),
        ("pcm", "ffmpeg:demo#audio=pcml/16000", "PCML/16000/1"),
        ("opus", "ffmpeg:demo#audio=opus", "OPUS/48000/2"),
    ] {
        let began = Instant::now();
        let viewer = view(&b.stream(name, source)).await.unwrap();
        assert_eq!(viewer.codecs(), [codec], "{source}");
        let first = viewer.next().await;
        assert!(first.keyframe && !first.payload.is_empty());
        eprintln!("{source}: first frame after {:?}", began.elapsed());
        let mut last = first.dts;
        for _ in 0..5 {
            let frame = viewer.next().await;
            assert!(frame.dts > last, "{source}");
            last = frame.dts;
        }
    }
}

#[tokio::test]
async fn the_last_words_of_a_program_decide_the_kind() {
    for (words, kind) in [
        ("x: Device or resource busy", ErrorKind::Busy),
        ("x: No such device", ErrorKind::Gone),
        ("method DESCRIBE failed: 401 Unauthorized", ErrorKind::Auth),
        ("x: Connection refused", ErrorKind::Unreachable),
        ("something else", ErrorKind::Ended),
    ] {
        let source = format!("exec:sh -c 'echo \"{words}\" >&2; exit 1'");
        assert_eq!(failure(&source, false).await.kind(), kind, "{words}");
    }
}

/// A dial that nobody waits for any more: the next one comes when the program is gone.
#[tokio::test]
async fn a_device_is_free_again_after_a_dial_that_was_given_up() {
    let b = bench(false);
    let folder = std::env::temp_dir().join(format!("rs2rtc-device-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (lock, log) = (folder.join("lock"), folder.join("log"));
    // The lock is the device; flock waits for nobody.
    let (shown_lock, shown_log) = (lock.display(), log.display());
    let source = format!(
        "exec:flock -n -E 9 {shown_lock} sh -c 'echo open /dev/video99 >> {shown_log}; sleep 1000'"
    );
    let stream = b.stream("cam", &source);
    for round in 1..=3 {
        let dial = view(&stream);
        tokio::pin!(dial);
        let opened = async {
            while std::fs::read_to_string(&log).unwrap_or_default().lines().count() < round {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            result = &mut dial => panic!("ended: {:?}", result.err()),
            () = opened => {}
            () = tokio::time::sleep(Duration::from_secs(10)) => panic!("not opened"),
        }
    }
    assert_eq!(b.streams.counters().busy_retries, 0, "it was free each time");
    drop(b);
    let _ = std::fs::remove_dir_all(folder);
}

/// Somebody who talks, in one codec.
async fn talker(stream: &Arc<Stream>, codec: Codec) -> Result<Attached, Error> {
    let request = Request {
        medias: vec![Media::new(Kind::Audio, Direction::RecvOnly, codec)],
        connection: Arc::new(Connection::new(Description::default())),
        source_tag: None,
        may_sleep: false,
    };
    stream.attach(request).await
}

fn say(attached: &Attached, n: i64, byte: u8, length: usize) {
    let track = &attached.tracks[0].track;
    let payload = Payload::Data(vec![byte; length].into());
    track.push(&Arc::new(Frame::new(track.codec().id, true, n * 160, Instant::now(), payload)));
}

/// A pipe with a name, for a program to write to.
fn ear(name: &str) -> (std::path::PathBuf, tokio::net::unix::pipe::Receiver) {
    let path = std::env::temp_dir().join(format!("rs2rtc-{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
    // Also open for writing: no end before the program begins.
    let receiver = tokio::net::unix::pipe::OpenOptions::new().read_write(true).open_receiver(&path);
    (path, receiver.unwrap())
}

async fn hear(ear: &mut tokio::net::unix::pipe::Receiver, length: usize) -> Vec<u8> {
    let mut heard = vec![0; length];
    let read = tokio::io::AsyncReadExt::read_exact(ear, &mut heard);
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("sound in time").unwrap();
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn talk_reaches_a_program_and_ends_it() {
    let b = bench(false);
    let (path, mut ear) = ear("talk");
    let source = format!(
        "exec:/bin/sh -c 'echo mark-talk >&2; exec cat > {}'#backchannel=1#audio=alaw/8000",
        path.display()
    );
    let stream = b.stream("bell", &source);
    let wrong = talker(&stream, Codec::new(CodecId::Opus).clock(48_000)).await.err().unwrap();
    assert_eq!(wrong.kind(), ErrorKind::Unsupported, "{wrong}");
    for round in 1..3_u8 {
        assert!(marked(&path.display().to_string()).is_empty(), "nobody talks yet");
        let attached = talker(&stream, Codec::new(CodecId::Pcma).clock(8000)).await.unwrap();
        assert_eq!(attached.tracks[0].codec.to_string(), "PCMA/8000");
        // What is said before the program runs is not for it: say it until it is heard.
        let mut heard = Vec::new();
        let mut said = 0;
        while heard.len() < 800 {
            say(&attached, said, round, 160);
            said += 1;
            let more = tokio::time::timeout(Duration::from_millis(20), hear(&mut ear, 160)).await;
            heard.extend(more.unwrap_or_default());
        }
        assert!(heard.iter().all(|byte| *byte == round));
        // It is counted when it is written, a moment after it can be read.
        let counted = async {
            loop {
                let snapshot = stream.snapshot().producers.unwrap();
                let open = snapshot[0].connection.clone().unwrap();
                assert_eq!((open.description.format_name.as_str(), open.senders.len()), ("pcm", 1));
                if open.bytes_send >= 800 && open.senders[0].bytes >= 800 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), counted).await.expect("what was heard");
        let processes = marked(&path.display().to_string());
        drop(attached);
        ended(processes).await;
        // What was on its way when it ended.
        let mut rest = [0; 65536];
        while ear.try_read(&mut rest).is_ok_and(|count| count > 0) {}
    }
    let _ = std::fs::remove_file(path);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_does_not_listen_blocks_nobody() {
    let b = bench(false);
    let stream = b.stream("deaf", "exec:sleep 1000.375#backchannel=1#audio=pcmu/8000");
    let attached = talker(&stream, Codec::new(CodecId::Pcmu).clock(8000)).await.unwrap();
    let dropped = async {
        let mut n = 0;
        loop {
            for _ in 0..100 {
                say(&attached, n, 1, 1600);
                n += 1;
            }
            tokio::task::yield_now().await;
            let snapshot = stream.snapshot().producers.unwrap();
            let open = snapshot[0].connection.as_ref();
            if open.is_some_and(|open| open.senders.iter().any(|sender| sender.drops > 0)) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), dropped).await.expect("it is dropped");
    let processes = marked("1000.375");
    assert!(!processes.is_empty());
    drop(attached);
    ended(processes).await;
}

/// A viewer talks over RTSP: our own source of one stream to our server's other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn talk_over_rtsp_reaches_a_program() {
    let b = bench_with(true, true);
    let (path, mut ear) = ear("rtsp-talk");
    let program =
        format!("exec:/bin/sh -c 'exec cat > {}'#backchannel=1#audio=alaw/8000", path.display());
    let sources = ["demo:?width=320&height=240&fps=15&gop=15".to_owned(), program];
    b.streams.create("door", &sources, Origin::Config).unwrap();
    let port = server_port(&b).await;
    let url = format!("rtsp://127.0.0.1:{port}/door?video&backchannel=1");
    let via = b.stream("via", &url);
    let attached = talker(&via, Codec::new(CodecId::Pcma).clock(8000)).await.unwrap();
    let mut heard = Vec::new();
    let mut said = 0;
    while heard.len() < 800 {
        say(&attached, said, 7, 160);
        said += 1;
        let more = tokio::time::timeout(Duration::from_millis(20), hear(&mut ear, 160)).await;
        heard.extend(more.unwrap_or_default());
        assert!(said < 1000, "nothing is heard");
    }
    assert!(heard.iter().all(|byte| *byte == 7));
    let processes = marked(&path.display().to_string());
    assert!(!processes.is_empty());
    drop(attached);
    ended(processes).await;
    let _ = std::fs::remove_file(path);
}

/// The loudspeaker's codec decides what FFmpeg makes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_is_made_as_it_is_asked_for() {
    if ffmpeg_is_missing("sound_is_made_as_it_is_asked_for") {
        return;
    }
    let b = bench(true);
    b.stream("demo", "demo:?width=320&height=240&fps=15&gop=15");
    let stream = b.stream("auto", "ffmpeg:demo#audio=auto");
    let listen = async |codec: Codec| {
        watch(&stream, vec![Media::new(Kind::Audio, Direction::SendOnly, codec)]).await.unwrap()
    };
    let any = listen(Codec::new(CodecId::Any)).await;
    assert_eq!(any.codecs(), ["OPUS/48000/2"], "the best");
    let alaw = listen(Codec::new(CodecId::Pcma).clock(8000)).await;
    assert_eq!(alaw.codecs(), ["PCMA/8000"]);
    let mut last = alaw.next().await.pts;
    for _ in 0..10 {
        let frame = alaw.next().await;
        assert_eq!((frame.codec.clone(), frame.payload.len()), (CodecId::Pcma, 160));
        assert_eq!(frame.pts - last, 160);
        last = frame.pts;
    }
    assert_eq!(any.next().await.codec, CodecId::Opus, "both at once");
    let running = |encoder| marked_all(&["demo%23audio%3Dauto", encoder]);
    let processes = running("pcm_alaw");
    assert_eq!(processes.len(), 2, "ffmpeg and its guard");
    let others = running("libopus");
    assert_eq!(others.len(), 2, "ffmpeg and its guard");
    drop(alaw);
    assert_eq!(any.next().await.codec, CodecId::Opus, "the other one goes on");
    drop(any);
    ended(processes).await;
    ended(others).await;
}
