use super::*;
use crate::codec::{Codec, CodecId};
use crate::track::{Kind, Media};

fn camera(text: &str) -> Vec<Media> {
    Session::parse(text).medias(Side::Camera)
}

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=Media\r\nt=0 0\r\n";
const VIDEO: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n";

#[test]
fn a_plain_camera() {
    let text = format!(
        "{HEAD}a=control:*\r\n{VIDEO}m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/16000/1 \r\na=fmtp:97 mode=AAC-hbr;config=1408\r\na=control:track2\r\n"
    );
    let session = Session::parse(&text);
    assert_eq!(session.control(), Some("*"));
    assert_eq!(session.name, "Media");
    let medias = session.medias(Side::Camera);
    let video =
        Codec::new(CodecId::H264).clock(90_000).fmtp("packetization-mode=1").payload_type(96);
    let audio =
        Codec::new(CodecId::Aac).clock(16_000).fmtp("mode=AAC-hbr;config=1408").payload_type(97);
    assert_eq!(
        medias,
        [
            Media { id: "track1".into(), ..Media::new(Kind::Video, Direction::RecvOnly, video) },
            Media { id: "track2".into(), ..Media::new(Kind::Audio, Direction::RecvOnly, audio) },
        ]
    );
}

#[test]
fn text_lines_inside_medias() {
    let text = "v=0\r\no=RTSP 1 1 IN IP4 0.0.0.0\r\ns=RTSP server\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\ns=video\r\ni=one\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\nm=audio 0 RTP/AVP 8\r\ns=audio\r\na=control:trackID=2\r\n";
    let session = Session::parse(text);
    assert_eq!(session.name, "RTSP server");
    let medias = session.medias(Side::Camera);
    assert_eq!(medias[0].codecs[0].id, CodecId::H264);
    assert_eq!(medias[1].codecs[0], Codec::new(CodecId::Pcma).clock(8000).payload_type(8));
}

#[test]
fn fmtp_in_another_media() {
    let text = "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=x\nt=0 0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:t0\nm=audio 0 RTP/AVP 97\na=rtpmap:97 PCMU/8000\na=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LADdkBQfsBEAAAAwAQAAADAyDxQqSA,aMuMsg==\na=control:t1\n";
    let medias = camera(text);
    assert!(medias[0].codecs[0].fmtp.contains("sprop-parameter-sets"));
    assert!(medias[1].codecs[0].fmtp.is_empty());
}

#[test]
fn missing_last_newline_and_backchannel() {
    let text = format!(
        "{HEAD}{VIDEO}m=audio 0 RTP/AVP 8\r\na=recvonly\r\nm=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=control:track3\r\na=sendonly"
    );
    let medias = camera(&text);
    let directions: Vec<_> = medias.iter().map(|m| m.direction).collect();
    assert_eq!(directions, [Direction::RecvOnly, Direction::RecvOnly, Direction::SendOnly]);
    assert_eq!(medias[2].codecs[0].id, CodecId::Pcma);
}

#[test]
fn vendor_media_and_short_origin() {
    let text = "v=0\r\no=- 1 1 IN\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\nm=audio 0 RTP/AVP 8\r\nm=application/MERCURY 0 RTP/AVP smart/1/90000\r\na=rtpmap:95 MERCURY/90000\r\n";
    let medias = camera(text);
    assert_eq!(medias.len(), 3);
    assert_eq!(medias[2].kind, Kind::Other);
    assert_eq!(medias[2].codecs[0].payload_type, None);
}

#[test]
fn origin_that_forces_our_direction() {
    let text = "v=0\r\no=CV-RTSPHandler 1123412 0 IN IP4 10.0.0.5\r\ns=Camera\r\nc=IN IP4 10.0.0.5\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\nm=audio 0 RTP/AVP 8\r\na=sendonly\r\n";
    let medias = camera(text);
    assert_eq!(medias.len(), 2);
    assert!(medias.iter().all(|m| m.direction == Direction::RecvOnly));
}

#[test]
fn a_picture_marked_sendonly_is_the_camera_s_own_view() {
    let text = format!("{HEAD}{VIDEO}a=sendonly\r\nm=audio 0 RTP/AVP 0\r\na=sendonly\r\n");
    assert!(camera(&text).iter().all(|m| m.direction == Direction::RecvOnly));
}

#[test]
fn unknown_media_type_and_empty_addresses() {
    let text = "v=0\r\no=- 1001 1 IN\r\ns=VCP IPC Realtime stream\r\nc=IN\r\nt=0 0\r\nm=video 0 RTP/AVP 105\r\na=rtpmap:105 H264/90000\r\nm=audio 0 RTP/AVP 0\r\nm=vana 0 RTP/AVP 126\r\na=rtpmap:126 vana/90000\r\nm=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n";
    let medias = camera(text);
    assert_eq!(medias.len(), 4);
    assert_eq!(medias[2].kind.name(), "application");
    assert_eq!(medias[3].codecs[0].id.name(), "VND.ONVIF.METADATA");
}

