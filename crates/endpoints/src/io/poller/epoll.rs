//! epoll(7).

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Ready, Token};

/// Most that is reported at once.
const EVENTS: usize = 64;

pub(super) struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll })
    }

    pub(super) fn add(&mut self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        // Errors are always reported.
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(token.0), EventFlags::IN)?)
    }

    pub(super) fn remove(&mut self, fd: BorrowedFd<'_>) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    pub(super) fn wait(&mut self, timeout: Duration, ready: &mut Vec<Ready>) {
        if !timeout.is_zero() {
            self.sleep(timeout);
        }
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Interrupted: nothing is ready, and the caller comes back.
        let _ = epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&now));
        ready.extend(events.iter().map(|event| {
            let flags = event.flags;
            Ready {
                token: Token(event.data.u64()),
                input: flags.intersects(EventFlags::IN | EventFlags::HUP),
                error: flags.contains(EventFlags::ERR),
            }
        }));
    }

    /// Waits until something is ready. By poll(2), because epoll_wait(2) counts in
    /// milliseconds, and its successor needs Linux 5.11.
    fn sleep(&self, timeout: Duration) {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let _ = poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], Some(&timeout));
    }
}
