//! A session beside its shard: its handle for the signalling, and its keeper,
//! which holds the stream for it, lets go, and takes it again.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rs2rtc_base::ErrorKind;
use rs2rtc_streams::{Attached, Departure};
use rs2rtc_webrtc::liveness::{Hint, Reason, Timers};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::debug;

use super::Inner;
use crate::io::shard::{Departed, Hold, Page, SessionKey};

/// A viewer whose camera was given to somebody else asks for it again after this.
const TURN: Duration = Duration::from_secs(1);
/// Candidates of a viewer that are passed on, and the length of each in bytes: a
/// session uses no more.
const MAX_CANDIDATES: usize = 64;
const MAX_CANDIDATE: usize = 1024;
/// How often a viewer is told that others wait for its camera.
const CONTENTION: Duration = Duration::from_millis(100);

/// A goodbye that is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Goodbye {
    /// DELETE of the session's own address.
    Delete,
    /// The page is going away.
    Pagehide,
    /// The same player has come again.
    Superseded,
    /// A person ended it.
    Admin,
}

/// How a session's signalling connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignallingEnd {
    /// Closed, with or without a close frame.
    Fin,
    /// Reset, or it did not answer.
    Reset,
}

/// A session as its signalling sees it. Dropping it changes nothing: the
/// session lives by its own connection.
#[derive(Clone)]
pub struct SessionHandle {
    /// 128 random bits in hex: who knows it may end the session.
    pub id: Arc<str>,
    gateway: Weak<Inner>,
    pub(super) shard: usize,
    pub(super) key: SessionKey,
    stream: Arc<str>,
    viewer: u64,
    pub(super) hold: watch::Receiver<Hold>,
    said: Arc<Said>,
}

/// What was passed on to the shard, so that a client cannot flood it.
#[derive(Debug, Default)]
struct Said {
    candidates: AtomicUsize,
    page: Arc<Page>,
    /// Its end was asked for.
    closed: AtomicBool,
}

impl SessionHandle {
    pub(super) fn new(
        id: Arc<str>,
        gateway: Weak<Inner>,
        (shard, key): (usize, SessionKey),
        stream: &str,
        viewer: u64,
        hold: watch::Receiver<Hold>,
    ) -> Self {
        Self { id, gateway, shard, key, stream: stream.into(), viewer, hold, said: Arc::default() }
    }

    /// Name of its stream.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Id of its consumer, as the API shows it.
    pub const fn viewer(&self) -> u64 {
        self.viewer
    }

    /// Passes a candidate of the viewer on; an empty text means that no more
    /// follow. Long ones and those after the 64th are ignored.
    pub fn add_remote_candidate(&self, text: &str) {
        let fits = !text.is_empty() && text.len() <= MAX_CANDIDATE;
        if !fits || self.said.candidates.fetch_add(1, Ordering::Relaxed) >= MAX_CANDIDATES {
            return;
        }
        if let Some(gateway) = self.gateway.upgrade() {
            gateway.shards.add_remote_candidate(self.shard, self.key, text);
        }
    }

    /// Ends the session: the viewer is gone, or is to be.
    pub fn goodbye(&self, goodbye: Goodbye) {
        let reason = match goodbye {
            Goodbye::Delete => Reason::HttpDelete,
            Goodbye::Pagehide => Reason::Pagehide,
            Goodbye::Superseded => Reason::Superseded,
            Goodbye::Admin => Reason::Admin,
        };
        self.close(reason, "");
    }

    pub(super) fn close(&self, reason: Reason, detail: &str) {
        if self.said.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(gateway) = self.gateway.upgrade() {
            gateway.shards.close(self.shard, self.key, reason, detail);
        }
    }

    /// Whether its end was asked for.
    pub(super) fn is_closed(&self) -> bool {
        self.said.closed.load(Ordering::Relaxed)
    }

    /// The signalling connection is gone. A viewer that has not come yet lets go
    /// of the camera; another one has to answer a probe in the next moment.
    pub fn signalling_lost(&self, how: SignallingEnd) {
        let hint = match how {
            SignallingEnd::Fin => Hint::WsFin,
            SignallingEnd::Reset => Hint::WsReset,
        };
        if let Some(gateway) = self.gateway.upgrade() {
            gateway.shards.hint(self.shard, self.key, hint);
        }
    }

    /// The page is hidden: the camera is let go, the session stays.
    pub fn park(&self) {
        self.hidden(true);
    }

    /// The page is visible again.
    pub fn resume(&self) {
        self.hidden(false);
    }

    fn hidden(&self, hidden: bool) {
        if let Some(gateway) = self.gateway.upgrade()
            && self.said.page.set(hidden)
        {
            gateway.shards.hidden(self.shard, self.key, Arc::clone(&self.said.page));
        }
    }

    /// Whether the camera is let go while the session stays, and why.
    pub fn parked(&self) -> Option<&'static str> {
        match &*self.hold.borrow() {
            Hold::Parked(departed) => Some(departed.reason.code()),
            _ => None,
        }
    }

    /// Waits until [`Self::parked`] or [`Self::close_reason`] would say something new.
    pub async fn changed(&mut self) {
        if self.hold.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for the end and gives its reason in words.
    pub async fn closed(&self) -> String {
        let mut hold = self.hold.clone();
        match hold.wait_for(|hold| matches!(hold, Hold::Closed(_))).await {
            Ok(hold) => text(&hold).unwrap_or_default(),
            Err(_) => "internal error".to_owned(),
        }
    }

    /// The reason of the end in words, if it has come.
    pub fn close_reason(&self) -> Option<String> {
        text(&self.hold.borrow())
    }

    /// The code of that reason.
    pub fn close_code(&self) -> Option<&'static str> {
        match &*self.hold.borrow() {
            Hold::Closed(departed) => Some(departed.reason.code()),
            _ => None,
        }
    }
}

