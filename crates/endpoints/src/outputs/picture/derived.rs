//! Motion JPEG made of H.264: a track that is derived from another one. It begins with its
//! first reader, is shared by all, and ends with the last.
//!
//! Every picture that others build on is decoded, the newest one is encoded. A machine that
//! does not keep up leaves pictures out; a keyframe makes all before it superfluous.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_media::codec::h264;
use rs2rtc_media::{Codec, CodecId, Frame, Kind, Payload};
use rs2rtc_streams::{CacheLimits, CancellationToken, Track};
use rs2rtc_transcode::Error;
use rs2rtc_transcode::video::h264::Decoder;
use rs2rtc_transcode::video::{Decoder as _, I420Frame, jpeg};

use super::feed::Feed;
use super::{QUALITY, make, work};
use crate::Context;

/// A long group is decoded in turns with other pictures: how long one takes.
const TURN: Duration = Duration::from_millis(100);
/// Frames that wait to be decoded on a machine that does not keep up, and their bytes:
/// as many as may come at once.
const MAX_WAITING: (usize, usize) = (4096, 16 << 20);
/// So many keyframes in a row that cannot be decoded are no damage.
const MAX_FAILED: u32 = 2;

/// A track of JPEG images. Dropping the last reference ends the work.
#[derive(Debug)]
pub(super) struct Derived {
    /// The images. It ends with its source, or with a [`Self::problem`].
    pub(super) track: Arc<Track>,
    problem: Arc<OnceLock<String>>,
    stop: CancellationToken,
}

impl Drop for Derived {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The derived tracks that are read, by the id of their source.
#[derive(Debug, Default)]
pub(super) struct DerivedTracks(Mutex<HashMap<u64, Weak<Derived>>>);

#[cfg(test)]
impl DerivedTracks {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        let tracks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tracks.values().filter(|derived| derived.strong_count() > 0).count()
    }
}

impl Derived {
    /// The images of an H.264 track.
    pub(super) fn of(context: &Arc<Context>, source: &Arc<Track>) -> Arc<Self> {
        let tracks = &context.pictures.workshop.derived;
        let mut tracks = tracks.0.lock().unwrap_or_else(PoisonError::into_inner);
        tracks.retain(|_, derived| derived.strong_count() > 0);
        let running = tracks.get(&source.id).and_then(Weak::upgrade);
        if let Some(derived) = running.filter(|derived| !derived.track.is_ended()) {
            return derived;
        }
        let codec = Codec::new(CodecId::Jpeg);
        let derived = Arc::new(Self {
            track: Arc::new(Track::new(Kind::Video, codec, Some(CacheLimits::default()))),
            problem: Arc::default(),
            stop: CancellationToken::new(),
        });
        tracks.insert(source.id, Arc::downgrade(&derived));
        let (source, stop) = (Arc::clone(source), derived.stop.clone());
        let (track, problem) = (Arc::clone(&derived.track), Arc::clone(&derived.problem));
        let shared = Arc::clone(context);
        context.tasks.spawn("mjpeg", async move {
            let made = make_images(&shared, &source, &track, &stop);
            let ended = tokio::select! {
                biased;
                () = stop.cancelled() => None,
                ended = made => ended,
            };
            if let Some(words) = ended {
                let _ = problem.set(words);
            }
            track.end();
        });
        derived
    }

    /// Why no image comes any more, where it is not the source that has ended.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.get().map(String::as_str)
    }
}

/// Makes images until the source ends; says what stands against it, if something does.
async fn make_images(
    context: &Context,
    source: &Arc<Track>,
    track: &Track,
    stop: &CancellationToken,
) -> Option<String> {
    let places = &context.pictures.workshop.encoders;
    let (feed, _subscription) = Feed::passing(source);
    let mut converter = match Converter::new() {
        Ok(converter) => converter,
        Err(error) => return Some(error.to_string()),
    };
    loop {
        if converter.waiting.is_empty() {
            feed.more().await.ok()?;
        }
        let place = make::place(places).await.ok()?;
        let (frames, stop) = (Arc::clone(&feed), stop.clone());
        let turn = tokio::task::spawn_blocking(move || {
            let made = converter.turn(&frames, &stop);
            drop(place);
            (converter, made)
        });
        let made;
        (converter, made) = match turn.await {
            Ok(done) => done,
            Err(error) => return Some(format!("H264 to JPEG: {error}")),
        };
        match made {
            Ok(Some(image)) => track.push(&Arc::new(image)),
            Ok(None) => {}
            Err(error) if converter.failed >= MAX_FAILED => {
                // As attaching would say it, had it been known then.
                let words = format!(
                    "streams: codecs not matched: video:H264 => video:JPEG: {error}; a second \
                     source `ffmpeg:NAME#video=mjpeg` of the stream lets FFmpeg convert it"
                );
                tracing::warn!(target: "mjpeg", "{words}");
                return Some(words);
            }
            Err(error) => {
                tracing::debug!(target: "mjpeg", %error, "the next keyframe is waited for");
                feed.skip();
            }
        }
    }
}

