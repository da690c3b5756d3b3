//! The way into a shard: a queue of media, a queue of commands, and a wake-up.
//! Nobody who writes to one ever waits.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, io};

use rustix::event::{EventfdFlags, eventfd};

/// Frames and datagrams on their way into a shard; more are dropped.
const MEDIA_LIMIT: usize = 4096;
/// Commands on their way into a shard, beyond which only those are taken that
/// must not be lost.
const CONTROL_LIMIT: usize = 4096;
/// The same for these: more than there can be sessions and connections.
const MUST_LIMIT: usize = 1 << 20;

/// Commands on their way; none once the shard has ended.
struct Commands<C>(Mutex<Option<VecDeque<C>>>);

impl<C> Commands<C> {
    fn lock(&self) -> MutexGuard<'_, Option<VecDeque<C>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, item: C, limit: usize) -> Result<(), C> {
        match self.lock().as_mut() {
            Some(queue) if queue.len() < limit => {
                queue.push_back(item);
                Ok(())
            }
            _ => Err(item),
        }
    }
}

/// Wakes a thread that waits for a file descriptor.
#[derive(Debug)]
struct Waker {
    fd: OwnedFd,
    sleeping: AtomicBool,
    /// Something is to be looked at that is in no queue.
    raised: AtomicBool,
}

impl Waker {
    fn wake(&self) {
        // Orders the queue's write before the look at `sleeping`; the thread
        // does the reverse, so one of the two sees the other.
        fence(Ordering::SeqCst);
        if self.sleeping.swap(false, Ordering::SeqCst) {
            // A full counter is as good as a wake-up.
            let _ = rustix::io::write(&self.fd, &1_u64.to_ne_bytes());
        }
    }
}

/// The sending side. Cloning shares the queues.
pub(crate) struct Inbox<M, C> {
    media: SyncSender<M>,
    control: Arc<Commands<C>>,
    waker: Arc<Waker>,
}

impl<M, C> Clone for Inbox<M, C> {
    fn clone(&self) -> Self {
        Self {
            media: self.media.clone(),
            control: Arc::clone(&self.control),
            waker: Arc::clone(&self.waker),
        }
    }
}

impl<M, C> fmt::Debug for Inbox<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inbox")
    }
}

impl<M, C> Inbox<M, C> {
    /// Queues media. Says whether there was room. Never waits.
    pub(crate) fn media(&self, item: M) -> bool {
        match self.media.try_send(item) {
            Ok(()) => {
                self.waker.wake();
                true
            }
            Err(TrySendError::Full(_)) => {
                self.waker.wake();
                false
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }

    /// Makes the shard look at its tracks. Never waits.
    pub(crate) fn raise(&self) {
        self.waker.raised.store(true, Ordering::SeqCst);
        self.waker.wake();
    }

    /// Queues a command. Gives it back if there is no room or the shard has ended.
    pub(crate) fn control(&self, item: C) -> Result<(), C> {
        let result = self.control.push(item, CONTROL_LIMIT);
        self.waker.wake();
        result
    }

    /// Queues a command that must not be lost. Its sender sees to it that only
    /// so many of them can wait for each session or connection. Gives it back if
    /// the shard has ended.
    pub(crate) fn must(&self, item: C) -> Result<(), C> {
        let result = self.control.push(item, MUST_LIMIT);
        self.waker.wake();
        result
    }
}

/// The receiving side.
pub(super) struct Outlet<M, C> {
    media: Receiver<M>,
    control: Arc<Commands<C>>,
    waker: Arc<Waker>,
}

impl<M, C> Outlet<M, C> {
    pub(super) fn next_media(&self) -> Option<M> {
        self.media.try_recv().ok()
    }

    pub(super) fn next_control(&self) -> Option<C> {
        self.control.lock().as_mut()?.pop_front()
    }

    /// Whether [`Inbox::raise`] was called since the last time.
    pub(super) fn is_raised(&self) -> bool {
        self.waker.raised.load(Ordering::Relaxed) && self.waker.raised.swap(false, Ordering::SeqCst)
    }

    /// Whether [`Self::is_raised`] would say so.
    pub(super) fn peek_raised(&self) -> bool {
        self.waker.raised.load(Ordering::SeqCst)
    }

    /// Announces that the thread is about to wait. It must look at the queues
    /// once more before it does.
    pub(super) fn about_to_sleep(&self) {
        self.waker.sleeping.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// The thread is awake: nobody needs to wake it.
    pub(super) fn awake(&self) {
        self.waker.sleeping.store(false, Ordering::SeqCst);
    }

    /// Takes the wake-ups off the descriptor.
    pub(super) fn clear(&self) {
        let _ = rustix::io::read(&self.waker.fd, &mut [0_u8; 8]);
    }

    /// Readable when the thread was woken.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.waker.fd.as_fd()
    }
}

impl<M, C> Drop for Outlet<M, C> {
    fn drop(&mut self) {
        // Whoever waits for an answer to what is still in the queue gets none.
        let rest = self.control.lock().take();
        drop(rest);
    }
}

/// Makes the queues of a shard.
pub(super) fn channel<M, C>() -> io::Result<(Inbox<M, C>, Outlet<M, C>)> {
    let fd = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
    let waker =
        Arc::new(Waker { fd, sleeping: AtomicBool::new(false), raised: AtomicBool::new(false) });
    let (media, media_out) = sync_channel(MEDIA_LIMIT);
    let control = Arc::new(Commands(Mutex::new(Some(VecDeque::new()))));
    let inbox = Inbox { media, control: Arc::clone(&control), waker: Arc::clone(&waker) };
    Ok((inbox, Outlet { media: media_out, control, waker }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_makes_nobody_wait_and_loses_nothing_important() {
        let (inbox, outlet) = channel::<(), usize>().unwrap();
        for number in 0..CONTROL_LIMIT {
            inbox.control(number).unwrap();
        }
        assert_eq!(inbox.control(CONTROL_LIMIT), Err(CONTROL_LIMIT));
        inbox.must(CONTROL_LIMIT).unwrap();
        let taken: Vec<usize> = std::iter::from_fn(|| outlet.next_control()).collect();
        assert!(taken.into_iter().eq(0..=CONTROL_LIMIT));
        inbox.control(0).unwrap();
        drop(outlet);
        assert_eq!(inbox.must(0), Err(0), "the shard has ended");
    }
}
