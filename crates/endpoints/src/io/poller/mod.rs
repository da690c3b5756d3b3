//! Waiting for many descriptors at once: those of a shard are its waker, the
//! sockets of the port and those of its viewers.
//!
//! On Linux it is epoll(7), whose cost does not depend on how many descriptors
//! wait; elsewhere poll(2). Readiness is a level: what was not read is reported
//! again.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(any(test, not(target_os = "linux")))]
mod poll;

#[cfg(target_os = "linux")]
use epoll as system;
#[cfg(not(target_os = "linux"))]
use poll as system;

/// Names a descriptor that is waited for; the caller's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// A descriptor that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Which.
    pub token: Token,
    /// There may be something to read.
    pub input: bool,
    /// There may be something in its error queue.
    pub error: bool,
}

/// The descriptors that one thread waits for.
pub struct Poller(system::Poller);

impl Poller {
    /// Waits for nothing yet.
    ///
    /// # Errors
    /// No descriptor is free.
    pub fn new() -> io::Result<Self> {
        Ok(Self(system::Poller::new()?))
    }

    /// Waits for input and errors of a descriptor from now on. Several may have
    /// the same token.
    ///
    /// # Errors
    /// It is waited for already, or the system has no room.
    pub fn add(&mut self, fd: impl AsFd, token: Token) -> io::Result<()> {
        self.0.add(fd.as_fd(), token)
    }

    /// Forgets a descriptor. To be called **before** it is closed: a child that
    /// is just being started may hold a copy, with which it would stay ready.
    pub fn remove(&mut self, fd: impl AsFd) {
        self.0.remove(fd.as_fd());
    }

    /// Waits until something is ready, or a signal arrives, or the time is over,
    /// and puts what is ready into `ready`, in place of what was there. A limited
    /// number at a time; the others are the first of the next call.
    pub fn wait(&mut self, timeout: Duration, ready: &mut Vec<Ready>) {
        ready.clear();
        self.0.wait(timeout, ready);
    }
}

#[cfg(test)]
mod tests;