fn text(hold: &Hold) -> Option<String> {
    match hold {
        Hold::Closed(departed) => Some(departed.text.clone()),
        _ => None,
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle").field("key", &self.key).finish_non_exhaustive()
    }
}

fn departure(departed: &Departed, timers: &Timers) -> Departure {
    Departure {
        reason: departed.reason.code().into(),
        decided: departed.decided,
        heard: Some(departed.heard),
        profile: timers.profile.name(),
        linger: if is_goodbye(departed.reason) { timers.linger } else { Duration::ZERO },
    }
}

/// Whether the viewer, or its player, said that it goes: it may be about to come again.
const fn is_goodbye(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::CloseNotify
            | Reason::SctpAbort
            | Reason::HttpDelete
            | Reason::Pagehide
            | Reason::Superseded
    )
}

/// Resolves when somebody waits for a camera of this viewer, not before `quiet` is over.
async fn contended(attached: &Attached, quiet: Instant) {
    tokio::time::sleep_until(quiet).await;
    attached.contended().await;
}

/// Holds the stream as long as the session wants it, and ends the session when
/// the stream or the program ends. `asleep`: the session has to ask first.
pub(super) async fn keep(
    inner: &Inner,
    session: &SessionHandle,
    mut attached: Attached,
    asleep: bool,
    timers: Timers,
) {
    let mut hold = session.hold.clone();
    let kicked = attached.kicked();
    let mut asked = !asleep;
    let mut told = false;
    let mut changed = false;
    let mut quiet = Instant::now();
    let departed = loop {
        let now = hold.borrow_and_update().clone();
        match &now {
            Hold::Closed(departed) => break Some(departed.clone()),
            Hold::Parked(departed) => {
                asked = true;
                if !attached.is_parked() {
                    attached.park(departure(departed, &timers));
                }
            }
            Hold::Held if attached.is_parked() && asked => {
                let resumed = tokio::select! {
                    biased;
                    changed = hold.changed() => match changed {
                        Ok(()) => continue,
                        Err(_) => break None,
                    },
                    () = kicked.cancelled(), if !told => None,
                    () = inner.cancel.cancelled(), if !told => None,
                    resumed = attached.resume() => Some(resumed),
                };
                match resumed {
                    Some(Ok(())) => {
                        inner.shards.tracks(session.shard, session.key, attached.tracks.clone());
                    }
                    // Somebody else has the camera: it waits for its turn.
                    Some(Err(error)) if error.kind() == ErrorKind::Busy => {
                        debug!(%error, "waits for its camera");
                        tokio::select! {
                            biased;
                            _ = hold.changed() => hold.mark_changed(),
                            () = kicked.cancelled(), if !told => {}
                            () = inner.cancel.cancelled(), if !told => {}
                            () = tokio::time::sleep(TURN) => continue,
                        }
                    }
                    Some(Err(error)) => {
                        session.close(Reason::SourceFailed, &error.to_string());
                        told = true;
                        asked = false;
                    }
                    None => {}
                }
            }
            // It let go and asked again before we looked: its tracks are where they were.
            Hold::Held if changed && !attached.is_parked() => {
                inner.shards.tracks(session.shard, session.key, attached.tracks.clone());
            }
            Hold::Held => {}
        }
        tokio::select! {
            biased;
            result = hold.changed() => {
                if result.is_err() {
                    break None;
                }
                (asked, changed) = (true, true);
            }
            () = kicked.cancelled(), if !told => {
                told = true;
                let reason = attached.kick_reason();
                let code = match attached.kick_code() {
                    Some("deleted") => Reason::Deleted,
                    _ => Reason::Admin,
                };
                session.close(code, reason.as_deref().unwrap_or("ended by the server"));
            }
            () = inner.cancel.cancelled(), if !told => {
                told = true;
                session.close(Reason::Shutdown, "server stops");
            }
            () = contended(&attached, quiet), if !attached.is_parked() => {
                inner.shards.contended(session.shard, session.key);
                quiet = Instant::now() + CONTENTION;
            }
        }
    };
    match departed {
        Some(departed) => {
            attached.detach(departure(&departed, &timers));
            debug!(reason = departed.text, "stream let go");
            inner.forget(session, Some(departed));
        }
        None => {
            drop(attached);
            inner.forget(session, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use rs2rtc_webrtc::liveness::Profile;

    use super::*;

    #[test]
    fn only_a_goodbye_asks_for_a_linger() {
        let timers = Timers::from(Profile::Tolerant);
        let linger = |reason| {
            let now = std::time::Instant::now();
            let text = String::new();
            let departed = Departed { reason, text, decided: now, heard: now, report: None };
            departure(&departed, &timers).linger
        };
        for reason in [Reason::CloseNotify, Reason::Pagehide, Reason::Superseded] {
            assert_eq!(linger(reason), timers.linger, "{reason}");
        }
        for reason in [Reason::ConnectTimeout, Reason::Silence, Reason::Admin, Reason::Hidden] {
            assert_eq!(linger(reason), Duration::ZERO, "{reason}");
        }
    }
}
