//! Set-up of child processes: signals as a descriptor (signalfd(2)), what runs
//! between fork and exec, standard descriptors, and giving memory back.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Blocks every signal that can be blocked and gives a descriptor that is
/// readable while a child has ended. Only for a process with one thread.
///
/// # Errors
/// No descriptor is free.
pub fn block_signals() -> io::Result<OwnedFd> {
    let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    let mut child = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are written by `sigfillset` and `sigemptyset` before they are used.
    let fd = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::sigemptyset(child.as_mut_ptr());
        libc::sigaddset(child.as_mut_ptr(), libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
        libc::signalfd(-1, child.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `fd` is a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes a child lead a process group of its own, take all signals, have the
/// limit of descriptors that we were started with, and die with the thread that
/// starts it.
pub fn die_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    let descriptors = super::original_descriptor_limit();
    command.process_group(0);
    // SAFETY: between fork and exec the closure makes only system calls that
    // are async-signal-safe; it does not allocate.
    unsafe {
        command.pre_exec(move || set_up(parent, descriptors));
    }
}

/// Lets a child have a descriptor, under the number that is returned. Ours is
/// closed with the command.
pub fn hand_over(command: &mut Command, descriptor: OwnedFd) -> RawFd {
    let number = descriptor.as_raw_fd();
    // SAFETY: between fork and exec the closure makes one system call that is
    // async-signal-safe; it does not allocate.
    unsafe {
        command.pre_exec(move || Ok(fcntl_setfd(&descriptor, FdFlags::empty())?));
    }
    number
}

/// Takes a descriptor that the parent handed over. Only once for each number,
/// and only for what [`hand_over`] returned.
///
/// # Errors
/// There is no such descriptor.
pub fn take_over(number: RawFd) -> io::Result<OwnedFd> {
    if number <= libc::STDERR_FILENO {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: only used for the call, which fails if no such descriptor is open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, and the parent left it here for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

fn set_up(parent: Pid, descriptors: Option<u64>) -> io::Result<()> {
    let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is written by `sigemptyset` before it is used.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
    if let Some(descriptors) = descriptors {
        let _ = super::set_descriptor_limit(descriptors);
    }
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before the line above.
    if getppid() == Some(parent) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
}

/// Turns standard input, output and error of this process into `/dev/null`, so
/// that the other ends of its pipes do not wait for it.
///
/// # Errors
/// There is no `/dev/null`.
pub fn let_go_of_standard_streams() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    for fd in 0..=2 {
        // SAFETY: replaces a standard descriptor of this process; nothing here
        // relies on what was open under it.
        if unsafe { libc::dup2(null.as_raw_fd(), fd) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Gives pages of program files back to the system; they are read again when
/// they are needed. For a process that starts and then sleeps.
pub fn trim_memory() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    for (start, length) in maps.lines().filter_map(clean_mapping) {
        // SAFETY: the mapping is private, of a file, and never writable: its
        // pages are equal to the file's, which is where they come back from.
        unsafe {
            libc::madvise(std::ptr::without_provenance_mut(start), length, libc::MADV_DONTNEED)
        };
    }
}

/// Start and length of a mapping that was never written to: program text, and
/// the first part of a program file (headers, tables and constants; the parts
/// that the loader relocates come later in the file).
fn clean_mapping(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, flags, offset) = (fields.next()?, fields.next()?, fields.next()?);
    let path = fields.nth(2)?;
    let clean = flags == "r-xp" || (flags == "r--p" && offset.bytes().all(|b| b == b'0'));
    if !clean || !path.starts_with('/') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    Some((start, end.checked_sub(start)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mappings_that_are_never_written_are_clean() {
        let vectors = [
            ("5560-5570 r-xp 00001000 fe:00 12 /usr/bin/x", Some((0x5560, 16))),
            ("5560-5570 r--p 00000000 fe:00 12 /usr/bin/x", Some((0x5560, 16))),
            ("5560-5570 r--p 00003000 fe:00 12 /usr/bin/x", None), // relocated, then protected
            ("5560-5570 rw-p 00000000 fe:00 12 /usr/bin/x", None),
            ("5560-5570 r-xp 00000000 00:00 0 [vdso]", None),
            ("5560-5570 r-xp 00000000 00:00 0", None),
            ("", None),
        ];
        for (line, expected) in vectors {
            assert_eq!(clean_mapping(line), expected, "{line}");
        }
    }
}
