//! One RTSP connection: what a client asks for, and the player it becomes.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rs2rtc_base::throttle::Source;
use rs2rtc_base::url::query_pairs;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::sdp::{self, Side};
use rs2rtc_media::{Codec, CodecId, Direction, Kind, Media, filter};
use rs2rtc_rtsp::server::{Config as SessionConfig, Event, Session};
use rs2rtc_streams::{
    Attached, CancellationToken, Connection as Info, Departure, Description, Request, Stream,
};
use tokio::net::TcpStream;

use super::player::{Player, described};
use super::publisher::Publisher;
use super::wire::{End, Wire, departure};
use super::{Access, Asker, Config, Shared};
use crate::io::logins::TooMany;
use crate::io::random::random_text;
use crate::io::rtsp::shown_sdp;

type Login = Pin<Box<dyn Future<Output = Result<(), TooMany>> + Send>>;
type Dial = Pin<Box<dyn Future<Output = Result<Attached, Error>> + Send>>;

/// A connection that was accepted.
pub(super) struct Connection {
    wire: Wire,
    peer: SocketAddr,
    shared: Arc<Shared>,
    settings: Arc<Config>,
    dial: Option<Dial>,
    /// A wrong login whose answer is held back.
    login: Option<Login>,
    /// The stream that was asked for last.
    asked: String,
    attached: Option<Attached>,
    player: Option<Player>,
    push: Option<Push>,
}

