//! One viewer: it is there while it fetches segments.
//!
//! One that fetches nothing lets go of the camera. It may be gone, be stopped, or be
//! starved of processor time and come back late: for a while its address is kept, what
//! was cut too, and it goes on with its next request.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rs2rtc_base::ErrorKind;
use rs2rtc_media::hls::{
    Counts, Form, Lead, Names, Playlist, Rates, Segment, Segmenter, codecs, master,
};
use rs2rtc_streams::{Attached, CancellationToken, Connection, Departure, Sender};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::feed::{self, Feed};

/// How long a session holds the camera without a request for a segment or a part; of a slow
/// camera, whose segments are long, for two target durations.
pub const KEEP: Duration = Duration::from_secs(5);
/// The same once the viewer's socket has ended: two segments.
pub const KEEP_WITHOUT_SOCKET: Duration = Duration::from_secs(2);
/// How long a session that has let go of the camera can go on.
pub const KEEP_PARKED: Duration = Duration::from_secs(30);
/// How long a request waits for what is about to come; of a slow camera for two target
/// durations.
pub const WAIT: Duration = Duration::from_secs(3);
/// The same for the first playlist, before which the distance of pictures is not known.
const WAIT_FIRST: Duration = Duration::from_secs(8);
/// How long after the first frame a transport stream is not shown without one of its
/// tracks: players do not take one that comes later.
const WAIT_FOR_ALL: Duration = Duration::from_secs(1);

/// The socket that a session is opened over. Without one it is the default, which never ends.
#[derive(Clone, Debug, Default)]
pub struct Signalling {
    /// The socket has ended, or its page has said goodbye.
    pub gone: CancellationToken,
    /// The page has said goodbye: it will fetch nothing more.
    pub bye: CancellationToken,
    /// What the goodbye needs to be heard; kept as long as the session.
    pub keeps: Option<Arc<dyn Any + Send + Sync>>,
}

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
    polls: Mutex<Polls>,
    /// Tells that a viewer which has let go of the camera asks for something.
    woken: Notify,
    signalling: Signalling,
}

/// What a viewer has asked for.
#[derive(Debug)]
struct Polls {
    /// When it fetched something last.
    at: Instant,
    /// When it asked for anything last.
    seen: Instant,
    /// The segment that it fetched last, and the part behind what it fetched of it.
    next: Option<(u64, usize)>,
    /// The newest segment that a playlist named to it.
    listed: Option<u64>,
    /// It has let go of the camera.
    is_parked: bool,
}

impl Polls {
    fn new() -> Self {
        let now = Instant::now();
        Self { at: now, seen: now, next: None, listed: None, is_parked: false }
    }

    /// The segment and part with which it goes on, or began, if it leaves out nothing.
    fn next(&self, segmenter: &Segmenter) -> Option<(u64, usize)> {
        let (number, part) = self.next?;
        let last = segmenter.closed().find(|closed| closed.number == number);
        let is_over = last.is_some_and(|last| part >= last.parts.len());
        Some(if is_over { (number + 1, 0) } else { (number, part) })
    }

    /// Whether a playlist named segments to it that it has not fetched.
    fn has_more(&self, segmenter: &Segmenter) -> bool {
        let next = self.next(segmenter);
        self.listed.is_some_and(|listed| next.is_none_or(|next| next.0 <= listed))
    }
}

/// What a request for a playlist waits for (`_HLS_msn` and `_HLS_part`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// The segment that must be there.
    pub segment: Option<u64>,
    /// The part of it; without one, all of it.
    pub part: Option<usize>,
}

/// Why something is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A playlist with something that is far away.
    TooFar,
    /// It has not come yet, but may.
    TooLate,
    /// It is gone, or never was.
    Gone,
}

impl Session {
    pub(super) fn new(
        id: String,
        attached: &Attached,
        feed: Arc<Feed>,
        signalling: Signalling,
    ) -> Self {
        Self {
            id,
            feed,
            connection: Arc::clone(attached.connection()),
            senders: feed::sent(attached).map(|track| Arc::clone(&track.sender)).collect(),
            entry: OnceLock::new(),
            polls: Mutex::new(Polls::new()),
            woken: Notify::new(),
            signalling,
        }
    }

    /// Its id, which is its address.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its id among the viewers of the stream.
    pub fn viewer(&self) -> u64 {
        self.connection.id
    }

    /// What its segments are.
    pub fn form(&self) -> Form {
        self.feed.form
    }

    /// Its master playlist. It tells what the segments take that were cut so far and those
    /// that a viewer fetches first, with the pictures that stand in front of them; before
    /// there is any, what streams of this kind take.
    pub async fn master(&self) -> String {
        // What was kept of the stream is cut first, which is a moment.
        let _ = timeout_at(Instant::now() + WAIT, self.feed.cached_is_cut()).await;
        let segmenter = self.feed.segmenter();
        let (rates, first) = (segmenter.rates(), segmenter.first());
        drop(segmenter);
        let mut rates = rates.unwrap_or_else(|| Rates::expected(&self.feed.codecs));
        if let Some(first) = first {
            let lead = first.lead.map_or(0, |lead| lead.write().0.map(|piece| piece.len()).sum());
            rates = rates.with(first.bytes + lead, first.duration);
        }
        master(&codecs(&self.feed.codecs), rates, &self.id)
    }

