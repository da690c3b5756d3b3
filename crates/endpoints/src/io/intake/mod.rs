//! Media that comes as a stream of bytes, from whatever it comes: told by its
//! first bytes and delivered to the tracks of a stream ([`rs2rtc_media::container`]).
//!
//! Where a format has no times, pictures are shown when they come and sound is
//! counted in samples.

mod pace;
mod source;
mod waiting;

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::container::{self, Demuxer, Time, Unit};
use rs2rtc_media::time::{NtpTime, to_ticks};
use rs2rtc_media::{Codec, Direction, Frame, Media};
use rs2rtc_streams::{Connection, TrackWriter, Tracks};

pub use source::Source;

use pace::Pace;
use waiting::Waiting;

/// How long the second track of a format may take once the format is known.
const SETTLE: Duration = Duration::from_secs(5);
/// Bytes of units that may wait for their time.
const MAX_WAITING: usize = 16 << 20;

/// What to do about a container that only FFmpeg reads.
pub const BY_FFMPEG: &str = "ffmpeg:URL reads it: write ffmpeg: in front of the address";

/// Where the bytes come from.
pub trait Input: Send {
    /// The next bytes; nothing at the end. Dropping the future loses nothing.
    fn read(&mut self) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;

    /// Whether the bytes that were read last begin another part, with times of its own.
    fn begins_anew(&self) -> bool {
        false
    }
}

impl Input for super::http::Body {
    fn read(&mut self) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send {
        Self::read(self)
    }
}

/// When units are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// When they come.
    AtOnce,
    /// When their time has come, for what comes faster than it is to be shown.
    InTime,
}

/// A stream of bytes and what was found in it; or two of them that belong together,
/// as pictures and sound that come apart.
#[derive(Debug)]
pub struct Intake<I> {
    main: Leg<I>,
    /// Its tracks follow those of the first.
    beside: Option<Leg<I>>,
    words: Words,
}

/// What is told with errors.
#[derive(Clone, Copy, Debug)]
struct Words {
    /// They begin with it, if it is not empty.
    what: &'static str,
    /// What to do about a container that is known and not read; empty for nothing.
    advice: &'static str,
}

impl Words {
    fn name(self, error: Error) -> Error {
        if self.what.is_empty() { error } else { error.context(self.what) }
    }

    fn failed(self, error: container::Error) -> Error {
        let kind = match error {
            container::Error::Broken(_) | container::Error::TooLarge(_) => ErrorKind::Protocol,
            container::Error::Changed(_) => ErrorKind::Ended,
            _ => ErrorKind::Unsupported,
        };
        let text = match error {
            container::Error::Foreign(_) if !self.advice.is_empty() => {
                format!("{error}; {}", self.advice)
            }
            _ => error.to_string(),
        };
        self.name(Error::new(kind, text))
    }
}

/// A stream of bytes.
#[derive(Debug)]
struct Leg<I> {
    input: I,
    demuxer: Demuxer,
    /// Nothing follows.
    ended: bool,
    /// Bytes that came so far.
    received: u64,
    /// The first bytes of another part, while there are units of the last one.
    next_part: Option<Bytes>,
}

impl<I> Leg<I> {
    const fn new(input: I, demuxer: Demuxer) -> Self {
        Self { input, demuxer, ended: false, received: 0, next_part: None }
    }

    /// Goes on with another part, if one has come. Says whether it did.
    fn begin_part(&mut self) -> bool {
        let bytes = self.next_part.take();
        bytes.inspect(|bytes| self.demuxer.push(bytes)).is_some()
    }
}

impl<I: Input> Leg<I> {
    /// Reads until the codecs of the tracks are known.
    async fn tracks(&mut self, words: Words) -> Result<Vec<Codec>, Error> {
        let mut settle = None;
        loop {
            if let Some(codecs) = self.demuxer.tracks().map_err(|e| words.failed(e))? {
                return Ok(codecs.to_vec());
            }
            if self.begin_part() {
                continue;
            }
            if self.ended {
                return Err(words.name(Error::new(ErrorKind::Ended, "EOF")));
            }
            if settle.is_none() && self.demuxer.is_recognised() {
                settle = Some(tokio::time::Instant::now() + SETTLE);
            }
            let bytes = tokio::select! {
                biased;
                bytes = self.input.read() => bytes,
                () = at(settle) => {
                    settle = None;
                    self.demuxer.settle().map_err(|e| words.failed(e))?;
                    continue;
                }
            };
            self.take(bytes, words)?;
        }
    }

