//! Viewers over real sockets on loopback.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_media::{Codec, CodecId, Frame, Kind, Payload};
use rs2rtc_streams::{
    BoxFuture, OpenRequest, Opener, Origin, Producer, Publication, Settings, Streams, TrackWriter,
    Tracks,
};
use rs2rtc_webrtc::framing::{Deframer, prefix};
use rs2rtc_webrtc::liveness::Reason;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::media::{Direction as ClientDirection, KeyframeRequestKind, MediaKind, Mid};
use str0m::net::{Receive, TcpType};
use str0m::{Candidate, Input, Rtc, RtcConfig};

use super::*;

mod changes;
mod cost;
mod path;
mod public;
mod shards;
mod talk;
mod tcp;

const LIMIT: Duration = Duration::from_secs(10);
const RATE: i64 = 3000;

struct NoSources;

impl Opener for NoSources {
    fn check(&self, _: &str, _: Origin) -> Result<(), Error> {
        Ok(())
    }

    fn open(&self, _: OpenRequest) -> BoxFuture<Result<Box<dyn Producer>, Error>> {
        Box::pin(async { Err(Error::new(ErrorKind::Unreachable, "no source")) })
    }
}

/// A stream whose frames the test writes.
struct Scene {
    streams: Streams,
    stream: Arc<Stream>,
    gateway: Gateway,
    publication: Option<Publication>,
    tracks: Tracks,
    sps: &'static [u8],
    cancel: CancellationToken,
    pictures: i64,
}

impl Scene {
    fn new(shards: usize) -> Self {
        Self::with(shards, Timers::default())
    }

    fn with(shards: usize, liveness: Timers) -> Self {
        let streams = Streams::new(Arc::new(NoSources), Settings::default());
        let stream = streams.create("yard", &[], Origin::Config).unwrap();
        let publication = publish(&stream, true);
        let cancel = CancellationToken::new();
        let config = Config {
            listen: Listen { ip: Some(Ipv4Addr::LOCALHOST.into()), port: 0, udp: true, tcp: true },
            shards: Some(shards),
            liveness,
            ..Config::default()
        };
        let gateway = Gateway::start(config, &Tasks::new(), &cancel).unwrap();
        let tracks = publication.tracks();
        let sps = &[0x67, 0x42, 0xe0, 0x1f, 0x8c, 0x68, 0x05, 0x00];
        let publication = Some(publication);
        Self { streams, stream, gateway, publication, tracks, sps, cancel, pictures: 0 }
    }

    /// The source is lost and comes back, with its sound or without it. Its own time
    /// begins anew.
    fn comes_back(&mut self, with_sound: bool) {
        self.publication = None;
        let publication = publish(&self.stream, with_sound);
        self.tracks = publication.tracks();
        self.publication = Some(publication);
        self.pictures = 0;
    }

    fn writer(&mut self, media: usize) -> Option<TrackWriter> {
        self.tracks.writer(media)
    }

    fn picture(&mut self, key: bool) {
        self.picture_of(key, if key { 30_000 } else { 2000 });
    }

    /// Packets sent to viewers.
    fn sent(&self) -> u64 {
        let consumers = self.stream.snapshot().consumers.unwrap_or_default();
        consumers.iter().flat_map(|c| &c.senders).map(|s| s.packets).sum()
    }

    fn picture_of(&mut self, key: bool, size: usize) {
        let mut nals = vec![Bytes::from(vec![if key { 0x65 } else { 0x41 }; size])];
        if key {
            nals.insert(0, Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80]));
            nals.insert(0, Bytes::from_static(self.sps));
        }
        self.pictures += 1;
        let pts = self.pictures * RATE;
        let frame = Frame::new(CodecId::H264, key, pts, Instant::now(), Payload::Nals(nals));
        if let Some(writer) = self.writer(0) {
            writer.write(frame);
        }
        let sound = Payload::Data(Bytes::from_static(&[0xfc, 1, 2, 3]));
        if let Some(writer) = self.writer(1) {
            let pts = self.pictures * 1600;
            writer.write(Frame::new(CodecId::Opus, true, pts, Instant::now(), sound));
        }
    }

    fn signalling() -> Signalling {
        Signalling {
            format_name: "webrtc/json".to_owned(),
            protocol: "http".to_owned(),
            loopback: true,
            may_talk: true,
            ..Signalling::default()
        }
    }

    /// A viewer with its answer.
    async fn viewer(&self, mut client: Client) -> (Client, SessionHandle) {
        let offer = client.offer.clone();
        let answer =
            self.gateway.answer(&self.stream, &offer, Self::signalling(), true).await.unwrap();
        client.accept(&answer);
        (client, answer.session)
    }
}

