//! Still pictures as JPEG (`spec/api.md` 4.2, `docs/outputs/jpeg.md`), and moving ones
//! ([`Live`], `docs/outputs/mjpeg.md`).
//!
//! A *snapshot* is the newest picture of a stream: a viewer for a moment. What the
//! keyframe cache has is decoded forward to the live edge, or the next keyframe is
//! taken if that comes sooner. A *poster* is the last keyframe that came, however
//! long ago; nothing is opened for it.
//!
//! H.264 and Motion JPEG are decoded in this process, on threads for blocking work,
//! a few at a time; H.265, and H.264 that the library cannot decode, by FFmpeg where
//! it is installed. Who stops waiting ends both.

mod derived;
mod feed;
mod live;
mod make;
mod raw;
mod recent;
mod shared;
mod shelf;
mod work;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::container::fmp4;
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media};
use rs2rtc_streams::{Attached, Connection, Departure, Description, Request, Stream};

pub use live::{End, Form, Live, Style};
pub use rs2rtc_transcode::video::{Rotation, Transform};

use crate::Context;
use crate::io::wire::Line;
use make::{Subject, Workshop};
use shelf::Shelf;

/// From the request to the picture: a camera that sleeps has to start, and one
/// with a long distance of keyframes to send the next.
const LIMIT: Duration = Duration::from_secs(30);
/// Quality of the pictures if nothing is said.
pub const QUALITY: u8 = 80;

/// How a picture is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wish {
    /// Size and turn.
    pub transform: Transform,
    /// 1 to 100; `None`: [`QUALITY`], and what the camera made stays as it is.
    pub quality: Option<u8>,
    /// The engine by which FFmpeg decodes, where it does; empty: the best one.
    pub engine: Option<String>,
}

impl Wish {
    fn quality(&self) -> u8 {
        self.quality.unwrap_or(QUALITY).clamp(1, 100)
    }

    /// Whether a picture that the camera made needs no work.
    fn is_plain(&self) -> bool {
        self.transform.is_nothing() && self.quality.is_none()
    }
}

/// A picture.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The JPEG image.
    pub jpeg: Bytes,
    /// When its frame came from the camera.
    pub taken: Instant,
    /// How many frames were decoded for it.
    pub frames: usize,
    /// How long that took.
    pub decoding: Duration,
    /// How long it took to make the JPEG image of it.
    pub encoding: Duration,
}

/// Who wants a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Viewer {
    /// `host:port`.
    pub remote_addr: String,
    /// `User-Agent`.
    pub user_agent: String,
    /// His connection: why he is gone if he does not wait.
    pub line: Line,
}

/// A viewer's hold on the stream. Dropping it lets go, for the reason for which he
/// does not wait any more.
struct Hold {
    attached: Option<Attached>,
    line: Line,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(attached) = self.attached.take() {
            attached.detach(self.line.departure());
        }
    }
}

/// What all pictures of a program share.
#[derive(Debug, Default)]
pub struct Pictures {
    workshop: Workshop,
    shelf: Shelf,
}

/// The newest picture of a stream. One that was made with `cache` for the same
/// wish is given again while it is younger. With `wake` a stream that is to be
/// opened only for viewers is opened for this, too. Dropping the future lets go
/// of the stream at once.
///
/// # Errors
/// What attaching says; `Busy` for a stream that sleeps and is not to be woken;
/// `Unreachable` if no picture comes in time, `Unsupported` if it cannot be decoded.
pub async fn snapshot(
    context: &Arc<Context>,
    stream: &Arc<Stream>,
    wish: &Wish,
    cache: Option<Duration>,
    wake: bool,
    viewer: Viewer,
) -> Result<Picture, Error> {
    let pictures = &context.pictures;
    let key = ("snapshot", stream.name().to_owned(), wish.clone());
    if let Some(age) = cache
        && let Some(picture) = pictures.shelf.get(&key, |p| p.taken.elapsed() < age)
    {
        return Ok(picture);
    }
    let made = tokio::time::timeout(LIMIT, watched(context, stream, wish, wake, viewer)).await;
    let picture = made.unwrap_or_else(|_| {
        let text = format!("no picture within {} s", LIMIT.as_secs());
        Err(Error::new(ErrorKind::Unreachable, text))
    })?;
    if cache.is_some() {
        pictures.shelf.put(key, &picture);
    }
    Ok(picture)
}

