//! What the kernel knows of a TCP connection (tcp(7), TCP_INFO).

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::time::Duration;

/// What the kernel knows of the peer's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Info {
    /// Packets under way that are not acknowledged.
    pub(crate) unacknowledged: u32,
    /// Bytes that are not acknowledged, also those that are still to be sent.
    pub(crate) queued: u32,
    /// How long ago the peer's kernel acknowledged something last. A peer whose
    /// program does not read still acknowledges; one that is away does not.
    pub(crate) since_acknowledgement: Duration,
}

pub(crate) fn info(socket: BorrowedFd<'_>) -> io::Result<Info> {
    // SAFETY: the structure consists of integers, for which zero is a value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut size = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: `info` is a valid place of `size` bytes, and the descriptor is open.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut size,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut queued: libc::c_int = 0;
    // SAFETY: `queued` is a valid place of an integer (SIOCOUTQ, tcp(7)), and the descriptor is open.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut queued) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Info {
        unacknowledged: info.tcpi_unacked,
        queued: u32::try_from(queued).unwrap_or(0),
        since_acknowledgement: Duration::from_millis(info.tcpi_last_ack_recv.into()),
    })
}