fn publish(stream: &Arc<Stream>, with_sound: bool) -> Publication {
    let picture = Codec::new(CodecId::H264).clock(90_000);
    let sound = Codec::new(CodecId::Opus).clock(48_000).channels(2);
    let mut medias = vec![
        Media::new(Kind::Video, Direction::RecvOnly, picture),
        Media::new(Kind::Audio, Direction::RecvOnly, sound),
    ];
    medias.truncate(if with_sound { 2 } else { 1 });
    stream.publish(medias, Arc::new(Connection::new(Description::default())))
}

enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream, Deframer),
}

struct Client {
    rtc: Rtc,
    link: Link,
    local: SocketAddr,
    offer: String,
    pending: Option<SdpPendingOffer>,
    video: Mid,
    /// (media time, marker) of received video packets.
    video_packets: Vec<(u32, bool)>,
    /// What was in them.
    video_payloads: Vec<Arc<[u8]>>,
    audio_packets: usize,
    closed: bool,
    connected: Option<Instant>,
    /// A data channel, and what came on it.
    channel: Option<ChannelId>,
    heard: Vec<Vec<u8>>,
}

impl Client {
    fn udp() -> Self {
        Self::at(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    fn at(socket: UdpSocket) -> Self {
        let local = socket.local_addr().unwrap();
        Self::new(Link::Udp(socket), local, Candidate::host(local, "udp").unwrap())
    }

    fn tcp(gateway: &Gateway) -> Self {
        let port = gateway.tcp_port().unwrap();
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let local = stream.local_addr().unwrap();
        let candidate =
            Candidate::builder().tcp().host(local).tcptype(TcpType::Active).build().unwrap();
        Self::new(Link::Tcp(stream, Deframer::default()), local, candidate)
    }

    fn new(link: Link, local: SocketAddr, candidate: Candidate) -> Self {
        let mut rtc = RtcConfig::new().set_rtp_mode(true).build(Instant::now());
        rtc.add_local_candidate(candidate);
        let mut api = rtc.sdp_api();
        let video = api.add_media(MediaKind::Video, ClientDirection::RecvOnly, None, None, None);
        api.add_media(MediaKind::Audio, ClientDirection::RecvOnly, None, None, None);
        let (offer, pending) = api.apply().unwrap();
        Self {
            rtc,
            link,
            local,
            offer: offer.to_sdp_string(),
            pending: Some(pending),
            video,
            video_packets: Vec::new(),
            video_payloads: Vec::new(),
            audio_packets: 0,
            closed: false,
            connected: None,
            channel: None,
            heard: Vec::new(),
        }
    }

    fn accept(&mut self, answer: &Answer) {
        let wanted = match self.link {
            Link::Udp(_) => " udp ",
            Link::Tcp(..) => " tcp ",
        };
        // Only our own kind, so that nothing else is tried.
        let lines =
            answer.sdp.lines().filter(|l| !l.starts_with("a=candidate") || l.contains(wanted));
        let sdp: String = lines.flat_map(|l| [l, "\r\n"]).collect();
        let parsed = SdpAnswer::from_sdp_string(&sdp).unwrap();
        self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), parsed).unwrap();
    }

