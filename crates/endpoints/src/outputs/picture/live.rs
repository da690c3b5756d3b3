//! Pictures one after another, for as long as somebody looks: Motion JPEG, text for
//! terminals, uncompressed pictures (`spec/api.md` 4, `spec/media.md` 8).
//!
//! A viewer that does not keep up gets the newest picture instead of those it
//! missed. What has to be converted is converted on threads for blocking work; of H.264
//! that is one [`Derived`] track for all.

use std::sync::Arc;

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::codec::jpeg::{presentable, presentable_pieces};
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media, Payload};
use rs2rtc_streams::{
    Attached, CancellationToken, Connection, Departure, Description, Request, Sender, Stream,
    Subscription, Track,
};
use rs2rtc_transcode::ascii;

use super::derived::Derived;
use super::recent::Recent;
use super::{make, raw, work};
use crate::Context;

pub use rs2rtc_transcode::ascii::Style;

/// What a viewer is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Parts of `multipart/x-mixed-replace` with the boundary `frame`.
    Multipart,
    /// JPEG images, each by itself.
    Jpeg,
    /// Text with escape sequences.
    Text(Style),
    /// YUV4MPEG2.
    Y4m,
}

impl Form {
    /// `format_name` in the API.
    const fn name(&self) -> &'static str {
        match self {
            Self::Multipart | Self::Jpeg => "mjpeg",
            Self::Text(_) => "ascii",
            Self::Y4m => "yuv4mpegpipe",
        }
    }

    const fn codecs(&self) -> &'static [CodecId] {
        match self {
            Self::Y4m => &[CodecId::RawVideo],
            _ => &[CodecId::Jpeg, CodecId::RawVideo],
        }
    }

    /// What it is made of where no source gives one of [`Self::codecs`].
    const fn otherwise(&self) -> Option<CodecId> {
        match self {
            Self::Y4m => None,
            _ => Some(CodecId::H264),
        }
    }
}

/// Why no picture follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The stream is gone, or came back with pictures in another codec.
    Source,
    /// It was ended here; in words, if there are any.
    Kicked(Option<String>),
    /// Its pictures cannot be brought into the form.
    Form(String),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Source => "the stream has ended",
            Self::Kicked(Some(words)) | Self::Form(words) => words,
            Self::Kicked(None) => "ended by the server",
        })
    }
}

/// A viewer of pictures. Dropping it lets go of the stream; better say why with
/// [`Self::leave`].
#[derive(Debug)]
pub struct Live {
    context: Arc<Context>,
    form: Form,
    codec: Codec,
    track: Arc<Track>,
    /// The images that are made of the track.
    derived: Option<Arc<Derived>>,
    recent: Arc<Recent>,
    /// The newest picture when it came.
    first: Option<Arc<Frame>>,
    has_begun: bool,
    sender: Arc<Sender>,
    subscription: Option<Subscription>,
    kicked: CancellationToken,
    attached: Attached,
}

impl Live {
    /// Attaches a viewer; of `about` only who it is and how it came counts.
    ///
    /// # Errors
    /// What attaching says.
    pub async fn attach(
        context: &Arc<Context>,
        stream: &Arc<Stream>,
        form: Form,
        about: Description,
    ) -> Result<Self, Error> {
        let media = |codecs: &[CodecId]| Media {
            kind: Kind::Video,
            direction: Direction::SendOnly,
            codecs: codecs.iter().cloned().map(Codec::new).collect(),
            id: String::new(),
        };
        let medias = vec![media(form.codecs())];
        let otherwise = form.otherwise().map(|codec| media(&[codec]));
        let connection = Arc::new(Connection::new(Description {
            format_name: form.name().to_owned(),
            medias: medias.clone(),
            ..about
        }));
        let request = Request { medias, connection, source_tag: None, may_sleep: false };
        let attached = stream.attach_or(request, otherwise.as_slice()).await?;
        let Some(given) = attached.tracks.first() else {
            return Err(Error::new(ErrorKind::Unsupported, "no picture"));
        };
        let (sender, track) = (Arc::clone(&given.sender), Arc::clone(&given.track));
        let mut live = Self {
            context: Arc::clone(context),
            form,
            codec: track.codec(),
            recent: Arc::new(Recent::new(Arc::clone(&sender))),
            track,
            derived: None,
            first: None,
            has_begun: false,
            sender,
            subscription: None,
            kicked: attached.kicked(),
            attached,
        };
        live.subscribe();
        Ok(live)
    }

    /// Its id among the viewers of the stream.
    pub fn id(&self) -> u64 {
        self.attached.connection().id
    }

    /// The next picture in its form, in pieces that belong together. May be dropped
    /// and called again.
    ///
    /// # Errors
    /// Nothing follows.
    pub async fn next(&mut self) -> Result<Vec<Bytes>, End> {
        let kicked = self.kicked.clone();
        tokio::select! {
            biased;
            () = kicked.cancelled() => Err(End::Kicked(self.attached.kick_reason())),
            next = self.made() => next,
        }
    }

