//! An HLS playlist and its segments, read as one stream of bytes
//! ([`rs2rtc_protocols::hls`] says what to fetch). MPEG-TS and fragmented MP4. A
//! segment is delivered as it is played, not as it comes. Sound that has a playlist of
//! its own is followed beside the pictures.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf as _, Bytes};
use rs2rtc_base::{Error, ErrorKind, Url};
use rs2rtc_media::container::Demuxer;
use rs2rtc_protocols::hls::{
    self, Choice, Cipher, Follower, Map, Part, Playlist, Range, Reload, Step,
};
use rs2rtc_streams::{Description, Producer};

use crate::io::http::{Answer, Body, Client};
use crate::io::intake::{BY_FFMPEG, Delivery, Input, Intake, Source};

use super::crypt::{Decryptor, Key};

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
    let (segments, sound) =
        follow(client, answer, choice).await.map_err(|e| e.context(super::WHAT))?;
    let mut intake = Intake::new(segments, Demuxer::new(), super::WHAT).advising(BY_FFMPEG);
    if let Some(sound) = sound {
        intake = intake.with(sound, Demuxer::new());
    }
    Ok(Box::new(Source::open(intake, Delivery::InTime, "hls", description).await?))
}

/// The segments of a playlist, and those of its sound if they are apart.
async fn follow(
    mut client: Client,
    mut answer: Answer,
    choice: Choice,
) -> Result<(Segments, Option<Segments>), Error> {
    let asked = Instant::now();
    let playlist = read(&mut answer).await?;
    let url = answer.url;
    client.give_back(answer.body);
    let variants = match playlist {
        Playlist::Master(variants) => variants,
        Playlist::Media(media) => return Ok((Segments::new(client, url, asked, media), None)),
    };
    let chosen = choice.of(&variants).ok_or_else(|| failed(hls::Error::Empty))?;
    let pictures = Segments::open(client.another(), &join(&url, &chosen.uri)?).await?;
    let sound = match &chosen.audio {
        Some(uri) => {
            let sound = Segments::open(client, &join(&url, uri)?).await;
            sound
                .inspect_err(
                    |error| tracing::warn!(target: "http", %error, "[http] the sound is left out"),
                )
                .ok()
        }
        None => None,
    };
    Ok((pictures, sound))
}

async fn read(answer: &mut Answer) -> Result<Playlist, Error> {
    let text = answer.body.read_soon(MAX_PLAYLIST).await?;
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
    Playlist {
        asked: Instant,
        media: hls::Media,
    },
    /// A request for the playlist that was to wait for something failed.
    Refused,
    Media(Box<Media>),
    /// The key of what is to be fetched next.
    Key(Arc<str>, Key),
    /// It is not there any more.
    Nothing,
}

/// A segment or an index that is being read.
struct Media {
    body: Body,
    /// Bytes to pass over, and those to give then, where a server does not cut.
    cut: Option<(u64, u64)>,
    decryptor: Option<Decryptor>,
}

/// What is to be fetched.
struct Wanted {
    part: Part,
    cipher: Option<Cipher>,
    /// It has times of its own.
    anew: bool,
}

/// The segments of a playlist, one after another.
struct Segments {
    playlist: Url,
    follower: Follower,
    /// Away while something is fetched.
    client: Option<Client>,
    /// To be fetched next.
    pending: VecDeque<Wanted>,
    /// The key that was fetched last, by its address.
    key: Option<(Arc<str>, Key)>,
    flight: Option<Flight>,
    body: Option<Media>,
    /// Segments in a row that were gone.
    gone: u32,
    /// What is being fetched has times of its own.
    next_anew: bool,
    /// The bytes that were read last are its first.
    anew: bool,
}

impl Input for Segments {
    async fn read(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(media) = &mut self.body {
                if let Some(bytes) = media.read().await? {
                    self.anew = std::mem::take(&mut self.next_anew);
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
            if self.pending.is_empty() {
                match self.follower.poll().map_err(failed)? {
                    Step::Load(load) => {
                        // With its index, if it has another one.
                        let mut anew = load.discontinuity;
                        if let Some(map) = load.map.as_deref() {
                            let anew = std::mem::take(&mut anew);
                            self.pending.push_back(Wanted { anew, ..Wanted::of(map) });
                        }
                        let (part, cipher) = (load.part, load.cipher);
                        self.pending.push_back(Wanted { part, cipher, anew });
                    }
                    Step::Reload(wait) => {
                        let Some(client) = self.client.take() else { return Ok(None) };
                        self.flight = Some(Box::pin(reload(client, self.playlist.clone(), wait)));
                        continue;
                    }
                    Step::Finished => return Ok(None),
                    Step::Stalled => {
                        let text = "the playlist has no new segment for too long";
                        return Err(Error::new(ErrorKind::Ended, text));
                    }
                }
            }
            self.take_off()?;
        }
    }

    fn begins_anew(&self) -> bool {
        self.anew
    }
}

impl Segments {
    /// Of a media playlist that was asked for at `asked`.
    fn new(client: Client, playlist: Url, asked: Instant, media: hls::Media) -> Self {
        let mut follower = Follower::new(asked);
        follower.handle_playlist(asked, Instant::now(), media);
        Self {
            playlist,
            follower,
            client: Some(client),
            pending: VecDeque::new(),
            key: None,
            flight: None,
            body: None,
            gone: 0,
            next_anew: false,
            anew: false,
        }
    }