/// Holds the stream until the picture is there.
async fn watched(
    context: &Arc<Context>,
    stream: &Arc<Stream>,
    wish: &Wish,
    wake: bool,
    viewer: Viewer,
) -> Result<Picture, Error> {
    let codecs = [CodecId::Jpeg, CodecId::RawVideo, CodecId::H264, CodecId::H265];
    let medias = vec![Media {
        kind: Kind::Video,
        direction: Direction::SendOnly,
        codecs: codecs.into_iter().map(Codec::new).collect(),
        id: String::new(),
    }];
    let connection = Arc::new(Connection::new(Description {
        format_name: "keyframe".to_owned(),
        protocol: "http".to_owned(),
        remote_addr: viewer.remote_addr,
        user_agent: viewer.user_agent,
        medias: medias.clone(),
        ..Description::default()
    }));
    let request = Request { medias, connection, source_tag: None, may_sleep: false };
    let attached = match wake {
        true => stream.attach(request).await?,
        false => stream.attach_briefly(request).await?,
    };
    let Some(given) = attached.tracks.first() else {
        return Err(Error::new(ErrorKind::Unsupported, "no picture"));
    };
    let (subject, codec) = (Subject::Newest(Arc::clone(&given.track)), given.codec.clone());
    let (sender, kicked) = (Arc::clone(&given.sender), attached.kicked());
    let mut hold = Hold { attached: Some(attached), line: viewer.line };
    let made = tokio::select! {
        made = make::picture(context, subject, codec, wish) => Some(made),
        () = kicked.cancelled() => None,
    };
    let Some(attached) = hold.attached.take() else {
        return Err(Error::new(ErrorKind::Ended, "the stream was let go"));
    };
    let Some(made) = made else {
        // It is let go with the reason of the kick.
        return Err(Error::new(ErrorKind::Ended, attached.kick_reason().unwrap_or_default()));
    };
    if let Ok(picture) = &made {
        sender.sent(1, picture.jpeg.len());
        attached.connection().sent(picture.jpeg.len());
    }
    // The camera is let go before the answer is sent.
    attached.detach(Departure::now(if made.is_ok() { "delivered" } else { "failed" }));
    made
}

/// The last keyframe of a stream.
#[derive(Clone, Debug)]
pub enum Poster {
    /// As JPEG.
    Jpeg(Picture),
    /// As a video of one picture, which a browser may be able to show: nothing here can
    /// decode it.
    Mp4 {
        /// The file.
        file: Bytes,
        /// Its MIME type.
        mime: String,
        /// When it came from the camera.
        taken: Instant,
    },
}

/// The last keyframe of a stream, and nothing if there never was one. The image is made
/// when somebody asks, once per keyframe and wish.
///
/// # Errors
/// `Unsupported` if it cannot be decoded, `Unreachable` if that takes too long.
pub async fn poster(
    context: &Arc<Context>,
    stream: &Stream,
    wish: &Wish,
) -> Result<Option<Poster>, Error> {
    let Some((codec, keyframe)) = stream.last_keyframe() else { return Ok(None) };
    let key = ("poster", stream.name().to_owned(), wish.clone());
    let shelf = &context.pictures.shelf;
    if let Some(picture) = shelf.get(&key, |picture| picture.taken == keyframe.arrival) {
        return Ok(Some(Poster::Jpeg(picture)));
    }
    let shown = still(context, &codec, &keyframe, wish).await?;
    if let Poster::Jpeg(picture) = &shown
        && picture.frames > 0
    {
        shelf.put(key, picture);
    }
    Ok(Some(shown))
}

/// A keyframe as a still picture.
///
/// # Errors
/// `Unsupported` if it cannot be decoded, `Unreachable` if that takes too long.
pub(super) async fn still(
    context: &Arc<Context>,
    codec: &Codec,
    keyframe: &Arc<Frame>,
    wish: &Wish,
) -> Result<Poster, Error> {
    let subject = Subject::Keyframe(Arc::clone(keyframe));
    let made = make::picture(context, subject, codec.clone(), wish);
    match tokio::time::timeout(LIMIT, made).await {
        Ok(Ok(picture)) => Ok(Poster::Jpeg(picture)),
        Ok(Err(error)) => match fmp4::still(codec, keyframe) {
            Some((file, mime)) => Ok(Poster::Mp4 { file, mime, taken: keyframe.arrival }),
            None => Err(error),
        },
        Err(_) => {
            let text = "the last keyframe could not be decoded in time";
            Err(Error::new(ErrorKind::Unreachable, text))
        }
    }
}

#[cfg(test)]
mod tests;
