//! An HLS playlist and its segments, read as one stream of bytes
//! ([`rs2rtc_protocols::hls`] says what to fetch). MPEG-TS and fragmented MP4. A
//! segment is delivered as it is played, not as it comes.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use bytes::{Buf as _, Bytes};
use rs2rtc_base::{Error, ErrorKind, Url};
use rs2rtc_media::container::Demuxer;
use rs2rtc_protocols::hls::{self, Choice, Follower, Part, Playlist, Range, Step};
use rs2rtc_streams::{Description, Producer};

use crate::io::http::{Answer, Body, Client};
use crate::io::intake::{Delivery, Input, Intake, Source};

/// Largest playlist.
const MAX_PLAYLIST: usize = 4 << 20;
/// Segments in a row that may be gone when they are asked for.
const MAX_GONE: u32 = 3;

/// Follows the playlist of an answer.
pub(super) async fn open(
    client: Client,
    answer: Answer,
    choice: Choice,
    description: Description,
) -> Result<Box<dyn Producer>, Error> {
    let segments = follow(client, answer, choice).await.map_err(|e| e.context(super::WHAT))?;
    let intake = Intake::new(segments, Demuxer::new(), super::WHAT);
    Ok(Box::new(Source::open(intake, Delivery::InTime, "hls", description).await?))
}

async fn follow(mut client: Client, mut answer: Answer, choice: Choice) -> Result<Segments, Error> {
    let asked = Instant::now();
    let mut playlist = read(&mut answer).await?;
    let mut url = answer.url;
    client.give_back(answer.body);
    if let Playlist::Master(variants) = &playlist {
        let chosen = choice.of(variants).ok_or_else(|| failed(hls::Error::Empty))?;
        let mut answer = client.get(&join(&url, &chosen.uri)?, None).await?;
        playlist = read(&mut answer).await?;
        url = answer.url;
        client.give_back(answer.body);
    }
    let Playlist::Media(media) = playlist else {
        return Err(Error::new(ErrorKind::Protocol, "a master playlist names another one"));
    };
    let mut follower = Follower::new(asked);
    follower.handle_playlist(asked, media);
    Ok(Segments {
        playlist: url,
        follower,
        client: Some(client),
        pending: VecDeque::new(),
        flight: None,
        body: None,
        gone: 0,
    })
}

async fn read(answer: &mut Answer) -> Result<Playlist, Error> {
    let text = answer.body.read_all(MAX_PLAYLIST).await?;
    Playlist::parse(&String::from_utf8_lossy(&text)).map_err(failed)
}

fn failed(error: hls::Error) -> Error {
    let kind = match error {
        hls::Error::Encrypted(_) => ErrorKind::Unsupported,
        _ => ErrorKind::Protocol,
    };
    Error::new(kind, error.to_string())
}

fn join(base: &Url, reference: &str) -> Result<Url, Error> {
    base.join(reference).map_err(|e| Error::caused(ErrorKind::Protocol, "the playlist", e))
}

/// Something that is being fetched, with the client that fetches it.
type Flight = Pin<Box<dyn Future<Output = (Client, Result<Fetched, Error>)> + Send>>;

enum Fetched {
    Playlist(Instant, hls::Media),
    Media(Box<Media>),
    /// It is not there any more.
    Nothing,
}

/// A segment or an index that is being read.
struct Media {
    body: Body,
    /// Bytes to pass over, and those to give then, where a server does not cut.
    cut: Option<(u64, u64)>,
}

/// The segments of a playlist, one after another.
struct Segments {
    playlist: Url,
    follower: Follower,
    /// Away while something is fetched.
    client: Option<Client>,
    /// To be fetched next.
    pending: VecDeque<Part>,
    flight: Option<Flight>,
    body: Option<Media>,
    /// Segments in a row that were gone.
    gone: u32,
}

impl Input for Segments {
    async fn read(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(media) = &mut self.body {
                if let Some(bytes) = media.read().await? {
                    return Ok(Some(bytes));
                }
                if let (Some(media), Some(client)) = (self.body.take(), &mut self.client) {
                    client.give_back(media.body);
                }
            }
            if let Some(flight) = &mut self.flight {
                let (client, fetched) = flight.await;
                self.flight = None;
                self.client = Some(client);
                self.land(fetched?)?;
                continue;
            }
            let Some(client) = self.client.take() else { return Ok(None) };
            if let Some(part) = self.pending.pop_front() {
                let url = join(&self.playlist, &part.uri)?;
                self.flight = Some(Box::pin(fetch(client, url, part.range)));
                continue;
            }
            match self.follower.poll().map_err(failed)? {
                Step::Load(load) => {
                    self.client = Some(client);
                    self.pending.extend(load.map.map(|map| (*map).clone()));
                    self.pending.push_back(load.segment.part);
                }
                Step::Reload(at) => {
                    self.flight = Some(Box::pin(reload(client, self.playlist.clone(), at)));
                }
                Step::Finished => return Ok(None),
                Step::Stalled => {
                    let text = "the playlist has no new segment for too long";
                    return Err(Error::new(ErrorKind::Ended, text));
                }
            }
        }
    }
}

impl Segments {
    fn land(&mut self, fetched: Fetched) -> Result<(), Error> {
        match fetched {
            Fetched::Playlist(asked, media) => self.follower.handle_playlist(asked, media),
            Fetched::Media(media) => {
                self.gone = 0;
                self.body = Some(*media);
            }
            Fetched::Nothing => {
                self.gone += 1;
                if self.gone >= MAX_GONE {
                    let text = "the segments of the playlist are not there";
                    return Err(Error::new(ErrorKind::NotFound, text));
                }
            }
        }
        Ok(())
    }
}

impl Media {
    async fn read(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some((_, 0)) = self.cut {
                return Ok(None);
            }
            let Some(mut bytes) = self.body.read().await? else { return Ok(None) };
            let Some((skip, left)) = &mut self.cut else { return Ok(Some(bytes)) };
            let passed = usize::try_from(*skip).unwrap_or(usize::MAX).min(bytes.len());
            bytes.advance(passed);
            *skip -= passed as u64;
            bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= bytes.len() as u64;
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }
}

async fn fetch(
    mut client: Client,
    url: Url,
    range: Option<Range>,
) -> (Client, Result<Fetched, Error>) {
    let asked = range.map(|range| (range.from, range.length));
    let fetched = match client.get(&url, asked).await {
        Ok(answer) => {
            let cut = asked.filter(|_| answer.status == 200);
            Ok(Fetched::Media(Box::new(Media { body: answer.body, cut })))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Fetched::Nothing),
        Err(error) => Err(error),
    };
    (client, fetched)
}

async fn reload(mut client: Client, url: Url, at: Instant) -> (Client, Result<Fetched, Error>) {
    tokio::time::sleep_until(at.into()).await;
    let asked = Instant::now();
    let fetched = async {
        let mut answer = client.get(&url, None).await?;
        let playlist = read(&mut answer).await?;
        client.give_back(answer.body);
        match playlist {
            Playlist::Media(media) => Ok(Fetched::Playlist(asked, media)),
            Playlist::Master(_) => {
                Err(Error::new(ErrorKind::Protocol, "the playlist became a master playlist"))
            }
        }
    };
    let fetched = fetched.await;
    (client, fetched)
}
