//! Media that a client pushes in the body of a request (`spec/api.md` 5,
//! `docs/sources/push.md`): while the request lasts it is a source of the stream.
//! A client that leaves is gone at once; one that is silent is sent away.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use rs2rtc_base::url::percent_encode;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_endpoints::io::intake::{Delivery, Input, Intake, Source};
use rs2rtc_media::container::Demuxer;
use rs2rtc_streams::{CancellationToken, Description, Ended, Producer as _, Stream};
use tokio::time::timeout;

use super::Api;
use super::call::{Call, Reply, empty, error, no_page, no_stream};

/// The longest silence of a client.
const SILENCE: Duration = Duration::from_secs(15);
/// How long it may take until the tracks are known.
const TRACKS: Duration = Duration::from_secs(30);

/// What a path takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Whatever its first bytes say.
    Any,
    /// MPEG transport stream.
    MpegTs,
    /// Flash Video.
    Flv,
    /// Fragmented MP4, or a file whose index comes first.
    Mp4,
    /// JPEG pictures, in parts or one after another.
    Mjpeg,
}

/// `api/stream`: any format.
pub(crate) async fn any(api: Arc<Api>, call: Call) -> Reply {
    publish(api, call, Form::Any).await
}

/// `api/stream.mp4`: MP4.
pub(crate) async fn mp4(api: Arc<Api>, call: Call) -> Reply {
    pushed(api, call, Form::Mp4).await
}

/// A path that takes pushes and gives nothing.
async fn pushed(api: Arc<Api>, call: Call, form: Form) -> Reply {
    if matches!(*call.method(), Method::GET | Method::HEAD) {
        return no_page();
    }
    publish(api, call, form).await
}

/// Takes the body of a call for the stream that its query names.
pub(crate) async fn publish(api: Arc<Api>, mut call: Call, form: Form) -> Reply {
    let name = call.query.get("dst").to_owned();
    let Some(stream) = api.streams.get(&name) else { return no_stream() };
    let path = call.parts.uri.path();
    let url = format!("http://{}{path}?dst={}", call.peer, percent_encode(&name));
    let description = Description { url, ..Description::default() };
    let ended = push(&stream, call.take_body(), form, description).await;
    let text = match &ended {
        Ok(()) => "EOF".to_owned(),
        Err(problem) => problem.to_string(),
    };
    tracing::debug!(target: "api", stream = name, text, "[api] push ended");
    // The first two tell of every end, the regular one too.
    match (ended, form) {
        (Ok(()), Form::Flv | Form::Mp4 | Form::Mjpeg) => empty(),
        _ => error(StatusCode::INTERNAL_SERVER_ERROR, &api.secrets.mask(&text)),
    }
}

/// Publishes a body to a stream until one of them ends.
async fn push(
    stream: &Arc<Stream>,
    body: Body,
    form: Form,
    description: Description,
) -> Result<(), Error> {
    let demuxer = if form == Form::Mjpeg { Demuxer::of_parts() } else { Demuxer::new() };
    let mut intake = Intake::new(Pushed(body), demuxer, "");
    let late = |_| Error::new(ErrorKind::Ended, "no pictures and no sound in time");
    let codecs = match timeout(TRACKS, intake.tracks()).await.map_err(late)? {
        Ok(codecs) => codecs,
        Err(_) if intake.ended_early() => {
            let text = if intake.received() == 0 { "EOF" } else { "unexpected EOF" };
            return Err(Error::new(ErrorKind::Ended, text));
        }
        Err(problem) => return Err(problem),
    };
    if let Some(wanted) = form.format_name()
        && intake.format_name() != wanted
    {
        let text = format!("this is {}, not {wanted}", intake.format_name());
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let source = Source::new(intake, codecs, Delivery::AtOnce, "", description);
    let publication = stream.publish(source.medias().to_vec(), source.connection());
    let kicked = publication.kicked();
    // A future that is dropped with its connection ends the push as well.
    let run = Box::new(source).run(publication.tracks(), CancellationToken::new());
    let ended = tokio::select! {
        ended = run => ended,
        () = kicked.cancelled() => Ended::Cancelled,
    };
    drop(publication);
    match ended {
        Ended::Finished => Ok(()),
        Ended::Cancelled => Err(Error::new(ErrorKind::Ended, "the stream was closed")),
        Ended::Failed(problem) => Err(problem),
    }
}

impl Form {
    /// The format that has to come; `None`: whatever is known.
    const fn format_name(self) -> Option<&'static str> {
        match self {
            Self::Any | Self::Mjpeg => None,
            Self::MpegTs => Some("mpegts"),
            Self::Flv => Some("flv"),
            Self::Mp4 => Some("mp4"),
        }
    }
}

/// The body of a request.
struct Pushed(Body);

impl Input for Pushed {
    async fn read(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let next = std::future::poll_fn(|cx| Pin::new(&mut self.0).poll_frame(cx));
            let next = timeout(SILENCE, next).await.map_err(|_| {
                let text = format!("no data for {} s", SILENCE.as_secs());
                Error::new(ErrorKind::Ended, text)
            })?;
            match next {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    // Trailers say nothing.
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(problem)) => {
                    return Err(Error::new(ErrorKind::Ended, problem.to_string()));
                }
            }
        }
    }
}
