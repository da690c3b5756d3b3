//! The producer's side: what is wanted of it, and where its frames go.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use rs2rtc_media::time::{NtpTime, SourceClock};
use rs2rtc_media::{Codec, Direction, Frame};
use tokio::sync::watch;

use super::Live;
use crate::options::Departure;
use crate::track::{Pushed, Sender, Track};

/// A track that somebody wants from (or gives to) a running producer.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Index in the producer's medias.
    pub media: usize,
    /// `RecvOnly`: write frames into `track`. `SendOnly`: read them from it.
    pub direction: Direction,
    /// The producer's codec that was chosen.
    pub codec: Codec,
    /// The track.
    pub track: Arc<Track>,
    /// `SendOnly`: counts what is sent, as the API shows it.
    pub sender: Option<Arc<Sender>>,
}

/// What a run of a source and its producer share.
#[derive(Debug, Default)]
pub(crate) struct Bond {
    /// Somebody waits for the exclusive group that the run holds.
    pub(crate) contended: watch::Sender<bool>,
    departure: Mutex<Option<Departure>>,
}

impl Bond {
    /// Why the last viewer went.
    pub(crate) fn departure(&self) -> Option<Departure> {
        self.departure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn depart(&self, departure: Option<Departure>) {
        *self.departure.lock().unwrap_or_else(PoisonError::into_inner) = departure;
    }
}

/// The tracks of a running producer: which are wanted, and where frames go.
///
/// Belongs to one run. It carries both directions and tells when a track
/// becomes wanted or unwanted.
pub struct Tracks {
    live: Arc<Live>,
    generation: u64,
    run: Option<Arc<Bond>>,
    wanted: watch::Receiver<Arc<[Wanted]>>,
    /// Tracks of other codecs are not shown.
    only: Option<Codec>,
    clock: Arc<Mutex<SourceClock>>,
    writers: HashMap<u64, TrackWriter>,
}

impl Live {
    /// For a producer of a generation.
    pub(crate) fn tracks(self: &Arc<Self>, generation: u64, run: Option<Arc<Bond>>) -> Tracks {
        Tracks {
            live: Arc::clone(self),
            generation,
            run,
            wanted: self.wanted.subscribe(),
            only: None,
            clock: Arc::new(Mutex::new(SourceClock::new(self.epoch))),
            writers: HashMap::new(),
        }
    }
}

impl Tracks {
    /// What is wanted now.
    pub fn wanted(&mut self) -> Arc<[Wanted]> {
        let all = Arc::clone(&self.wanted.borrow_and_update());
        match &self.only {
            None => all,
            Some(only) => all.iter().filter(|w| w.codec == *only).cloned().collect(),
        }
    }

    /// The tracks of one codec, for a producer that gives each codec in another
    /// way. Their time stays that of the whole.
    #[must_use]
    pub fn only(&self, codec: &Codec) -> Self {
        Self {
            live: Arc::clone(&self.live),
            generation: self.generation,
            run: self.run.clone(),
            wanted: self.wanted.clone(),
            only: Some(codec.clone()),
            clock: Arc::clone(&self.clock),
            writers: HashMap::new(),
        }
    }

    /// Waits until [`Self::wanted`] would say something new.
    /// Never returns once nobody can want anything any more.
    pub async fn changed(&mut self) {
        if self.wanted.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Where to write the frames of a media, if somebody wants it.
    pub fn writer(&mut self, media: usize) -> Option<TrackWriter> {
        let wanted = Arc::clone(&self.wanted.borrow());
        let wanted = wanted.iter().find(|w| {
            w.media == media
                && w.direction == Direction::RecvOnly
                && self.only.as_ref().is_none_or(|only| w.codec == *only)
        })?;
        let clock = &self.clock;
        let writer = self.writers.entry(wanted.track.id).or_insert_with(|| {
            let mut source = clock.lock().unwrap_or_else(PoisonError::into_inner);
            let index = source.add_track(wanted.codec.timestamp_rate(), wanted.track.last_dts());
            TrackWriter {
                track: Arc::clone(&wanted.track),
                clock: Arc::clone(clock),
                index,
                live: Arc::clone(&self.live),
                generation: self.generation,
            }
        });
        Some(writer.clone())
    }

    /// Where to write the frames of a media that is taken in whether somebody
    /// wants it or not: a picture is there when a viewer comes, which not every
    /// publisher can be asked for. `codec` is the media's, with the parameters
    /// that it is now known to have; a change of them may be told at any time.
    /// `None` for a run that is over.
    pub fn open(&mut self, media: usize, codec: &Codec) -> Option<TrackWriter> {
        self.live.take_in(self.generation, media, codec)?;
        self.writer(media)
    }

    /// Why the source was let go, once it was.
    pub(crate) fn departure(&self) -> Option<Departure> {
        self.run.as_ref()?.departure()
    }

    /// What it shares with its run.
    pub(crate) fn bond(&self) -> Option<Arc<Bond>> {
        self.run.clone()
    }
}

impl fmt::Debug for Tracks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracks")
            .field("wanted", &self.wanted.borrow().len())
            .finish_non_exhaustive()
    }
}

/// Writes a producer's frames into a track, on the stream's timeline.
#[derive(Clone, Debug)]
pub struct TrackWriter {
    track: Arc<Track>,
    clock: Arc<Mutex<SourceClock>>,
    index: usize,
    live: Arc<Live>,
    generation: u64,
}

impl TrackWriter {
    /// Delivers a frame. Its `pts` and `dts` are in the source's own time
    /// (unwrapped, any origin) and are mapped to the stream's here. Frames of a
    /// run that is over change nothing.
    pub fn write(&self, mut frame: Frame) {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let before = clock.jumps();
        (frame.pts, frame.dts) = clock.map(self.index, frame.pts, frame.dts, frame.arrival);
        let jumps = clock.jumps().saturating_sub(before);
        drop(clock);
        if jumps > 0 {
            self.live.quality.jumps.fetch_add(jumps, Ordering::Relaxed);
        }
        let pushed = self.track.push_of(&Arc::new(frame), self.generation);
        if pushed != Pushed::Ignored {
            self.live.frames.fetch_add(1, Ordering::Relaxed);
        }
        if pushed == Pushed::Changed {
            (self.live.on_change)(&self.track);
        }
    }

    /// A sender report: wall-clock time and source time (unwrapped ticks) of
    /// the same moment. A source whose tracks share one timeline calls it once
    /// per track, before the first frame, with an NTP time of zero.
    pub fn sender_report(&self, ntp: NtpTime, timestamp: i64) {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        clock.sender_report(self.index, ntp, timestamp);
    }

    /// Counts a packet that came, and those before it that are missing in the source's
    /// sequence numbers.
    pub fn count_packet(&self, lost: u64) {
        let quality = &self.live.quality;
        quality.received.fetch_add(1, Ordering::Relaxed);
        quality.lost.fetch_add(lost, Ordering::Relaxed);
        quality.has_packets.store(true, Ordering::Relaxed);
    }

    /// The track it writes to.
    pub const fn track(&self) -> &Arc<Track> {
        &self.track
    }
}
