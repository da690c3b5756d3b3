//! One viewer: it is there while it fetches segments.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rs2rtc_media::hls::{Counts, Form, Lead, Names, Playlist, Segment, Segmenter, codecs, master};
use rs2rtc_streams::{Attached, CancellationToken, Connection, Departure, Sender};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::feed::{self, Feed};

/// How long a session lasts without a request for a segment or a part.
pub const KEEP: Duration = Duration::from_secs(5);
/// The same once the viewer's socket has ended: two segments.
pub const KEEP_WITHOUT_SOCKET: Duration = Duration::from_secs(2);
/// How long a request waits for what is about to come.
pub const WAIT: Duration = Duration::from_secs(3);
/// How long after the first frame a transport stream is not shown without one of its
/// tracks: players do not take one that comes later.
const WAIT_FOR_ALL: Duration = Duration::from_secs(1);

/// A viewer that polls.
#[derive(Debug)]
pub struct Session {
    id: String,
    feed: Arc<Feed>,
    connection: Arc<Connection>,
    /// By index of the feed's tracks.
    senders: Vec<Arc<Sender>>,
    /// Number of the segment it begins with; once it has asked for a playlist.
    entry: OnceLock<u64>,
    fetched: Mutex<Fetched>,
    /// The socket that it was opened over has ended; never, if there was none.
    gone: CancellationToken,
}

/// What a viewer has fetched.
#[derive(Debug)]
struct Fetched {
    /// When it did last.
    at: Instant,
    /// Where it goes on if it leaves out nothing: a segment, and a part of it.
    next: Option<(u64, usize)>,
}

/// What a request for a playlist waits for (`_HLS_msn` and `_HLS_part`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// The segment that must be there.
    pub segment: Option<u64>,
    /// The part of it; without one, all of it.
    pub part: Option<usize>,
}

/// Why a playlist is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It asks for something that is far away.
    TooFar,
    /// What it waits for has not come.
    TooLate,
}

impl Session {
    pub(super) fn new(
        id: String,
        attached: &Attached,
        feed: Arc<Feed>,
        gone: CancellationToken,
    ) -> Self {
        Self {
            id,
            feed,
            connection: Arc::clone(attached.connection()),
            senders: feed::sent(attached).map(|track| Arc::clone(&track.sender)).collect(),
            entry: OnceLock::new(),
            fetched: Mutex::new(Fetched { at: Instant::now(), next: None }),
            gone,
        }
    }

    /// Its id, which is its address.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What its segments are.
    pub fn form(&self) -> Form {
        self.feed.form
    }

    /// Its master playlist.
    pub fn master(&self) -> String {
        master(&codecs(&self.feed.codecs), &self.id)
    }

    /// Its media playlist, once there is a segment and what `reload` waits for.
    ///
    /// # Errors
    /// It would list nothing, or not that, after [`WAIT`].
    pub async fn playlist(&self, reload: Reload) -> Result<String, Refused> {
        let is_near = |segmenter: &Segmenter| {
            // After a hole none is open until the next keyframe.
            let after_closed = segmenter.closed().next_back().map_or(0, |last| last.number + 1);
            let next = segmenter.open().map_or(after_closed, |open| open.number);
            reload.segment.is_none_or(|number| number <= next + 2)
        };
        if !is_near(&self.feed.segmenter()) {
            return Err(Refused::TooFar);
        }
        if self.entry.get().is_none() && self.feed.form == Form::Ts {
            self.wait_for_all().await;
        }
        let found = self.wait(|segmenter| {
            let playlist = Playlist::new(segmenter, self.entry(segmenter)?);
            let is_there = !playlist.is_empty() && has(segmenter, reload);
            is_there.then(|| playlist.write(Names { form: self.feed.form, id: &self.id }))
        });
        found.await.ok_or(Refused::TooLate)
    }

    /// What has to be fetched before segments: the initialisation segment of that
    /// number, else the newest. Waits until there is one.
    pub async fn init(&self, number: Option<u64>) -> Option<Bytes> {
        if self.feed.form == Form::Ts {
            return None;
        }
        // Who asks for it begins anew.
        self.fetched().next = None;
        let found = self.wait(|segmenter| {
            segmenter.open().or_else(|| segmenter.closed().next().map(AsRef::as_ref))?;
            Some(segmenter.init(number).map(|init| init.bytes.clone()))
        });
        found.await.flatten()
    }

    /// A segment, or a part of it: pieces to send in order. Without a number: the
    /// newest. Waits for the next one. The session is kept for it.
    ///
    /// It begins with a keyframe unless it continues what was given last: a player that
    /// begins anywhere, or has lost its place, has a picture. The pictures since the
    /// keyframe are pressed together in front of it.
    pub async fn fetch(&self, number: Option<u64>, part: Option<usize>) -> Option<Vec<Bytes>> {
        self.fetched().at = Instant::now();
        let found = self.wait(|segmenter| {
            let first = segmenter.closed().next().map_or(0, |first| first.number);
            if number.is_some_and(|number| number < first) {
                return Some(None);
            }
            let found = find(segmenter, number, part)?;
            let lead = self.lead(segmenter, &found);
            Some(Some((found.pieces, found.counts, lead)))
        });
        let (pieces, counts, lead) = found.await.flatten()?;
        self.count(&pieces, &counts);
        let Some((front, counts)) = lead.map(|lead| lead.write()) else { return Some(pieces) };
        let all: Vec<Bytes> = front.collect();
        self.count(&all, &counts);
        Some(all.into_iter().chain(pieces).collect())
    }

