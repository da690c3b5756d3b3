//! RTSP cameras: `rtsp://`, `rtsps://` (TLS), `rtspx://` (TLS, any certificate).
//!
//! Parameters after `#`: `timeout`, `media`, `backchannel`, `transport` (see
//! `docs/sources/rtsp.md`). All pictures and sounds a camera offers are set up
//! at once, so that a second viewer who wants sound does not interrupt the
//! first; what nobody wants is dropped on arrival.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind, Url};
use rs2rtc_media::frame::SizeClass;
use rs2rtc_media::sdp::{self, Side};
use rs2rtc_media::{Codec, Direction, Kind, Media};
use rs2rtc_rtsp::client::{Event, Session, SetupTrack};
use rs2rtc_streams::{
    BoxFuture, CancellationToken, Connection, Description, Ended, FrameQueue, OpenRequest,
    Producer, Sender, Subscription, Tracks, Wanted,
};

use crate::Context;
use crate::io::random::random_bytes;
use crate::io::reach::Reach;
use crate::io::rtp::{Outgoing, Packetiser, Pieces, Receiver};
use crate::io::rtsp::{self, Link, Step};
use crate::parameters::Parameter;
use crate::table::Opening;

/// How long the answer on TEARDOWN is awaited.
const GOODBYE: Duration = Duration::from_millis(150);
/// Bytes that may wait for a camera that does not read.
const MAX_UNSENT: usize = 256 * 1024;

/// Whether to ask for the loudspeaker.
const BACKCHANNEL: &str = "backchannel";

/// What may stand behind `#`.
pub const PARAMETERS: &[Parameter] =
    &[rtsp::TIMEOUT, rtsp::MEDIA, Parameter::of(BACKCHANNEL, &["0", "1"]), rtsp::TRANSPORT];

/// A parsed address.
#[derive(Clone, Debug)]
struct Address {
    server: rtsp::Address,
    /// Kinds to take; empty means all.
    kinds: String,
    backchannel: bool,
}

/// Checks an address.
///
/// # Errors
/// `Config`, naming what is wrong with it.
pub fn check(source: &str) -> Result<(), Error> {
    parse(source).map(|_| ())
}

fn parse(source: &str) -> Result<Address, Error> {
    let server = rtsp::Address::parse(source)?;
    let parameters = &server.url.fragment;
    // Any other parameter turns the backchannel off: people rely on it.
    let backchannel = parameters.is_empty() || parameters.get(BACKCHANNEL) == Some("1");
    let kinds = parameters.get(rtsp::MEDIA.name).unwrap_or_default().to_owned();
    Ok(Address { server, kinds, backchannel })
}

/// Connects and asks the camera for its description.
pub fn open(context: Arc<Context>, request: OpenRequest) -> Opening {
    Box::pin(async move {
        tokio::select! {
            biased;
            // The camera has set up nothing yet: closing the connection is enough.
            () = request.cancel.cancelled() => {
                Err(Error::new(ErrorKind::Ended, "rtsp: nobody waits for the camera any more"))
            }
            opened = dial(&context, &request) => opened,
        }
    })
}

async fn dial(context: &Context, request: &OpenRequest) -> Result<Box<dyn Producer>, Error> {
    let mut address = parse(&request.source)?;
    let reach = context.reach(request.origin);
    let mut redirects = 0;
    let from = Instant::now();
    loop {
        match describe(context, &reach, &address, from).await {
            Ok(described) => return camera(context, &address, described),
            Err(Refusal::Redirect(to)) => {
                redirects += 1;
                if redirects > rtsp::MAX_REDIRECTS {
                    let text = "rtsp: the camera redirects in circles";
                    return Err(Error::new(ErrorKind::Protocol, text));
                }
                address.server.url = *to;
            }
            Err(Refusal::Failed { without_backchannel: true, .. }) if address.backchannel => {
                address.backchannel = false;
            }
            Err(Refusal::Failed { error, .. }) => return Err(error),
        }
    }
}

/// A camera that has said what it offers.
struct Described {
    link: Link,
    /// How long connecting took, with all that led elsewhere or to nothing before.
    connect: Duration,
    sdp: Bytes,
}

enum Refusal {
    Redirect(Box<Url>),
    Failed { error: Error, without_backchannel: bool },
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed { error, without_backchannel: false }
    }
}

async fn describe(
    context: &Context,
    reach: &Reach,
    address: &Address,
    from: Instant,
) -> Result<Described, Refusal> {
    let mut link = address.server.connect(context, reach, address.backchannel).await?;
    let connect = from.elapsed();
    link.session.describe(Instant::now());
    match event(&mut link).await? {
        Event::Described { sdp, .. } => Ok(Described { link, connect, sdp }),
        Event::Redirect(to) => Err(Refusal::Redirect(Box::new(to))),
        Event::Failed { error, without_backchannel } => {
            Err(Refusal::Failed { error, without_backchannel })
        }
        _ => Err(Error::new(ErrorKind::Protocol, "rtsp: unexpected answer to DESCRIBE").into()),
    }
}