    /// Lets go of the source and stays; nothing follows until [`Self::resume`].
    pub fn park(&mut self, departure: Departure) {
        self.attached.park(departure);
        self.subscription = None;
        self.derived = None;
        self.first = None;
        self.recent.clear();
    }

    /// Takes hold of the source again. Dropping the future leaves it parked.
    ///
    /// # Errors
    /// As [`Attached::resume`].
    pub async fn resume(&mut self) -> Result<(), Error> {
        self.attached.resume().await?;
        self.subscribe();
        Ok(())
    }

    /// Cancelled when the viewer is sent away: nothing may go on waiting for its client then.
    pub fn kicked(&self) -> CancellationToken {
        self.kicked.clone()
    }

    /// Lets go of the stream for a reason.
    pub fn leave(self, departure: Departure) {
        self.attached.detach(departure);
    }

    /// Begins with the newest picture there is.
    fn subscribe(&mut self) {
        let is_h264 = self.track.codec().id == CodecId::H264;
        self.derived = is_h264.then(|| Derived::of(&self.context, &self.track));
        let track = self.derived.as_ref().map_or(&self.track, |derived| &derived.track);
        let (subscription, cached) = track.subscribe_with_cache(Arc::clone(&self.recent) as _);
        self.first = cached.last().cloned();
        self.codec = track.codec();
        if is_h264 {
            self.sender.leaves_as(self.codec.clone());
        }
        self.subscription = Some(subscription);
    }

    async fn made(&mut self) -> Result<Vec<Bytes>, End> {
        loop {
            let frame = match self.first.take() {
                Some(first) => first,
                None => self.recent.next().await.ok_or_else(|| self.end())?,
            };
            self.follow()?;
            if let Some(pieces) = self.picture(&frame).await? {
                self.has_begun = true;
                self.sender.sent(1, frame.payload.len());
                self.attached.connection().sent(pieces.iter().map(Bytes::len).sum());
                return Ok(pieces);
            }
        }
    }

    /// Why no picture comes any more.
    fn end(&self) -> End {
        let problem = self.derived.as_ref().and_then(|derived| derived.problem());
        problem.map_or(End::Source, |problem| End::Form(problem.to_owned()))
    }

    /// Raw pictures do not say how large they are: a source that came back may give
    /// others.
    fn follow(&mut self) -> Result<(), End> {
        if self.codec.id != CodecId::RawVideo {
            return Ok(());
        }
        let codec = self.track.codec();
        if self.form == Form::Y4m
            && self.has_begun
            && raw::first_line(&codec).ok() != raw::first_line(&self.codec).ok()
        {
            // The format says it once, in its first line.
            return Err(End::Form("the pictures have another size now".to_owned()));
        }
        self.codec = codec;
        Ok(())
    }

    /// A picture in its form; nothing for one that is damaged.
    async fn picture(&self, frame: &Arc<Frame>) -> Result<Option<Vec<Bytes>>, End> {
        let Payload::Data(data) = &frame.payload else { return Ok(None) };
        let end = |problem: Error| End::Form(problem.to_string());
        let made = match &self.form {
            Form::Y4m => {
                let mut pieces = Vec::with_capacity(3);
                if !self.has_begun {
                    pieces.push(raw::first_line(&self.codec).map_err(end)?);
                }
                pieces.extend([Bytes::from_static(b"FRAME\n"), data.clone()]);
                return Ok(Some(pieces));
            }
            Form::Multipart | Form::Jpeg if self.codec.id == CodecId::RawVideo => {
                make::image(&self.context, frame, &self.codec)
                    .await
                    .map(|image| self.framed(vec![image]))
            }
            // It is a message by itself.
            Form::Jpeg => Ok(vec![presentable(data).unwrap_or_else(|| data.clone())]),
            Form::Multipart => {
                Ok(self.framed(presentable_pieces(data).unwrap_or_else(|| vec![data.clone()])))
            }
            Form::Text(style) => {
                let (style, data, codec) = (style.clone(), data.clone(), self.codec.clone());
                let paint = move || work::picture(&data, &codec).map(|p| style.paint(&p));
                make::encode(&self.context, paint).await.map(|text| self.painted(text))
            }
        };
        match made {
            Err(error) if error.kind() == ErrorKind::Ended => Err(end(error)),
            made => Ok(made
                .inspect_err(|error| {
                    tracing::debug!(target: "mjpeg", %error, "a picture is left out");
                })
                .ok()),
        }
    }

    fn painted(&self, text: Vec<u8>) -> Vec<Bytes> {
        let clear = (!self.has_begun).then_some(Bytes::from_static(ascii::CLEAR));
        clear.into_iter().chain([text.into()]).collect()
    }

    fn framed(&self, image: Vec<Bytes>) -> Vec<Bytes> {
        if self.form == Form::Jpeg {
            return image;
        }
        let len: usize = image.iter().map(Bytes::len).sum();
        let head = format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n");
        let head = [Bytes::from(head)].into_iter();
        head.chain(image).chain([Bytes::from_static(b"\r\n")]).collect()
    }
}
