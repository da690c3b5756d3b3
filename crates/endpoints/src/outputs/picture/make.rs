//! From what there is of a stream to its picture: who does it, and how many at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Codec, CodecId, Frame, Payload};
use rs2rtc_streams::{CancellationToken, Subscription, Track};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::derived::DerivedTracks;
use super::feed::Feed;
use super::shared::Shared;
use super::work::{self, Outcome, Shot};
use super::{Picture, Wish};
use crate::Context;
use crate::sources::ffmpeg;

/// Pictures that are being made.
#[derive(Debug)]
pub(super) struct Workshop {
    made: Shared<(Key, Wish), Picture>,
    shots: Shared<Key, Arc<Shot>>,
    images: Shared<Key, Bytes>,
    /// Moving pictures that are converted.
    pub(super) derived: DerivedTracks,
    /// Places for decoding the newest picture of a stream. Who has one keeps it as long
    /// as the decoded picture.
    pub(super) decoders: Arc<Semaphore>,
    /// The place for decoding single keyframes: a page full of posters does not wait
    /// for a long group, nor the other way round.
    stills: Arc<Semaphore>,
    /// Places for encoding, and for pictures that are shown one after another.
    pub(super) encoders: Arc<Semaphore>,
}

impl Default for Workshop {
    /// One less at a time than there are cores, at least one, at most four: who plays
    /// must not stall because somebody looks at stills.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let places = || Arc::new(Semaphore::new(cores.saturating_sub(1).clamp(1, 4)));
        Self {
            made: Shared::default(),
            shots: Shared::default(),
            images: Shared::default(),
            derived: DerivedTracks::default(),
            decoders: places(),
            stills: Arc::new(Semaphore::new(1)),
            encoders: places(),
        }
    }
}

/// Tells subjects apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// By its id.
    Track(u64),
    /// By its address: the frame is kept as long as the key is used.
    Frame(usize),
}

impl Key {
    fn of_frame(frame: &Arc<Frame>) -> Self {
        Self::Frame(Arc::as_ptr(frame).addr())
    }
}

/// What a picture is made of.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    /// The newest picture of a track.
    Newest(Arc<Track>),
    /// A keyframe that came at some time.
    Keyframe(Arc<Frame>),
}

impl Subject {
    fn key(&self) -> Key {
        match self {
            Self::Newest(track) => Key::Track(track.id),
            Self::Keyframe(frame) => Key::of_frame(frame),
        }
    }

    fn feed(&self) -> (Arc<Feed>, Option<Subscription>) {
        match self {
            Self::Newest(track) => {
                let (feed, subscription) = Feed::of(track);
                (feed, Some(subscription))
            }
            Self::Keyframe(frame) => (Feed::only(frame), None),
        }
    }

    async fn place(&self, workshop: &Workshop) -> Result<OwnedSemaphorePermit, Error> {
        place(match self {
            Self::Newest(_) => &workshop.decoders,
            Self::Keyframe(_) => &workshop.stills,
        })
        .await
    }
}

/// Waits for a place.
///
/// # Errors
/// `Ended` when the program ends.
pub(super) async fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Error> {
    let closed = |_| Error::new(ErrorKind::Ended, "the program ends");
    Arc::clone(places).acquire_owned().await.map_err(closed)
}

/// The picture of a subject. Who wants the same at the same time gets the same.
///
/// # Errors
/// `Unsupported` if it cannot be decoded, `Ended` if the source ends before.
pub(super) async fn picture(
    context: &Arc<Context>,
    subject: Subject,
    codec: Codec,
    wish: &Wish,
) -> Result<Picture, Error> {
    let (made, key) = (&context.pictures.workshop.made, (subject.key(), wish.clone()));
    made.get(&context.tasks, key, || make(Arc::clone(context), subject, codec, wish.clone())).await
}

async fn make(
    context: Arc<Context>,
    subject: Subject,
    codec: Codec,
    wish: Wish,
) -> Result<Picture, Error> {
    match codec.id {
        CodecId::H265 => by_program(&context, &subject, "hevc", &wish).await,
        CodecId::Jpeg if wish.is_plain() => {
            let (feed, _subscription) = subject.feed();
            feed.ready().await?;
            match feed.take().0.pop().and_then(|newest| work::as_it_is(&newest)) {
                Some(picture) => Ok(picture),
                None => here(&context, &subject, &codec, &wish).await,
            }
        }
        _ => match here(&context, &subject, &codec, &wish).await {
            Err(error) if codec.id == CodecId::H264 && error.kind() == ErrorKind::Unsupported => {
                tracing::debug!(target: "mjpeg", %error, "left to FFmpeg");
                let other = by_program(&context, &subject, "h264", &wish).await;
                other.map_err(|e| Error::new(e.kind(), format!("{error}; with FFmpeg: {e}")))
            }
            made => made,
        },
    }
}