fn camera(
    context: &Context,
    address: &Address,
    Described { link, connect, sdp: description }: Described,
) -> Result<Box<dyn Producer>, Error> {
    let text = String::from_utf8_lossy(&description);
    let session = sdp::Session::parse(&text);
    let mut medias = session.medias(Side::Camera);
    for media in &mut medias {
        let named = address.kinds.is_empty() || address.kinds.contains(media.kind.name());
        // Indexes stay those of the description: what is not taken has no codecs.
        if !named || media.kind == Kind::Other {
            media.codecs.clear();
        }
    }
    if medias.iter().all(|m| m.codecs.is_empty()) {
        let text = "rtsp: the camera offers no picture and no sound";
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let connection = Arc::new(Connection::new(Description {
        format_name: "rtsp".to_owned(),
        protocol: "rtsp+tcp".to_owned(),
        remote_addr: link.remote_addr(),
        url: address.server.url.without_credentials(),
        sdp: rtsp::shown_sdp(&text).to_owned(),
        user_agent: context.user_agent.clone(),
        medias: medias.iter().filter(|m| !m.codecs.is_empty()).cloned().collect(),
        ..Description::default()
    }));
    connection.timed("connect", connect);
    let mut camera = Camera { link, medias, connection, told: 0, played_at: None };
    camera.tell();
    Ok(Box::new(camera))
}

/// The next event of the machine.
async fn event(link: &mut Link) -> Result<Event, Error> {
    loop {
        if let Step::Event(event) = link.step().await.map_err(|e| Error::from(e).context("rtsp"))? {
            return Ok(event);
        }
    }
}

struct Camera {
    link: Link,
    medias: Vec<Media>,
    connection: Arc<Connection>,
    /// Answers whose time is noted.
    told: usize,
    /// When PLAY was answered, until media comes.
    played_at: Option<Instant>,
}

impl Producer for Camera {
    fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    fn medias(&self) -> &[Media] {
        &self.medias
    }

    fn run(mut self: Box<Self>, mut tracks: Tracks, cancel: CancellationToken) -> BoxFuture<Ended> {
        Box::pin(async move {
            let ended = if cancel.is_cancelled() {
                Ended::Cancelled
            } else {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => Ended::Cancelled,
                    ended = self.play(&mut tracks) => ended,
                }
            };
            self.link.goodbye(GOODBYE).await;
            ended
        })
    }
}

impl Camera {
    async fn play(&mut self, tracks: &mut Tracks) -> Ended {
        let wanted = tracks.wanted();
        let set_up = self.choose(&wanted);
        let mut receiver = Receiver::new(Arc::clone(&self.connection));
        for (media, codec) in &set_up {
            receiver.add(*media, codec.clone());
        }
        receiver.refresh(tracks);
        let set_ups: Vec<SetupTrack> = set_up.iter().map(|(m, _)| self.set_up(*m)).collect();
        self.link.session.play(Instant::now(), &set_ups);
        let mut talk = Talk::default();
        loop {
            let queue = talk.queue.clone();
            tokio::select! {
                event = event(&mut self.link) => match event {
                    Ok(Event::Packet { track, rtcp: false, payload }) => {
                        if let Some(at) = self.played_at.take() {
                            self.connection.timed("RTP", at.elapsed());
                        }
                        receiver.rtp(track, &payload, Instant::now());
                    }
                    Ok(Event::Packet { track, rtcp: true, payload }) => receiver.rtcp(track, &payload),
                    Ok(Event::Playing { .. }) => {
                        self.tell();
                        self.played_at = Some(Instant::now());
                        talk.update(&tracks.wanted(), &set_up, &self.link.session);
                    }
                    Ok(Event::Failed { error, .. }) | Err(error) => return Ended::Failed(error),
                    Ok(_) => {}
                },
                () = tracks.changed() => {
                    let wanted = tracks.wanted();
                    if wanted.iter().any(|w| !set_up.iter().any(|(m, _)| *m == w.media)) {
                        // Cameras take no SETUP while they play: begin anew with it.
                        return Ended::Finished;
                    }
                    receiver.refresh(tracks);
                    talk.update(&wanted, &set_up, &self.link.session);
                }
                Some((index, frame)) = async {
                    match &queue {
                        Some(queue) => queue.recv().await,
                        None => std::future::pending().await,
                    }
                } => {
                    // A camera that does not read loses it.
                    if self.link.unsent() <= MAX_UNSENT {
                        self.link.send(|out| talk.send(index, &frame, out));
                    }
                }
            }
        }
    }