    /// Takes what was read; says how much it was.
    fn take(&mut self, bytes: Result<Option<Bytes>, Error>, words: Words) -> Result<usize, Error> {
        match bytes.map_err(|e| words.name(e))? {
            Some(bytes) => {
                let length = bytes.len();
                self.received += length as u64;
                if self.input.begins_anew() {
                    self.demuxer.end_part().map_err(|e| words.failed(e))?;
                    self.next_part = Some(bytes);
                } else {
                    self.demuxer.push(&bytes);
                }
                Ok(length)
            }
            None => {
                self.ended = true;
                self.demuxer.end().map_err(|e| words.failed(e))?;
                Ok(0)
            }
        }
    }
}

impl<I: Input> Intake<I> {
    /// Nothing is read yet. Errors begin with `what`, if it is not empty.
    pub const fn new(input: I, demuxer: Demuxer, what: &'static str) -> Self {
        let words = Words { what, advice: "" };
        Self { main: Leg::new(input, demuxer), beside: None, words }
    }

    /// With what an error says behind a container that is known and not read.
    pub fn advising(self, advice: &'static str) -> Self {
        Self { words: Words { advice, ..self.words }, ..self }
    }

    /// With another stream of bytes on the same line of time. It ends with the first.
    pub fn with(self, input: I, demuxer: Demuxer) -> Self {
        Self { beside: Some(Leg::new(input, demuxer)), ..self }
    }

    /// Reads until the codecs of the tracks are known.
    ///
    /// # Errors
    /// `Unsupported` for a format or codecs that are not known here, `Ended` if
    /// the input ends before they are; what the input says. A second stream of bytes
    /// that fails is left out.
    pub async fn tracks(&mut self) -> Result<Vec<Codec>, Error> {
        let words = self.words;
        let mut codecs = self.main.tracks(words).await?;
        if let Some(mut beside) = self.beside.take() {
            match beside.tracks(words).await {
                Ok(more) => {
                    codecs.extend(more);
                    self.beside = Some(beside);
                }
                Err(error) => {
                    tracing::warn!(target: "http", %error, "[http] the sound is left out");
                }
            }
        }
        Ok(codecs)
    }

    /// The format, as FFmpeg calls it; empty before it is known.
    pub const fn format_name(&self) -> &'static str {
        self.main.demuxer.format_name()
    }

    /// What the stream says of itself in words; empty for most formats.
    pub fn description(&self) -> &str {
        self.main.demuxer.description()
    }

    /// Bytes that came so far.
    pub fn received(&self) -> u64 {
        self.main.received + self.beside.as_ref().map_or(0, |leg| leg.received)
    }

    /// Whether it ended before its format was known.
    pub const fn ended_early(&self) -> bool {
        self.main.ended && !self.main.demuxer.is_recognised()
    }

    /// Delivers until the input ends, which is no error unless it held nothing, or breaks.
    pub async fn deliver(
        self,
        codecs: Vec<Codec>,
        connection: Arc<Connection>,
        mut tracks: Tracks,
        delivery: Delivery,
    ) -> Option<Error> {
        let received = self.received();
        let Self { mut main, mut beside, words } = self;
        let mut outlets = Outlets::new(codecs, delivery);
        outlets.refresh(&mut tracks);
        connection.received(usize::try_from(received).unwrap_or(usize::MAX));
        // Where the tracks of the second one begin.
        let first = main.demuxer.tracks().ok().flatten().map_or(0, <[Codec]>::len);
        let (mut is_empty, mut failure) = (true, None);
        loop {
            let legs = [Some(&mut main), beside.as_mut()];
            for (leg, tracks) in legs.into_iter().zip([0..first, first..outlets.all.len()]) {
                let Some(leg) = leg else { continue };
                while failure.is_none() {
                    match leg.demuxer.next_unit() {
                        Ok(Some(unit)) => {
                            is_empty = false;
                            outlets.push(Unit { track: unit.track + tracks.start, ..unit });
                        }
                        Ok(None) if leg.begin_part() => outlets.begin_anew(tracks.clone()),
                        Ok(None) => break,
                        Err(error) => failure = Some(words.failed(error)),
                    }
                }
            }
            let has_ended = main.ended || failure.is_some();
            if has_ended && outlets.waiting.is_empty() {
                let text = "the end came before any picture and any sound";
                let nothing = is_empty.then(|| words.name(Error::new(ErrorKind::Ended, text)));
                return failure.or(nothing);
            }
            let open = failure.is_none() && outlets.waiting.bytes() <= MAX_WAITING;
            let taken = tokio::select! {
                biased;
                () = tracks.changed() => {
                    outlets.refresh(&mut tracks);
                    continue;
                }
                () = at(outlets.due()) => {
                    outlets.write_due();
                    continue;
                }
                bytes = main.input.read(), if open && !main.ended => main.take(bytes, words),
                (leg, bytes) = read_beside(&mut beside), if open => leg.take(bytes, words),
            };
            match taken {
                Ok(length) => connection.received(length),
                Err(error) => return Some(error),
            }
        }
    }
}

