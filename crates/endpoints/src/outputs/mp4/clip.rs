//! A clip: what has passed lately and what comes, from one moment to another.
//!
//! What has passed comes from the histories of the tracks, which hold frames as
//! long as their stream keeps them (`streams::Options::clip`). A clip writes the
//! bytes in front of each of them and sends them as they are: clips of the same
//! moments share them with each other and with the history.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_base::Error;
use rs2rtc_media::container::fmp4::{self, Cursor, Format, Pace, Picture, init};
use rs2rtc_media::time::rescale;
use rs2rtc_media::{Frame, Kind, Media};
use rs2rtc_streams::{
    Attached, AttachedTrack, CancellationToken, Departure, Description, FrameQueue, Stream,
    Subscription,
};
use tokio::time::sleep_until;

use super::{End, attach};

/// Which clip is wanted.
#[derive(Clone, Debug)]
pub struct Span {
    /// Tracks, from the viewer's side.
    pub medias: Vec<Media>,
    /// What the API shows of the viewer; `medias` is filled in.
    pub description: Description,
    /// How far back it begins, as far as the stream keeps that.
    pub before: Duration,
    /// How long it goes on.
    pub after: Duration,
}

/// A clip on its way. Dropping it lets go of the stream; better say why with
/// [`Self::leave`].
#[derive(Debug)]
pub struct Clip {
    attached: Option<Attached>,
    kicked: CancellationToken,
    tracks: Vec<fmp4::Track>,
    given: Vec<AttachedTrack>,
    _subscriptions: Vec<Subscription>,
    /// Frames that have passed, with the index of their track.
    past: VecDeque<(usize, Arc<Frame>)>,
    queue: Arc<FrameQueue>,
    cursor: Cursor,
    ready: VecDeque<Vec<Bytes>>,
    /// What comes in later belongs to it no more.
    until: Instant,
}

impl Clip {
    /// Attaches to a stream; its source is dialled if need be.
    ///
    /// # Errors
    /// As [`Stream::attach`]; `Unsupported` if a track was matched that MP4
    /// cannot carry.
    pub async fn open(stream: &Arc<Stream>, span: Span) -> Result<Self, Error> {
        let asked = Instant::now();
        let (attached, given, formats) =
            attach(stream, span.description, span.medias, true).await?;
        let timescales: Vec<u32> = formats.iter().map(|format| format.timescale).collect();
        let master = formats.iter().position(|f| f.kind() == Kind::Video).unwrap_or(0);
        let queue = FrameQueue::new();
        let (mut subscriptions, mut passed) = (Vec::new(), Vec::new());
        for track in &given {
            let sender = Arc::clone(&track.sender);
            let (_, sink) = queue.input_that_goes_on(track.track.kind, sender);
            let (subscription, frames) = track.track.subscribe_with_history(sink);
            subscriptions.push(subscription);
            passed.push(frames);
        }
        let from = asked.checked_sub(span.before).unwrap_or(asked);
        let past = cut(&formats, master, passed, from);
        let mut tracks: Vec<fmp4::Track> = formats
            .into_iter()
            .enumerate()
            .map(|(index, format)| fmp4::Track::new(index, format))
            .collect();
        for (index, track) in tracks.iter_mut().enumerate() {
            track.expect(step(past.iter().filter(|(i, _)| *i == index).map(|(_, frame)| frame)));
        }
        Ok(Self {
            kicked: attached.kicked(),
            attached: Some(attached),
            tracks,
            given,
            _subscriptions: subscriptions,
            past,
            queue,
            cursor: Cursor::new(Pace::Recording, &timescales, master),
            ready: VecDeque::new(),
            until: Instant::now() + span.after,
        })
    }

    /// The MIME type, as far as it is known.
    pub fn content_type(&self) -> String {
        let formats: Vec<Format> = self.tracks.iter().map(|t| t.format().clone()).collect();
        Format::content_type(&formats)
    }

    /// What is to be sent next, in pieces; `None` when the clip is whole. May be
    /// dropped and called again.
    ///
    /// # Errors
    /// It ends before its time.
    pub async fn next(&mut self) -> Result<Option<Vec<Bytes>>, End> {
        loop {
            if let Some(pieces) = self.ready.pop_front() {
                return Ok(Some(pieces));
            }
            if let Some((index, frame)) = self.past.pop_front() {
                self.take(index, &frame)?;
                continue;
            }
            let next = match self.queue.try_recv() {
                None if Instant::now() >= self.until => return Ok(None),
                None => tokio::select! {
                    biased;
                    () = self.kicked.cancelled() => {
                        let words = self.attached.as_ref().and_then(Attached::kick_reason);
                        return Err(End::Kicked(words));
                    }
                    next = self.queue.recv() => Some(next.ok_or(End::Source)?),
                    () = sleep_until(self.until.into()) => None,
                },
                next => next,
            };
            match next {
                Some((_, frame)) if frame.arrival > self.until => return Ok(None),
                Some((index, frame)) => self.take(index, &frame)?,
                None => {}
            }
        }
    }

