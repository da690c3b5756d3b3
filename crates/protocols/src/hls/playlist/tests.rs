use std::time::Duration;

use super::media::{MAX_PARTIALS, MAX_SEGMENTS};
use super::*;

fn media(text: &str) -> Media {
    match Playlist::parse(text).unwrap() {
        Playlist::Media(media) => media,
        Playlist::Master(variants) => panic!("{variants:?}"),
    }
}

const LIVE: &str = "#EXTM3U\r\n#EXT-X-VERSION:7\r\n#EXT-X-TARGETDURATION:4\r\n\
    #EXT-X-MEDIA-SEQUENCE:17\r\n#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"800@0\"\r\n\
    #EXTINF:3.84,title, with comma\r\n17.m4s?x=1\r\n#EXT-X-DISCONTINUITY\r\n\
    #EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\r\n#EXTINF:4,\r\n18.m4s\r\n\
    #EXT-X-GAP\r\n#EXTINF:4,\r\n19.m4s\r\n";

#[test]
fn live_segments() {
    let media = media(LIVE);
    assert_eq!((media.target, media.sequence, media.ended), (Duration::from_secs(4), 17, false));
    let uris: Vec<&str> = media.segments.iter().map(|s| s.part.uri.as_str()).collect();
    assert_eq!(uris, ["17.m4s?x=1", "18.m4s", "19.m4s"]);
    let marks: Vec<_> = media.segments.iter().map(|s| (s.discontinuity, s.gap)).collect();
    assert_eq!(marks, [(false, false), (true, false), (false, true)]);
    assert_eq!(media.segments[0].duration, Duration::from_millis(3840));
    let map = media.segments[2].map.as_deref().unwrap();
    assert_eq!(
        (map.part.uri.as_str(), map.part.range),
        ("init.mp4", Some(Range { from: 0, length: 800 }))
    );
}

#[test]
fn parts_of_one_file() {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n#EXT-X-BYTERANGE:10@5\na.ts\n\
        #EXTINF:1,\n#EXT-X-BYTERANGE:20\na.ts\n#EXTINF:1,\nb.ts\n#EXT-X-ENDLIST\n";
    let media = media(text);
    let ranges: Vec<_> = media.segments.iter().map(|s| s.part.range).collect();
    let range = |from, length| Some(Range { from, length });
    assert_eq!(ranges, [range(5, 10), range(15, 20), None]);
    assert!(media.ended);
    let lost = "#EXTM3U\n#EXTINF:1,\n#EXT-X-BYTERANGE:20\na.ts\n";
    assert_eq!(Playlist::parse(lost), Err(Error::ByteRange));
    let endless = format!("#EXTM3U\n#EXTINF:1,\n#EXT-X-BYTERANGE:1@{}\na.ts\n", u64::MAX);
    assert_eq!(Playlist::parse(&endless), Err(Error::ByteRange));
}

#[test]
fn variants() {
    let text = "#EXTM3U\n#EXT-X-STREAM-INF:CODECS=\"avc1.640029,mp4a.40.2\",BANDWIDTH=2000\nmid.m3u8\n\
        #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=5000\nbest.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=100\nsmall.m3u8\n";
    let Playlist::Master(variants) = Playlist::parse(text).unwrap() else { panic!() };
    let chosen = |choice: Choice| choice.of(&variants).unwrap().uri.as_str();
    assert_eq!(chosen(Choice::First), "mid.m3u8");
    assert_eq!(chosen(Choice::Best), "best.m3u8");
    assert_eq!(chosen(Choice::Smallest), "small.m3u8");
    assert_eq!(variants[0].bandwidth, 2000);
}

#[test]
fn keys() {
    let text = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:258\n#EXT-X-MAP:URI=\"clear\"\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"k?a=1,2\"\n#EXTINF:1,\na\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x0a0B\n#EXT-X-MAP:URI=\"m\"\n#EXTINF:1,\nb\n\
        #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n\
        #EXTINF:1,\nc\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXTINF:1,\nd\n\
        #EXT-X-KEY:METHOD=NONE\n#EXTINF:1,\ne\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=7\n#EXTINF:1,\nf\n";
    let media = media(text);
    let ciphers: Vec<_> =
        media.segments.iter().map(|s| s.key.clone().map(|k| k.cipher(258))).collect();
    let iv = |low: u16| u128::from(low).to_be_bytes();
    let cipher = |key: &str, low| Some(Cipher { key: key.into(), iv: iv(low) });
    assert_eq!(ciphers[..3], [cipher("k?a=1,2", 258), cipher("k", 0x0a0b), cipher("k", 0x0a0b)]);
    assert!(ciphers[3..].iter().all(Option::is_none));
    let methods: Vec<_> = media.segments.iter().map(|s| s.encrypted.as_deref()).collect();
    assert_eq!(methods, [None, None, None, Some("SAMPLE-AES"), None, Some("AES-128")]);
    let maps: Vec<_> =
        media.segments.iter().map(|s| s.map.as_ref().unwrap().cipher.clone()).collect();
    assert_eq!((&maps[0], &maps[1]), (&None, &cipher("k", 0x0a0b)));
    // Who leaves out the longest duration means that of the longest segment.
    assert_eq!(media.target, Duration::from_secs(1));
}

