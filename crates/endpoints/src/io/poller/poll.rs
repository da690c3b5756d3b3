//! poll(2), for systems without epoll(7).

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::time::Duration;

use super::{Ready, Token};
use crate::io::sys::poll::{self, Polled};

pub(super) struct Poller {
    fds: Vec<Polled>,
    /// Of each in `fds`.
    tokens: Vec<Token>,
}

impl Poller {
    #[allow(clippy::unnecessary_wraps)] // the other kind can fail
    pub(super) const fn new() -> io::Result<Self> {
        Ok(Self { fds: Vec::new(), tokens: Vec::new() })
    }

    fn position(&self, fd: BorrowedFd<'_>) -> Option<usize> {
        self.fds.iter().position(|polled| polled.fd() == fd.as_raw_fd())
    }

    pub(super) fn add(&mut self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        if self.position(fd).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.fds.push(Polled::new(fd.as_raw_fd()));
        self.tokens.push(token);
        Ok(())
    }

    pub(super) fn remove(&mut self, fd: BorrowedFd<'_>) {
        if let Some(position) = self.position(fd) {
            self.fds.swap_remove(position);
            self.tokens.swap_remove(position);
        }
    }

    pub(super) fn wait(&mut self, timeout: Duration, ready: &mut Vec<Ready>) {
        if poll::wait(&mut self.fds, timeout).is_err() {
            return; // interrupted: the caller comes back
        }
        let found = self.fds.iter().zip(&self.tokens).filter_map(|(polled, token)| {
            let ready = Ready { token: *token, input: polled.input(), error: polled.error() };
            (ready.input || ready.error).then_some(ready)
        });
        ready.extend(found);
    }
}
