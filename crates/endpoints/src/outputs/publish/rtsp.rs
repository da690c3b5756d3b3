//! RTSP servers: `rtsp://`, `rtsps://` (TLS), `rtspx://` (TLS, any certificate).
//!
//! ANNOUNCE with the description of all tracks, SETUP of each over the RTSP
//! connection, RECORD (RFC 2326 10.3 and 10.11), then packets as a player of our
//! server gets them. Parameters after `#`: `media`, `timeout`, `transport`.
//! Left out on purpose: RTP over UDP, which servers behind a router cannot receive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind, Url};
use rs2rtc_media::frame::SizeClass;
use rs2rtc_media::{Codec, CodecId, Direction, Kind, Media, sdp};
use rs2rtc_rtsp::client::{Event, SetupTrack, Track};
use rs2rtc_streams::{
    Attached, BoxFuture, CancellationToken, Connected, Departure, Destination, Ended, Origin,
};

use crate::Context;
use crate::io::reach::Reach;
use crate::io::rtsp::{Address, Link, MAX_REDIRECTS, MEDIA, Step, TIMEOUT, TRANSPORT};
use crate::outputs::rtsp::player::{Player, described};
use crate::parameters::Parameter;

/// How long the answer on TEARDOWN is awaited.
const GOODBYE: Duration = Duration::from_millis(500);

/// Pictures that have an RTP payload format.
const PICTURES: &[CodecId] =
    &[CodecId::H264, CodecId::H265, CodecId::Av1, CodecId::Vp8, CodecId::Vp9, CodecId::Jpeg];

/// Sounds that have one.
const SOUNDS: &[CodecId] = &[
    CodecId::Aac,
    CodecId::Opus,
    CodecId::Pcma,
    CodecId::Pcmu,
    CodecId::G722,
    CodecId::L16,
    CodecId::Pcml,
    CodecId::Mpa,
    CodecId::Eld,
];

/// What may stand behind `#`.
pub const PARAMETERS: &[Parameter] = &[TIMEOUT, MEDIA, TRANSPORT];

/// Checks an address.
///
/// # Errors
/// `Config`, naming what is wrong with it.
pub fn check(url: &str) -> Result<(), Error> {
    parse(url).map(|_| ())
}

fn parse(url: &str) -> Result<(Address, Vec<Media>), Error> {
    let address = Address::parse(url)?;
    let named = address.url.fragment.get(MEDIA.name).unwrap_or_default();
    let both = [(Kind::Video, PICTURES), (Kind::Audio, SOUNDS)];
    let taken =
        both.into_iter().filter(|(kind, _)| named.is_empty() || named.contains(kind.name()));
    let medias: Vec<Media> = taken
        .map(|(kind, codecs)| Media {
            kind,
            direction: Direction::SendOnly,
            codecs: codecs.iter().cloned().map(Codec::new).collect(),
            id: String::new(),
        })
        .collect();
    if medias.is_empty() {
        let text = format!("rtsp: #media={named} names neither video nor audio");
        return Err(Error::new(ErrorKind::Config, text));
    }
    Ok((address, medias))
}

/// The server at an address that `origin` has named.
///
/// # Errors
/// As [`check`].
pub fn destination(
    context: Arc<Context>,
    url: &str,
    origin: Origin,
) -> Result<Arc<dyn Destination>, Error> {
    let (address, medias) = parse(url)?;
    let reach = context.reach(origin);
    Ok(Arc::new(Server { context, address, medias, reach }))
}

#[derive(Clone)]
struct Server {
    context: Arc<Context>,
    address: Address,
    medias: Vec<Media>,
    reach: Reach,
}

impl Destination for Server {
    fn format_name(&self) -> &'static str {
        "rtsp"
    }

    fn medias(&self) -> Vec<Media> {
        self.medias.clone()
    }

    fn connect(&self) -> BoxFuture<Result<Box<dyn Connected>, Error>> {
        let server = self.clone();
        Box::pin(async move {
            let link = server.dial().await?;
            Ok(Box::new(Waiting { server, link }) as Box<dyn Connected>)
        })
    }
}

/// A connection that nothing was said over yet.
struct Waiting {
    server: Server,
    link: Link,
}

impl Connected for Waiting {
    fn send(self: Box<Self>, attached: Attached, cancel: CancellationToken) -> BoxFuture<Ended> {
        let Self { server, link } = *self;
        Box::pin(server.publish(link, attached, cancel))
    }
}

/// What a server says to an offer.
enum Answer {
    /// It waits for packets of these tracks.
    Taken(Vec<Track>),
    Elsewhere(Url),
}

/// How it ended.
struct Over {
    ended: Ended,
    /// `None`: the stream knows the reason.
    departure: Option<Departure>,
}

impl Over {
    /// The server said no, or cannot be reached.
    fn refused(error: Error) -> Self {
        Self { ended: Ended::Failed(error), departure: Some(Departure::now("refused")) }
    }
}

impl Server {
    async fn dial(&self) -> Result<Link, Error> {
        self.address.connect(&self.context, &self.reach, false).await
    }

    async fn publish(
        mut self,
        waiting: Link,
        attached: Attached,
        cancel: CancellationToken,
    ) -> Ended {
        let kicked = attached.kicked();
        let stopped = async {
            let departure = tokio::select! {
                biased;
                () = kicked.cancelled() => None,
                () = cancel.cancelled() => Some(Departure::now("withdrawn")),
            };
            Over { ended: Ended::Cancelled, departure }
        };
        tokio::pin!(stopped);
        let mut link = Some(waiting);
        let begun = tokio::select! {
            biased;
            over = &mut stopped => Err(over),
            begun = self.begin(&mut link, &attached) => begun.map_err(Over::refused),
        };
        let (attached, over) = match (begun, &mut link) {
            (Ok(channels), Some(link)) => {
                let mut player = Player::new(attached, &channels, SizeClass::Rtsp);
                let over = tokio::select! {
                    biased;
                    over = &mut stopped => over,
                    over = self.feed(link, &mut player) => over,
                };
                (player.into_attached(), over)
            }
            (Ok(_), None) => return Ended::Finished,
            (Err(over), _) => (attached, over),
        };
        // The camera first, the goodbye after.
        match over.departure {
            Some(departure) => attached.detach(departure),
            None => drop(attached),
        }
        if let Some(link) = link {
            link.goodbye(GOODBYE).await;
        }
        over.ended
    }

