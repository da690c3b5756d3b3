//! Every way in which a client leaves, with scripted clients on loopback.
#![allow(clippy::disallowed_methods)] // what the scripts report is bounded by their length

use std::time::Instant;

use bytes::Bytes;
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media, Payload};
use rs2rtc_streams::{
    BoxFuture, Connection, Description, Ended, OpenRequest, Opener, Origin, Producer, Settings,
    Stream, Tracks, events::Event,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

use super::*;

#[cfg(target_os = "linux")]
mod cable;
mod changes;
mod logins;

/// What the scripted sources report.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Dialled,
    DialDropped,
    Running,
    Released,
}

/// Events of sources that a test has yet to look at.
const SEEN: usize = 64;

/// `test:BYTES` gives pictures of this size all the time, `hang:` is dialled for ever.
struct Sources(mpsc::Sender<Seen>);

struct Dial(mpsc::Sender<Seen>);

impl Drop for Dial {
    fn drop(&mut self) {
        let _ = self.0.try_send(Seen::DialDropped);
    }
}

struct Source {
    seen: mpsc::Sender<Seen>,
    size: usize,
    medias: Vec<Media>,
    connection: Arc<Connection>,
}

impl Opener for Sources {
    fn check(&self, _: &str, _: Origin) -> Result<(), Error> {
        Ok(())
    }

    fn open(&self, request: OpenRequest) -> BoxFuture<Result<Box<dyn Producer>, Error>> {
        let seen = self.0.clone();
        Box::pin(async move {
            let _ = seen.try_send(Seen::Dialled);
            let Some(size) = request.source.strip_prefix("test:") else {
                let _dial = Dial(seen);
                return std::future::pending().await;
            };
            let size = size.parse().unwrap();
            let codec = Codec::new(CodecId::H264);
            let medias = vec![Media::new(Kind::Video, Direction::RecvOnly, codec)];
            let connection = Arc::new(Connection::new(Description::default()));
            Ok(Box::new(Source { seen, size, medias, connection }) as Box<dyn Producer>)
        })
    }
}

impl Producer for Source {
    fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    fn medias(&self) -> &[Media] {
        &self.medias
    }

    fn run(self: Box<Self>, mut tracks: Tracks, cancel: CancellationToken) -> BoxFuture<Ended> {
        Box::pin(async move {
            let _ = self.seen.try_send(Seen::Running);
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            let mut picture = vec![0x55; self.size];
            picture[0] = 0x65;
            let picture = Bytes::from(picture);
            for number in 0.. {
                tokio::select! {
                    () = cancel.cancelled() => break,
                    _ = ticks.tick() => {}
                }
                if let Some(writer) = tracks.writer(0) {
                    let payload = Payload::Nals(vec![picture.clone()]);
                    let now = Instant::now();
                    writer.write(Frame::new(CodecId::H264, true, number * 450, now, payload));
                }
            }
            let _ = self.seen.try_send(Seen::Released);
            Ended::Cancelled
        })
    }
}

struct Bench {
    stream: Arc<Stream>,
    address: SocketAddr,
    seen: mpsc::Receiver<Seen>,
    events: rs2rtc_streams::Events,
    read: u64,
    cancel: CancellationToken,
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);
/// Whatever takes longer in a test is a failure.
const LIMIT: Duration = Duration::from_secs(50);

/// Nobody is judged but by the timer under test.
fn patient() -> Timers {
    Timers {
        write_stall: LONG,
        unacknowledged: LONG,
        report: LONG,
        session: LONG,
        publisher: LONG,
        request: LONG,
        goodbye: SHORT,
    }
}

fn bench_at(listen: &str, source: &str, timers: Timers) -> Bench {
    let (sender, seen) = mpsc::channel(SEEN);
    let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
    let streams = Streams::new(Arc::new(Sources(sender)), Settings::default());
    let sources: Vec<String> =
        Some(source).filter(|s| !s.is_empty()).map(Into::into).into_iter().collect();
    let stream = streams.create("camera", &sources, Origin::Config).unwrap();
    let config = Config { listen: listen.into(), timers, ..Config::default() };
    let events = streams.events().clone();
    let server =
        Server::bind(config, Arc::clone(&context), streams, Arc::new(|_, _| Ok(()))).unwrap();
    let address = server.local_addr().unwrap();
    let cancel = CancellationToken::new();
    context.tasks.spawn("server", server.run(cancel.clone()));
    Bench { stream, address, seen, events, read: 0, cancel }
}