    /// Notes how long the camera took for what it has accepted since.
    fn tell(&mut self) {
        let answers = self.link.session.answers();
        for (method, took) in answers.get(self.told..).unwrap_or_default() {
            self.connection.timed(method.as_str(), *took);
        }
        self.told = answers.len();
    }

    fn set_up(&self, media: usize) -> SetupTrack {
        let Media { id, direction, .. } = &self.medias[media];
        match direction {
            Direction::RecvOnly => SetupTrack::new(id),
            Direction::SendOnly => SetupTrack::backchannel(id),
        }
    }

    /// What to set up: all that is wanted, every sound, and a picture that is
    /// the only one.
    fn choose(&self, wanted: &[Wanted]) -> Vec<(usize, Codec)> {
        let one_picture =
            self.medias.iter().filter(|m| m.kind == Kind::Video && !m.codecs.is_empty()).count()
                == 1;
        let offered = self.medias.iter().enumerate();
        offered
            .filter_map(|(index, media)| {
                let asked = wanted.iter().find(|w| w.media == index);
                let codec = asked.map(|w| &w.codec).or_else(|| media.codecs.first())?;
                let extra = media.direction == Direction::RecvOnly
                    && (media.kind == Kind::Audio || one_picture);
                (asked.is_some() || extra).then(|| (index, codec.clone()))
            })
            .collect()
    }
}

/// Sound that goes to the camera's loudspeaker.
#[derive(Default)]
struct Talk {
    queue: Option<Arc<FrameQueue>>,
    packetisers: Vec<Packetiser>,
    subscriptions: Vec<Subscription>,
}

impl Talk {
    fn update(&mut self, wanted: &[Wanted], set_up: &[(usize, Codec)], session: &Session) {
        *self = Self::default();
        for w in wanted.iter().filter(|w| w.direction == Direction::SendOnly) {
            let Some(track) = set_up.iter().position(|(m, _)| *m == w.media) else { continue };
            let Ok(random) = random_bytes() else { continue };
            let channel = |rtcp| session.interleaved_header(track, rtcp, 0).map(|head| head[1]);
            let (Some(rtp), Some(rtcp)) = (channel(false), channel(true)) else { continue };
            let queue = self.queue.get_or_insert_with(FrameQueue::new);
            let sender = match &w.sender {
                Some(sender) => Arc::clone(sender),
                None => Arc::new(Sender::new(w.codec.clone(), w.track.id)),
            };
            let (_, sink) = queue.input(Kind::Audio, Arc::clone(&sender));
            self.packetisers.push(Packetiser::new(Outgoing {
                sender,
                codec: w.codec.clone(),
                kind: Kind::Audio,
                payload_type: w.codec.payload_type.unwrap_or(8),
                channels: (rtp, rtcp),
                class: SizeClass::Rtsp,
                epoch: std::time::SystemTime::now(),
                random,
            }));
            self.subscriptions.push(w.track.subscribe(sink));
        }
    }

    fn send(&mut self, index: usize, frame: &rs2rtc_media::Frame, out: &mut Pieces) {
        if let Some(packetiser) = self.packetisers.get_mut(index) {
            packetiser.frame(frame, Instant::now(), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn a_dial_ends_when_nobody_waits_for_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let source = format!("rtsp://{}/x#timeout=600", listener.local_addr().unwrap());
        let context = Context::new(<_>::default(), <_>::default(), "test");
        let cancel = CancellationToken::new();
        let request = OpenRequest {
            source,
            stream: "cam".to_owned(),
            origin: rs2rtc_streams::Origin::Config,
            cancel: cancel.clone(),
        };
        let dial = open(context, request);
        let camera = async {
            let (camera, _) = listener.accept().await.unwrap();
            cancel.cancel();
            camera
        };
        let both = async { tokio::join!(dial, camera) };
        let limit = Duration::from_secs(10);
        let (opened, mut camera) = tokio::time::timeout(limit, both).await.unwrap();
        assert_eq!(opened.err().map(|e| e.kind()), Some(ErrorKind::Ended));
        let mut said = Vec::new();
        camera.read_to_end(&mut said).await.unwrap();
    }

    #[test]
    fn parameters_and_their_quirk() {
        assert!(parse("rtsp://h/x").unwrap().backchannel);
        assert!(!parse("rtsp://h/x#timeout=10").unwrap().backchannel);
        assert!(parse("rtsp://h/x#timeout=10#backchannel=1").unwrap().backchannel);
        let ten = parse("rtsp://h/x#timeout=10").unwrap().server.timeout;
        assert_eq!(ten, Duration::from_secs(10));
        for bad in ["rtsp://h/x#timeout=abc", "rtsp://h/x#transport=udp", "rtsp:///x", "rtsp:x"] {
            let error = check(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{bad}: {error}");
        }
    }
}
