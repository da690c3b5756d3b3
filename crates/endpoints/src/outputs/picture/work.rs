//! From frames to a picture, and from that to a JPEG image, in this process. Runs on
//! threads for blocking work; looks between any two frames whether somebody still waits.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_media::codec::{h264, jpeg as image};
use rs2rtc_media::{Codec, CodecId, Frame, Payload};
use rs2rtc_streams::CancellationToken;
use rs2rtc_transcode::Error;
use rs2rtc_transcode::video::h264::Decoder;
use rs2rtc_transcode::video::{Decoder as _, I420Frame, jpeg};
use tokio::sync::OwnedSemaphorePermit;

use super::feed::Feed;
use super::{Picture, QUALITY, Wish, raw};

/// Uncompressed pictures of one colour that are passed over: what a camera gives
/// while it warms up.
const MAX_PLAIN: u64 = 5;

/// How long the newest frame is run after, once there is a picture.
const CATCH_UP: Duration = Duration::from_secs(1);

/// How the work came out.
pub(super) enum Outcome {
    /// A picture of now.
    Done(Box<Shot>),
    /// The stream is damaged; the next keyframe may do.
    Damaged(Error),
    /// It cannot be decoded here.
    Refused(Error),
    /// Nobody waits any more.
    Stopped,
}

