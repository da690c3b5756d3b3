//! The guard: a small process between us and a program, so that nothing the
//! program started outlives us.
//!
//! `SIGKILL` leaves a process no time to clean up, and the kernel's
//! parent-death signal reaches direct children only. So each program is started
//! by a guard, which is our own executable run as `rs2rtc --guard limit input program args…`:
//!
//! 1. Standard input is one end of a socket whose other end only we hold.
//! 2. The guard is the *subreaper* of the program: whoever loses its parent
//!    below it becomes the guard's child, whatever group or session it is in.
//! 3. A byte on the socket is a signal for the program's process group.
//! 4. When the socket ends (we closed it, or died in any way), or when the
//!    program has ended, the guard kills and reaps all children it has until the
//!    kernel says that it has none. Then nothing of the program is left.
//!
//! If the guard itself is killed, the program dies of its parent-death signal,
//! which cannot misfire: a guard has only one thread.
//!
//! `limit` is how many descriptors the program may open (`-`: as many as we):
//! ours may have been raised ([`crate::io::sys::raise_descriptor_limit`]). `input`
//! is the number of the descriptor that becomes the program's standard input
//! (`-`: it has nothing to read).
//!
//! The guard reports on the same socket, each time five bytes: a letter and an
//! `i32` in native order. `S`: started, process id; `E`: could not be started,
//! error number; `X`: the program ended, its wait status; `G`: nothing of it is
//! left, and the guard is about to end too.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, kill_process_group,
    set_child_subreaper, wait, waitid,
};

use crate::io::sys::{self, child};

/// First argument of a guard.
pub(super) const ARGUMENT: &str = "--guard";
/// Bytes of a report.
pub(super) const REPORT: usize = 5;

static AVAILABLE: AtomicBool = AtomicBool::new(false);

/// Turns this process into a guard if it was started as one, and does not
/// return then. `main` calls it first, before any thread exists. A program that
/// never calls it starts its children without a guard.
pub fn guard_main_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == ARGUMENT) {
        let code = i32::from(run(arguments).is_err());
        std::process::exit(code);
    }
    AVAILABLE.store(true, Ordering::Relaxed);
}

/// Whether guards can be started.
pub(super) fn is_available() -> bool {
    AVAILABLE.load(Ordering::Relaxed)
}

/// What a guard tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// The program runs under this process id, and leads the group of that id.
    Started(i32),
    /// It could not be started: error number.
    Failed(i32),
    /// It ended: wait status.
    Exited(i32),
    /// Nothing of its tree is left.
    Gone,
}

impl Report {
    pub(super) fn parse([letter, value @ ..]: [u8; REPORT]) -> Option<Self> {
        let value = i32::from_ne_bytes(value);
        match letter {
            b'S' => Some(Self::Started(value)),
            b'E' => Some(Self::Failed(value)),
            b'X' => Some(Self::Exited(value)),
            b'G' => Some(Self::Gone),
            _ => None,
        }
    }

    fn write(self) -> [u8; REPORT] {
        let (letter, value) = match self {
            Self::Started(value) => (b'S', value),
            Self::Failed(value) => (b'E', value),
            Self::Exited(value) => (b'X', value),
            Self::Gone => (b'G', 0),
        };
        let [a, b, c, d] = value.to_ne_bytes();
        [letter, a, b, c, d]
    }
}

/// The guard's argument about the limit of descriptors.
pub(super) fn descriptor_limit() -> String {
    sys::original_descriptor_limit().map_or_else(|| "-".to_owned(), |limit| limit.to_string())
}

fn run(mut arguments: impl Iterator<Item = OsString>) -> io::Result<()> {
    let limit = arguments.next().ok_or(io::ErrorKind::InvalidInput)?;
    if let Some(limit) = limit.to_str().and_then(|limit| limit.parse().ok()) {
        let _ = sys::set_descriptor_limit(limit);
    }
    let input = arguments.next().ok_or(io::ErrorKind::InvalidInput)?;
    let input = match input.to_str().and_then(|input| input.parse().ok()) {
        Some(number) => Stdio::from(child::take_over(number)?),
        None => Stdio::null(),
    };
    let program = arguments.next().ok_or(io::ErrorKind::InvalidInput)?;
    let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let signals = child::block_signals()?;
    set_child_subreaper(Some(Pid::INIT))?; // any value but none switches it on
    let _ = std::fs::write("/proc/self/comm", "rs2rtc-guard");
    let mut command = Command::new(program);
    command.args(arguments).stdin(input);
    child::die_with_parent(&mut command);
    let started = match command.spawn() {
        Ok(started) => Pid::from_child(&started),
        Err(error) => {
            report(&control, Report::Failed(error.raw_os_error().unwrap_or(libc::EIO)));
            return Ok(());
        }
    };
    drop(command);
    child::let_go_of_standard_streams()?;
    report(&control, Report::Started(started.as_raw_pid()));
    child::trim_memory();
    let guard = Guard { control, signals, program: started };
    let known = guard.watch();
    guard.clear(known);
    Ok(())
}

