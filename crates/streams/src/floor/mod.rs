//! The floor of a stream: who may speak into its camera's loudspeaker, so that two
//! people at once do not make each other unintelligible. The rules are in [`order`];
//! this is what they hear, and who hears of them.
//!
//! Every microphone that a stream was given has a [`Voice`]: what it says passes by
//! here, whichever protocol it came with. An [`Ask`] is somebody who asks first.
//! Sounds that the program itself plays to a camera do not take part.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rs2rtc_media::codec::loudness;
use rs2rtc_media::{Frame, Payload};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::connection::{Connection, next_id};
use crate::events::{Event, Events};
use crate::tasks::Tasks;

mod order;

use order::{Change, LONGEST, Order, Speaker};

pub use order::{Lost, Talking};

/// Characters of a name that others see.
const LONGEST_NAME: usize = 40;

/// What everybody may know of a floor.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Who speaks.
    pub talking: Option<Talking>,
    /// The number of who spoke last, and why that is over.
    pub last: Option<(u64, Lost)>,
}

/// The floor of one stream.
pub struct Floor {
    stream: String,
    events: Events,
    tasks: Tasks,
    cancel: CancellationToken,
    state: Mutex<State>,
    standing: watch::Sender<Standing>,
    /// The deadline has changed, or nobody is left.
    wake: Notify,
}

#[derive(Default)]
struct State {
    order: Order,
    /// Voices and askers that are there.
    guests: usize,
    /// A task waits for the deadlines.
    is_kept: bool,
}