    /// What has to stand in front of what is given now.
    fn lead(&self, segmenter: &Segmenter, found: &Found<'_>) -> Option<Lead> {
        let Found { segment, first, .. } = *found;
        let next = (segment.number, first + found.pieces.len());
        let before = self.fetched().next.replace(next);
        // Players begin anew there, also where the pictures go on.
        let is_beginning = segment.discontinuity && first == 0;
        let continues = before.is_some_and(|(number, part)| {
            let last = segmenter.closed().find(|closed| closed.number == number);
            let is_over = last.is_some_and(|last| part >= last.parts.len());
            let before = if is_over { (number + 1, 0) } else { (number, part) };
            before == (segment.number, first)
        });
        if continues && !is_beginning { None } else { segmenter.lead(segment, first..next.1) }
    }

    fn count(&self, pieces: &[Bytes], counts: &[Counts]) {
        self.connection.sent(pieces.iter().map(Bytes::len).sum());
        for (sender, (frames, bytes)) in self.senders.iter().zip(counts) {
            sender.sent(*frames, *bytes);
        }
    }

    /// Where its playlist begins.
    fn entry(&self, segmenter: &Segmenter) -> Option<u64> {
        if let Some(entry) = self.entry.get() {
            return Some(*entry);
        }
        let entry = segmenter.entry()?;
        Some(*self.entry.get_or_init(|| entry))
    }

    /// Waits until each track has come, but not for long: sound may be silent for good.
    async fn wait_for_all(&self) {
        let all = self.wait(|segmenter| segmenter.has_all().then_some(()));
        let _ = timeout_at(self.feed.began + WAIT_FOR_ALL, all).await;
    }

    /// Asks again whenever something was added, for [`WAIT`] at most.
    async fn wait<T>(&self, mut look: impl FnMut(&Segmenter) -> Option<T>) -> Option<T> {
        let until = Instant::now() + WAIT;
        let mut changed = self.feed.changed();
        loop {
            changed.mark_unchanged();
            if let Some(found) = look(&self.feed.segmenter()) {
                return Some(found);
            }
            let next = timeout_at(until, changed.changed());
            tokio::select! {
                next = next => if !matches!(next, Ok(Ok(()))) { return None },
                () = self.feed.ended().cancelled() => return None,
            }
        }
    }

    fn fetched(&self) -> MutexGuard<'_, Fetched> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its end. Why it goes; `None` if it was kicked.
    pub(super) async fn watch(
        &self,
        kicked: CancellationToken,
        cancel: CancellationToken,
    ) -> Option<Departure> {
        loop {
            let fetched = self.fetched().at;
            let alone = self.gone.is_cancelled();
            let (keep, reason) = if alone {
                (KEEP_WITHOUT_SOCKET, "ws_fin+silence")
            } else {
                (KEEP, "poll_timeout")
            };
            tokio::select! {
                () = sleep_until(fetched + keep) => {
                    if self.fetched().at == fetched {
                        let heard = Some(fetched.into_std());
                        return Some(Departure { heard, ..Departure::now(reason) });
                    }
                }
                () = self.gone.cancelled(), if !alone => {}
                () = self.feed.ended().cancelled() => return Some(Departure::now("source_failed")),
                () = kicked.cancelled() => return None,
                () = cancel.cancelled() => return Some(Departure::now("shutdown")),
            }
        }
    }
}

/// Whether what a request waits for is there. A part behind the last one of a
/// segment is the first one of the next (rfc8216bis 6.2.5.2).
fn has(segmenter: &Segmenter, reload: Reload) -> bool {
    let Some(number) = reload.segment else { return true };
    let newest = segmenter.closed().next_back();
    if newest.is_some_and(|newest| newest.number > number) {
        return true;
    }
    let of_open = |number: u64, part: usize| {
        segmenter.open().is_some_and(|open| open.number == number && open.parts.len() > part)
    };
    match (newest.filter(|newest| newest.number == number), reload.part) {
        (Some(closed), Some(part)) if part >= closed.parts.len() => of_open(number + 1, 0),
        (Some(_), _) => true,
        (None, part) => part.is_some_and(|part| of_open(number, part)),
    }
}

/// A segment or a part that is there.
struct Found<'a> {
    segment: &'a Segment,
    /// Index of its first part.
    first: usize,
    /// One for each part.
    pieces: Vec<Bytes>,
    counts: Vec<Counts>,
}

fn find(segmenter: &Segmenter, number: Option<u64>, part: Option<usize>) -> Option<Found<'_>> {
    let mut closed = segmenter.closed().map(AsRef::as_ref);
    let segment: Option<&Segment> = match number {
        Some(number) => closed.find(|segment| segment.number == number),
        None => closed.next_back(),
    };
    let Some(first) = part else {
        let segment = segment?;
        let pieces = segment.parts.iter().map(|part| part.bytes.clone()).collect();
        return Some(Found { segment, first: 0, pieces, counts: segment.counts.clone() });
    };
    let open = segmenter.open();
    let of_open = |number: u64| open.filter(|open| open.number == number);
    let segment = segment.or_else(|| of_open(number?))?;
    // A part that was hinted at became the first one of the next segment.
    if first == segment.parts.len() && segment.duration > 0 {
        let number = segment.number + 1;
        let next = segmenter.closed().map(AsRef::as_ref).find(|next| next.number == number);
        let next = next.or_else(|| of_open(number))?;
        return Found::of(next, 0);
    }
    Found::of(segment, first)
}

impl<'a> Found<'a> {
    /// A part.
    fn of(segment: &'a Segment, first: usize) -> Option<Self> {
        let found = segment.parts.get(first)?;
        let (pieces, counts) = (vec![found.bytes.clone()], found.counts.clone());
        Some(Self { segment, first, pieces, counts })
    }
}