fn report(mut control: &UnixStream, report: Report) {
    // Nobody may listen any more; the next read tells.
    let _ = control.write_all(&report.write());
}

struct Guard {
    control: UnixStream,
    signals: OwnedFd,
    program: Pid,
}

impl Guard {
    /// Waits until the program ended or nobody wants it any more. Gives its
    /// status if it was reaped.
    fn watch(&self) -> Option<i32> {
        loop {
            let control = PollFd::new(&self.control, PollFlags::IN);
            let signals = PollFd::new(&self.signals, PollFlags::IN);
            let mut ready = [control, signals];
            match poll(&mut ready, None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return None,
            }
            let [orders, deaths] = ready.map(|fd| !fd.revents().is_empty());
            if deaths {
                let mut ignored = [0; 1024];
                let _ = rustix::io::read(&self.signals, &mut ignored);
                match self.reap() {
                    Reaped::Others => {}
                    Reaped::Program(status) => return status,
                }
            }
            if orders && !self.obey() {
                return None;
            }
        }
    }

    /// Passes signals on; false if the other end is gone.
    fn obey(&self) -> bool {
        let mut bytes = [0; 16];
        let length = match (&self.control).read(&mut bytes) {
            Ok(0) => return false,
            Ok(length) => length,
            Err(error) => return error.kind() == io::ErrorKind::Interrupted,
        };
        for byte in bytes.iter().take(length) {
            if let Some(signal) = Signal::from_named_raw(i32::from(*byte)) {
                let _ = kill_process_group(self.program, signal);
            }
        }
        true
    }

    /// Reaps adopted children that ended, and leaves the program itself to
    /// [`Self::clear`]: its group must be killed while the id is still taken.
    fn reap(&self) -> Reaped {
        loop {
            let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            if let Ok(Some(_)) = waitid(WaitId::Pid(self.program), look) {
                return Reaped::Program(None);
            }
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.program => {
                    return Reaped::Program(Some(status.as_raw()));
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return Reaped::Others,
            }
        }
    }

    /// Kills and reaps until there is no child left. A process that ends gives
    /// its children to the guard before it can be reaped, so that after the last
    /// one nobody can be missing.
    fn clear(&self, known: Option<i32>) {
        let _ = kill_process_group(self.program, Signal::KILL);
        if let Some(status) = known {
            report(&self.control, Report::Exited(status));
        }
        loop {
            for pid in children() {
                let _ = kill_process(pid, Signal::KILL);
            }
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) if pid == self.program => {
                    report(&self.control, Report::Exited(status.as_raw()));
                }
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => {
                    report(&self.control, Report::Gone);
                    return;
                }
            }
        }
    }
}

enum Reaped {
    Others,
    Program(Option<i32>),
}

/// The children of this process, as the kernel lists them.
fn children() -> Vec<Pid> {
    let pid = |text: &str| text.parse().ok().and_then(Pid::from_raw);
    if let Ok(list) = std::fs::read_to_string("/proc/thread-self/children") {
        return list.split_ascii_whitespace().filter_map(pid).collect();
    }
    // A kernel without that list.
    let own = rustix::process::getpid();
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    let all = all.flatten().filter_map(|entry| pid(entry.file_name().to_str()?));
    all.filter(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid()));
        stat.is_ok_and(|stat| parent(&stat) == Some(own))
    })
    .collect()
}

/// The parent in a line of `/proc/<pid>/stat`: `1 (name) S parent …`.
fn parent(stat: &str) -> Option<Pid> {
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_ascii_whitespace().nth(1)?.parse().ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_round_trip() {
        for report in [Report::Started(7), Report::Failed(-1), Report::Exited(0x0f00), Report::Gone]
        {
            assert_eq!(Report::parse(report.write()), Some(report));
        }
        assert_eq!(Report::parse([b'?', 0, 0, 0, 0]), None);
    }

    #[test]
    fn parents_are_found_in_stat_lines() {
        assert_eq!(parent("12 (a) b) S 34 12 12"), Pid::from_raw(34));
        assert_eq!(parent("12 (a"), None);
        assert!(children().iter().all(|pid| *pid != rustix::process::getpid()));
    }
}
