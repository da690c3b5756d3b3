//! Descriptors that the runtime waits for.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has the runtime wait for input of a descriptor.
///
/// # Errors
/// The system cannot wait for it.
pub(crate) fn watched(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open, is always the same descriptor, and is closed
    // only when it is dropped, which the result owns.
    Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?)
}