impl Floor {
    pub(crate) fn new(
        stream: &str,
        events: Events,
        tasks: Tasks,
        cancel: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            stream: stream.to_owned(),
            events,
            tasks,
            cancel,
            state: Mutex::default(),
            standing: watch::Sender::default(),
            wake: Notify::new(),
        })
    }

    /// Somebody who will ask for the floor, from an address in the forms of
    /// [`crate::Description::remote_addr`].
    pub fn asker(self: &Arc<Self>, remote_addr: &str) -> Ask {
        self.welcome();
        Ask { floor: Arc::clone(self), number: next_id(), address: address(remote_addr) }
    }

    /// Who speaks, now and from now on.
    pub fn watch(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    pub(crate) fn voice(self: &Arc<Self>, connection: &Arc<Connection>) -> Voice {
        self.welcome();
        let connection = Arc::clone(connection);
        Voice { floor: Arc::clone(self), connection, asked: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the order and tells what came of it.
    fn with<T>(&self, change: impl FnOnce(&mut Order, std::time::Instant) -> T) -> T {
        let mut state = self.lock();
        let now = Instant::now().into_std();
        let result = change(&mut state.order, now);
        let mut last = None;
        let mut has_changed = false;
        while let Some(change) = state.order.poll_change() {
            has_changed = true;
            let stream = self.stream.clone();
            self.events.emit(match change {
                Change::Began(Talking { by, asked, number, .. }) => {
                    Event::TalkStarted { stream, number, by, asked }
                }
                Change::Ended(Talking { by, number, since, .. }, lost) => {
                    last = Some((number, lost));
                    let took = now.saturating_duration_since(since);
                    Event::TalkEnded { stream, number, by, reason: lost.code(), took }
                }
            });
        }
        if has_changed {
            // Under the lock: everybody is told in the order in which it happened.
            self.standing.send_modify(|standing| {
                standing.talking = state.order.talking().cloned();
                standing.last = last.or(standing.last);
            });
            self.wake.notify_one();
        }
        result
    }

    /// Somebody comes: the deadlines are waited for as long as anybody is there.
    fn welcome(self: &Arc<Self>) {
        let mut state = self.lock();
        state.guests += 1;
        if !std::mem::replace(&mut state.is_kept, true) {
            drop(state);
            self.tasks.spawn("talk floor", Arc::clone(self).keep());
        }
    }

    fn see_off(&self) {
        let mut state = self.lock();
        state.guests -= 1;
        if state.guests == 0 {
            self.wake.notify_one();
        }
    }

    async fn keep(self: Arc<Self>) {
        loop {
            self.with(Order::handle_timeout);
            let deadline = {
                let mut state = self.lock();
                if state.guests == 0 {
                    state.is_kept = false;
                    return;
                }
                state.order.deadline()
            };
            let expired = async {
                match deadline {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.wake.notified() => {}
                () = expired => {}
                () = self.cancel.cancelled() => {
                    self.lock().is_kept = false;
                    return;
                }
            }
        }
    }
}

impl fmt::Debug for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Floor").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// Somebody who asks for the floor. Dropping it gives the floor back.
#[derive(Debug)]
pub struct Ask {
    floor: Arc<Floor>,
    number: u64,
    address: String,
}

impl Ask {
    /// Asks; gives how long he may speak at most. Names longer than 40 characters are
    /// cut, characters that no line of text should have are left out; without a name
    /// others see the address.
    ///
    /// # Errors
    /// Who has the floor.
    pub fn request(&self, name: &str) -> Result<Duration, Talking> {
        let name = presentable(name);
        let name = if name.is_empty() { &self.address } else { &name };
        self.floor.with(|order, now| {
            let since = order.ask(self.number, name, now)?;
            Ok((since + LONGEST).saturating_duration_since(now))
        })
    }

    /// Gives the floor back.
    pub fn release(&self) {
        self.floor.with(|order, _| order.release(self.number));
    }

    /// What he is listed with in [`Talking::number`].
    pub const fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Ask {
    fn drop(&mut self) {
        self.release();
        self.floor.see_off();
    }
}

/// What a viewer says into its microphone, on its way to the camera.
pub(crate) struct Voice {
    floor: Arc<Floor>,
    connection: Arc<Connection>,
    /// The number of the asking that it belongs to; 0: it has never asked.
    asked: AtomicU64,
}

impl Voice {
    /// Whether a packet may pass.
    pub(crate) fn may_pass(&self, frame: &Frame) -> bool {
        let viewer = self.connection.id;
        let speaker = match self.asked.load(Ordering::Relaxed) {
            0 => Speaker::Unasked(viewer),
            number => Speaker::Asked(number),
        };
        let is_silent = match &frame.payload {
            Payload::Data(data) => loudness::is_silent(&frame.codec, data).unwrap_or(false),
            _ => false,
        };
        let by = || address(&self.connection.description().remote_addr);
        self.floor.with(|order, now| order.handle_packet(speaker, viewer, by, !is_silent, now))
    }

    /// It belongs to somebody who asks, from now on.
    pub(crate) fn bind(&self, ask: &Ask) {
        self.asked.store(ask.number, Ordering::Relaxed);
        self.floor.with(|order, _| order.bind(ask.number, self.connection.id));
    }

    /// The microphone is taken away.
    pub(crate) fn leave(&self) {
        self.floor.with(|order, _| order.leave(self.connection.id));
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        self.leave();
        self.floor.see_off();
    }
}

/// The address without the port and what is said of it.
fn address(remote: &str) -> String {
    let first = remote.split(' ').next().unwrap_or_default();
    let host = first.parse::<std::net::SocketAddr>().map(|a| a.ip().to_canonical().to_string());
    host.unwrap_or_else(|_| presentable(first))
}

/// One line of readable text.
fn presentable(name: &str) -> String {
    // Marks that turn the direction of the text around them, or are not seen.
    let is_unseen = |c: char| matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
    let seen = name.chars().filter(|c| !c.is_control() && !is_unseen(*c));
    seen.take(LONGEST_NAME).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_line_of_text() {
        assert_eq!(presentable("  kitchen\ttablet\n"), "kitchentablet");
        assert_eq!(presentable("厨房 <平板> \"1\" 🎤"), "厨房 <平板> \"1\" 🎤");
        assert_eq!(presentable("a\u{202E}b\u{200B}c\u{0}"), "abc");
        assert_eq!(presentable(&"é".repeat(500)), "é".repeat(LONGEST_NAME));
        assert_eq!(address("192.168.1.5:51234 host"), "192.168.1.5");
        assert_eq!(address("[::ffff:10.0.0.2]:1"), "10.0.0.2");
        assert_eq!(address("[fe80::1]:9 prflx"), "fe80::1");
        assert_eq!(address(""), "");
    }
}
