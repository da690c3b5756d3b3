use super::*;

const FINGERPRINT: &str = "sha-256 11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00";

fn offer(sections: &str) -> String {
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
         a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:{FINGERPRINT}\r\n\
         a=setup:actpass\r\n{sections}"
    )
}

const BROWSER: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110\r\na=mid:0\r\na=recvonly\r\n\
    a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
    a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
    a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 109 114 49 50 45 46 47\r\na=mid:1\r\na=recvonly\r\na=rtcp-rsize\r\n\
    a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
    a=rtpmap:103 H264/90000\r\na=rtcp-fb:103 nack\r\na=rtcp-fb:103 nack pli\r\na=rtcp-fb:103 goog-remb\r\n\
    a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n\
    a=rtpmap:104 rtx/90000\r\na=fmtp:104 apt=103\r\n\
    a=rtpmap:109 H264/90000\r\na=fmtp:109 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f\r\n\
    a=rtpmap:114 H264/90000\r\na=fmtp:114 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f\r\n\
    a=rtpmap:49 H265/90000\r\na=fmtp:49 level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST\r\n\
    a=rtpmap:50 rtx/90000\r\na=fmtp:50 apt=49\r\n\
    a=rtpmap:45 AV1/90000\r\na=rtcp-fb:45 nack pli\r\na=fmtp:45 level-idx=5;profile=0;tier=0\r\n\
    a=rtpmap:46 rtx/90000\r\na=fmtp:46 apt=45\r\n\
    a=rtpmap:47 AV1/90000\r\na=fmtp:47 level-idx=5;profile=1;tier=0\r\n";

#[test]
fn video_comes_first_and_what_we_cannot_send_is_left_out() {
    let offer = Offer::parse(&offer(BROWSER)).unwrap();
    let lines: Vec<String> = offer.medias().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "video, sendonly, H264, H265, AV1",
            "audio, sendonly, OPUS/48000/2, PCMU/8000, PCMA/8000, L16, PCML"
        ]
    );
    assert_eq!(offer.role(), Role::Consumer);
    let any: Vec<_> = offer.medias()[1].codecs.iter().filter(|c| c.clock_rate == 0).collect();
    assert_eq!(any.len(), 4);
    assert!(any.iter().all(|c| c.payload_type.is_some()));
    assert!(offer.transport.active && !offer.transport.ice_lite && offer.bundled);
}

#[test]
fn the_payload_type_follows_the_streams_profile() {
    let offer = Offer::parse(&offer(BROWSER)).unwrap();
    let h264 = |id: &str| Codec::new(CodecId::H264).fmtp(format!("profile-level-id={id}"));
    let chosen = |codec: &Codec| offer.codec_for(0, codec).map(|c| (c.payload_type(), c.resend));
    assert_eq!(chosen(&h264("42e01e")), Some((103, Some(104))));
    assert_eq!(chosen(&h264("640029")), Some((114, None)));
    assert_eq!(chosen(&Codec::new(CodecId::H265)), Some((49, Some(50))));
    assert_eq!(chosen(&Codec::new(CodecId::Vp8)), None);
    let av1 = |fmtp: &str| Codec::new(CodecId::Av1).fmtp(fmtp);
    assert_eq!(chosen(&av1("profile=0;level-idx=8;tier=0")), Some((45, Some(46))));
    assert_eq!(chosen(&av1("")), Some((45, Some(46))));
    assert_eq!(chosen(&av1("profile=1")), Some((47, None)));
    let pcma = Codec::new(CodecId::Pcma).clock(8000);
    assert_eq!(offer.codec_for(1, &pcma).unwrap().payload_type(), 8);
}

#[test]
fn sendrecv_is_two_medias() {
    let text = offer("m=audio 9 UDP/TLS/RTP/SAVPF 8\r\na=mid:0\r\na=sendrecv\r\n");
    let offer = Offer::parse(&text).unwrap();
    let directions: Vec<_> = offer.medias().iter().map(|m| m.direction).collect();
    assert_eq!(directions, [Direction::RecvOnly, Direction::SendOnly]);
    assert_eq!(offer.role(), Role::Consumer);
}

#[test]
fn a_publisher_is_a_producer() {
    let text = offer(&BROWSER.replace("recvonly", "sendonly"));
    assert_eq!(Offer::parse(&text).unwrap().role(), Role::Producer);
    let text = offer("m=audio 9 UDP/TLS/RTP/SAVPF 8\r\na=sendonly\r\n");
    assert_eq!(Offer::parse(&text).unwrap().role(), Role::Producer);
}

#[test]
fn an_assistants_offer_is_understood() {
    let offer = Offer::parse(include_str!("../../tests/data/assistant.sdp")).unwrap();
    let lines: Vec<String> = offer.medias().iter().map(ToString::to_string).collect();
    assert_eq!(lines[0], "video, recvonly, H264");
    assert_eq!(lines[1], "video, sendonly, H264");
    assert!(lines[3].starts_with("audio, sendonly, OPUS/48000/2"), "{lines:?}");
    assert_eq!(offer.medias()[0].id, "video0");
    assert!(offer.candidates.len() >= 4);
}

