//! The one thread that starts programs.
//!
//! The parent-death signal fires when the *thread* that started the child ends,
//! and threads of the runtime come and go; so children are started by a thread
//! that lives as long as the process. Starting a process also blocks for a
//! millisecond or so, which no thread that serves others should do.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tokio::process::Child;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{Command, guard};
use crate::io::sys::child;

/// Requests that may wait for the thread.
const BACKLOG: usize = 64;

struct Request {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Spawned>>,
}

/// A child: the program, or its guard and the socket to it.
pub(super) struct Spawned {
    pub(super) child: Child,
    pub(super) control: Option<UnixStream>,
    /// Where the program's standard input comes from.
    pub(super) stdin: Option<PipeWriter>,
}

/// Starts a program, with a guard if there can be one.
pub(super) async fn spawn(command: &Command) -> io::Result<Spawned> {
    static THREAD: OnceLock<Option<SyncSender<Request>>> = OnceLock::new();
    let thread = THREAD.get_or_init(start).as_ref().ok_or(io::ErrorKind::OutOfMemory)?;
    let (reply, answer) = oneshot::channel();
    let request = Request { command: command.clone(), runtime: Handle::current(), reply };
    thread.try_send(request).map_err(|_| io::ErrorKind::ResourceBusy)?;
    answer.await.map_err(|_| io::ErrorKind::BrokenPipe)?
}

fn start() -> Option<SyncSender<Request>> {
    let (requests, inbox) = sync_channel(BACKLOG);
    let thread = std::thread::Builder::new().name("spawner".to_owned()).stack_size(128 * 1024);
    thread.spawn(move || serve(&inbox)).ok().map(|_| requests)
}

fn serve(inbox: &Receiver<Request>) {
    // The sender is never dropped.
    while let Ok(Request { command, runtime, reply }) = inbox.recv() {
        let _entered = runtime.enter();
        // Who asked may have gone: then the child is dropped, which ends it.
        let _ = reply.send(spawn_now(&command));
    }
}

fn spawn_now(command: &Command) -> io::Result<Spawned> {
    let (input, stdin) = if command.stdin { Some(io::pipe()?) } else { None }.unzip();
    if guard::is_available() {
        return spawn_guarded(command, input, stdin);
    }
    let mut bare = std::process::Command::new(&command.program);
    bare.args(&command.arguments).stdin(input.map_or_else(Stdio::null, Stdio::from));
    child::die_with_parent(&mut bare);
    let mut bare = tokio::process::Command::from(bare);
    bare.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    Ok(Spawned { child: bare.spawn()?, control: None, stdin })
}

fn spawn_guarded(
    command: &Command,
    input: Option<PipeReader>,
    stdin: Option<PipeWriter>,
) -> io::Result<Spawned> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    // Also right after an update: the link leads to the file we were started from.
    let mut guard = tokio::process::Command::new("/proc/self/exe");
    let input = input.map(|input| child::hand_over(guard.as_std_mut(), input.into()));
    guard.arg0("rs2rtc-guard").arg(guard::ARGUMENT).arg(guard::descriptor_limit());
    guard.arg(input.map_or_else(|| "-".to_owned(), |number| number.to_string()));
    guard.arg(&command.program).args(&command.arguments).process_group(0);
    guard.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(Spawned { child: guard.spawn()?, control: Some(ours), stdin })
}