    /// Its media playlist, once there is a segment and what `reload` waits for.
    ///
    /// The session is not kept for it, as a player that is stopped asks for playlists too,
    /// but for the first one: there is nothing to fetch before. One that has let go of the
    /// camera takes it again if it has fetched all that it knows of, else it is told what
    /// there is.
    ///
    /// # Errors
    /// It would list nothing, or not that, after [`WAIT`].
    pub async fn playlist(&self, reload: Reload) -> Result<String, Refused> {
        let (is_first, waits) = self.asks_for_playlist();
        let limit = if is_first { WAIT_FIRST } else { self.patience(WAIT) };
        let found = self.list(reload, waits, limit).await;
        if is_first {
            self.touch(&mut self.polls());
        }
        found
    }

    /// Whether it has had none yet, and whether it gets one with something new.
    fn asks_for_playlist(&self) -> (bool, bool) {
        let segmenter = self.feed.segmenter();
        let mut polls = self.polls();
        polls.seen = Instant::now();
        let is_first = polls.listed.is_none();
        let waits = !(polls.is_parked && polls.has_more(&segmenter));
        drop(segmenter);
        if is_first || polls.is_parked && waits {
            self.touch(&mut polls);
        }
        (is_first, waits)
    }

    async fn list(&self, reload: Reload, waits: bool, limit: Duration) -> Result<String, Refused> {
        if reload.segment.is_some_and(|number| !is_near(&self.feed.segmenter(), number)) {
            return Err(Refused::TooFar);
        }
        if self.entry.get().is_none() && self.feed.form == Form::Ts {
            self.wait_for_all().await;
        }
        let found = self.wait_for(limit, |segmenter| {
            let playlist = Playlist::new(segmenter, self.entry(segmenter)?);
            if playlist.is_empty() || waits && !has(segmenter, reload) {
                return None;
            }
            self.polls().listed = segmenter.closed().next_back().map(|last| last.number);
            Some(playlist.write(Names { form: self.feed.form, id: &self.id }))
        });
        found.await
    }

    /// What has to be fetched before segments: the initialisation segment of that
    /// number; without one the first, as long as a segment that is kept needs it, then
    /// the newest. Waits until there is one.
    ///
    /// # Errors
    /// It has not come after [`WAIT`], or is not kept.
    pub async fn init(&self, number: Option<u64>) -> Result<Bytes, Refused> {
        if self.feed.form == Form::Ts {
            return Err(Refused::Gone);
        }
        // Who asks for it begins anew.
        self.polls().next = None;
        let found = self.wait(|segmenter| {
            segmenter.open().or_else(|| segmenter.closed().next().map(AsRef::as_ref))?;
            let init = match number {
                // Lists name the first one without its number.
                None => segmenter.init(Some(0)).or_else(|| segmenter.init(None)),
                number => segmenter.init(number),
            };
            Some(init.map(|init| init.bytes.clone()))
        });
        found.await?.ok_or(Refused::Gone)
    }

    /// A segment, or a part of it: pieces to send in order. Without a number: the
    /// newest. Waits for the next one. The session is kept for it.
    ///
    /// It begins with a keyframe unless it continues what was given last: a player that
    /// begins anywhere, or has lost its place, has a picture. The pictures since the
    /// keyframe are pressed together in front of it.
    ///
    /// # Errors
    /// It has not come after [`WAIT`], or is not kept any more.
    pub async fn fetch(
        &self,
        number: Option<u64>,
        part: Option<usize>,
    ) -> Result<Vec<Bytes>, Refused> {
        self.touch(&mut self.polls());
        let found = self.wait(|segmenter| {
            if never_comes(segmenter, number, part) {
                return Some(None);
            }
            let found = find(segmenter, number, part)?;
            let lead = self.lead(segmenter, &found);
            Some(Some((found.pieces, found.counts, lead)))
        });
        let found = found.await.map_err(|why| match number {
            // Nobody has heard of that.
            Some(number) if !is_near(&self.feed.segmenter(), number) => Refused::Gone,
            _ => why,
        });
        let (pieces, counts, lead) = found?.ok_or(Refused::Gone)?;
        self.count(&pieces, &counts);
        let Some((front, counts)) = lead.map(|lead| lead.write()) else { return Ok(pieces) };
        let all: Vec<Bytes> = front.collect();
        self.count(&all, &counts);
        Ok(all.into_iter().chain(pieces).collect())
    }

