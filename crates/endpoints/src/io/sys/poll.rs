//! poll(2) over plain descriptor numbers: an array that outlives the calls
//! cannot borrow the descriptors in it.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// A descriptor to wait for input on, and what was found.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Polled(libc::pollfd);

impl Polled {
    pub(crate) const fn new(fd: RawFd) -> Self {
        Self(libc::pollfd { fd, events: libc::POLLIN, revents: 0 })
    }

    pub(crate) const fn fd(&self) -> RawFd {
        self.0.fd
    }

    /// There is something to read, or the end.
    pub(crate) const fn input(&self) -> bool {
        self.0.revents & (libc::POLLIN | libc::POLLHUP) != 0
    }

    /// There is an error.
    pub(crate) const fn error(&self) -> bool {
        self.0.revents & (libc::POLLERR | libc::POLLNVAL) != 0
    }
}

/// Waits until a descriptor is ready or the time is over; rounded up to milliseconds.
pub(crate) fn wait(fds: &mut [Polled], timeout: Duration) -> io::Result<()> {
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    let millis = libc::c_int::try_from(millis).unwrap_or(libc::c_int::MAX);
    let count = fds.len() as libc::nfds_t;
    // SAFETY: `Polled` is a `pollfd`, and the slice has `count` of them. The
    // kernel checks the numbers; a closed one is reported, not touched.
    let result = unsafe { libc::poll(fds.as_mut_ptr().cast(), count, millis) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