#[test]
fn parts_of_segments() {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PART-INF:PART-TARGET=0.5\n\
        #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5\n#EXTINF:4,\na\n\
        #EXT-X-PART:DURATION=0.5,URI=\"b\",BYTERANGE=\"10@0\",INDEPENDENT=YES\n\
        #EXT-X-PART:DURATION=0.5,URI=\"b\",BYTERANGE=\"20\"\n#EXTINF:1,\nb\n\
        #EXT-X-PART:DURATION=0.5,URI=\"c0\",GAP=YES\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"c1\"\n";
    let media = media(text);
    assert_eq!((media.part_target, media.can_block), (Some(Duration::from_millis(500)), true));
    let of = |segment: &Segment| -> Vec<_> {
        let partials = segment.partials.iter();
        partials
            .map(|p| (p.part.uri.clone(), p.part.range.map(|r| r.from), p.independent, p.gap))
            .collect()
    };
    assert_eq!(of(&media.segments[0]), []);
    let of_b = [("b".to_owned(), Some(0), true, false), ("b".to_owned(), Some(10), false, false)];
    assert_eq!(of(&media.segments[1]), of_b);
    assert_eq!(of(&media.open), [("c0".to_owned(), None, false, true)]);
    let lost = "#EXTM3U\n#EXT-X-PART:DURATION=1,URI=\"b\",BYTERANGE=\"20\"\n#EXTINF:1,\na\n";
    assert_eq!(Playlist::parse(lost), Err(Error::ByteRange));
    let many =
        format!("#EXTM3U\n{}#EXTINF:1,\na\n", "#EXT-X-PART:URI=\"b\"\n".repeat(MAX_PARTIALS + 9));
    let Playlist::Media(many) = Playlist::parse(&many).unwrap() else { panic!() };
    assert_eq!(many.segments[0].partials.len(), MAX_PARTIALS);
}

#[test]
fn sound_apart() {
    let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9,AUDIO=\"a\"\nv\n\
        #EXT-X-STREAM-INF:BANDWIDTH=8,AUDIO=\"b\"\nw\n#EXT-X-STREAM-INF:BANDWIDTH=7\nx\n\
        #EXT-X-STREAM-INF:BANDWIDTH=6,AUDIO=\"c\"\ny\n#EXT-X-STREAM-INF:BANDWIDTH=5,AUDIO=\"?\"\nz\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"1\",URI=\"a1\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"2\",DEFAULT=YES,URI=\"a2\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"1\",URI=\"b1\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"c\",NAME=\"1\",DEFAULT=YES\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"c\",NAME=\"2\",URI=\"c2\"\n\
        #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"b\",NAME=\"2\",DEFAULT=YES,URI=\"s\"\n";
    let Playlist::Master(variants) = Playlist::parse(text).unwrap() else { panic!() };
    let audio: Vec<_> = variants.iter().map(|variant| variant.audio.as_deref()).collect();
    assert_eq!(audio, [Some("a2"), Some("b1"), None, None, None]);
}

#[test]
fn what_is_no_playlist() {
    assert_eq!(Playlist::parse("<html>"), Err(Error::NoPlaylist));
    assert_eq!(Playlist::parse("#EXTM3U\n"), Err(Error::Empty));
    assert!(media("\u{feff}#EXTM3U\n#EXT-X-TARGETDURATION:4\n").segments.is_empty());
    let odd = media("#EXTM3U\n#EXTINF:-1,\na\n#EXTINF:nan\nb\n#EXTINF:1e300,\nc\n");
    assert!(odd.segments.iter().all(|segment| segment.duration.is_zero()));
    let many = format!("#EXTM3U\n{}", "x\n".repeat(MAX_SEGMENTS * 2 + 3));
    let many = media(&many);
    assert_eq!(many.sequence + many.segments.len() as u64, 2 * MAX_SEGMENTS as u64 + 3);
    assert!(many.segments.len() <= MAX_SEGMENTS);
}

/// With the largest number each segment would be the next one of itself.
#[test]
fn segments_that_cannot_be_counted_are_refused() {
    let text = |number: u64| {
        format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{number}\n#EXT-X-GAP\n#EXTINF:1,\na.ts\n"
        )
    };
    for number in [u64::MAX, u64::MAX - 1, u64::MAX / 2 + 1] {
        assert_eq!(Playlist::parse(&text(number)), Err(Error::Sequence), "{number}");
    }
    assert_eq!(media(&text(u64::MAX / 2)).sequence, u64::MAX / 2);
}

#[test]
fn cut_anywhere_it_is_read_or_refused() {
    for at in 0..LIVE.len() {
        let _ = Playlist::parse(&LIVE[..at]);
        let _ = Playlist::parse(&LIVE[at..]);
    }
}