    /// Runs until something is so, within the limit.
    fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + LIMIT;
        while !done(self) {
            assert!(Instant::now() < end, "it did not come to that");
            self.step();
        }
    }

    fn step(&mut self) {
        let next = self.send();
        self.receive(next);
    }

    /// Sends what there is, and says until when there is no more.
    fn send(&mut self) -> Instant {
        loop {
            match self.rtc.poll_output().unwrap() {
                str0m::Output::Transmit(t) => match &mut self.link {
                    Link::Udp(socket) => {
                        let _ = socket.send_to(&t.contents, t.destination);
                    }
                    Link::Tcp(stream, _) => {
                        let mut bytes = prefix(&t.contents).unwrap().to_vec();
                        bytes.extend_from_slice(&t.contents);
                        let _ = stream.write_all(&bytes);
                    }
                },
                str0m::Output::Event(event) => self.event(event),
                str0m::Output::Timeout(t) => return t,
            }
        }
    }

    fn receive(&mut self, next: Instant) {
        let wait = next.saturating_duration_since(Instant::now());
        let wait = wait.clamp(Duration::from_millis(1), Duration::from_millis(5));
        let mut buffer = [0; 4096];
        match &mut self.link {
            Link::Udp(socket) => {
                socket.set_read_timeout(Some(wait)).unwrap();
                if let Ok((count, from)) = socket.recv_from(&mut buffer) {
                    let receive =
                        Receive::new(str0m::net::Protocol::Udp, from, self.local, &buffer[..count])
                            .unwrap();
                    self.rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
                    return;
                }
            }
            Link::Tcp(stream, deframer) => {
                stream.set_read_timeout(Some(wait)).unwrap();
                let Ok(from) = stream.peer_addr() else { return };
                if let Ok(count) = stream.read(&mut buffer) {
                    deframer.push(&buffer[..count]);
                }
                if let Some(frame) = deframer.next_frame() {
                    let receive =
                        Receive::new(str0m::net::Protocol::Tcp, from, self.local, &frame).unwrap();
                    self.rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
                    return;
                }
            }
        }
        self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
    }

    fn event(&mut self, event: str0m::Event) {
        match event {
            str0m::Event::Connected => self.connected = Some(Instant::now()),
            str0m::Event::RtpPacket(packet) => {
                let ssrc = packet.header.ssrc;
                let mid = self.rtc.direct_api().stream_rx(&ssrc).unwrap().mid();
                if mid == self.video {
                    self.video_packets.push((packet.header.timestamp, packet.header.marker));
                    self.video_payloads.push(packet.payload);
                } else {
                    self.audio_packets += 1;
                }
            }
            str0m::Event::ChannelOpen(id, _) => self.channel = Some(id),
            str0m::Event::ChannelData(data) => self.heard.push(data.data),
            str0m::Event::Closed => self.closed = true,
            _ => {}
        }
    }

    /// Whole pictures so far.
    fn pictures(&self) -> usize {
        self.video_packets.iter().filter(|p| p.1).count()
    }
}

/// What a viewer's timeline says once the server has its connection too: the client's own
/// end may be connected a moment earlier.
async fn connected(
    scene: &Scene,
    client: &mut Client,
    session: &SessionHandle,
) -> Vec<(&'static str, String)> {
    client.until(|c| c.connected.is_some());
    let end = Instant::now() + LIMIT;
    loop {
        let reports = scene.gateway.reports().await;
        let report = reports.iter().find(|r| r.viewer == session.viewer()).unwrap();
        let marks = report.timeline.iter().map(|m| (m.name, m.detail.clone()));
        let marks: Vec<_> = marks.collect();
        if marks.iter().any(|(name, _)| *name == "connected") {
            return marks;
        }
        assert!(Instant::now() < end, "{marks:?}");
        client.step();
    }
}