/// Reads the second stream, if it goes on.
async fn read_beside<I: Input>(
    beside: &mut Option<Leg<I>>,
) -> (&mut Leg<I>, Result<Option<Bytes>, Error>) {
    match beside.as_mut().filter(|leg| !leg.ended) {
        Some(leg) => {
            let bytes = leg.input.read().await;
            (leg, bytes)
        }
        None => std::future::pending().await,
    }
}

/// The medias of tracks that somebody gives.
pub fn medias(codecs: &[Codec]) -> Vec<Media> {
    let media = |codec: &Codec| Media::new(codec.id.kind(), Direction::RecvOnly, codec.clone());
    codecs.iter().map(media).collect()
}

async fn at(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Where the units go, and those whose time has not come.
struct Outlets {
    all: Vec<Outlet>,
    start: Instant,
    pace: Option<Pace>,
    waiting: Waiting,
}

impl Outlets {
    fn new(codecs: Vec<Codec>, delivery: Delivery) -> Self {
        Self {
            all: codecs.into_iter().map(Outlet::new).collect(),
            start: Instant::now(),
            pace: (delivery == Delivery::InTime).then(Pace::default),
            waiting: Waiting::default(),
        }
    }

    fn refresh(&mut self, tracks: &mut Tracks) {
        tracks.wanted();
        for (index, outlet) in self.all.iter_mut().enumerate() {
            outlet.writer = tracks.writer(index);
            // A track that somebody wants again is another one.
            outlet.aligned = false;
        }
    }

    /// Another part begins on these tracks.
    fn begin_anew(&mut self, tracks: Range<usize>) {
        if let Some(pace) = &mut self.pace {
            pace.begin_anew(tracks);
        }
    }

    fn push(&mut self, mut unit: Unit) {
        let Some(outlet) = self.all.get_mut(unit.track) else { return };
        match (&mut self.pace, &mut unit.time) {
            (Some(pace), Time::At { pts, dts }) => {
                let rate = outlet.codec.timestamp_rate();
                let place = pace.place(unit.track, *dts, rate, Instant::now());
                *pts = pts.saturating_add(place.shift);
                *dts = dts.saturating_add(place.shift);
                self.waiting.push(place.due, unit);
            }
            _ => outlet.write(unit, self.start),
        }
    }

    /// When the next unit is to be written.
    fn due(&self) -> Option<tokio::time::Instant> {
        self.waiting.due().map(Into::into)
    }

    fn write_due(&mut self) {
        let now = Instant::now();
        while let Some(unit) = self.waiting.pop(now) {
            if let Some(outlet) = self.all.get_mut(unit.track) {
                outlet.write(unit, self.start);
            }
        }
    }
}

/// Where the units of a track go.
struct Outlet {
    codec: Codec,
    /// Samples so far.
    samples: i64,
    writer: Option<TrackWriter>,
    /// The timeline that it shares with the other tracks was told.
    aligned: bool,
}

impl Outlet {
    const fn new(codec: Codec) -> Self {
        Self { codec, samples: 0, writer: None, aligned: false }
    }

    fn write(&mut self, unit: Unit, start: Instant) {
        let now = Instant::now();
        let (pts, dts) = match unit.time {
            Time::Arrival => {
                let pts =
                    to_ticks(now.saturating_duration_since(start), self.codec.timestamp_rate());
                (pts, pts)
            }
            Time::Lasts(samples) => {
                let pts = self.samples;
                self.samples = pts.saturating_add(i64::from(samples));
                (pts, pts)
            }
            Time::At { pts, dts } => (pts, dts),
        };
        let Some(writer) = &self.writer else { return };
        if let Time::At { .. } = unit.time
            && !std::mem::replace(&mut self.aligned, true)
        {
            writer.sender_report(NtpTime(0), 0);
        }
        let mut frame = Frame::new(self.codec.id.clone(), unit.keyframe, pts, now, unit.payload);
        frame.dts = dts;
        writer.write(frame);
    }
}
