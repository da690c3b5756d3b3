//! A camera that gives one picture for each request: asked again as soon as it
//! has answered, while somebody watches.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind, Url};
use rs2rtc_media::time::to_ticks;
use rs2rtc_media::{Codec, CodecId, Frame, Media, Payload};
use rs2rtc_streams::{
    BoxFuture, CancellationToken, Connection, Description, Ended, Producer, TrackWriter, Tracks,
};
use tokio::time::{Instant, sleep_until};

use crate::io::http::{Answer, Client};
use crate::io::intake;

/// Largest picture.
const MAX_PICTURE: usize = 32 << 20;
/// Least time between two requests: a camera is not asked for more pictures than
/// a screen shows.
const LEAST: Duration = Duration::from_millis(33);

/// Takes the first picture.
pub(super) async fn open(
    mut client: Client,
    mut answer: Answer,
    mut description: Description,
) -> Result<Box<dyn Producer>, Error> {
    let asked = Instant::now();
    let url = answer.url.clone();
    let first = picture(&mut answer).await?;
    client.give_back(answer.body);
    let codec = Codec::new(CodecId::Jpeg).clock(90_000);
    let medias = intake::medias(&[codec]);
    "image/jpeg".clone_into(&mut description.format_name);
    description.medias.clone_from(&medias);
    let connection = Arc::new(Connection::new(description));
    Ok(Box::new(Snapshots { client, url, first, asked, medias, connection }))
}

/// The picture of an answer.
async fn picture(answer: &mut Answer) -> Result<Bytes, Error> {
    let picture = answer.body.read_all(MAX_PICTURE).await?;
    if picture.starts_with(&[0xff, 0xd8]) {
        return Ok(picture);
    }
    Err(Error::new(ErrorKind::Protocol, "the answer is no JPEG picture"))
}

struct Snapshots {
    client: Client,
    url: Url,
    first: Bytes,
    asked: Instant,
    medias: Vec<Media>,
    connection: Arc<Connection>,
}

impl Producer for Snapshots {
    fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    fn medias(&self) -> &[Media] {
        &self.medias
    }

    fn run(self: Box<Self>, tracks: Tracks, cancel: CancellationToken) -> BoxFuture<Ended> {
        Box::pin(async move {
            tokio::select! {
                biased;
                () = cancel.cancelled() => Ended::Cancelled,
                error = self.poll(tracks) => Ended::Failed(error.context(super::WHAT)),
            }
        })
    }
}

impl Snapshots {
    async fn poll(self, mut tracks: Tracks) -> Error {
        let Self { mut client, url, first, mut asked, connection, .. } = self;
        let start = Instant::now();
        tracks.wanted();
        let mut writer = tracks.writer(0);
        let mut picture = first;
        loop {
            connection.received(picture.len());
            write(writer.as_ref(), picture, start);
            let earliest = asked + LEAST;
            let mut next = pin!(async {
                sleep_until(earliest).await;
                (Instant::now(), fetch(&mut client, &url).await)
            });
            let (when, fetched) = loop {
                tokio::select! {
                    biased;
                    fetched = &mut next => break fetched,
                    () = tracks.changed() => {
                        tracks.wanted();
                        writer = tracks.writer(0);
                    }
                }
            };
            asked = when;
            picture = match fetched {
                Ok(picture) => picture,
                Err(error) => return error,
            };
        }
    }
}

async fn fetch(client: &mut Client, url: &Url) -> Result<Bytes, Error> {
    let mut answer = client.get(url, None).await?;
    let picture = picture(&mut answer).await?;
    client.give_back(answer.body);
    Ok(picture)
}

fn write(writer: Option<&TrackWriter>, picture: Bytes, start: Instant) {
    let Some(writer) = writer else { return };
    let now = Instant::now();
    let pts = to_ticks(now.saturating_duration_since(start), 90_000);
    writer.write(Frame::new(CodecId::Jpeg, true, pts, now.into_std(), Payload::Data(picture)));
}