async fn released(scene: &Scene) {
    let end = Instant::now() + LIMIT;
    while scene.stream.viewers() > 0 || scene.gateway.sessions() > 0 {
        assert!(Instant::now() < end, "still held");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_the_cached_picture_and_what_follows() {
    let mut scene = Scene::new(1);
    let (mut first, session) = scene.viewer(Client::udp()).await;
    assert_eq!(scene.gateway.session(&session.id).unwrap().id, session.id);
    connected(&scene, &mut first, &session).await;
    scene.picture(true);
    for _ in 0..4 {
        scene.picture(false);
    }
    first.until(|c| c.pictures() == 5 && c.audio_packets == 5);

    // A second viewer gets the five as a burst, then the live one.
    let (mut second, _) = scene.viewer(Client::udp()).await;
    second.until(|c| c.pictures() == 5);
    let mut times: Vec<u32> = second.video_packets.iter().map(|p| p.0).collect();
    times.dedup();
    assert!(times.windows(2).all(|p| p[1].wrapping_sub(p[0]) == 1), "{times:?}");
    scene.picture(false);
    second.until(|c| c.pictures() == 6);
    first.until(|c| c.pictures() == 6);
    let last = second.video_packets.last().unwrap().0;
    assert_eq!(last.wrapping_sub(times[4]), u32::try_from(RATE).unwrap());

    // The API knows the pair.
    let snapshot = scene.stream.snapshot();
    let consumers = snapshot.consumers.unwrap();
    assert_eq!(consumers[0].description.protocol, "http+udp");
    assert!(consumers[0].description.remote_addr.starts_with("127.0.0.1:"));

    // Requests for a keyframe are answered from the cache, now and then.
    let video = second.video;
    second.until(|c| {
        let mut api = c.rtc.direct_api();
        api.stream_rx_by_mid(video, None).unwrap().request_keyframe(KeyframeRequestKind::Pli);
        c.pictures() == 12
    });

    first.rtc.close().unwrap();
    first.until(|c| !c.rtc.is_alive());
    assert_eq!(session.closed().await, "close_notify");
    second.rtc.close().unwrap();
    second.until(|c| !c.rtc.is_alive());
    released(&scene).await;
    assert!(scene.gateway.session(&session.id).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn our_end_of_a_session_is_heard() {
    let scene = Scene::new(1);
    let (mut client, session) = scene.viewer(Client::udp()).await;
    client.until(|c| c.connected.is_some());
    session.goodbye(Goodbye::Admin);
    assert_eq!(session.closed().await, "admin");
    client.until(|c| c.closed);
    released(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeline_begins_with_the_offer_and_names_the_network() {
    let scene = Scene::new(1);
    for network in ["udp", "tcp"] {
        let client = if network == "udp" { Client::udp() } else { Client::tcp(&scene.gateway) };
        let (mut client, session) = scene.viewer(client).await;
        let marks = connected(&scene, &mut client, &session).await;
        assert_eq!(marks[0], ("offer", String::new()));
        assert!(marks.contains(&("connected", network.to_owned())), "{marks:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_stream_ends_its_viewers() {
    let scene = Scene::new(1);
    let (mut client, session) = scene.viewer(Client::udp()).await;
    client.until(|c| c.connected.is_some());
    assert!(scene.streams.delete("yard"));
    assert_eq!(session.closed().await, "stream was deleted");
    client.until(|c| c.closed);
    released(&scene).await;
    let listed = async {
        while scene.gateway.ended().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, listed).await.expect("it is listed as ended");
    let report = scene.gateway.ended().remove(0);
    assert_eq!(report.reason.map(Reason::code), Some("deleted"));
    assert!(report.left.is_some_and(|at| at.elapsed().is_ok_and(|since| since < LIMIT)));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_signalling_lets_go_only_for_who_has_not_come() {
    let scene = Scene::new(1);
    let (mut came, session) = scene.viewer(Client::udp()).await;
    connected(&scene, &mut came, &session).await;
    let (_absent, other) = scene.viewer(Client::udp()).await;
    session.signalling_lost(SignallingEnd::Fin);
    other.signalling_lost(SignallingEnd::Fin);
    // It answers the probes meanwhile.
    came.until(|_| other.parked() == Some("signalling_lost"));
    assert_eq!((session.close_reason(), session.parked()), (None, None));
    session.goodbye(Goodbye::Delete);
    released(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_shards_share_the_port() {
    let mut scene = Scene::new(3);
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(scene.viewer(Client::udp()).await.0);
    }
    for client in &mut clients {
        client.until(|c| c.connected.is_some());
    }
    scene.picture(true);
    for client in &mut clients {
        client.until(|c| c.pictures() == 1);
    }
    drop(clients);
    scene.gateway.stop().await;
    released(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_offers_dial_nothing() {
    let scene = Scene::new(1);
    let error = scene
        .gateway
        .answer(&scene.stream, "v=0\r\n", Scene::signalling(), true)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "webrtc: offer is not a session description");
    assert_eq!(scene.stream.viewers(), 0);
    scene.cancel.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_port_is_told_and_survived() {
    let taken = UdpPort::bind(Some(Ipv4Addr::LOCALHOST.into()), 0).unwrap();
    let listen =
        Listen { ip: Some(Ipv4Addr::LOCALHOST.into()), port: taken.port(), udp: true, tcp: false };
    let config = Config { listen, ..Config::default() };
    let gateway = Gateway::start(config, &Tasks::new(), &CancellationToken::new()).unwrap();
    assert!(
        gateway.problems()[0].contains(&format!("UDP port 127.0.0.1:{} is used", taken.port()))
    );
    assert_ne!(gateway.udp_port(), taken.port());
}
