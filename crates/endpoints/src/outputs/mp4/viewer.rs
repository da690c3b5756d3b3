//! One viewer: its hold on the stream and its place on the timeline.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rs2rtc_base::Error;
use rs2rtc_media::container::fmp4::{Cursor, Format, Fragment, Pace, Picture, init};
use rs2rtc_streams::{Attached, CancellationToken, Departure, Sender};

use super::Begin;
use super::fragmenter::Fragmenter;
use super::queue::{Item, Queue};

/// A viewer that was too slow so many times, and never caught up in between, is
/// sent away.
const MAX_SKIPS: u32 = 3;

/// What is to be sent next.
#[derive(Clone, Debug)]
pub enum Piece {
    /// An initialisation segment.
    Init(Bytes),
    /// A fragment: the viewer's own bytes, then those that all viewers share.
    Media {
        /// `moof` and the head of `mdat`.
        head: Bytes,
        /// What is in `mdat`.
        payload: Bytes,
    },
}

impl Piece {
    /// Bytes in total.
    pub fn len(&self) -> usize {
        match self {
            Self::Init(bytes) => bytes.len(),
            Self::Media { head, payload } => head.len() + payload.len(),
        }
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In the pieces that there are, none of them copied.
    pub fn into_parts(self) -> impl Iterator<Item = Bytes> {
        let (first, second) = match self {
            Self::Init(bytes) => (bytes, None),
            Self::Media { head, payload } => (head, Some(payload)),
        };
        std::iter::once(first).chain(second)
    }

    /// In one buffer, for transports that send messages as a whole: this copies
    /// the payload.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Init(bytes) => bytes,
            Self::Media { head, payload } => [head.as_ref(), payload.as_ref()].concat().into(),
        }
    }
}

/// A keyframe as a whole MP4.
#[derive(Clone, Debug)]
pub struct Still {
    /// The file.
    pub bytes: Bytes,
    /// When it came from its source.
    pub arrival: Instant,
}

/// Why nothing follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The stream is gone, or one of its tracks did not come back with its source.
    Source,
    /// It was ended here; in words, if there are any.
    Kicked(Option<String>),
    /// The viewer never kept up.
    Slow,
    /// The picture is another one from here on, which this format cannot say.
    Changed,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Source => "the stream has ended",
            Self::Kicked(Some(words)) => words,
            Self::Kicked(None) => "ended by the server",
            Self::Slow => "the viewer is too slow for this stream",
            Self::Changed => "the stream has changed its format",
        })
    }
}

/// A viewer of a stream as fragmented MP4. Dropping it detaches it; better say
/// why with [`Self::leave`].
#[derive(Debug)]
pub struct Viewer {
    attached: Option<Attached>,
    kicked: CancellationToken,
    fragmenter: Arc<Fragmenter>,
    queue: Arc<Queue>,
    cursor: Cursor,
    begin: Begin,
    picture: Picture,
    /// Those of the last initialisation segment.
    formats: Option<Arc<[Format]>>,
    /// Those of the next one.
    next_formats: Option<Arc<[Format]>>,
    ready: VecDeque<(Piece, Option<Arc<Fragment>>)>,
    skips: u32,
}

impl Viewer {
    pub(super) fn new(
        attached: Attached,
        fragmenter: Arc<Fragmenter>,
        senders: Vec<Arc<Sender>>,
        begin: Begin,
        picture: Picture,
    ) -> Self {
        let queue = Queue::new(senders, begin == Begin::Pictures);
        let timescales: Vec<u32> = fragmenter.formats().iter().map(|f| f.timescale).collect();
        let pace = if begin == Begin::Keyframe { Pace::Recording } else { Pace::Live };
        let cursor = Cursor::new(pace, &timescales, fragmenter.master());
        fragmenter.join(&queue, begin != Begin::Keyframe);
        Self {
            kicked: attached.kicked(),
            attached: Some(attached),
            fragmenter,
            queue,
            cursor,
            begin,
            picture,
            formats: None,
            next_formats: None,
            ready: VecDeque::new(),
            skips: 0,
        }
    }

    /// Its id among the viewers of the stream; 0 once it has left.
    pub fn id(&self) -> u64 {
        self.attached.as_ref().map_or(0, |attached| attached.connection().id)
    }

    /// The MIME type of what is sent, as far as it is known.
    pub fn content_type(&self) -> String {
        Format::content_type(&self.fragmenter.formats())
    }

    /// What is to be sent next. May be dropped and called again.
    ///
    /// # Errors
    /// Nothing follows.
    pub async fn next(&mut self) -> Result<Piece, End> {
        loop {
            if let Some((piece, fragment)) = self.ready.pop_front() {
                self.count(&piece, fragment.as_deref());
                return Ok(piece);
            }
            match self.item().await? {
                Item::Formats(formats) => self.change(formats)?,
                Item::Burst(group) => {
                    let heads = self.cursor.place_burst(&group);
                    for (fragment, head) in group.into_iter().zip(heads) {
                        self.put(fragment, head);
                    }
                }
                Item::Fragment(fragment) => {
                    let begun = self.cursor.has_begun();
                    let lead = self.cursor.lead(&fragment);
                    if let Some(head) = self.cursor.place(&fragment) {
                        let is_first = !begun && self.begin == Begin::Keyframe;
                        self.introduce(if is_first { &lead } else { &[] });
                        self.put(fragment, head);
                    }
                }
                Item::Missed => self.rejoin()?,
            }
        }
    }