fn bench(source: &str, timers: Timers) -> Bench {
    bench_at("127.0.0.1:0", source, timers)
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Bench {
    async fn client(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        // A stalled client is noticed before megabytes are sent.
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// A client that plays; it has read the answers, and nothing of the pictures.
    async fn player(&mut self) -> TcpStream {
        let mut client = self.client().await;
        let url = format!("rtsp://{}/camera", self.address);
        ask(&mut client, &format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n")).await;
        let setup = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
        ask(&mut client, &format!("SETUP {url}/trackID=0 RTSP/1.0\r\nCSeq: 2\r\n{setup}\r\n\r\n"))
            .await;
        ask(&mut client, &request("PLAY", 3)).await;
        assert_eq!(self.seen().await, Seen::Dialled);
        assert_eq!(self.seen().await, Seen::Running);
        client
    }

    async fn seen(&mut self) -> Seen {
        tokio::time::timeout(LIMIT, self.seen.recv()).await.expect("in time").unwrap()
    }

    /// Waits until the viewer has left and the source is released. Gives the
    /// reason and how long it took to notice.
    async fn left(&mut self) -> (String, Option<Duration>) {
        let (reason, detect) = 'found: loop {
            tokio::time::timeout(LIMIT, self.events.changed(self.read)).await.expect("in time");
            for record in self.events.since(self.read).records {
                self.read = record.seq;
                if let Event::ViewerLeft { reason, detect, .. } = &record.event {
                    break 'found (reason.to_string(), *detect);
                }
            }
        };
        assert_eq!(self.seen().await, Seen::Released);
        (reason, detect)
    }

    /// Waits until frames are dropped: nothing more can be written.
    async fn blocked(&self) {
        let drops = || -> u64 {
            let consumers = self.stream.snapshot().consumers.unwrap_or_default();
            consumers.iter().flat_map(|c| &c.senders).map(|s| s.drops).sum()
        };
        until("the client is behind", || drops() > 0).await;
    }
}

async fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    for _ in 0..4000 {
        if is_true() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not in time: {what}");
}

fn request(method: &str, number: u32) -> String {
    format!("{method} rtsp://h/camera RTSP/1.0\r\nCSeq: {number}\r\n\r\n")
}

/// Sends a request and reads its answer; what follows stays unread.
async fn ask(client: &mut TcpStream, text: &str) {
    client.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(client.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("RTSP/1.0 200 "), "{answer}");
    let length = answer.lines().find_map(|l| l.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.map_or(0, |l| l.parse().unwrap())];
    client.read_exact(&mut body).await.unwrap();
}

/// A connection that came before there was a login is told from one that asks for it.
#[tokio::test]
async fn who_decides_knows_which_connections_ask_for_a_login() {
    let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
    let (sender, _seen) = mpsc::channel(SEEN);
    let streams = Streams::new(Arc::new(Sources(sender)), Settings::default());
    let config = Config { listen: "127.0.0.1:0".into(), timers: patient(), ..Config::default() };
    let gate: Gate = Arc::new(|asker: Asker, _| match asker.logs_in {
        true => Ok(()),
        false => Err("log in".to_owned()),
    });
    let server = Server::bind(config.clone(), Arc::clone(&context), streams, gate).unwrap();
    let (address, settings) = (server.local_addr().unwrap(), server.settings());
    let cancel = CancellationToken::new();
    context.tasks.spawn("server", server.run(cancel.clone()));
    let answer = async |client: &mut TcpStream, method, number| {
        client.write_all(request(method, number).as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(client.read_u8().await.unwrap());
        }
        String::from_utf8(answer).unwrap().split(' ').nth(1).unwrap().to_owned()
    };
    let mut old = TcpStream::connect(address).await.unwrap();
    assert_eq!(answer(&mut old, "OPTIONS", 1).await, "200");
    let login = Some(("user".to_owned(), Secret::new("pass")));
    settings.set(Config { credentials: login, ..config });
    assert_eq!(answer(&mut old, "DESCRIBE", 2).await, "403", "it is asked for no login");
    let mut new = TcpStream::connect(address).await.unwrap();
    assert_eq!(answer(&mut new, "DESCRIBE", 1).await, "404", "let in: there is no such stream");
    cancel.cancel();
}

/// Reads and throws away for a time, or until the end.
async fn take(client: &mut TcpStream, time: Duration) {
    let mut buffer = vec![0; 64 * 1024];
    let _ = tokio::time::timeout(time, async {
        while !matches!(client.read(&mut buffer).await, Ok(0) | Err(_)) {}
    })
    .await;
}

fn reset(client: TcpStream) {
    tcp::reset_when_closed(&client);
}

#[tokio::test]
async fn a_goodbye_or_a_closed_connection_releases_at_once() {
    for wanted in ["teardown", "tcp_fin", "tcp_rst"] {
        let mut b = bench("test:1000", patient());
        let mut client = b.player().await;
        match wanted {
            "teardown" => {
                client.write_all(request("TEARDOWN", 4).as_bytes()).await.unwrap();
            }
            "tcp_fin" => client.shutdown().await.unwrap(),
            _ => reset(client),
        }
        let (reason, detect) = b.left().await;
        assert_eq!(reason, wanted);
        assert!(detect.unwrap() < LIMIT, "{wanted} {detect:?}");
    }
}

#[tokio::test]
async fn what_a_player_was_sent_is_counted() {
    let mut b = bench("test:500", patient());
    let mut player = b.player().await;
    let sent = || {
        let consumers = b.stream.snapshot().consumers.unwrap_or_default();
        consumers.first().map_or(0, |consumer| consumer.bytes_send)
    };
    let mut read = 0;
    let mut bytes = [0; 4096];
    while read < 50_000 {
        let count = tokio::time::timeout(LIMIT, player.read(&mut bytes)).await.unwrap().unwrap();
        assert_ne!(count, 0, "the player was ended");
        read += count;
    }
    // It counts media with their framing; the answers to requests are not media.
    assert!(sent() + 4096 > read as u64, "{} of {read} bytes are counted", sent());
    let before = sent();
    until("more", || sent() > before + 10_000).await;
}

#[tokio::test]
async fn the_same_while_nothing_more_can_be_written() {
    for wanted in ["teardown", "tcp_fin", "tcp_rst"] {
        let mut b = bench("test:200000", patient());
        let mut client = b.player().await;
        b.blocked().await;
        match wanted {
            "teardown" => {
                client.write_all(request("TEARDOWN", 4).as_bytes()).await.unwrap();
            }
            "tcp_fin" => client.shutdown().await.unwrap(),
            _ => reset(client),
        }
        assert_eq!(b.left().await.0, wanted);
    }
}

#[tokio::test]
async fn a_dial_that_nobody_waits_for_is_dropped_at_once() {
    for with_reset in [false, true] {
        let mut b = bench("hang:", patient());
        let mut client = b.client().await;
        client.write_all(request("DESCRIBE", 1).as_bytes()).await.unwrap();
        assert_eq!(b.seen().await, Seen::Dialled);
        if with_reset {
            reset(client);
        } else {
            client.shutdown().await.unwrap();
        }
        assert_eq!(b.seen().await, Seen::DialDropped);
    }
    let mut b = bench("hang:", patient());
    let mut client = b.client().await;
    client.write_all(request("DESCRIBE", 1).as_bytes()).await.unwrap();
    assert_eq!(b.seen().await, Seen::Dialled);
    client.write_all(request("TEARDOWN", 2).as_bytes()).await.unwrap();
    assert_eq!(b.seen().await, Seen::DialDropped);
}

#[tokio::test]
async fn who_takes_nothing_is_ended_after_the_limit_and_not_before() {
    let limit = Duration::from_secs(2);
    let mut b = bench("test:50000", Timers { write_stall: limit, ..patient() });
    let client = b.player().await;
    let since = Instant::now();
    let (reason, detect) = b.left().await;
    assert_eq!(reason, "write_stall");
    assert!(since.elapsed() >= limit);
    assert!(detect.unwrap() >= limit, "{detect:?}");
    drop(client);
}

#[tokio::test]
async fn who_takes_nothing_but_is_there_is_not_taken_for_one_that_is_away() {
    let (limit, unacknowledged) = (Duration::from_secs(3), Duration::from_secs(1));
    let timers = Timers { write_stall: limit, unacknowledged, ..patient() };
    let mut b = bench("test:50000", timers);
    let client = b.player().await;
    let since = Instant::now();
    assert_eq!(b.left().await.0, "write_stall");
    assert!(since.elapsed() >= limit);
    drop(client);
}

#[tokio::test]
async fn who_takes_little_but_steadily_stays() {
    let limit = Duration::from_millis(1500);
    let timers = Timers { write_stall: limit, unacknowledged: limit, ..patient() };
    let mut b = bench("test:200000", timers);
    let mut client = b.player().await;
    b.blocked().await;
    let mut buffer = vec![0; 16 * 1024];
    let since = Instant::now();
    while since.elapsed() < limit * 2 {
        let read = tokio::time::timeout(LIMIT, client.read(&mut buffer)).await;
        assert!(read.expect("the client is served").unwrap() > 0);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(b.stream.viewers(), 1);
    client.shutdown().await.unwrap();
    assert_eq!(b.left().await.0, "tcp_fin");
}

/// A player that finds no camera asks again every few seconds.
#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_be_described_is_told_once_a_minute() {
    let (sender, _seen) = mpsc::channel(SEEN);
    let streams = Streams::new(Arc::new(Sources(sender)), Settings::default());
    let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
    let config = Arc::new(Current::new(Config::default()));
    let shared = Shared::new(config, context, streams, Arc::new(|_, _| Ok(())));
    assert!(shared.warn("porch", "describe", "no answer for 5.1 s"));
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(!shared.warn("porch", "describe", "no answer for 5.2 s"));
    }
    assert!(shared.warn("porch2", "describe", "no answer for 5.1 s"), "another stream");
    assert!(shared.warn("porch", "stream not found", ""), "another reason");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(shared.warn("porch", "describe", "no answer for 5.1 s"));
}

#[tokio::test]
async fn who_reported_and_reports_no_more_is_missed() {
    let limit = Duration::from_secs(2);
    let mut b = bench("test:1000", Timers { report: limit, ..patient() });
    let mut client = b.player().await;
    for _ in 0..10 {
        client.write_all(b"$\x01\x00\x02rr").await.unwrap();
        take(&mut client, Duration::from_millis(20)).await;
    }
    assert_eq!(b.stream.viewers(), 1);
    let (left, ()) = tokio::join!(b.left(), take(&mut client, LIMIT));
    assert_eq!(left.0, "rtcp_silence");
    assert!(left.1.unwrap() >= limit, "{left:?}");
}

#[tokio::test]
async fn who_never_reports_is_not_missed_and_who_pauses_is_after_the_session() {
    let timers = Timers { report: SHORT, session: SHORT, ..patient() };
    let mut b = bench("test:1000", timers);
    let mut client = b.player().await;
    take(&mut client, 4 * SHORT).await;
    assert_eq!(b.stream.viewers(), 1);
    client.write_all(request("PAUSE", 4).as_bytes()).await.unwrap();
    let (left, ()) = tokio::join!(b.left(), take(&mut client, LIMIT));
    assert_eq!(left.0, "rtcp_silence");
    assert!(left.1.unwrap() >= SHORT, "{left:?}");
}

async fn publisher(b: &Bench) -> TcpStream {
    let mut client = b.client().await;
    let sdp = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:0\r\n";
    let url = format!("rtsp://{}/camera", b.address);
    let (kind, length) = ("Content-Type: application/sdp", sdp.len());
    let announce = format!(
        "ANNOUNCE {url} RTSP/1.0\r\nCSeq: 1\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{sdp}"
    );
    ask(&mut client, &announce).await;
    let setup = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record";
    ask(&mut client, &format!("SETUP {url}/0 RTSP/1.0\r\nCSeq: 2\r\n{setup}\r\n\r\n")).await;
    ask(&mut client, &request("RECORD", 3)).await;
    until("the push is there", || pushes(b) == 1).await;
    client
}

fn pushes(b: &Bench) -> usize {
    b.stream.snapshot().producers.map_or(0, |p| p.len())
}

#[tokio::test]
async fn a_publisher_that_leaves_or_sends_nothing_gives_its_place_back() {
    for way in ["teardown", "fin", "reset", "silence"] {
        let publisher_limit = if way == "silence" { SHORT } else { LONG };
        let b = bench("", Timers { publisher: publisher_limit, ..patient() });
        let mut client = publisher(&b).await;
        let since = Instant::now();
        let mut open = None;
        match way {
            "teardown" => ask(&mut client, &request("TEARDOWN", 4)).await,
            "fin" => client.shutdown().await.unwrap(),
            "reset" => reset(client),
            _ => {
                // Requests alone are no picture.
                while pushes(&b) > 0 && since.elapsed() < LIMIT {
                    let _ = client.write_all(request("OPTIONS", 4).as_bytes()).await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                open = Some(client);
            }
        }
        until("the push is gone", || pushes(&b) == 0).await;
        if way != "silence" {
            assert!(since.elapsed() < LIMIT, "{way}");
        }
        drop(open);
    }
}