/// Decodes one picture after another, and encodes those that are shown.
pub(super) struct Converter {
    encoder: jpeg::Encoder,
    decoder: Option<Decoder>,
    is_full_range: bool,
    /// Pictures come in another order than they are shown.
    is_reordered: bool,
    /// Frames that were taken and not decoded yet.
    waiting: VecDeque<Arc<Frame>>,
    /// A keyframe came before that was done: it is shown, else a slow machine showed nothing.
    is_late: bool,
    /// Keyframes in a row that could not be decoded.
    failed: u32,
}

impl Converter {
    /// Without a picture yet.
    ///
    /// # Errors
    /// The encoder could not be set up.
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Self {
            encoder: jpeg::Encoder::new(QUALITY)?,
            decoder: None,
            is_full_range: false,
            is_reordered: false,
            waiting: VecDeque::new(),
            is_late: false,
            failed: 0,
        })
    }

    /// Decodes what has come, for a while at most; the newest picture is given as image.
    ///
    /// # Errors
    /// What came is damaged, or cannot be decoded here; it goes on with a keyframe.
    pub(super) fn turn(
        &mut self,
        feed: &Feed,
        stop: &CancellationToken,
    ) -> Result<Option<Frame>, Error> {
        let began = Instant::now();
        let (came, _) = feed.take();
        if came.first().is_some_and(|frame| frame.keyframe) {
            self.is_late = !self.waiting.is_empty();
            self.waiting.clear();
        }
        self.waiting.extend(came);
        let bytes: usize = self.waiting.iter().map(|frame| frame.payload.len()).sum();
        if self.waiting.len() > MAX_WAITING.0 || bytes > MAX_WAITING.1 {
            self.waiting.clear();
            self.decoder = None;
            feed.skip();
        }
        while let Some(frame) = self.waiting.pop_front() {
            if stop.is_cancelled() {
                break;
            }
            let Payload::Nals(nals) = &frame.payload else { continue };
            // A keyframe that is no IDR picture may not fit to what was left out before it.
            let is_old = frame.keyframe && self.decoder.is_some();
            let made = match self.decode(&frame, nals) {
                Err(_) if is_old => {
                    self.decoder = None;
                    self.decode(&frame, nals)
                }
                made => made,
            };
            let picture = match made {
                Ok(picture) => picture,
                Err(error) => {
                    self.decoder = None;
                    self.waiting.clear();
                    self.failed += u32::from(frame.keyframe);
                    return Err(error);
                }
            };
            if let Some(picture) = picture {
                let data = Payload::Data(self.encoder.encode_image(&picture)?);
                return Ok(Some(Frame::new(CodecId::Jpeg, true, frame.dts, frame.arrival, data)));
            }
            if began.elapsed() > TURN {
                break;
            }
        }
        Ok(None)
    }

    /// The next picture to show, if this is the newest frame.
    fn decode(&mut self, frame: &Frame, nals: &[Bytes]) -> Result<Option<I420Frame>, Error> {
        if frame.keyframe {
            let sps = work::sps(nals);
            let is_full_range = sps.as_ref().is_some_and(|sps| sps.full_range);
            let depth = sps.and_then(|sps| sps.reorder_depth());
            let is_reordered = depth.map_or(self.is_reordered, |depth| depth > 0);
            let is_as_before =
                (self.is_full_range, self.is_reordered) == (is_full_range, is_reordered);
            if self.decoder.is_none() || !is_as_before {
                self.decoder = Some(Decoder::new(is_full_range)?);
                (self.is_full_range, self.is_reordered) = (is_full_range, is_reordered);
            }
        }
        if !self.is_reordered && nals.iter().any(|nal| is_of_b_slice(nal)) {
            // The stream has not said so. Of what was flushed the library has no order.
            self.is_reordered = true;
            self.decoder = None;
        }
        let Some(decoder) = &mut self.decoder else { return Ok(None) };
        let is_shown = self.waiting.is_empty() || self.is_late;
        self.is_late = false;
        let made = match is_shown {
            // The library holds a picture back in case an earlier one follows.
            true if !self.is_reordered => {
                let shown = decoder.decode(nals)?;
                decoder.flush()?.or(shown)
            }
            true => decoder.decode(nals)?,
            false if work::is_reference(nals) => {
                decoder.pass(nals)?;
                None
            }
            false => None,
        };
        if frame.keyframe {
            self.failed = 0;
        }
        Ok(made)
    }
}

/// Whether a NAL unit is a B slice (ITU-T H.264 7.4.3): pictures may be shown in another order
/// than they come.
fn is_of_b_slice(nal: &[u8]) -> bool {
    h264::nal_type(nal) == h264::SLICE
        && matches!(h264::slice_type(nal), Some((_, h264::SliceType::B)))
}