    /// The next keyframe as a whole MP4, for viewers of pictures. May be dropped
    /// and called again.
    ///
    /// # Errors
    /// Nothing follows.
    pub async fn next_still(&mut self) -> Result<Still, End> {
        loop {
            match self.item().await? {
                Item::Formats(formats) => self.formats = Some(formats),
                Item::Fragment(fragment) => {
                    let Some(formats) = self.formats.as_deref() else { continue };
                    let timescales: Vec<u32> = formats.iter().map(|f| f.timescale).collect();
                    let mut alone = Cursor::new(Pace::Live, &timescales, fragment.track);
                    let shown = Fragment { composition: 0, ..Fragment::clone(&fragment) };
                    let Some(head) = alone.place(&shown) else { continue };
                    let mut bytes = init::write(formats, self.picture, &[]);
                    bytes.extend_from_slice(&head);
                    bytes.extend_from_slice(&fragment.payload);
                    let piece = Piece::Init(bytes.into());
                    self.count(&piece, Some(&fragment));
                    return Ok(Still { bytes: piece.into_bytes(), arrival: fragment.arrival });
                }
                Item::Burst(_) => {}
                Item::Missed => self.rejoin()?,
            }
        }
    }

    /// Lets go of the sources and stays; nothing follows until [`Self::resume`].
    pub fn park(&mut self, departure: Departure) {
        if let Some(attached) = &mut self.attached {
            attached.park(departure);
        }
        self.fragmenter.leave(&self.queue);
    }

    /// Takes hold of the sources again and goes on at the live edge, in its own
    /// time without a gap. Dropping the future leaves it parked.
    ///
    /// # Errors
    /// As [`Attached::resume`].
    pub async fn resume(&mut self) -> Result<(), Error> {
        if let Some(attached) = &mut self.attached {
            attached.resume().await?;
        }
        self.ready.clear();
        self.cursor.missed();
        self.fragmenter.join(&self.queue, self.begin != Begin::Keyframe);
        Ok(())
    }

    /// Cancelled when the viewer is sent away: nothing may go on waiting for its client then.
    pub fn kicked(&self) -> CancellationToken {
        self.kicked.clone()
    }

    /// Detaches it for a reason.
    pub fn leave(mut self, departure: Departure) {
        if let Some(attached) = self.attached.take() {
            attached.detach(departure);
        }
    }

    async fn item(&mut self) -> Result<Item, End> {
        if self.queue.is_empty() {
            self.skips = 0;
        }
        tokio::select! {
            biased;
            () = self.kicked.cancelled() => {
                Err(End::Kicked(self.attached.as_ref().and_then(Attached::kick_reason)))
            }
            item = self.queue.recv() => item.ok_or(End::Source),
        }
    }

    /// It was too slow and goes on at the live edge.
    fn rejoin(&mut self) -> Result<(), End> {
        self.fragmenter.skipped();
        self.skips += 1;
        if self.skips >= MAX_SKIPS {
            return Err(End::Slow);
        }
        self.cursor.missed();
        self.fragmenter.join(&self.queue, self.begin != Begin::Keyframe);
        Ok(())
    }

    /// The tracks are others from now on.
    fn change(&mut self, formats: Arc<[Format]>) -> Result<(), End> {
        if self.formats.as_ref().is_some_and(|old| **old == *formats) {
            self.next_formats = None;
            return Ok(());
        }
        if self.begin == Begin::Keyframe && self.cursor.has_begun() {
            let same = |(old, new): (&Format, &Format)| old.is_guessed() || old == new;
            let old = self.formats.as_deref().unwrap_or_default();
            if !old.iter().zip(&*formats).all(same) {
                return Err(End::Changed);
            }
            self.formats = Some(formats);
            return Ok(());
        }
        self.next_formats = Some(formats);
        // A recording says in front what is to be left out of its beginning.
        if self.begin != Begin::Keyframe {
            self.introduce(&[]);
        }
        Ok(())
    }

    /// Sends the initialisation segment that is due.
    fn introduce(&mut self, skip: &[u64]) {
        let Some(formats) = self.next_formats.take() else { return };
        let bytes = init::write(&formats, self.picture, skip);
        self.ready.push_back((Piece::Init(bytes.into()), None));
        self.formats = Some(formats);
    }

    fn put(&mut self, fragment: Arc<Fragment>, head: Vec<u8>) {
        let payload = fragment.payload.clone();
        self.ready.push_back((Piece::Media { head: head.into(), payload }, Some(fragment)));
    }

    fn count(&self, piece: &Piece, fragment: Option<&Fragment>) {
        if let Some(fragment) = fragment {
            self.queue.sent(fragment);
            self.fragmenter.sent();
        }
        if let Some(attached) = &self.attached {
            attached.connection().sent(piece.len());
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        // The camera first.
        drop(self.attached.take());
        self.fragmenter.leave(&self.queue);
    }
}