/// What a publisher announced.
struct Push {
    path: String,
    medias: Vec<Media>,
    sdp: String,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) -> Self {
        let id = random_text().unwrap_or_default();
        let nonce = random_text().unwrap_or_default();
        let mut config = SessionConfig::new(id, nonce);
        let settings = shared.config.get();
        config.auth.clone_from(&settings.credentials);
        config.peer_is_loopback = peer.ip().to_canonical().is_loopback();
        let timers = settings.timers;
        config.request_timeout = timers.request;
        config.play_timeout = timers.session;
        config.report_timeout = timers.report;
        config.record_timeout = timers.publisher;
        let now = Instant::now();
        Self {
            wire: Wire::new(stream, Session::new(config, now), timers, now),
            peer,
            shared,
            settings,
            dial: None,
            login: None,
            asked: String::new(),
            attached: None,
            player: None,
            push: None,
        }
    }

    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let (departure, why, broke_off) = loop {
            let may_send = self.wire.has_room();
            let step = tokio::select! {
                biased;
                () = cancel.cancelled() => Step::Shutdown,
                reason = kicked(self.attached.as_ref(), self.player.as_ref()) => Step::Kicked(reason),
                event = self.wire.event() => Step::Event(event),
                answer = pending(&mut self.login) => Step::WrongLogin(answer),
                attached = pending(&mut self.dial) => Step::Dialled(attached),
                frames = frame(self.player.as_ref()), if may_send => Step::Frame(frames),
            };
            match step {
                Step::Shutdown => {
                    let why = "server is shutting down".to_owned();
                    break (Some(Departure::now("shutdown")), why, None);
                }
                // The stream knows the reason.
                Step::Kicked(why) => break (None, why, None),
                Step::Event(Ok(None)) => {}
                Step::Event(Ok(Some(Event::Record { .. }))) => return self.record(cancel).await,
                Step::Event(Ok(Some(Event::Closed { reason }))) => {
                    let departure = departure(&reason, &self.wire.session);
                    break (Some(departure), reason.to_string(), None);
                }
                Step::Event(Ok(Some(event))) => self.on_event(event),
                Step::Event(Err(end)) => {
                    break (Some(end.departure()), end.to_string(), Some(end.how));
                }
                Step::WrongLogin(answer) => {
                    self.login = None;
                    match answer {
                        Ok(()) => self.wire.session.login_fail(),
                        Err(TooMany { retry_after }) => {
                            self.wire.session.login_too_many(retry_after);
                        }
                    }
                }
                Step::Dialled(result) => {
                    self.dial = None;
                    self.on_dialled(result);
                }
                Step::Frame(None) => {
                    let why = "the stream, or one of its tracks, has ended".to_owned();
                    break (Some(Departure::now("source_failed")), why, None);
                }
                Step::Frame(Some((index, frame))) => {
                    if let Some(player) = &mut self.player {
                        let sent = self.wire.send(|out| player.frame(index, &frame, out));
                        if sent > 0 {
                            self.wire.session.packets_sent(Instant::now(), sent);
                        }
                    }
                }
            }
        };
        tracing::debug!(target: "rtsp", peer = %self.peer, why, "[rtsp] connection ended");
        // The camera first, the goodbye after.
        (self.dial, self.login) = (None, None);
        if let Some(attached) = self.attached.or_else(|| self.player.map(Player::into_attached))
            && let Some(departure) = departure
        {
            attached.detach(departure);
        }
        match broke_off {
            None => self.wire.finish().await,
            Some(how) => self.wire.abandon(how),
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Describe { path, query } => self.describe(&path, &query),
            Event::Announce { path, sdp, .. } => self.announce(path, &sdp),
            Event::WrongLogin => {
                let logins = Arc::clone(&self.shared.context.logins);
                let source = Source::ip(self.peer.ip());
                self.login = Some(Box::pin(async move { logins.wrong(source, None).await }));
            }
            Event::Play { tracks } => match (self.attached.take(), &mut self.player) {
                (Some(attached), _) => {
                    let channels = tracks.iter().filter_map(|track| {
                        let session = &self.wire.session;
                        Some((
                            *track,
                            (session.channel(*track, false)?, session.channel(*track, true)?),
                        ))
                    });
                    let class = self.settings.size_class();
                    self.player = Some(Player::new(attached, &channels.collect(), class));
                }
                (None, Some(player)) => player.resume(),
                (None, None) => {}
            },
            Event::Pause => {
                if let Some(player) = &mut self.player {
                    player.pause();
                }
            }
            Event::Packet { track, rtcp, payload } => {
                if let Some(player) = &mut self.player {
                    player.packet(track, rtcp, &payload);
                }
            }
            _ => {}
        }
    }

    /// Whether the client may do this now. Settings may have changed since it came.
    fn may(&self, wanted: Access) -> Result<(), String> {
        let logs_in = self.settings.credentials.is_some();
        (self.shared.gate)(Asker { ip: self.peer.ip(), logs_in }, wanted)
    }

    fn describe(&mut self, path: &str, query: &str) {
        if let Err(why) = self.may(Access::View) {
            tracing::warn!(target: "rtsp", peer = %self.peer, why, "[rtsp] refused");
            return self.wire.session.describe_fail(403, "Forbidden");
        }
        let Some(stream) = self.shared.streams.get(path) else {
            self.shared.warn(path, "stream not found", "");
            return self.wire.session.describe_fail(404, "Stream Not Found");
        };
        self.attached = None;
        path.clone_into(&mut self.asked);
        self.dial = Some(dial(stream, self.request(query)));
    }

    fn request(&self, query: &str) -> Request {
        let pairs: Vec<(String, String)> = query_pairs(query).collect();
        let find = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let mut medias = medias(&pairs);
        if medias.is_empty() {
            medias = self::medias(&query_pairs(&self.settings.default_query).collect::<Vec<_>>());
        }
        let may_talk = self.may(Access::Publish).is_ok();
        if find("backchannel") == Some("1") && may_talk {
            medias.push(talk_media());
        }
        let connection = Arc::new(Info::new(Description {
            format_name: "rtsp".to_owned(),
            protocol: "rtsp+tcp".to_owned(),
            remote_addr: self.peer.to_string(),
            source: find("source").unwrap_or_default().to_owned(),
            user_agent: self.user_agent(),
            medias: medias.clone(),
            ..Description::default()
        }));
        Request {
            medias,
            connection,
            source_tag: find("source").map(str::to_owned),
            may_sleep: false,
        }
    }

    fn on_dialled(&mut self, result: Result<Attached, Error>) {
        match result {
            Ok(attached) => {
                let medias = described(&attached);
                let description = sdp::write("rs2rtc", &medias);
                attached.connection().describe(|about| about.sdp.clone_from(&description));
                self.wire.session.describe_ok(Instant::now(), Bytes::from(description));
                self.attached = Some(attached);
            }
            Err(error) => {
                self.shared.warn(&self.asked, "describe", &error.to_string());
                let (status, reason) = match error.kind() {
                    ErrorKind::Busy => (453, "Not Enough Bandwidth"),
                    _ => (404, "Not Found"),
                };
                self.wire.session.describe_fail(status, reason);
            }
        }
    }

    fn announce(&mut self, path: String, description: &Bytes) {
        let awaited = self.shared.context.pushes.is_awaited(&path);
        if let (Err(why), false) = (self.may(Access::Publish), awaited) {
            tracing::warn!(target: "rtsp", peer = %self.peer, why, "[rtsp] refused");
            return self.wire.session.announce_fail(403, "Forbidden");
        }
        if !awaited && self.shared.streams.get(&path).is_none() {
            tracing::warn!(target: "rtsp", stream = path, "[rtsp] publish to an unknown stream");
            return self
                .wire
                .session
                .announce_fail(404, "Stream Not Found, add it to the configuration");
        }
        let text = String::from_utf8_lossy(description).into_owned();
        let mut medias = sdp::Session::parse(&text).medias(Side::Publisher);
        for media in &mut medias {
            // One codec per track is what a publisher means.
            media.codecs.truncate(1);
            if media.kind == Kind::Other {
                media.codecs.clear();
            }
        }
        if medias.iter().all(|m| m.codecs.is_empty()) {
            return self.wire.session.announce_fail(415, "No Picture And No Sound");
        }
        self.wire.session.announce_ok(Instant::now());
        self.push = Some(Push { path, medias, sdp: shown_sdp(&text).to_owned() });
    }

    fn user_agent(&self) -> String {
        self.wire.session.user_agent().unwrap_or_default().to_owned()
    }

    /// Hands the connection over to who waits for it, or to its stream.
    async fn record(self, cancel: CancellationToken) {
        let user_agent = self.user_agent();
        let Some(Push { path, medias, sdp }) = self.push else { return };
        let info = Arc::new(Info::new(Description {
            format_name: "rtsp".to_owned(),
            protocol: "rtsp+tcp".to_owned(),
            remote_addr: self.peer.to_string(),
            url: format!("rtsp://{}/{path}", self.peer),
            user_agent,
            sdp,
            medias: medias.iter().filter(|m| !m.codecs.is_empty()).cloned().collect(),
            ..Description::default()
        }));
        let publisher = Box::new(Publisher { wire: self.wire, medias, connection: info });
        match self.shared.context.pushes.deliver(&path, publisher) {
            Ok(()) => {}
            Err(publisher) => match self.shared.streams.get(&path) {
                Some(stream) => {
                    let publication =
                        stream.publish(publisher.medias().to_vec(), publisher.connection());
                    let kicked = publication.kicked();
                    let stop = cancel.child_token();
                    let mut tracks = publication.tracks();
                    for (index, media) in publisher.medias().iter().enumerate() {
                        if let Some(codec) = media.codecs.first() {
                            tracks.open(index, codec);
                        }
                    }
                    let run = publisher.run(tracks, stop.clone());
                    tokio::pin!(run);
                    let ended = tokio::select! {
                        ended = &mut run => ended,
                        () = kicked.cancelled() => {
                            stop.cancel();
                            run.await
                        }
                    };
                    tracing::debug!(target: "rtsp", stream = path, ?ended, "[rtsp] publisher ended");
                    drop(publication);
                }
                // The stream was deleted, or who waited has given up.
                None => drop(publisher),
            },
        }
    }
}

