//! Clients of endless answers that stop taking what they asked for: little is kept for
//! them, what they miss is left out, and then they have to go.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media, Payload};
use rs2rtc_streams::events::Event;
use rs2rtc_streams::{Connection, Description, Publication};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::Server;

const LIMIT: Duration = Duration::from_secs(60);
/// What may be on its way to a client, mostly in the buffers of the system.
const MOST: u64 = 16 << 20;

/// A picture of 640x480 without compression.
const RAW: usize = 640 * 480 * 3 / 2;

/// Publishes pictures under a name.
fn publish(server: &Server, name: &str, codec: Codec) -> Publication {
    let medias = vec![Media::new(Kind::Video, Direction::RecvOnly, codec)];
    let stream = server.streams.get(name).unwrap();
    stream.publish(medias, std::sync::Arc::new(Connection::new(Description::default())))
}

/// A client that takes the head of the answer and nothing behind it.
async fn stuck(server: &Server, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut client = socket.connect(server.addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", server.addr);
    client.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 15];
    timeout(LIMIT, client.read_exact(&mut status)).await.unwrap().unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK", "{path}");
    client
}

/// The bytes of the viewer that has been sent the most.
fn sent(server: &Server) -> u64 {
    let viewers =
        ["jpeg", "raw"].map(|name| server.streams.get(name).unwrap().snapshot().consumers);
    viewers.into_iter().flatten().flatten().map(|viewer| viewer.bytes_send).max().unwrap_or(0)
}

#[tokio::test]
async fn who_takes_no_picture_has_to_go() {
    let server = Server::start("outputs-slow", "streams:\n  jpeg:\n  raw:\n");
    let jpeg = publish(&server, "jpeg", Codec::new(CodecId::Jpeg));
    let size = "width=640;height=480;colorspace=420jpeg";
    let raw = publish(&server, "raw", Codec::new(CodecId::RawVideo).fmtp(size.to_owned()));
    let before = server.streams.events().last();
    // It is not decoded: any that begins as pictures do.
    let mut picture = vec![0x55; 200_000];
    picture[..4].copy_from_slice(b"\xff\xd8\xff\xdb");
    let mut pictures = [
        (jpeg.tracks(), CodecId::Jpeg, Bytes::from(picture)),
        (raw.tracks(), CodecId::RawVideo, vec![128; RAW].into()),
    ];
    let most = std::cell::Cell::new(0);
    let write = async {
        let mut every = tokio::time::interval(Duration::from_millis(20));
        for number in 0.. {
            every.tick().await;
            for (tracks, codec, data) in &mut pictures {
                let payload = Payload::Data(data.clone());
                let frame = Frame::new(codec.clone(), true, number * 1800, Instant::now(), payload);
                // Before the first and after the last viewer nobody wants them.
                if let Some(writer) = tracks.writer(0) {
                    writer.write(frame);
                }
            }
            most.set(sent(&server).max(most.get()));
        }
    };
    let look = async {
        let _clients = [
            stuck(&server, "/api/stream.mjpeg?src=jpeg").await,
            stuck(&server, "/api/stream.ascii?src=raw").await,
            stuck(&server, "/api/stream.y4m?src=raw").await,
        ];
        let mut gone = Vec::new();
        let (events, mut seq) = (server.streams.events(), before);
        while gone.len() < 3 {
            events.changed(seq).await;
            for record in events.since(seq).records {
                seq = record.seq;
                if let Event::ViewerLeft { format, reason, .. } = &record.event {
                    gone.push((format.clone(), reason.to_string()));
                }
            }
        }
        gone.sort();
        gone
    };
    let gone = tokio::select! {
        () = write => unreachable!(),
        gone = timeout(LIMIT, look) => gone.unwrap(),
    };
    let reason = "write_stall".to_owned();
    let formats = ["ascii", "mjpeg", "yuv4mpegpipe"];
    assert_eq!(gone, formats.map(|format| (format.to_owned(), reason.clone())));
    assert!((1..MOST).contains(&most.get()), "{most:?}");
    server.stop().await;
}
