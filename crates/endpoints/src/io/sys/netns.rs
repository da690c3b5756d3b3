//! Network namespaces of threads (network_namespaces(7)), for tests. They have
//! no names and end with the last thread and socket in them.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

/// Puts this thread into a new network, which has nothing but a loopback that
/// is down, and gives that network. Sockets stay in the network in which they
/// were made. Processes that the thread starts are in its network.
pub(crate) fn enter_new() -> io::Result<File> {
    // SAFETY: changes only which network this thread's later calls refer to.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        return Err(io::Error::last_os_error());
    }
    File::open("/proc/thread-self/ns/net")
}

/// Puts this thread into a network.
pub(crate) fn enter(network: &File) -> io::Result<()> {
    // SAFETY: as above.
    let result = unsafe { libc::setns(network.as_raw_fd(), libc::CLONE_NEWNET) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