    /// Everything up to RECORD. `link` has the connection that waits, and then what is
    /// left to say goodbye to. Gives the channels of RTP and RTCP of each track.
    async fn begin(
        &mut self,
        link: &mut Option<Link>,
        attached: &Attached,
    ) -> Result<BTreeMap<usize, (u8, u8)>, Error> {
        let medias = described(attached);
        let mut redirects = 0;
        while redirects <= MAX_REDIRECTS {
            let (connected, has_waited) = match link.take() {
                Some(waiting) => (waiting, true),
                None => (self.dial().await?, false),
            };
            attached.connection().describe(|about| {
                about.protocol = "rtsp+tcp".to_owned();
                about.remote_addr = connected.remote_addr();
                about.url = self.address.url.without_credentials();
            });
            let to = link.insert(connected);
            match self.offer(to, &medias).await {
                Ok(Answer::Taken(tracks)) => {
                    let (stream, to) = (attached.stream().name(), self.address.url.authority());
                    tracing::debug!(target: "rtsp", stream, to, "[rtsp] published");
                    return Ok(channels(&tracks));
                }
                Ok(Answer::Elsewhere(url)) => {
                    self.address.url = url;
                    redirects += 1;
                }
                // It had no patience until the camera was open.
                Err(error)
                    if has_waited
                        && error.kind() == ErrorKind::Ended
                        && to.session.last_heard().is_none() => {}
                Err(error) => return Err(error),
            }
            *link = None;
        }
        Err(self.named(Error::new(ErrorKind::Protocol, "it redirects in circles")))
    }

    async fn offer(&self, to: &mut Link, medias: &[Media]) -> Result<Answer, Error> {
        let description = Bytes::from(sdp::write("rs2rtc", medias));
        to.session.announce(Instant::now(), description);
        loop {
            match to.step().await.map_err(|lost| self.named(lost))? {
                Step::Event(Event::Announced) => {
                    let tracks: Vec<SetupTrack> =
                        medias.iter().map(|media| SetupTrack::new(&media.id)).collect();
                    to.session.record(Instant::now(), &tracks);
                }
                Step::Event(Event::Recording { tracks }) => return Ok(Answer::Taken(tracks)),
                Step::Event(Event::Redirect(url)) => return Ok(Answer::Elsewhere(url)),
                Step::Event(Event::Failed { error, .. }) => return Err(self.named(error)),
                Step::Event(_) | Step::Room => {}
            }
        }
    }

    /// Sends until one side ends it.
    async fn feed(&self, link: &mut Link, player: &mut Player) -> Over {
        loop {
            let may_send = link.has_room();
            tokio::select! {
                step = link.step() => match step {
                    Ok(Step::Event(Event::Packet { track, rtcp, payload })) => {
                        player.packet(track, rtcp, &payload);
                    }
                    Ok(Step::Event(Event::Failed { error, .. })) => {
                        let reason = if link.is_closed_by_peer() { "tcp_fin" } else { "refused" };
                        let departure = Some(Departure::now(reason));
                        return Over { ended: Ended::Failed(self.named(error)), departure };
                    }
                    Ok(Step::Event(Event::Redirect(_))) => {
                        // Asked again, it says so again.
                        let text = "it wants us elsewhere";
                        return Over::refused(self.named(Error::new(ErrorKind::Ended, text)));
                    }
                    Ok(_) => {}
                    Err(lost) => {
                        let departure = Some(lost.departure());
                        return Over { ended: Ended::Failed(self.named(lost)), departure };
                    }
                },
                frame = player.queue().recv(), if may_send => match frame {
                    Some((index, frame)) => link.send(|out| player.frame(index, &frame, out)),
                    None => {
                        let text = "the stream, or one of its tracks, has ended";
                        return Over {
                            ended: Ended::Failed(Error::new(ErrorKind::Ended, text)),
                            departure: Some(Departure::now("source_failed")),
                        };
                    }
                },
            }
        }
    }

    /// An error with the server it is about.
    fn named(&self, error: impl Into<Error>) -> Error {
        error.into().context(format!("rtsp: {}", self.address.url.authority()))
    }
}

fn channels(tracks: &[Track]) -> BTreeMap<usize, (u8, u8)> {
    let channels = tracks.iter().enumerate();
    channels
        .filter_map(|(index, track)| Some((index, (track.channel?, track.channel? + 1))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_their_parameters() {
        let kinds = |url: &str| -> Vec<Kind> {
            parse(url).unwrap().1.iter().map(|media| media.kind).collect()
        };
        assert_eq!(kinds("rtsp://u:p@h/x"), [Kind::Video, Kind::Audio]);
        assert_eq!(kinds("rtsps://h/x#media=audio#timeout=10"), [Kind::Audio]);
        for (bad, why) in [
            ("rtsp://h/x#transport=udp", "rtsp: #transport=udp is not available yet, use tcp"),
            ("rtsp://h/x#media=text", "rtsp: #media=text names neither video nor audio"),
            ("rtsp:///x", "rtsp: the address has no host"),
        ] {
            let error = check(bad).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Config, why));
        }
    }
}
