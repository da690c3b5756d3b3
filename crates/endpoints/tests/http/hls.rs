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

/// Plays three parts of 1.2 s, each of which has the same times.
async fn plays_three_parts(address: String) {
    let stream = stream(&address);
    let viewer = view(&stream).await.unwrap();
    let (mut keyframes, mut pictures, mut sound) = (Vec::new(), Vec::new(), Vec::new());
    while pictures.len() < 36 {
        let frame = viewer.next().await;
        if frame.codec == CodecId::H264 {
            keyframes.extend(frame.keyframe.then_some(pictures.len()));
            pictures.push(frame.dts);
        } else {
            sound.push(frame.dts);
        }
    }
    assert_eq!(keyframes, [0, 5, 10, 12, 17, 22, 24, 29, 34], "{address}");
    let even = |times: &[i64], step: i64, most: i64| {
        times.windows(2).all(|pair| (pair[1] - pair[0] - step).abs() <= most)
    };
    assert!(even(&pictures, 9000, 900), "{address}: {pictures:?}");
    // The sound of a part is longer than its pictures by 80 ms, which fall on each other.
    assert!(even(&sound, 1024, 1024), "{address}: {sound:?}");
}

#[tokio::test]
async fn parts_with_the_same_times_are_shown_one_after_another() {
    let list = |between: &str| {
        let segments = [0, 1, 2].map(|n| format!("#EXTINF:1.2,\n{n}.ts\n")).join(between);
        playlist(&format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{segments}#EXT-X-ENDLIST\n"))
    };
    let camera = Camera::new(move |head| match path(head) {
        "/told.m3u8" => list("#EXT-X-DISCONTINUITY\n"),
        "/untold.m3u8" => list(""),
        "/all.ts" => Reply::Send(ok("video/mp2t", &media("h264_aac.ts").repeat(3))),
        _ => Reply::Send(ok("video/mp2t", &media("h264_aac.ts"))),
    })
    .await;
    tokio::join!(
        plays_three_parts(camera.url("/told.m3u8")),
        plays_three_parts(camera.url("/untold.m3u8")),
        plays_three_parts(camera.url("/all.ts")),
    );
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
            format!("{HEAD}#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXTINF:1,\na.ts\n"),
            ErrorKind::Unsupported,
            "the segments are encrypted (SAMPLE-AES), which is not supported",
        ),
        (
            format!("{HEAD}#EXT-X-KEY:METHOD=AES-128,URI=\"gone\"\n#EXTINF:1,\na.ts\n"),
            ErrorKind::NotFound,
            "the key of the segments",
        ),
        (
            format!("{HEAD}#EXT-X-KEY:METHOD=AES-128,URI=\"short\"\n#EXTINF:1,\na.ts\n"),
            ErrorKind::Protocol,
            "the key of the segments has 15 bytes, not 16",
        ),
        (
            format!("{HEAD}#EXT-X-KEY:METHOD=AES-128,URI=\"list.m3u8\"\n#EXTINF:1,\na.ts\n"),
            ErrorKind::Protocol,
            "the key of the segments",
        ),
        (
            format!("{HEAD}#EXT-X-KEY:METHOD=AES-128,URI=\"wrong\"\n#EXTINF:1,\na.ts\n"),
            ErrorKind::Protocol,
            "the segments cannot be decrypted with their key",
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
            "/short" => Reply::Send(ok("text/plain", &[7; 15])),
            "/wrong" => Reply::Send(ok("text/plain", &[7; 16])),
            "/a.ts" if text.contains("wrong") => Reply::Send(ok("video/mp2t", &[1; 31])),
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

/// A file as a server encrypts it.
fn encrypted(file: &[u8], key: &[u8; 16], iv: u128) -> Vec<u8> {
    use aws_lc_rs::cipher::{AES_128, EncryptionContext, PaddedBlockEncryptingKey};
    let key = aws_lc_rs::cipher::UnboundCipherKey::new(&AES_128, key).unwrap();
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).unwrap();
    let mut bytes = file.to_vec();
    let iv = aws_lc_rs::iv::FixedLength::from(iv.to_be_bytes());
    key.less_safe_encrypt(&mut bytes, EncryptionContext::Iv128(iv)).unwrap();
    bytes
}

#[tokio::test]
async fn encrypted_segments() {
    const KEYS: [[u8; 16]; 2] = [[1; 16], [2; 16]];
    let file = media("h264_aac.ts");
    let list = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:300\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"/keys/0?t=1,2\"\n#EXTINF:1.2,\n300.ts\n#EXTINF:1.2,\n\
        301.ts\n#EXT-X-KEY:METHOD=AES-128,URI=\"/keys/1\",IV=0xff\n#EXTINF:1.2,\n302.ts\n\
        #EXT-X-KEY:METHOD=NONE\n#EXTINF:1.2,\n303.ts\n#EXT-X-ENDLIST\n";
    let camera = Camera::new(move |head| match path(head) {
        "/list.m3u8" => playlist(list),
        "/keys/0?t=1,2" => Reply::Send(ok("application/octet-stream", &KEYS[0])),
        "/keys/1" => Reply::Send(ok("application/octet-stream", &KEYS[1])),
        // The number of a segment is its vector where none is given.
        "/300.ts" => Reply::Send(ok("video/mp2t", &encrypted(&file, &KEYS[0], 300))),
        "/301.ts" => Reply::Send(ok("video/mp2t", &encrypted(&file, &KEYS[0], 301))),
        "/302.ts" => Reply::Send(ok("video/mp2t", &encrypted(&file, &KEYS[1], 0xff))),
        "/303.ts" => Reply::Send(ok("video/mp2t", &file)),
        other => panic!("{other}"),
    })
    .await;
    let stream = stream(&camera.url("/list.m3u8"));
    let viewer = view(&stream).await.unwrap();
    assert_eq!(viewer.codecs(), ["H264", "MPEG4-GENERIC/16000/1"]);
    pictures(&viewer, 44).await;
    let keys = camera.requests().iter().filter(|head| path(head).starts_with("/keys/")).count();
    assert_eq!(keys, 2, "a key is fetched once");
}

#[tokio::test]
async fn an_encrypted_index() {
    let file = media("h264_aac.fragments.mp4");
    let (index, rest) = split_index(&file);
    let (index, rest) = (encrypted(index, &[3; 16], 9), encrypted(rest, &[3; 16], 9));
    let camera = Camera::new(move |head| match path(head) {
        "/list.m3u8" => playlist(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-KEY:METHOD=AES-128,URI=\"key\",IV=0x9\n\
             #EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:1.2,\n0.m4s\n#EXT-X-ENDLIST\n",
        ),
        "/key" => Reply::Send(ok("text/plain", &[3; 16])),
        "/init.mp4" => Reply::Send(ok("video/mp4", &index)),
        _ => Reply::Send(ok("video/mp4", &rest)),
    })
    .await;
    let viewer = view(&stream(&camera.url("/list.m3u8"))).await.unwrap();
    pictures(&viewer, 12).await;
}

/// The tracks of a file, each as a transport stream of its own.
fn apart(name: &str) -> Vec<Vec<u8>> {
    use rs2rtc_media::container::mux::{Chunks, Muxer as _, mpegts};
    use rs2rtc_media::container::{Demuxer, Time};
    let mut demuxer = Demuxer::new();
    demuxer.push(&media(name));
    demuxer.end().unwrap();
    let codecs = demuxer.tracks().unwrap().unwrap().to_vec();
    let muxer = |codec| {
        let (mut out, codecs) = (Chunks::new(), std::slice::from_ref(codec));
        let mut muxer = mpegts::Muxer::new(codecs).unwrap();
        muxer.begin(&mut out);
        (muxer, out)
    };
    let mut all: Vec<_> = codecs.iter().map(muxer).collect();
    while let Some(unit) = demuxer.next_unit().unwrap() {
        let Time::At { pts, dts } = unit.time else { panic!("{name} has times") };
        let (id, now) = (codecs[unit.track].id.clone(), std::time::Instant::now());
        let frame = rs2rtc_media::Frame::new(id, unit.keyframe, pts, now, unit.payload);
        let (muxer, out) = &mut all[unit.track];
        muxer.frame(0, &frame.at(pts, dts), out);
    }
    all.into_iter().map(|(_, out)| out.into_bytes().to_vec()).collect()
}

#[tokio::test]
async fn sound_with_a_playlist_of_its_own() {
    let files = apart("h264_aac.ts");
    let camera = Camera::new(move |head| match path(head) {
        "/" => playlist(
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"sound/list.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\npictures/list.m3u8\n",
        ),
        "/sound/list.m3u8" | "/pictures/list.m3u8" => {
            playlist("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.2,\n0.ts\n#EXT-X-ENDLIST\n")
        }
        "/pictures/0.ts" => Reply::Send(ok("video/mp2t", &files[0])),
        "/sound/0.ts" => Reply::Send(ok("video/mp2t", &files[1])),
        other => panic!("{other}"),
    })
    .await;
    let stream = stream(&camera.url("/"));
    let viewer = view(&stream).await.unwrap();
    assert_eq!(viewer.codecs(), ["H264", "MPEG4-GENERIC/16000/1"]);
    let (mut seen, mut heard) = (0, 0);
    while seen < 11 || heard < 17 {
        match viewer.next().await.codec {
            CodecId::H264 => seen += 1,
            _ => heard += 1,
        }
    }
    assert_eq!(description(&stream).format_name, "hls/mpegts");
}

/// A tag in front of bare sound, with its time in ticks of 90 kHz (RFC 8216 3.4).
fn tag(time: u64) -> Vec<u8> {
    const OWNER: &[u8; 45] = b"com.apple.streaming.transportStreamTimestamp\0";
    let heads: [&[u8]; 4] =
        [b"ID3\x04\0\0\0\0\0\x3f", b"PRIV\0\0\0\x35\0\0", OWNER, &time.to_be_bytes()];
    heads.concat()
}

/// The sound of a file, frame by frame as it is without a container.
fn bare_sound(name: &str) -> Vec<Vec<u8>> {
    use rs2rtc_media::codec::aac::{AdtsHeader, AudioSpecificConfig};
    use rs2rtc_media::container::Demuxer;
    let mut demuxer = Demuxer::new();
    demuxer.push(&media(name));
    demuxer.end().unwrap();
    // Pictures come first.
    let config = AudioSpecificConfig::from_fmtp(&demuxer.tracks().unwrap().unwrap()[1].fmtp);
    let mut frames = Vec::new();
    while let Some(unit) = demuxer.next_unit().unwrap() {
        let rs2rtc_media::Payload::Data(data) = unit.payload else { continue };
        let header = config.as_ref().map(|c| AdtsHeader::new(c, data.len()).unwrap().write());
        frames.push([header.as_ref().map_or(&[][..], |header| &header[..]), &data].concat());
    }
    frames
}

/// Bare AAC in two segments, half a second behind the first picture.
#[tokio::test]
async fn bare_sound_with_a_playlist_of_its_own() {
    let pictures = apart("h264_aac.ts").swap_remove(0);
    let frames = bare_sound("h264_aac.ts");
    // A frame lasts 64 ms; a muxer begins at one second.
    let sound = |from: usize, to: usize| {
        [tag(90_000 + 45_000 + from as u64 * 5760), frames[from..to].concat()].concat()
    };
    let sound = [sound(0, 9), sound(9, 17)];
    let camera = Camera::new(move |head| match path(head) {
        "/" => playlist(
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"sound.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\npictures.m3u8\n",
        ),
        "/pictures.m3u8" => {
            playlist("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.2,\n0.ts\n#EXT-X-ENDLIST\n")
        }
        "/sound.m3u8" => playlist(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.576,\n0.aac\n#EXTINF:0.512,\n1.aac\n\
             #EXT-X-ENDLIST\n",
        ),
        "/0.ts" => Reply::Send(ok("video/mp2t", &pictures)),
        "/0.aac" => Reply::Send(ok("audio/aac", &sound[0])),
        "/1.aac" => Reply::Send(ok("audio/aac", &sound[1])),
        other => panic!("{other}"),
    })
    .await;
    let stream = stream(&camera.url("/"));
    let viewer = view(&stream).await.unwrap();
    assert_eq!(viewer.codecs(), ["H264", "MPEG4-GENERIC/16000/1"]);
    let (mut seen, mut heard) = (Vec::new(), Vec::new());
    while seen.len() < 11 || heard.len() < 17 {
        let frame = viewer.next().await;
        match frame.codec {
            CodecId::H264 => seen.push(frame.dts),
            _ => heard.push(frame.dts),
        }
    }
    assert!(heard.windows(2).take(16).all(|pair| pair[1] - pair[0] == 1024), "{heard:?}");
    let behind = heard[0] * 1000 / 16_000 - seen[0] * 1000 / 90_000;
    assert!((495..=505).contains(&behind), "{behind} ms: {seen:?} {heard:?}");
}

/// Bare sound and nothing else, of both kinds.
#[tokio::test]
async fn bare_sound_alone() {
    for (name, codec, format) in
        [("h264_aac.ts", "MPEG4-GENERIC/16000/1", "hls/aac"), ("h264_mp3.ts", "MPA", "hls/mp3")]
    {
        let frames = bare_sound(name);
        let count = frames.len();
        let segment = [tag(900_000), frames.concat()].concat();
        let camera = Camera::new(move |head| match path(head) {
            "/list.m3u8" => {
                playlist("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.2,\n0.aac\n#EXT-X-ENDLIST\n")
            }
            _ => Reply::Send(ok("audio/aac", &segment)),
        })
        .await;
        let stream = stream(&camera.url("/list.m3u8"));
        let viewer = view(&stream).await.unwrap();
        assert_eq!(viewer.codecs(), [codec]);
        let mut last = i64::MIN;
        for n in 0..count {
            let frame = viewer.next().await;
            assert!(frame.dts > last);
            last = frame.dts;
            if n == 1 {
                assert_eq!(description(&stream).format_name, format);
            }
        }
    }
}

/// Parts of half a segment: they are fetched, and the playlist by requests that wait.
#[tokio::test]
async fn parts_near_the_live_edge() {
    let file = media("h264_aac.ts");
    let half = file.len() / 188 / 2 * 188;
    let list = |number: u64, parts: u64| {
        let part = |n: u64, part: u64| {
            let more = if part == 0 { ",INDEPENDENT=YES" } else { "" };
            format!("#EXT-X-PART:DURATION=0.6,URI=\"{n}.{part}.ts\"{more}\n")
        };
        let before = number - 1;
        let open: String = (0..parts).map(|p| part(number, p)).collect();
        format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PART-INF:PART-TARGET=0.6\n\
             #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.8\n\
             #EXT-X-MEDIA-SEQUENCE:{before}\n{}{}#EXTINF:1.2,\n{before}.ts\n\
             #EXT-X-DISCONTINUITY\n{open}#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"next\"\n",
            part(before, 0),
            part(before, 1),
        )
    };
    let camera = Camera::new(move |head| {
        let address = path(head);
        let (file_name, query) = address.split_once('?').unwrap_or((address, ""));
        if file_name == "/list.m3u8" {
            let value = |name: &str| {
                query.split('&').find_map(|pair| pair.strip_prefix(name)?.parse::<u64>().ok())
            };
            return playlist(&match (value("_HLS_msn="), value("_HLS_part=")) {
                (Some(number), Some(part)) if part < 2 => list(number, part + 1),
                // Behind the last part of a segment is the first one of the next.
                (Some(number), Some(_)) => list(number + 1, 1),
                _ => list(10, 1),
            });
        }
        match file_name.split('.').nth(1) {
            Some("0") => Reply::Send(ok("video/mp2t", &file[..half])),
            Some("1") => Reply::Send(ok("video/mp2t", &file[half..])),
            _ => panic!("{file_name} is fetched as a whole"),
        }
    })
    .await;
    let stream = stream(&camera.url("/list.m3u8?a=1"));
    let viewer = view(&stream).await.unwrap();
    pictures(&viewer, 30).await;
    let requests = camera.requests();
    let paths: Vec<_> = requests.iter().map(|head| path(head)).collect();
    assert_eq!(
        paths[..3],
        ["/list.m3u8?a=1", "/10.0.ts", "/list.m3u8?a=1&_HLS_msn=10&_HLS_part=1"]
    );
    assert!(paths.contains(&"/11.1.ts"), "{paths:?}");
}

/// A server that promises to wait and then refuses: it is asked as others are.
#[tokio::test]
async fn a_server_that_does_not_wait() {
    let lists = Arc::new(AtomicUsize::new(0));
    let camera = Camera::new(move |head| match path(head) {
        "/list.m3u8" => {
            let n = lists.fetch_add(1, Ordering::Relaxed);
            playlist(&format!(
                "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-PART-INF:PART-TARGET=0.3\n\
                 #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n#EXT-X-MEDIA-SEQUENCE:{n}\n\
                 #EXT-X-DISCONTINUITY\n#EXTINF:1.2,\n{n}.ts\n"
            ))
        }
        query if query.contains("_HLS_") => Reply::Send(NOT_FOUND.into()),
        _ => Reply::Send(ok("video/mp2t", &media("h264_aac.ts"))),
    })
    .await;
    let viewer = view(&stream(&camera.url("/list.m3u8"))).await.unwrap();
    pictures(&viewer, 24).await;
    let refused = camera.requests().iter().filter(|head| head.contains("_HLS_")).count();
    assert_eq!(refused, 1);
}
