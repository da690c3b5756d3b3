//! Programs that we run: started with a guard, ended quickly and completely.
//!
//! - A program leads a process group of its own; its whole tree ends with it
//!   and with us, also when we are killed ([`guard`]).
//! - Its output is always read ([`Output`]).
//! - How it is ended depends on what it holds (`fast-release.md` 4.6): a
//!   program that captures a device or reads a file is killed at once; one that
//!   reads the network gets `SIGTERM` and time for a goodbye ([`Stop`]).
//!
//! Dropping a [`Process`] kills its tree too; nobody has to wait for it then.

mod guard;
mod output;
mod piped;
mod push;
pub mod source;
mod spawner;
mod talk;
pub mod words;

use std::fmt;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rs2rtc_streams::Tasks;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf, pipe};
use tokio::process::{Child, ChildStdout};
use tokio::sync::watch;
use tokio::time::Instant;

pub use guard::guard_main_if_asked;
pub use output::Output;

use guard::Report;

/// Limit for what the caller waits; after that it goes on in the background.
const PATIENCE: Duration = Duration::from_millis(1900);

/// What to start.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program: a path, or a name that is looked up in `PATH`.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its standard output is for [`Process::take_stdout`] rather than for the log.
    pub pipe: bool,
    /// Its standard input comes from [`Process::take_stdin`] rather than being empty.
    pub stdin: bool,
}

/// How a program is ended. Times count from the signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Sent to its process group first.
    pub signal: Signal,
    /// When we close what we read from it.
    pub close_after: Option<Duration>,
    /// When it is killed if it is still there; `None` leaves it all the time it wants.
    pub kill_after: Option<Duration>,
}

impl Stop {
    /// For a program that captures a device or reads a file: nobody needs a goodbye.
    pub const KILL: Self = Self { signal: Signal::KILL, close_after: None, kill_after: None };

    /// For a program that reads the network: its camera wants a goodbye. A
    /// program that is blocked on its full output sees it closed.
    pub const GOODBYE: Self = Self {
        signal: Signal::TERM,
        close_after: Some(Duration::from_millis(50)),
        kill_after: Some(Duration::from_millis(150)),
    };

    /// `killsignal` and `killtimeout`; a timeout of zero means no limit.
    pub const fn custom(signal: Signal, timeout: Duration) -> Self {
        let limit = if timeout.is_zero() { None } else { Some(timeout) };
        Self { signal, close_after: limit, kill_after: limit }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// The program ended; others of its tree may not have.
    Exited(ExitStatus),
    /// Nothing of its tree is left.
    Gone(ExitStatus),
}

/// A running program.
pub struct Process {
    pid: u32,
    leash: Leash,
    /// The program itself, to kill it without asking the guard to.
    #[cfg(target_os = "linux")]
    handle: Option<OwnedFd>,
    stdin: Option<pipe::Sender>,
    stdout: Option<ChildStdout>,
    output: Arc<Output>,
    state: watch::Receiver<State>,
    tasks: Tasks,
}

/// What we hold the program by.
enum Leash {
    /// The socket of its guard. Closing our side ends the tree.
    Guard(OwnedWriteHalf),
    /// Its process group.
    Group(Pid),
}

/// Programs that were ended with SIGKILL since the start.
static KILLS: AtomicU64 = AtomicU64::new(0);

/// How many programs were ended with SIGKILL since the start.
pub fn kills() -> u64 {
    KILLS.load(Ordering::Relaxed)
}

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    /// What the system says, e.g. `NotFound` or `PermissionDenied`.
    pub async fn start(command: &Command, tasks: &Tasks) -> io::Result<Self> {
        let spawned = spawner::spawn(command).await?;
        let (state, changes) = watch::channel(State::Running);
        let output = Output::new();
        let mut child = spawned.child;
        let stdin = spawned.stdin.map(|end| pipe::Sender::from_owned_fd(end.into())).transpose()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (pid, leash) = match spawned.control {
            Some(control) => {
                let (mut reports, leash) = tokio::net::UnixStream::from_std(control)?.into_split();
                let pid = match next_report(&mut reports).await {
                    Some(Report::Started(pid)) => pid,
                    Some(Report::Failed(number)) => {
                        tasks.spawn("guard", async move {
                            let _ = child.wait().await;
                        });
                        return Err(io::Error::from_raw_os_error(number));
                    }
                    _ => return Err(io::Error::other("the guard process did not start")),
                };
                tasks.spawn("guard", watch_guard(reports, child, pid, state));
                (pid, Leash::Guard(leash))
            }
            None => {
                let pid = child.id().and_then(|id| i32::try_from(id).ok());
                let group = pid.and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
                tasks.spawn("program", watch_child(child, group, state));
                (group.as_raw_pid(), Leash::Group(group))
            }
        };
        let pid = u32::try_from(pid).unwrap_or_default();
        tracing::debug!(target: "exec", pid, program = command.program, "[exec] started");
        if let Some(stderr) = stderr {
            output.drain(tasks, pid, stderr);
        }
        let mut process = Self {
            pid,
            leash,
            #[cfg(target_os = "linux")]
            handle: handle(pid),
            stdin,
            stdout,
            output,
            state: changes,
            tasks: tasks.clone(),
        };
        if !command.pipe
            && let Some(stdout) = process.stdout.take()
        {
            process.output.drain(tasks, pid, stdout);
        }
        Ok(process)
    }