enum Step {
    Shutdown,
    Kicked(String),
    Event(Result<Option<Event>, End>),
    WrongLogin(Result<(), TooMany>),
    Dialled(Result<Attached, Error>),
    Frame(Option<(usize, Arc<rs2rtc_media::Frame>)>),
}

fn dial(stream: Arc<Stream>, request: Request) -> Dial {
    Box::pin(async move { stream.attach(request).await })
}

/// Of nothing there is no end.
async fn pending<F: Future + Unpin>(what: &mut Option<F>) -> F::Output {
    match what {
        Some(what) => what.await,
        None => std::future::pending().await,
    }
}

async fn frame(player: Option<&Player>) -> Option<(usize, Arc<rs2rtc_media::Frame>)> {
    match player {
        Some(player) => player.queue().recv().await,
        None => std::future::pending().await,
    }
}

async fn kicked(attached: Option<&Attached>, player: Option<&Player>) -> String {
    let Some(attached) = attached.or_else(|| player.map(Player::attached)) else {
        return std::future::pending().await;
    };
    attached.kicked().cancelled().await;
    attached.kick_reason().unwrap_or_else(|| "ended by the server".to_owned())
}

/// What a query asks for.
fn medias(pairs: &[(String, String)]) -> Vec<Media> {
    let medias = filter::medias(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
    if medias.is_empty() && pairs.iter().any(|(name, _)| name == "mp4") {
        return mp4_medias();
    }
    medias
}

fn mp4_medias() -> Vec<Media> {
    let video = vec![Codec::new(CodecId::H264), Codec::new(CodecId::H265)];
    let audio = vec![Codec::new(CodecId::Aac)];
    let media =
        |kind, codecs| Media { kind, direction: Direction::SendOnly, codecs, id: String::new() };
    vec![media(Kind::Video, video), media(Kind::Audio, audio)]
}

/// What a talking player may send, best first (`spec/protocols-standard.md` 2).
fn talk_media() -> Media {
    let codecs = vec![
        Codec::new(CodecId::Opus).clock(48_000).channels(2),
        Codec::new(CodecId::L16).clock(16_000),
        Codec::new(CodecId::Pcma).clock(16_000),
        Codec::new(CodecId::Pcmu).clock(16_000),
        Codec::new(CodecId::L16).clock(8000),
        Codec::new(CodecId::Pcma).clock(8000),
        Codec::new(CodecId::Pcmu).clock(8000),
        Codec::new(CodecId::Aac).clock(8000),
        Codec::new(CodecId::Aac).clock(16_000),
    ];
    Media { kind: Kind::Audio, direction: Direction::RecvOnly, codecs, id: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_queries_ask_for() {
        let asked = |query: &str| {
            let pairs: Vec<_> = query_pairs(query).collect();
            medias(&pairs).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let mp4 = ["video, sendonly, H264, H265", "audio, sendonly, MPEG4-GENERIC"];
        assert_eq!(asked("mp4"), mp4);
        assert_eq!(asked("mp4&video"), ["video, sendonly, ANY"]);
        assert!(asked("source=x").is_empty());
    }

    #[test]
    fn a_description_is_kept_up_to_64_kib() {
        let usual = "v=0\r\ns=camera\r\n";
        assert_eq!(shown_sdp(usual), usual);
        let long = format!("x{}", "\u{E4}".repeat(100_000));
        assert_eq!(shown_sdp(&long).len(), 64 * 1024 - 1, "no half letter");
    }
}
