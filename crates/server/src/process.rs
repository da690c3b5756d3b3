//! The process itself: signals, background start, restart in place.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Marks the child of `--daemon`.
const DAEMON: &str = "RS2RTC_DAEMON";

/// The signals we listen to.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// End; the name as the system prints it.
    End(&'static str),
    /// Read the configuration again.
    Reload,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// What the system says.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Came {
        tokio::select! {
            _ = self.interrupt.recv() => Came::End("interrupt"),
            _ = self.terminate.recv() => Came::End("terminated"),
            _ = self.hangup.recv() => Came::Reload,
        }
    }
}

/// Prints a line for people; a closed output does not matter.
pub fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// The same on stderr.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Starts this command line again in the background and gives the exit code of
/// the foreground process. `None`: this is the background process already.
pub fn daemonize() -> Option<u8> {
    use std::os::unix::process::CommandExt as _;
    if std::env::var_os(DAEMON).is_some() {
        return None;
    }
    let mut command = again();
    command.env(DAEMON, "1").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        Ok(child) => {
            say(&format!("Running in daemon mode with PID: {}", child.id()));
            Some(0)
        }
        Err(error) => {
            say(&format!("Failed to start daemon: {error}"));
            Some(1)
        }
    }
}

/// Replaces this process by a new run of the same command line. Returns only if
/// that is not possible.
pub fn restart() -> io::Error {
    use std::os::unix::process::CommandExt as _;
    again().exec()
}

fn again() -> Command {
    use std::os::unix::process::CommandExt as _;
    let mut words = std::env::args_os();
    let first = words.next().unwrap_or_default();
    // A replaced binary reads as `path (deleted)`: the new one at that path is meant.
    let exe = std::env::current_exe().ok().filter(|p| p.exists());
    let mut command = Command::new(exe.unwrap_or_else(|| first.clone().into()));
    command.arg0(first).args(words);
    command
}
