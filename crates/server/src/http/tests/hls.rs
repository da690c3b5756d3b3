//! HLS as a player asks for it, and how a session ends.

use std::time::{Duration, Instant};

use rs2rtc_endpoints::outputs::hls::KEEP;
use rs2rtc_testkit::playlist::{Read, follows, read};
use tokio::io::AsyncWriteExt as _;

use super::outputs::{parked, released};
use super::{Server, frame, open_socket_to, read_text};

const DEMO: &str = "streams:\n  demo: 'demo:'\n  mute: 'demo:?audio=none'\n";

/// The address that a master playlist leads to.
async fn open(server: &Server, query: &str) -> String {
    let master = server.call("GET", &format!("/api/stream.m3u8?{query}")).await;
    assert_eq!(master.status, 200, "{}", master.body);
    assert_eq!(master.header("content-type"), Some("application/vnd.apple.mpegurl"));
    assert_eq!(master.header("access-control-allow-origin"), Some("*"));
    let last = master.body.lines().last().unwrap().to_owned();
    assert!(last.starts_with("hls/playlist.m3u8?id="), "{}", master.body);
    format!("/api/{last}")
}

fn id(address: &str) -> &str {
    address.split_once("id=").unwrap().1
}

async fn playlist(server: &Server, address: &str) -> Read {
    let answer = server.call("GET", address).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    read(&answer.body)
}

#[tokio::test]
async fn viewers_that_poll_share_what_is_cut() {
    let server = Server::start("hls", DEMO);
    let before = server.streams.events().last();
    let (one, two) = (open(&server, "src=mute").await, open(&server, "src=mute").await);
    assert_ne!(one, two);
    let first = playlist(&server, &one).await;
    let segment = &first.segments[0].uri;
    let of_one = server.call("GET", &format!("/api/hls/{segment}")).await;
    assert_eq!(of_one.header("content-type"), Some("video/mp2t"));
    assert!(of_one.header("content-length").is_some());
    assert!(of_one.body.starts_with("G@\0"), "it begins with the tables");
    // The same segment for the other session.
    let of_two = segment.replace(id(&one), id(&two));
    let of_two = server.call("GET", &format!("/api/hls/{of_two}")).await;
    assert_eq!(of_two.body, of_one.body);
    // A reload that waits, and the part that was hinted at.
    let number = first.sequence + first.segments.len() as u64 + 1;
    let waited = format!("{one}&_HLS_msn={number}&_HLS_part=0");
    let waited = playlist(&server, &waited).await;
    follows(&first, &waited);
    let part = format!("n={number}&part=0");
    let all = waited.segments.iter().chain([&waited.open]).flat_map(|segment| &segment.parts);
    assert!(all.into_iter().any(|listed| listed.uri.ends_with(&part)), "{waited:?}");
    let part = server.call("GET", &format!("/api/hls/{}", waited.hint.as_ref().unwrap())).await;
    assert_eq!((part.status, part.body.is_empty()), (200, false));
    let far = server.call("GET", &format!("{one}&_HLS_msn={}", number + 100)).await;
    assert_eq!(far.status, 400);
    for wrong in ["_HLS_part=1", "_HLS_msn=x", "_HLS_msn=-1"] {
        assert_eq!(server.call("GET", &format!("{one}&{wrong}")).await.status, 400, "{wrong}");
    }
    for wrong in ["segment.m4s", "segment.ts", "init.mp4", "playlist.m3u8"] {
        let id = if wrong == "segment.m4s" { id(&one) } else { "zzzzzzzz" };
        let unknown = server.call("GET", &format!("/api/hls/{wrong}?id={id}&n=1")).await;
        unknown.is(404, "404 page not found\n");
        assert_eq!(unknown.header("access-control-allow-origin"), Some("*"));
    }
    // Both are viewers, and let go of the camera when they poll no more.
    let viewers = server.streams.get("mute").unwrap().snapshot().consumers.unwrap();
    let formats: Vec<_> = viewers.iter().map(|v| v.description.format_name.as_str()).collect();
    assert_eq!(formats, ["hls/mpegts", "hls/mpegts"]);
    assert!(viewers.iter().all(|viewer| viewer.bytes_send > 0 && viewer.senders[0].packets > 0));
    let stopped = Instant::now();
    assert_eq!(parked(&server, before).await, "poll_timeout");
    released(&server, before).await;
    let took = stopped.elapsed();
    assert!(took < KEEP + Duration::from_secs(10), "{took:?}");
    let viewers = || server.streams.get("mute").unwrap().viewers();
    assert_eq!(viewers(), 0);
    // Who was only late goes on.
    let late = playlist(&server, &one).await;
    follows(&waited, &late);
    let segment = &late.segments.last().unwrap().uri;
    assert_eq!(server.call("GET", &format!("/api/hls/{segment}")).await.status, 200);
    let next = late.sequence + late.segments.len() as u64;
    follows(&late, &playlist(&server, &format!("{one}&_HLS_msn={next}")).await);
    assert_eq!(viewers(), 1);
    server.stop().await;
}

