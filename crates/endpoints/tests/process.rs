//! Programs end when they shall, all of them, and only then.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, unsafe_code)]

use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rs2rtc_endpoints::io::process::{Command, Process, Stop, guard_main_if_asked, kills};
use rs2rtc_streams::Tasks;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};
use tokio::process::ChildStdout;

/// This binary has no `main` of its own that could ask first.
#[used]
#[unsafe(link_section = ".init_array")]
static ASK: extern "C" fn() = {
    extern "C" fn ask() {
        guard_main_if_asked();
    }
    ask
};

fn sh(script: &str) -> Command {
    Command {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        pipe: true,
        stdin: false,
    }
}

async fn start(script: &str) -> Process {
    Process::start(&sh(script), &Tasks::new()).await.unwrap()
}

struct Lines(tokio::io::BufReader<ChildStdout>);

impl Lines {
    fn of(process: &mut Process) -> Self {
        Self(tokio::io::BufReader::new(process.take_stdout().unwrap()))
    }

    async fn next(&mut self) -> String {
        let mut line = String::new();
        let read = self.0.read_line(&mut line);
        tokio::time::timeout(Duration::from_secs(10), read).await.expect("a line in time").unwrap();
        line.trim().to_owned()
    }

    async fn pid(&mut self) -> Pid {
        Pid::from_raw(self.next().await.parse().unwrap()).unwrap()
    }

    /// Nobody holds the other end any more.
    async fn end(mut self) {
        let mut rest = Vec::new();
        let read = self.0.read_to_end(&mut rest);
        tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .expect("the end in time")
            .unwrap();
    }
}

fn is_gone(pid: Pid) -> bool {
    !std::path::Path::new(&format!("/proc/{}", pid.as_raw_pid())).exists()
}

fn watch(pid: Pid) -> OwnedFd {
    pidfd_open(pid, PidfdFlags::empty()).unwrap()
}

/// Waits until a process has ended.
fn wait_for(process: &OwnedFd) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    let ready = rustix::io::retry_on_intr(|| poll(&mut fds, Some(&limit)));
    assert_eq!(ready.unwrap(), 1, "the process lives on");
}

fn parent(pid: Pid) -> Pid {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).unwrap();
    let after = stat.rsplit_once(')').unwrap().1;
    Pid::from_raw(after.split_whitespace().nth(1).unwrap().parse().unwrap()).unwrap()
}

/// A program with a child, a daemon (own session, parent gone) and a daemon's child.
const TREE: &str = "echo $$; sleep 1000 & echo $!;
    setsid sh -c 'setsid sh -c \"echo \\$\\$; sleep 1000 & echo \\$!; wait\" & exec sleep 1000' &
    wait";

async fn tree(lines: &mut Lines) -> Vec<Pid> {
    let mut pids = Vec::new();
    for _ in 0..4 {
        pids.push(lines.pid().await);
    }
    pids
}

#[tokio::test]
async fn tells_how_a_program_ended_and_what_it_said() {
    let mut process = start("echo one >&2; echo out; exit 3").await;
    assert_eq!(process.exited().await.code(), Some(3));
    assert_eq!(process.gone().await.code(), Some(3));
    process.output().ended().await;
    assert_eq!(process.output().beginning(), "one\n");
    let mut lines = Lines::of(&mut process);
    assert_eq!(lines.next().await, "out");
    let mut command = sh("echo out; echo err >&2; kill -9 $$");
    command.pipe = false;
    let mut process = Process::start(&command, &Tasks::new()).await.unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&process.exited().await), Some(9));
    process.output().ended().await;
    assert_eq!(process.output().last_lines(5).len(), "out\nerr".len());
}