#[test]
fn little_endian_samples() {
    let text = format!("{HEAD}{VIDEO}m=audio 0 RTP/AVP 11\r\na=rtpmap:11 PCM/48000\r\n");
    let pcml = Codec::new(CodecId::Pcml).clock(48_000).payload_type(11);
    assert_eq!(camera(&text)[1].codecs, [pcml]);
}

#[test]
fn controls_may_be_missing() {
    let text = format!(
        "{HEAD}m=video 0 RTP/AVP 26\r\nm=audio 0 RTP/AVP 0\r\nm=audio 0 RTP/AVP 8\r\na=sendonly\r\n"
    );
    let medias = camera(&text);
    assert_eq!(medias.len(), 3);
    assert!(medias.iter().all(|m| m.id.is_empty()));
    assert_eq!(medias[0].codecs[0].id, CodecId::Jpeg);
}

#[test]
fn samples_by_bandwidth() {
    for (kbits, text) in
        [(128, "PCML/8000"), (705, "PCML/44100"), (1411, "PCML/44100/2"), (77, "PCML")]
    {
        let medias = camera(&format!("{HEAD}m=audio 0 RTP/AVP 97\r\nb=AS:{kbits}\r\n"));
        assert_eq!(medias[0].codecs[0].to_string(), text);
    }
    assert_eq!(camera(&format!("{HEAD}m=audio 0 RTP/AVP 97\r\n"))[0].codecs[0].id.name(), "97");
}

#[test]
fn numbers_match_exactly() {
    let text =
        format!("{HEAD}m=audio 0 RTP/AVP 9 96\r\na=rtpmap:96 L16/8000\r\na=rtpmap:9 G722/8000\r\n");
    let ids: Vec<_> = camera(&text)[0].codecs.iter().map(|c| c.id.clone()).collect();
    assert_eq!(ids, [CodecId::G722, CodecId::L16]);
}

#[test]
fn incomplete_h265_sets_and_opus() {
    let text = format!(
        "{HEAD}m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=fmtp:96 sprop-vps=AA;sprop-sps=AA\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/16000/1\r\n"
    );
    let medias = camera(&text);
    assert_eq!(medias[0].codecs[0].fmtp, "");
    assert_eq!(medias[1].codecs[0].to_string(), "OPUS/48000/2");
}

#[test]
fn a_publisher_sends_everything_to_us() {
    let text = format!("{HEAD}{VIDEO}a=sendonly\r\nm=audio 0 RTP/AVP 8\r\na=recvonly\r\n");
    let medias = Session::parse(&text).medias(Side::Publisher);
    assert!(medias.iter().all(|m| m.direction == Direction::RecvOnly));
}

#[test]
fn wildcard_names_are_not_wildcards() {
    let text = format!("{HEAD}m=audio 0 RTP/AVP 99\r\na=rtpmap:99 ANY/8000\r\n");
    assert!(!camera(&text)[0].codecs[0].id.is_wildcard());
}

#[test]
fn written_form() {
    let h264 =
        Codec::new(CodecId::H264).clock(90_000).payload_type(96).fmtp("packetization-mode=1");
    let pcml = Codec::new(CodecId::Pcml).clock(8000).channels(1).payload_type(97);
    let medias = [
        Media { id: "trackID=0".into(), ..Media::new(Kind::Video, Direction::RecvOnly, h264) },
        Media { codecs: vec![], ..Media::new(Kind::Audio, Direction::RecvOnly, pcml.clone()) },
        Media::new(Kind::Audio, Direction::SendOnly, pcml),
    ];
    assert_eq!(
        write("rs2rtc/1.0\r\nx=evil", &medias),
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=rs2rtc/1.0\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
         m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=recvonly\r\na=control:trackID=0\r\n\
         m=audio 0 RTP/AVP 97\r\na=rtpmap:97 L16/8000/1\r\na=sendonly\r\n"
    );
}

#[test]
fn what_is_written_is_read_back() {
    let aac =
        Codec::new(CodecId::Aac).clock(44_100).channels(2).payload_type(97).fmtp("config=1210");
    let media =
        Media { id: "trackID=1".into(), ..Media::new(Kind::Audio, Direction::RecvOnly, aac) };
    assert_eq!(camera(&write("x", std::slice::from_ref(&media))), [media]);
}

#[test]
fn truncation_and_noise_never_panic() {
    let text = format!("{HEAD}{VIDEO}m=audio 0 RTP/AVP 97\r\nb=AS:128\r\na=fmtp:97 x\r\n");
    for n in 0..text.len() {
        camera(&text[..n]);
    }
    let huge = "m=video 0 RTP/AVP 1 2 3\r\na=x:y\r\n".repeat(5000);
    assert_eq!(camera(&huge).len(), 64);
    let mut state = 7_u32;
    for _ in 0..500 {
        let mut noise: Vec<u8> = text.bytes().collect();
        for _ in 0..20 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (state >> 8) as usize % noise.len();
            noise[at] = (state >> 24) as u8;
        }
        camera(&String::from_utf8_lossy(&noise));
    }
}