    /// Process id of the program.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// The reading end of its standard output; once, and only if piped.
    pub const fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.stdout.take()
    }

    /// The writing end of its standard input; once, and only if asked for. Closing
    /// it tells the program that nothing follows.
    pub const fn take_stdin(&mut self) -> Option<pipe::Sender> {
        self.stdin.take()
    }

    /// What it says.
    pub const fn output(&self) -> &Arc<Output> {
        &self.output
    }

    /// How the program ended, if it has.
    pub fn status(&self) -> Option<ExitStatus> {
        match *self.state.borrow() {
            State::Running => None,
            State::Exited(status) | State::Gone(status) => Some(status),
        }
    }

    /// Waits until the program has ended. May be called again and again.
    pub async fn exited(&mut self) -> ExitStatus {
        match self.state.wait_for(|state| *state != State::Running).await.map(|state| *state) {
            Ok(State::Exited(status) | State::Gone(status)) => status,
            Ok(State::Running) | Err(_) => killed(),
        }
    }

    /// Waits until nothing of its tree is left.
    pub async fn gone(&mut self) -> ExitStatus {
        match self.state.wait_for(|state| matches!(state, State::Gone(_))).await.map(|s| *s) {
            Ok(State::Gone(status)) => status,
            Ok(_) | Err(_) => killed(),
        }
    }

    /// Sends a signal to its process group.
    pub fn signal(&self, signal: Signal) {
        if signal == Signal::KILL && *self.state.borrow() == State::Running {
            KILLS.fetch_add(1, Ordering::Relaxed);
            // It is the program that holds the camera: the guard sees to the rest.
            #[cfg(target_os = "linux")]
            if let Some(handle) = &self.handle {
                let _ = rustix::process::pidfd_send_signal(handle, signal);
            }
        }
        match &self.leash {
            Leash::Guard(control) => {
                // A guard that does not read has ended, or is about to.
                let _ = control.try_write(&[u8::try_from(signal.as_raw()).unwrap_or_default()]);
            }
            Leash::Group(group) => {
                if *self.state.borrow() == State::Running {
                    let _ = kill_process_group(*group, signal);
                }
            }
        }
    }

    /// Ends it. `close` is called when our side of its media connection has to
    /// be closed. Returns when all of it is gone, or after two seconds, when the
    /// rest goes on in the background.
    pub async fn end(mut self, stop: Stop, close: impl FnOnce()) {
        let began = Instant::now();
        self.signal(stop.signal);
        let patience = began + PATIENCE;
        let mut close = Some(close);
        let mut deadlines =
            [stop.close_after, stop.kill_after].map(|after| after.map(|a| began + a));
        loop {
            let next = deadlines.iter().flatten().min().copied().unwrap_or(patience).min(patience);
            if tokio::time::timeout_at(next, self.gone()).await.is_ok() {
                let took_ms = began.elapsed().as_secs_f64() * 1000.0;
                tracing::debug!(target: "exec", pid = self.pid, took_ms, "[exec] ended");
                break;
            }
            let now = Instant::now();
            let [closing, killing] = &mut deadlines;
            if closing.is_some_and(|at| at <= now) {
                *closing = None;
                if let Some(close) = close.take() {
                    close();
                }
            }
            if killing.is_some_and(|at| at <= now) {
                *killing = None;
                self.signal(Signal::KILL);
            }
            if now >= patience {
                let [_, killing] = deadlines;
                self.linger(killing);
                break;
            }
        }
        if let Some(close) = close {
            close();
        }
    }

    /// Goes on waiting in the background.
    fn linger(mut self, kill_at: Option<Instant>) {
        let tasks = self.tasks.clone();
        tracing::debug!(target: "exec", pid = self.pid, "[exec] has not ended yet");
        tasks.spawn("program that is ending", async move {
            if let Some(at) = kill_at
                && tokio::time::timeout_at(at, self.gone()).await.is_err()
            {
                self.signal(Signal::KILL);
            }
            self.gone().await;
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guard's socket closes by itself.
        if let Leash::Group(_) = self.leash {
            self.signal(Signal::KILL);
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// A descriptor that stands for a process, also when its id is somebody else's.
#[cfg(target_os = "linux")]
fn handle(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

/// The status of a program whose guard could not tell.
fn killed() -> ExitStatus {
    ExitStatus::from_raw(Signal::KILL.as_raw())
}

async fn next_report(reports: &mut OwnedReadHalf) -> Option<Report> {
    let mut bytes = [0; guard::REPORT];
    reports.read_exact(&mut bytes).await.ok()?;
    Report::parse(bytes)
}

async fn watch_guard(
    mut reports: OwnedReadHalf,
    mut guard: Child,
    pid: i32,
    state: watch::Sender<State>,
) {
    let mut status = None;
    while let Some(report) = next_report(&mut reports).await {
        match report {
            Report::Exited(raw) => {
                status = Some(ExitStatus::from_raw(raw));
                state.send_replace(State::Exited(ExitStatus::from_raw(raw)));
            }
            Report::Gone => {
                state.send_replace(State::Gone(status.unwrap_or_else(killed)));
            }
            Report::Started(_) | Report::Failed(_) => {}
        }
    }
    let _ = guard.wait().await;
    if matches!(*state.borrow(), State::Gone(_)) {
        return;
    }
    if status.is_none()
        && let Some(group) = Pid::from_raw(pid)
    {
        tracing::warn!(target: "exec", pid, "[exec] the guard process was killed");
        let _ = kill_process_group(group, Signal::KILL);
    }
    state.send_replace(State::Gone(status.unwrap_or_else(killed)));
}

/// Without a guard: what is left of the process group ends with its leader.
async fn watch_child(mut child: Child, group: Pid, state: watch::Sender<State>) {
    let status = child.wait().await.unwrap_or_else(|_| killed());
    state.send_replace(State::Exited(status));
    let _ = kill_process_group(group, Signal::KILL);
    state.send_replace(State::Gone(status));
}

/// Without a guard: the tests of the library have no `main` that asks for one.
/// Those with a guard are in `tests/process.rs`.
#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::{AsyncBufReadExt as _, BufReader};

    fn sh(script: &str) -> Command {
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        Command { program: "/bin/sh".to_owned(), arguments, pipe: true, stdin: false }
    }

    type Lines = tokio::io::Lines<BufReader<ChildStdout>>;

    async fn start(script: &str) -> (Process, Lines) {
        let mut process = Process::start(&sh(script), &Tasks::new()).await.unwrap();
        let lines = BufReader::new(process.take_stdout().unwrap()).lines();
        (process, lines)
    }

    #[tokio::test]
    async fn the_group_ends_with_it() {
        let (process, mut lines) = start("sleep 1000 & echo ready; wait").await;
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "ready");
        process.end(Stop::KILL, || ()).await;
        assert_eq!(lines.next_line().await.unwrap(), None);
        let (process, mut lines) = start("sleep 1000 & echo ready; wait").await;
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "ready");
        drop(process);
        assert_eq!(lines.next_line().await.unwrap(), None);
    }

    #[tokio::test]
    async fn it_outlives_the_thread_that_asked_for_it() {
        let runtime = tokio::runtime::Handle::current();
        let asking = std::thread::spawn(move || {
            let script = "trap 'echo alive' USR1; echo ready; while :; do sleep 1000 & wait; done";
            let _entered = runtime.enter();
            runtime.block_on(start(script))
        });
        let joined = tokio::task::spawn_blocking(|| asking.join().unwrap());
        let (process, mut lines) = joined.await.unwrap();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "ready");
        process.signal(Signal::USR1);
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "alive");
        process.end(Stop::KILL, || ()).await;
    }
}