    /// Of the media playlist at an address.
    async fn open(mut client: Client, url: &Url) -> Result<Self, Error> {
        let asked = Instant::now();
        let mut answer = client.get(url, None).await?;
        let playlist = read(&mut answer).await?;
        client.give_back(answer.body);
        match playlist {
            Playlist::Media(media) => Ok(Self::new(client, answer.url, asked, media)),
            Playlist::Master(_) => {
                Err(Error::new(ErrorKind::Protocol, "a master playlist names another one"))
            }
        }
    }

    /// Begins to fetch what is pending, its key first.
    fn take_off(&mut self) -> Result<(), Error> {
        let Some(wanted) = self.pending.front() else { return Ok(()) };
        let mut decryptor = None;
        if let Some(cipher) = &wanted.cipher {
            let Some((_, key)) = self.key.as_ref().filter(|(uri, _)| *uri == cipher.key) else {
                let (uri, url) = (Arc::clone(&cipher.key), join(&self.playlist, &cipher.key)?);
                let client = self.client.take();
                self.flight = client.map(|client| Box::pin(fetch_key(client, uri, url)) as Flight);
                return Ok(());
            };
            decryptor = Some(Decryptor::new(key, cipher.iv)?);
        }
        let (url, range) = (join(&self.playlist, &wanted.part.uri)?, wanted.part.range);
        self.next_anew |= wanted.anew;
        self.pending.pop_front();
        let client = self.client.take();
        self.flight = client.map(|client| Box::pin(fetch(client, url, range, decryptor)) as Flight);
        Ok(())
    }

    fn land(&mut self, fetched: Fetched) -> Result<(), Error> {
        match fetched {
            Fetched::Playlist { asked, media } => {
                self.follower.handle_playlist(asked, Instant::now(), media);
            }
            Fetched::Refused => self.follower.handle_refusal(Instant::now()),
            Fetched::Key(uri, key) => self.key = Some((uri, key)),
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

impl Wanted {
    fn of(map: &Map) -> Self {
        Self { part: map.part.clone(), cipher: map.cipher.clone(), anew: false }
    }
}

impl Media {
    /// The next bytes as they are meant.
    async fn read(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let bytes = self.read_raw().await?;
            let Some(decryptor) = &mut self.decryptor else { return Ok(bytes) };
            let plain = match &bytes {
                Some(bytes) => decryptor.update(bytes)?,
                None => decryptor.finish()?,
            };
            if !plain.is_empty() || bytes.is_none() {
                return Ok(Some(plain).filter(|plain| !plain.is_empty()));
            }
        }
    }

    async fn read_raw(&mut self) -> Result<Option<Bytes>, Error> {
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
    decryptor: Option<Decryptor>,
) -> (Client, Result<Fetched, Error>) {
    let asked = range.map(|range| (range.from, range.length));
    let fetched = match client.get(&url, asked).await {
        Ok(answer) => {
            let cut = asked.filter(|_| answer.status == 200);
            Ok(Fetched::Media(Box::new(Media { body: answer.body, cut, decryptor })))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Fetched::Nothing),
        Err(error) => Err(error),
    };
    (client, fetched)
}

async fn fetch_key(
    mut client: Client,
    uri: Arc<str>,
    url: Url,
) -> (Client, Result<Fetched, Error>) {
    let fetched = async {
        let mut answer = client.get(&url, None).await?;
        let key = Key::new(&answer.body.read_soon(Key::LIMIT).await?)?;
        client.give_back(answer.body);
        Ok(Fetched::Key(uri, key))
    };
    let fetched = fetched.await.map_err(|e: Error| e.context("the key of the segments"));
    (client, fetched)
}

async fn reload(
    mut client: Client,
    mut url: Url,
    wait: Reload,
) -> (Client, Result<Fetched, Error>) {
    tokio::time::sleep_until(wait.at.into()).await;
    if let Some((segment, part)) = wait.until {
        let sign = if url.path_and_query.contains('?') { '&' } else { '?' };
        let more = format!("{sign}_HLS_msn={segment}&_HLS_part={part}");
        url.path_and_query.push_str(&more);
    }
    let asked = Instant::now();
    let fetched = async {
        let mut answer = client.get(&url, None).await?;
        let playlist = read(&mut answer).await?;
        client.give_back(answer.body);
        match playlist {
            Playlist::Media(media) => Ok(Fetched::Playlist { asked, media }),
            Playlist::Master(_) => {
                Err(Error::new(ErrorKind::Protocol, "the playlist became a master playlist"))
            }
        }
    };
    let fetched = match fetched.await {
        Err(_) if wait.until.is_some() => Ok(Fetched::Refused),
        fetched => fetched,
    };
    (client, fetched)
}