/// A picture that was taken out of a stream.
#[derive(Debug)]
pub(super) struct Shot {
    content: Content,
    /// When the frame came.
    taken: Instant,
    /// How many frames were decoded for it.
    frames: usize,
    took: Duration,
    /// Bounds how many of these there are.
    _place: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum Content {
    Decoded(I420Frame),
    /// An image of the camera that cannot be decoded: others may be able to.
    Image(Bytes),
}

impl Shot {
    fn new(content: Content, taken: Instant, frames: usize, began: Instant) -> Self {
        Self { content, taken, frames, took: began.elapsed(), _place: None }
    }
}

#[cfg(test)]
impl Shot {
    pub(super) const fn frames(&self) -> usize {
        self.frames
    }
}

/// Decodes what is in the feed, and what comes while it is decoded. The picture keeps
/// the place.
pub(super) fn run(
    feed: &Feed,
    codec: &Codec,
    stop: &CancellationToken,
    place: OwnedSemaphorePermit,
) -> Outcome {
    let made = match codec.id {
        CodecId::H264 => decoded(feed, stop, CATCH_UP),
        CodecId::Jpeg => of_camera(feed),
        CodecId::RawVideo => uncompressed(feed, codec),
        _ => {
            let reason = format!("no decoder for {}", codec.id.name());
            Err(Outcome::Refused(Error::Input { codec: "JPEG", reason }))
        }
    };
    match made {
        Ok(shot) => Outcome::Done(Box::new(Shot { _place: Some(place), ..shot })),
        Err(outcome) => outcome,
    }
}

/// Decodes forward to the newest frame. Those that nothing builds on are left out,
/// and a keyframe that comes meanwhile makes all before it superfluous. Where a camera
/// sends faster than this machine decodes, it ends with the picture it has after `limit`.
pub(super) fn decoded(
    feed: &Feed,
    stop: &CancellationToken,
    limit: Duration,
) -> Result<Shot, Outcome> {
    let began = Instant::now();
    let mut decoder = None;
    let mut newest = None;
    let mut last_arrival = began;
    let mut frames = 0;
    while newest.is_none() || began.elapsed() < limit {
        let (batch, number) = feed.take();
        let Some((last, before)) = batch.split_last() else { break };
        let mut is_overtaken = false;
        for (frame, is_last) in before.iter().map(|f| (f, false)).chain([(last, true)]) {
            if stop.is_cancelled() {
                return Err(Outcome::Stopped);
            }
            is_overtaken = feed.keyframes() > number;
            if is_overtaken {
                break;
            }
            let Payload::Nals(nals) = &frame.payload else { continue };
            if frame.keyframe {
                decoder = Some(Decoder::new(is_full_range(nals)).map_err(Outcome::Refused)?);
            }
            let Some(decoder) = &mut decoder else { continue };
            if !is_last && !is_reference(nals) {
                continue;
            }
            frames += 1;
            last_arrival = frame.arrival;
            let result = match is_last {
                false => decoder.pass(nals).map(|()| None),
                true => decoder.decode(nals),
            };
            match result {
                Ok(picture) => newest = picture.map(|picture| (picture, frame.arrival)).or(newest),
                Err(error) if frame.keyframe => return Err(Outcome::Refused(error)),
                Err(error) => return Err(Outcome::Damaged(error)),
            }
        }
        if let (Some((_, taken)), false) = (&mut newest, is_overtaken) {
            *taken = last.arrival;
        }
    }
    let held_back = decoder.as_mut().and_then(|decoder| decoder.flush().ok().flatten());
    let newest = held_back.map(|picture| (picture, last_arrival)).or(newest);
    let Some((picture, taken)) = newest else {
        let reason = "the decoder gave no picture".to_owned();
        return Err(Outcome::Refused(Error::Library { codec: "H264", reason }));
    };
    Ok(Shot::new(Content::Decoded(picture), taken, frames, began))
}

/// The parameter set in front of a keyframe.
pub(super) fn sps(nals: &[Bytes]) -> Option<h264::Sps> {
    let sps = nals.iter().find(|nal| h264::nal_type(nal) == h264::SPS);
    sps.and_then(|nal| h264::Sps::parse(nal))
}

/// What it says of luma.
fn is_full_range(nals: &[Bytes]) -> bool {
    sps(nals).is_some_and(|sps| sps.full_range)
}

/// Whether other pictures may build on this one (`nal_ref_idc`, ITU-T H.264 7.4.1).
pub(super) fn is_reference(nals: &[Bytes]) -> bool {
    nals.iter().any(|nal| nal.first().is_some_and(|head| head & 0x60 != 0))
}

/// The camera made the image; it is decoded because something is to be done with it.
/// One that cannot be decoded is given as it is.
fn of_camera(feed: &Feed) -> Result<Shot, Outcome> {
    let newest = feed.take().0.pop();
    let Some((frame, data)) = newest.as_ref().and_then(|frame| Some((frame, data(frame)?))) else {
        let reason = "no picture".to_owned();
        return Err(Outcome::Damaged(Error::Input { codec: "JPEG", reason }));
    };
    let began = Instant::now();
    let image = image::presentable(&data).unwrap_or_else(|| data.clone());
    let content = jpeg::decode(&image).map_or(Content::Image(image), Content::Decoded);
    Ok(Shot::new(content, frame.arrival, 1, began))
}

/// The newest uncompressed picture. While the first ones are of one colour the next
/// is waited for.
fn uncompressed(feed: &Feed, codec: &Codec) -> Result<Shot, Outcome> {
    let newest = feed.take().0.pop();
    let began = Instant::now();
    let damaged =
        |reason: &str| Outcome::Damaged(Error::Input { codec: "RAW", reason: reason.to_owned() });
    let Some(frame) = newest else { return Err(damaged("no picture")) };
    let picture = data(&frame).and_then(|data| raw::picture(&data, codec));
    let picture = picture.ok_or_else(|| damaged("a picture of another size"))?;
    if feed.keyframes() <= MAX_PLAIN && is_of_one_colour(&picture) {
        return Err(damaged("a picture of one colour"));
    }
    Ok(Shot::new(Content::Decoded(picture), frame.arrival, 1, began))
}

fn is_of_one_colour(picture: &I420Frame) -> bool {
    [&picture.y, &picture.u, &picture.v]
        .iter()
        .all(|plane| plane.first().is_none_or(|first| plane.iter().all(|s| s == first)))
}

/// Makes the image as it is wanted.
pub(super) fn encoded(shot: &Shot, wish: &Wish) -> Result<Picture, Error> {
    let picture = match &shot.content {
        Content::Decoded(picture) => picture,
        Content::Image(image) => return Ok(unchanged(image.clone(), shot.taken)),
    };
    let began = Instant::now();
    let picture = wish.transform.apply(picture);
    let jpeg = jpeg::Encoder::new(wish.quality())?.encode_image(&picture)?;
    let (taken, frames, decoding) = (shot.taken, shot.frames, shot.took);
    Ok(Picture { jpeg, taken, frames, decoding, encoding: began.elapsed() })
}

/// The image that a camera made; nothing for one that is better decoded and encoded
/// anew.
pub(super) fn as_it_is(frame: &Frame) -> Option<Picture> {
    image::presentable(&data(frame)?).map(|jpeg| unchanged(jpeg, frame.arrival))
}

fn unchanged(jpeg: Bytes, taken: Instant) -> Picture {
    Picture { jpeg, taken, frames: 0, decoding: Duration::ZERO, encoding: Duration::ZERO }
}

fn data(frame: &Frame) -> Option<Bytes> {
    match &frame.payload {
        Payload::Data(data) => Some(data.clone()),
        _ => None,
    }
}

/// A picture of a moving sequence, decoded.
///
/// # Errors
/// It is damaged.
pub(super) fn picture(data: &Bytes, codec: &Codec) -> Result<I420Frame, Error> {
    if codec.id == CodecId::Jpeg {
        return jpeg::decode(&image::presentable(data).unwrap_or_else(|| data.clone()));
    }
    raw::picture(data, codec).ok_or_else(|| Error::Input {
        codec: "RAW",
        reason: format!("{} bytes are no picture", data.len()),
    })
}

/// An uncompressed picture of a moving sequence as JPEG image.
///
/// # Errors
/// It is damaged.
pub(super) fn image(frame: &Frame, codec: &Codec) -> Result<Bytes, Error> {
    let data = data(frame).unwrap_or_default();
    jpeg::Encoder::new(QUALITY)?.encode_image(&picture(&data, codec)?)
}