    /// Cancelled when the viewer is sent away: nothing may go on waiting for its client then.
    pub fn kicked(&self) -> CancellationToken {
        self.kicked.clone()
    }

    /// Lets go of the stream for a reason.
    pub fn leave(mut self, departure: Departure) {
        if let Some(attached) = self.attached.take() {
            attached.detach(departure);
        }
    }

    fn take(&mut self, index: usize, frame: &Frame) -> Result<(), End> {
        let Some(track) = self.tracks.get_mut(index) else { return Ok(()) };
        let is_guessed = track.format().is_guessed();
        if track.learn(frame) && self.cursor.has_begun() && !is_guessed {
            return Err(End::Changed);
        }
        let Some((fragment, pieces)) = track.fragment_in_pieces(frame) else { return Ok(()) };
        let formats: Vec<&Format> = self.tracks.iter().map(fmp4::Track::format).collect();
        if !formats.iter().all(|format| format.is_complete()) {
            return Ok(());
        }
        let begun = self.cursor.has_begun();
        let lead = self.cursor.lead(&fragment);
        let Some(head) = self.cursor.place(&fragment) else { return Ok(()) };
        if !begun {
            let formats: Vec<Format> = formats.into_iter().cloned().collect();
            let init = init::write(&formats, Picture::default(), &lead);
            self.ready.push_back(vec![init.into()]);
        }
        if let Some(track) = self.given.get(index) {
            track.sender.sent(1, fragment.size);
        }
        if let Some(attached) = &self.attached {
            attached.connection().sent(head.len() + fragment.size);
        }
        self.ready.push_back(std::iter::once(head.into()).chain(pieces).collect());
        Ok(())
    }
}

impl Drop for Clip {
    fn drop(&mut self) {
        // The camera first.
        drop(self.attached.take());
        self.queue.close();
    }
}

/// What of the histories belongs to a clip that begins at `from`, in the order it
/// came, but first the keyframe of `master` that is shown then. With other
/// parameter sets on the way it begins with those.
fn cut(
    formats: &[Format],
    master: usize,
    passed: Vec<Vec<Arc<Frame>>>,
    from: Instant,
) -> VecDeque<(usize, Arc<Frame>)> {
    let Some((pictures, format)) = passed.get(master).zip(formats.get(master)) else {
        return VecDeque::new();
    };
    let keyframes = || pictures.iter().enumerate().filter(|(_, frame)| frame.keyframe);
    let shown = keyframes()
        .take_while(|(_, frame)| frame.arrival <= from)
        .last()
        .or_else(|| keyframes().next())
        .map_or(0, |(place, _)| place);
    let (mut begin, mut known) = (shown, format.clone());
    for (place, frame) in keyframes().skip_while(|(place, _)| *place < shown) {
        if known.learn(frame) && place > shown {
            begin = place;
        }
    }
    let Some(first) = pictures.get(begin) else { return VecDeque::new() };
    let clock = format.timescale;
    let mut frames: Vec<(usize, Arc<Frame>)> = Vec::new();
    for (index, (list, format)) in passed.iter().zip(formats).enumerate() {
        // About then: the cursor leaves out what is over when it begins.
        let of_track = |frame: &&Arc<Frame>| {
            let time = rescale(frame.dts, format.timescale, clock);
            index == master || time >= first.dts.saturating_sub(clock.into())
        };
        let list = if index == master { list.get(begin..).unwrap_or_default() } else { list };
        frames.extend(list.iter().filter(of_track).map(|frame| (index, Arc::clone(frame))));
    }
    frames.sort_by_key(|(index, frame)| {
        let is_first = *index == master && Arc::ptr_eq(frame, first);
        (!is_first, frame.arrival)
    });
    frames.into()
}

/// The usual distance of frames in ticks; zero if there are too few.
fn step<'f>(mut frames: impl Iterator<Item = &'f Arc<Frame>>) -> i64 {
    let Some(first) = frames.next() else { return 0 };
    let (count, last) = frames.fold((0, first.dts), |(count, _), frame| (count + 1, frame.dts));
    last.saturating_sub(first.dts) / i64::max(count, 1)
}

#[cfg(test)]
mod tests;