/// In this process: decoded once for all who wait, encoded for each wish.
async fn here(
    context: &Arc<Context>,
    subject: &Subject,
    codec: &Codec,
    wish: &Wish,
) -> Result<Picture, Error> {
    let workshop = &context.pictures.workshop;
    let decode = || {
        let (context, subject, codec) = (Arc::clone(context), subject.clone(), codec.clone());
        async move { shot(&context.pictures.workshop, &subject, &codec).await }
    };
    let shot = workshop.shots.get(&context.tasks, subject.key(), decode).await?;
    let wish = wish.clone();
    encode(context, move || work::encoded(&shot, &wish)).await
}

fn refused(error: rs2rtc_transcode::Error) -> Error {
    Error::new(ErrorKind::Unsupported, error.to_string())
}

/// Does something that takes a core for a while, when it is its turn.
///
/// # Errors
/// `Unsupported` with what the work says, `Ended` when the program ends.
pub(super) async fn encode<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce() -> Result<T, rs2rtc_transcode::Error> + Send + 'static,
) -> Result<T, Error> {
    blocking(&context.pictures.workshop.encoders, work).await?.map_err(refused)
}

/// An uncompressed picture as JPEG image. Viewers that want the same one at the same
/// time share the work.
///
/// # Errors
/// As [`encode`].
pub(super) async fn image(
    context: &Arc<Context>,
    frame: &Arc<Frame>,
    codec: &Codec,
) -> Result<Bytes, Error> {
    let images = &context.pictures.workshop.images;
    let make = || {
        let (context, frame, codec) = (Arc::clone(context), Arc::clone(frame), codec.clone());
        async move { encode(&context, move || work::image(&frame, &codec)).await }
    };
    images.get(&context.tasks, Key::of_frame(frame), make).await
}

async fn blocking<T: Send + 'static>(
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let place = place(places).await?;
    let work = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(place);
        done
    });
    work.await.map_err(|e| Error::caused(ErrorKind::Unsupported, "picture", e))
}

/// The newest picture, decoded; what is damaged is passed over to the next keyframe.
async fn shot(workshop: &Workshop, subject: &Subject, codec: &Codec) -> Result<Arc<Shot>, Error> {
    let (feed, _subscription) = subject.feed();
    loop {
        feed.ready().await?;
        let place = subject.place(workshop).await?;
        let stop = CancellationToken::new();
        let _stops = stop.clone().drop_guard();
        let (frames, codec) = (Arc::clone(&feed), codec.clone());
        let work = tokio::task::spawn_blocking(move || work::run(&frames, &codec, &stop, place));
        match work.await.map_err(|e| Error::caused(ErrorKind::Unsupported, "picture", e))? {
            Outcome::Done(shot) => return Ok(Arc::from(shot)),
            Outcome::Stopped => {
                return Err(Error::new(ErrorKind::Ended, "nobody waits for the picture"));
            }
            Outcome::Damaged(error) => {
                tracing::debug!(target: "mjpeg", %error, "the next keyframe is waited for");
                feed.skip();
            }
            Outcome::Refused(error) => return Err(refused(error)),
        }
    }
}

/// By FFmpeg. It is given all since the keyframe, and begins once more if a newer
/// keyframe comes meanwhile.
async fn by_program(
    context: &Arc<Context>,
    subject: &Subject,
    format: &'static str,
    wish: &Wish,
) -> Result<Picture, Error> {
    let (feed, _subscription) = subject.feed();
    feed.ready().await?;
    let _place = subject.place(&context.pictures.workshop).await?;
    let mut may_begin_again = true;
    loop {
        let began = Instant::now();
        let (frames, number) = feed.all();
        let Some(taken) = frames.last().map(|frame| frame.arrival) else {
            feed.ready().await?;
            continue;
        };
        let input = annex_b(&frames);
        let made = ffmpeg::picture(context, format, &input, frames.len(), wish);
        tokio::select! {
            biased;
            jpeg = made => {
                let decoding = began.elapsed();
                let encoding = Duration::ZERO;
                let jpeg = jpeg?;
                return Ok(Picture { jpeg, taken, frames: frames.len(), decoding, encoding });
            }
            () = newer_than(&feed, number), if may_begin_again => may_begin_again = false,
        }
    }
}

/// Resolves when a newer keyframe comes; never, if none will.
async fn newer_than(feed: &Feed, number: u64) {
    if feed.keyframe_after(number).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// NAL units with start codes in front of them.
fn annex_b(frames: &[Arc<Frame>]) -> Vec<u8> {
    let mut out = Vec::new();
    for frame in frames {
        let Payload::Nals(nals) = &frame.payload else { continue };
        for nal in nals {
            out.extend_from_slice(&[0, 0, 0, 1]);
            out.extend_from_slice(nal);
        }
    }
    out
}