    /// What has to stand in front of what is given now.
    fn lead(&self, segmenter: &Segmenter, found: &Found<'_>) -> Option<Lead> {
        let Found { segment, first, .. } = *found;
        let next = (segment.number, first + found.pieces.len());
        let mut polls = self.polls();
        let before = polls.next(segmenter);
        polls.next = Some(next);
        drop(polls);
        // Players begin anew there, also where the pictures go on.
        let is_beginning = segment.discontinuity && first == 0;
        let continues = before == Some((segment.number, first));
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

    /// Two target durations, if they are longer.
    fn patience(&self, usual: Duration) -> Duration {
        let target = self.feed.segmenter().target();
        usual.max(Duration::from_secs(2 * u64::try_from(target).unwrap_or(0)))
    }

    async fn wait<T>(&self, look: impl FnMut(&Segmenter) -> Option<T>) -> Result<T, Refused> {
        self.wait_for(self.patience(WAIT), look).await
    }

    /// Asks again whenever something was added, for so long at most.
    async fn wait_for<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut(&Segmenter) -> Option<T>,
    ) -> Result<T, Refused> {
        let until = Instant::now() + limit;
        let mut changed = self.feed.changed();
        loop {
            changed.mark_unchanged();
            if let Some(found) = look(&self.feed.segmenter()) {
                return Ok(found);
            }
            let next = timeout_at(until, changed.changed());
            tokio::select! {
                next = next => if !matches!(next, Ok(Ok(()))) { return Err(Refused::TooLate) },
                () = self.feed.ended().cancelled() => return Err(Refused::Gone),
            }
        }
    }

    fn polls(&self) -> MutexGuard<'_, Polls> {
        self.polls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The viewer is there.
    fn touch(&self, polls: &mut Polls) {
        polls.at = Instant::now();
        polls.seen = polls.at;
        if polls.is_parked {
            self.woken.notify_one();
        }
    }

    /// Waits for its end. Why it goes; `None` if it was kicked.
    pub(super) async fn watch(
        &self,
        attached: &mut Attached,
        cancel: CancellationToken,
    ) -> Option<Departure> {
        let kicked = attached.kicked();
        tokio::select! {
            biased;
            () = kicked.cancelled() => None,
            () = cancel.cancelled() => Some(Departure::now("shutdown")),
            () = self.feed.ended().cancelled() => Some(Departure::now("source_failed")),
            () = self.signalling.bye.cancelled() => Some(Departure::now("pagehide")),
            departure = self.hold(attached) => Some(departure),
        }
    }

    /// Lets go of the camera while nothing is fetched, and takes it again. Why that is
    /// over.
    async fn hold(&self, attached: &mut Attached) -> Departure {
        loop {
            let (silent, fetched) = self.until_silent().await;
            if self.signalling.gone.is_cancelled() {
                return silent;
            }
            if !self.is_parked_since(fetched) {
                continue;
            }
            attached.park(silent.clone());
            loop {
                let until = self.polls().seen + KEEP_PARKED;
                tokio::select! {
                    () = self.woken.notified() => {}
                    () = sleep_until(until) => {
                        if self.polls().seen + KEEP_PARKED == until {
                            return silent;
                        }
                        continue;
                    }
                    () = self.signalling.gone.cancelled() => return Departure::now("ws_fin+silence"),
                }
                let resumed = tokio::select! {
                    biased;
                    // Whoever does not wait for it does not get the camera either.
                    _ = self.until_silent() => continue,
                    resumed = attached.resume() => resumed,
                };
                match resumed {
                    Ok(()) => break,
                    Err(error) if error.kind() == ErrorKind::Ended => {
                        return Departure::now("source_failed");
                    }
                    // The camera may be back when the next request comes.
                    Err(_) => {}
                }
            }
            self.polls().is_parked = false;
        }
    }

    /// Waits until nothing was fetched for as long as the camera is held, and says since
    /// when.
    async fn until_silent(&self) -> (Departure, Instant) {
        loop {
            let fetched = self.polls().at;
            let alone = self.signalling.gone.is_cancelled();
            let (keep, reason) = if alone {
                (KEEP_WITHOUT_SOCKET, "ws_fin+silence")
            } else {
                (self.patience(KEEP), "poll_timeout")
            };
            tokio::select! {
                () = sleep_until(fetched + keep) => {
                    if self.polls().at == fetched {
                        let heard = Some(fetched.into_std());
                        return (Departure { heard, ..Departure::now(reason) }, fetched);
                    }
                }
                () = self.signalling.gone.cancelled(), if !alone => {}
            }
        }
    }

    /// From here on requests wake it. Not if there was one meanwhile.
    fn is_parked_since(&self, fetched: Instant) -> bool {
        let mut polls = self.polls();
        polls.is_parked = polls.at == fetched;
        polls.is_parked
    }
}

/// Whether a segment is there, or about to come.
fn is_near(segmenter: &Segmenter, number: u64) -> bool {
    // After a hole none is open until the next keyframe.
    let after_closed = segmenter.closed().next_back().map_or(0, |last| last.number + 1);
    let next = segmenter.open().map_or(after_closed, |open| open.number);
    number <= next + 2
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

/// Whether a segment is not kept any more, or has no such part.
fn never_comes(segmenter: &Segmenter, number: Option<u64>, part: Option<usize>) -> bool {
    let first = segmenter.closed().next().map_or(0, |first| first.number);
    number.is_some_and(|number| {
        let parts = segmenter.closed().find(|closed| closed.number == number);
        number < first || parts.zip(part).is_some_and(|(closed, part)| part > closed.parts.len())
    })
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