#[test]
fn refusals_say_why() {
    let no_rtp = offer("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n");
    assert!(matches!(Offer::parse(&no_rtp), Err(Error::NoMedias(_))));
    let vp8 = offer("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\n");
    assert_eq!(
        Offer::parse(&vp8).unwrap_err().to_string(),
        "webrtc: offer has no usable medias (offered: VP8)"
    );
    assert_eq!(Offer::parse("").unwrap_err(), Error::NotSdp);
    assert_eq!(Offer::parse("{}").unwrap_err(), Error::NotSdp);
    let open = offer(BROWSER).replace("a=ice-ufrag:abcd\r\n", "");
    assert_eq!(Offer::parse(&open).unwrap_err(), Error::Missing("ice-ufrag"));
    let other = offer(BROWSER).replace("sha-256", "sha-1");
    assert_eq!(Offer::parse(&other).unwrap_err(), Error::Fingerprint);
    assert_eq!(Offer::parse(&"a".repeat(300_000)).unwrap_err(), Error::TooLong);
    let inactive = offer(&BROWSER.replace("recvonly", "inactive"));
    assert!(matches!(Offer::parse(&inactive), Err(Error::NoMedias(_))));
    let rejected = offer(&BROWSER.replace(" 9 UDP", " 0 UDP"));
    assert!(matches!(Offer::parse(&rejected), Err(Error::NoMedias(_))));
}

#[test]
fn cut_and_damaged_offers_never_panic() {
    let whole = offer(BROWSER);
    for end in 0..whole.len() {
        let _ = Offer::parse(&whole[..end]);
    }
    for (index, _) in whole.bytes().enumerate() {
        for byte in [b' ', b':', b'\n', b'9', 0] {
            let mut bytes = whole.clone().into_bytes();
            bytes[index] = byte;
            let _ = Offer::parse(std::str::from_utf8(&bytes).unwrap());
        }
    }
}

#[test]
fn the_offer_of_a_channel_alone_is_for_who_tries_the_way() {
    let whole = Offer::parse(&offer(BROWSER)).unwrap();
    let channel = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\na=sctp-port:5000\r\n\
                   a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host\r\n";
    let sdp = offer(channel);
    let parsed = Offer::parse_channel(&sdp).unwrap();
    assert_eq!(parsed.transport.ufrag, whole.transport.ufrag);
    assert!(parsed.bundled && parsed.medias().is_empty());
    assert_eq!(parsed.candidates, [""; 0], "we look for nobody");
    assert!(matches!(Offer::parse(&sdp), Err(Error::NoMedias(_))), "it is no viewer's");
    for other in [BROWSER.to_owned(), format!("{BROWSER}{channel}"), channel.repeat(2)] {
        let result = Offer::parse_channel(&offer(&other));
        assert!(matches!(result, Err(Error::NoChannel)), "{result:?}");
    }
    for end in 0..sdp.len() {
        let _ = Offer::parse_channel(&sdp[..end]);
    }
}

#[test]
fn chromiums_offer_is_understood() {
    let offer = Offer::parse(include_str!("../../tests/data/chromium.sdp")).unwrap();
    let lines: Vec<String> = offer.medias().iter().map(ToString::to_string).collect();
    assert_eq!(lines[0], "video, sendonly, H264, AV1");
    assert!(lines[1].starts_with("audio, sendonly, OPUS/48000/2"), "{lines:?}");
    assert_eq!(offer.role(), Role::Consumer);
    let av1 = offer.codec_for(0, &Codec::new(CodecId::Av1)).unwrap();
    assert_eq!((av1.payload_type(), av1.resend), (45, Some(46)));
    for id in ["42e01f", "4d001f", "64001f"] {
        let stream = Codec::new(CodecId::H264).fmtp(format!("profile-level-id={id}"));
        let chosen = offer.codec_for(0, &stream).unwrap();
        assert!(chosen.codec.fmtp.contains("packetization-mode=1"), "{chosen:?}");
        assert!(chosen.resend.is_some());
    }
}

#[test]
fn a_publishers_offer_brings_one_codec_for_each_media() {
    let sending = BROWSER.replace("a=recvonly", "a=sendonly").replace(
        "a=rtcp-rsize\r\n",
        "a=ssrc-group:FID 7 8\r\na=ssrc:7 cname:x\r\na=ssrc:8 cname:x\r\n",
    );
    let parsed = Offer::parse(&offer(&sending)).unwrap();
    assert_eq!(parsed.role(), Role::Producer);
    let brought = parsed.brought();
    let payload_types: Vec<_> = brought.iter().map(|b| b.codec.payload_type).collect();
    assert_eq!(payload_types, [Some(103), Some(111)], "H.264 in mode 1, and Opus");
    let video = parsed.codec_of(brought[0].media, &brought[0].codec).unwrap();
    assert_eq!((video.payload_type(), video.resend), (103, Some(104)));
    let section = &parsed.sections[1];
    assert_eq!((&section.ssrcs[..], &section.resends[..]), (&[7][..], &[(7, 8)][..]));
    // Without H.264 the first choice counts; without anything to send, nothing.
    let no_h264 = sending.replace("H264/90000", "VP9/90000");
    let parsed = Offer::parse(&offer(&no_h264)).unwrap();
    assert_eq!(parsed.brought()[0].codec.id, CodecId::H265);
    let only_av1 = no_h264.replace("H265/90000", "VP9/90000");
    let parsed = Offer::parse(&offer(&only_av1)).unwrap();
    assert_eq!(parsed.brought()[0].codec.payload_type, Some(45));
    assert!(Offer::parse(&offer(BROWSER)).unwrap().brought().is_empty());
}