#[tokio::test]
async fn tells_what_cannot_be_started() {
    for (program, kind) in [
        ("/nowhere/program", std::io::ErrorKind::NotFound),
        ("no-such-program-anywhere", std::io::ErrorKind::NotFound),
        ("/etc/passwd", std::io::ErrorKind::PermissionDenied),
    ] {
        let command =
            Command { program: program.into(), arguments: Vec::new(), pipe: false, stdin: false };
        let error = Process::start(&command, &Tasks::new()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{program}");
    }
}

#[tokio::test]
async fn the_program_sees_an_ordinary_world() {
    let script = "read line || echo none; grep -E 'Sig(Blk|Ign)' /proc/self/status; ls -l /proc/self/fd | grep -c socket";
    let mut process = start(script).await;
    let mut lines = Lines::of(&mut process);
    assert_eq!(lines.next().await, "none");
    assert_eq!(lines.next().await.split_once('\t').unwrap(), ("SigBlk:", "0000000000000000"));
    let ignored = lines.next().await;
    let ignored = u64::from_str_radix(ignored.strip_prefix("SigIgn:\t").unwrap(), 16).unwrap();
    assert_eq!(ignored & 0x7fff_ffff, 0, "above are the C library's own");
    assert_eq!(lines.next().await, "0", "the guard's socket is not for it");
}

#[tokio::test]
async fn a_kill_takes_the_whole_tree() {
    let mut process = start(TREE).await;
    let mut lines = Lines::of(&mut process);
    let pids = tree(&mut lines).await;
    assert!(!pids.iter().any(|pid| is_gone(*pid)));
    let began = Instant::now();
    process.end(Stop::KILL, || ()).await;
    eprintln!("tree of six killed in {:?}", began.elapsed());
    assert!(pids.iter().all(|pid| is_gone(*pid)));
    lines.end().await;
}

#[tokio::test]
async fn dropping_it_takes_the_whole_tree() {
    let mut process = start(TREE).await;
    let mut lines = Lines::of(&mut process);
    let pids = tree(&mut lines).await;
    let watched: Vec<_> = pids.iter().map(|pid| watch(*pid)).collect();
    drop(process);
    watched.iter().for_each(wait_for);
    lines.end().await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_it() {
    let script = "setsid sh -c 'echo $$; exec sleep 1000' & read x; exit 0";
    let mut process =
        Process::start(&Command { stdin: true, ..sh(script) }, &Tasks::new()).await.unwrap();
    let stdin = process.take_stdin().unwrap();
    let mut lines = Lines::of(&mut process);
    let daemon = lines.pid().await;
    drop(stdin);
    assert!(process.gone().await.success());
    assert!(is_gone(daemon));
    lines.end().await;
}

#[tokio::test]
async fn a_goodbye_is_waited_for() {
    let mut process = start("trap 'echo bye; exit 7' TERM; echo ready; sleep 1000 & wait").await;
    let mut lines = Lines::of(&mut process);
    assert_eq!(lines.next().await, "ready");
    let mut closed = false;
    let patient = Stop { kill_after: Some(Duration::from_secs(10)), ..Stop::GOODBYE };
    process.end(patient, || closed = true).await;
    assert!(closed);
    assert_eq!(lines.next().await, "bye");
    lines.end().await;
}

#[tokio::test]
async fn who_ignores_the_signal_is_killed() {
    let mut process = start("trap '' TERM; echo ready; while :; do sleep 1000; done").await;
    let mut lines = Lines::of(&mut process);
    assert_eq!(lines.next().await, "ready");
    let (killed, began) = (kills(), Instant::now());
    process.end(Stop::GOODBYE, || ()).await;
    let took = began.elapsed();
    eprintln!("stubborn program ended in {took:?}");
    assert!(took >= Duration::from_millis(150), "{took:?}");
    assert_eq!(kills(), killed + 1);
    lines.end().await;
}

#[tokio::test]
async fn who_blocks_on_a_full_pipe_sees_it_closed() {
    let mut process = start("trap '' TERM; exec yes").await;
    let stdout = process.take_stdout().unwrap();
    stdout.readable_once().await;
    let program = watch(Pid::from_raw(process.pid().try_into().unwrap()).unwrap());
    let (killed, began) = (kills(), Instant::now());
    let patient = Stop { kill_after: Some(Duration::from_secs(10)), ..Stop::GOODBYE };
    process.end(patient, || drop(stdout)).await;
    tokio::task::spawn_blocking(move || wait_for(&program)).await.unwrap();
    let took = began.elapsed();
    eprintln!("blocked program ended in {took:?}");
    assert!(took >= Duration::from_millis(50), "{took:?}");
    assert_eq!(kills(), killed);
}

trait Readable {
    async fn readable_once(&self);
}

impl Readable for ChildStdout {
    async fn readable_once(&self) {
        use std::os::fd::AsFd as _;
        let fd = self.as_fd().try_clone_to_owned().unwrap();
        tokio::task::spawn_blocking(move || wait_for(&fd)).await.unwrap();
    }
}

#[tokio::test]
async fn without_a_limit_it_ends_in_the_background() {
    let mut process = start("trap 'echo asked' TERM; echo $$; while :; do sleep 0.1; done").await;
    let mut lines = Lines::of(&mut process);
    let pid = lines.pid().await;
    let program = watch(pid);
    process.end(Stop::custom(Signal::TERM, Duration::ZERO), || ()).await;
    assert_eq!(lines.next().await, "asked");
    assert!(!is_gone(pid));
    kill_process(pid, Signal::KILL).unwrap();
    tokio::task::spawn_blocking(move || wait_for(&program)).await.unwrap();
}

#[tokio::test]
async fn a_program_outlives_the_threads_that_asked_for_it() {
    let (stopped, ended) = std::sync::mpsc::sync_channel(8);
    let other = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_keep_alive(Duration::from_millis(1))
        .enable_all()
        .on_thread_stop(move || {
            let _ = stopped.try_send(());
        })
        .build()
        .unwrap();
    let handle = other.handle().clone();
    let asked = other.spawn_blocking(move || {
        handle.block_on(start(
            "trap 'echo alive' USR1; echo ready; while :; do sleep 1000 & wait; done",
        ))
    });
    let mut process = asked.await.unwrap();
    let ended = tokio::task::spawn_blocking(move || ended.recv_timeout(Duration::from_secs(10)));
    ended.await.unwrap().expect("the thread that asked ends");
    let stdout = process.take_stdout().unwrap();
    let alive = other.spawn(async move {
        let mut lines = Lines(tokio::io::BufReader::new(stdout));
        assert_eq!(lines.next().await, "ready");
        process.signal(Signal::USR1);
        assert_eq!(lines.next().await, "alive");
        process.end(Stop::KILL, || ()).await;
    });
    alive.await.unwrap();
    other.shutdown_background();
}

#[tokio::test]
async fn a_program_dies_with_its_guard() {
    let mut process = start("echo $$; exec sleep 1000").await;
    let mut lines = Lines::of(&mut process);
    let program = lines.pid().await;
    let guard = parent(program);
    let comm = std::fs::read_to_string(format!("/proc/{}/comm", guard.as_raw_pid())).unwrap();
    assert_eq!(comm.trim(), "rs2rtc-guard");
    kill_process(guard, Signal::KILL).unwrap();
    process.gone().await;
    lines.end().await;
}

#[tokio::test]
async fn a_guard_is_small() {
    let began = Instant::now();
    let mut process = start("echo $$; exec sleep 1000").await;
    let started = began.elapsed();
    let mut lines = Lines::of(&mut process);
    let guard = parent(lines.pid().await);
    let running = began.elapsed();
    // It gives its memory back after it has told that the program runs; the
    // next order shows that it waits.
    process.signal(Signal::CONT);
    let memory = format!("/proc/{}/smaps_rollup", guard.as_raw_pid());
    let field = |name: &str| -> u64 {
        let text = std::fs::read_to_string(&memory).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let end = Instant::now() + Duration::from_secs(10);
    let mut rss = field("Rss:");
    while rss >= 1500 && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(1)).await;
        rss = field("Rss:");
    }
    eprintln!(
        "guard: {rss} KiB resident, {} KiB its own; started in {started:?}, running in {running:?}",
        field("Pss:")
    );
    assert!(rss < 2500, "{rss} KiB");
}

#[tokio::test]
async fn a_program_may_open_as_many_files_as_we_at_our_start() {
    use rs2rtc_endpoints::io::sys;
    let soft = sys::descriptor_limit() - 1;
    sys::set_descriptor_limit(soft).unwrap();
    assert!(sys::raise_descriptor_limit() > soft);
    let mut process = start("ulimit -Sn; ulimit -n 20; ulimit -Sn").await;
    let mut lines = Lines::of(&mut process);
    assert_eq!(lines.next().await, soft.to_string());
    assert_eq!(lines.next().await, "20");
    lines.end().await;
}

/// Our own program, to be killed: starts a tree and tells its processes.
#[tokio::test]
#[ignore = "run by the tests below in a process of its own"]
async fn host() {
    let mut process = start(TREE).await;
    let mut lines = Lines::of(&mut process);
    for pid in tree(&mut lines).await {
        println!("PID {}", pid.as_raw_pid());
    }
    process.gone().await;
}

fn nothing_outlives_us(signal: Signal) {
    let mut host = std::process::Command::new(std::env::current_exe().unwrap());
    host.args(["--exact", "host", "--ignored", "--nocapture"]).stdout(Stdio::piped());
    let mut host = host.spawn().unwrap();
    let lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let numbers =
        lines.filter_map(|line| line.unwrap().rsplit_once("PID ").map(|(_, n)| n.parse().unwrap()));
    let pids: Vec<_> = numbers.take(4).map(|n| Pid::from_raw(n).unwrap()).collect();
    assert_eq!(pids.len(), 4);
    let watched: Vec<_> = pids.iter().map(|pid| watch(*pid)).collect();
    let began = Instant::now();
    kill_process(Pid::from_child(&host), signal).unwrap();
    watched.iter().for_each(wait_for);
    eprintln!("tree gone {:?} after us", began.elapsed());
    host.wait().unwrap();
}

#[test]
fn nothing_outlives_our_sigkill() {
    nothing_outlives_us(Signal::KILL);
}

#[test]
fn nothing_outlives_our_sigterm() {
    nothing_outlives_us(Signal::TERM);
}

#[tokio::test]
async fn a_program_reads_what_it_is_given_and_sees_the_end() {
    let script = "read line; echo $line again; cat > /dev/null; echo end >&2";
    let mut process =
        Process::start(&Command { stdin: true, ..sh(script) }, &Tasks::new()).await.unwrap();
    let mut stdin = process.take_stdin().unwrap();
    assert!(process.take_stdin().is_none());
    let mut lines = Lines::of(&mut process);
    tokio::io::AsyncWriteExt::write_all(&mut stdin, b"hello\n").await.unwrap();
    assert_eq!(lines.next().await, "hello again");
    drop(stdin);
    lines.end().await;
    assert!(process.exited().await.success());
    process.output().ended().await;
    assert_eq!(process.output().beginning(), "end\n");
}

#[tokio::test]
async fn who_writes_to_a_program_that_is_gone_learns_it() {
    let command = Command { stdin: true, ..sh("exec 0<&-; echo closed; exec sleep 1000") };
    let mut process = Process::start(&command, &Tasks::new()).await.unwrap();
    let mut stdin = process.take_stdin().unwrap();
    let mut lines = Lines::of(&mut process);
    assert_eq!(lines.next().await, "closed");
    let written = tokio::io::AsyncWriteExt::write_all(&mut stdin, b"hello").await;
    assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    process.end(Stop::KILL, || ()).await;
}
