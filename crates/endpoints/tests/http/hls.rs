//! Playlists and their segments.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rs2rtc_base::ErrorKind;
use rs2rtc_media::CodecId;

use crate::camera::{Camera, Reply, ok, path};
use crate::lab::{description, failure, media, stream, view};
use crate::watching::Viewer;

const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

fn playlist(text: &str) -> Reply {
    Reply::Send(ok("application/vnd.apple.mpegurl", text.as_bytes()))
}

/// Pictures of a viewer, whose times rise.
async fn pictures(viewer: &Viewer, count: usize) {
    let (mut seen, mut last) = (0, i64::MIN);
    while seen < count {
        let frame = viewer.next().await;
        if matches!(frame.codec, CodecId::H264 | CodecId::H265) {
            assert!(frame.dts > last, "picture {seen}");
            assert!(seen > 0 || frame.keyframe);
            (seen, last) = (seen + 1, frame.dts);
        }
    }
}

#[tokio::test]
async fn a_live_playlist_of_transport_streams() {
    let lists = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lists);
    let camera = Camera::new(move |head| match path(head) {
        "/live/index.m3u8" => {
            let n = counted.fetch_add(1, Ordering::Relaxed);
            playlist(&format!(
                "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{n}\n#EXTINF:1.2,\n\
                 {n}.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:1.2,\n{}.ts\n",
                n + 1
            ))
        }
        "/live/0.ts" => panic!("a live stream begins with its newest segment"),
        // One that is gone already is passed over.
        "/live/2.ts" => Reply::Send(NOT_FOUND.into()),
        _ => Reply::Send(ok("video/mp2t", &media("h264_aac.ts"))),
    })
    .await;
    let stream = stream(&camera.url("/live/index.m3u8"));
    let viewer = view(&stream).await.unwrap();
    assert_eq!(viewer.codecs(), ["H264", "MPEG4-GENERIC/16000/1"]);
    // Two segments, each on a timeline of its own.
    pictures(&viewer, 20).await;
    assert_eq!(description(&stream).format_name, "hls/mpegts");
    assert!(lists.load(Ordering::Relaxed) >= 2);
}

/// The first box that is an index, and what follows it.
fn split_index(file: &[u8]) -> (&[u8], &[u8]) {
    let moov = file.windows(4).position(|w| w == b"moov").unwrap() - 4;
    let size = u32::from_be_bytes(file[moov..moov + 4].try_into().unwrap()) as usize;
    file.split_at(moov + size)
}

#[tokio::test]
async fn a_master_playlist_and_parts_of_a_file() {
    let file = media("h264_aac.fragments.mp4");
    let (index, rest) = split_index(&file);
    let list = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"{}@0\"\n\
         #EXTINF:1.2,\n#EXT-X-BYTERANGE:{}@{}\nall.mp4\n#EXT-X-ENDLIST\n",
        index.len(),
        rest.len(),
        index.len()
    );
    // This server sends all of it, whatever is asked for.
    let camera = Camera::new(move |head| match path(head) {
        "/" => playlist(
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nsmall/none.m3u8\n\
             #EXT-X-STREAM-INF:BANDWIDTH=9\nbest/list.m3u8\n",
        ),
        "/best/list.m3u8" => Reply::Send(ok("text/plain", list.as_bytes())),
        "/best/all.mp4" => Reply::Send(ok("video/mp4", &file)),
        _ => Reply::Send(NOT_FOUND.into()),
    })
    .await;
    let best = stream(&camera.url("/#variant=best"));
    let viewer = view(&best).await.unwrap();
    pictures(&viewer, 12).await;
    assert_eq!(description(&best).format_name, "hls/mp4");
    let error = failure(&camera.url("/")).await;
    assert_eq!(error.kind(), ErrorKind::NotFound, "the first variant is not there: {error}");
}

#[tokio::test]
async fn playlists_that_cannot_be_played() {
    const HEAD: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n";
    for (text, kind, said) in [
        ("<html>".to_owned(), ErrorKind::Protocol, "this is no playlist"),
        ("#EXTM3U\n".to_owned(), ErrorKind::Protocol, "the playlist is empty"),
        (
            format!("{HEAD}#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:1,\na.ts\n"),
            ErrorKind::Unsupported,
            "the segments are encrypted (AES-128), which is not supported",
        ),
        (
            format!("{HEAD}#EXTINF:1,\na\n#EXTINF:1,\nb\n#EXTINF:1,\nc\n#EXT-X-ENDLIST\n"),
            ErrorKind::NotFound,
            "the segments of the playlist are not there",
        ),
        (
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n/list.m3u8\n".to_owned(),
            ErrorKind::Protocol,
            "a master playlist names another one",
        ),
        (
            format!("{HEAD}#EXTINF:1,\nhttp://\u{1}/a.ts\n"),
            ErrorKind::Protocol,
            "control character",
        ),
    ] {
        let camera = Camera::new(move |head| match path(head) {
            "/list.m3u8" => playlist(&text),
            _ => Reply::Send(NOT_FOUND.into()),
        })
        .await;
        let error = failure(&camera.url("/list.m3u8")).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(
            error.to_string().starts_with("streams: http: ") && error.to_string().contains(said),
            "{error}"
        );
    }
}