#[tokio::test]
async fn fragmented_mp4_has_an_initialisation_segment() {
    let server = Server::start("hls-mp4", DEMO);
    let address = open(&server, "src=demo&mp4=all").await;
    let listed = playlist(&server, &address).await;
    let segment = &listed.segments[0];
    let init = format!("/api/hls/{}", segment.map.as_ref().unwrap());
    let init = server.call("GET", &init).await;
    assert_eq!(init.header("content-type"), Some("video/mp4"));
    assert_eq!(&init.body[4..8], "ftyp");
    let media = server.call("GET", &format!("/api/hls/{}", segment.uri)).await;
    assert_eq!(media.header("content-type"), Some("video/iso.segment"));
    assert_eq!(&media.body[4..8], "moof");
    let other = format!("/api/hls/init.mp4?id={}&n=7", id(&address));
    server.call("GET", &other).await.is(404, "404 page not found\n");
    let viewers = server.streams.get("demo").unwrap().snapshot().consumers.unwrap();
    assert_eq!(viewers[0].description.format_name, "hls/fmp4");
    assert_eq!(viewers[0].senders.len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_running_stream_has_its_first_segment_before_the_next_keyframe() {
    // Keyframes are 20 seconds apart.
    let streams = "streams:\n  mute: 'demo:?width=320&height=180&audio=none&gop=600'\n";
    let server = Server::start("hls-first", streams);
    let began = Instant::now();
    let warm = open(&server, "src=mute").await;
    playlist(&server, &warm).await;
    for query in ["src=mute", "src=mute&mp4"] {
        let address = open(&server, query).await;
        let listed = playlist(&server, &address).await;
        let segment = format!("/api/hls/{}", listed.segments[0].uri);
        assert_eq!(server.call("GET", &segment).await.status, 200);
        assert!(began.elapsed() < Duration::from_secs(20), "{query}: {:?}", began.elapsed());
    }
    server.stop().await;
}

#[tokio::test]
async fn a_socket_asks_for_an_address() {
    let server = Server::start("hls-ws", DEMO);
    let (_, mut socket) = open_socket_to(&server, "mute", "").await;
    socket.write_all(&frame(r#"{"type":"hls","value":"avc1.640029,mp4a.40.2"}"#)).await.unwrap();
    let answer = read_text(&mut socket).await;
    assert!(answer.starts_with("{\"type\":\"hls\",\"value\":\"#EXTM3U\\n"), "{answer}");
    let address = answer.trim_end().trim_end_matches("\"}").rsplit_once("hls/").unwrap().1;
    // It does not end with the socket.
    drop(socket);
    let listed = playlist(&server, &format!("/api/hls/{address}")).await;
    assert!(listed.segments[0].uri.starts_with("segment.m4s?"));
    let viewers = server.streams.get("mute").unwrap().snapshot().consumers.unwrap();
    let description = &viewers[0].description;
    assert_eq!(
        (description.format_name.as_str(), description.protocol.as_str()),
        ("hls/fmp4", "ws")
    );

    let (_, mut socket) = open_socket_to(&server, "nosuch", "").await;
    socket.write_all(&frame(r#"{"type":"hls"}"#)).await.unwrap();
    let expected = "{\"type\":\"error\",\"value\":\"hls: stream not found\"}\n";
    assert_eq!(read_text(&mut socket).await, expected);
    server.stop().await;
}

#[tokio::test]
async fn answers_without_a_viewer() {
    let server = Server::start("hls-none", DEMO);
    let before = server.streams.events().last();
    let options = server.call("OPTIONS", "/api/stream.m3u8?src=demo").await;
    options.is(200, "");
    assert_eq!(options.header("access-control-allow-methods"), Some("GET"));
    server.call("HEAD", "/api/stream.m3u8?src=demo").await.is(200, "");
    server.call("GET", "/api/stream.m3u8?src=nosuch").await.is(404, "stream not found\n");
    assert_eq!(server.streams.events().last(), before, "nobody came");
    let safari = "User-Agent: Mozilla/5.0 (Macintosh) Version/17.0 Safari/605.1.15\r\n";
    let moved = server.send("GET", "/api/stream.mp4?src=demo", safari, "").await;
    assert_eq!(
        (moved.status, moved.header("location")),
        (301, Some("/api/stream.m3u8?src=demo&mp4"))
    );
    server.stop().await;
}

/// The browser would keep that it has moved.
#[tokio::test]
async fn safari_is_not_sent_to_hls_where_there_is_none() {
    let safari = "User-Agent: Mozilla/5.0 (Macintosh) Version/17.0 Safari/605.1.15\r\n";
    let ways = [
        "app: {modules: [api, mp4, demo]}\n",
        "api: {listen: '127.0.0.1:0', allow_paths: [/api, /api/stream.mp4]}\n",
    ];
    for (number, way) in ways.iter().enumerate() {
        let server = Server::start(
            &format!("safari-{number}"),
            &format!("{way}streams: {{demo: 'demo:'}}\n"),
        );
        let answer = server.send("HEAD", "/api/stream.mp4?src=demo", safari, "").await;
        assert_eq!((answer.status, answer.header("location")), (200, None), "{way}");
        server.stop().await;
    }
}
