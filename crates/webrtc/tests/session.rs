//! A session against another WebRTC end, in memory and in virtual time.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod peer;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peer::{Net, ms};
use rs2rtc_media::{Codec, CodecId, Frame, Payload};
use rs2rtc_webrtc::liveness::{Hint, Reason};
use rs2rtc_webrtc::{Event, Protocol};

const SPS: &[u8] = &[0x67, 0x42, 0xe0, 0x1f, 0x8c, 0x68, 0x05, 0x00, 0x5b, 0xa1];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

fn picture(net: &Net, key: bool, pts: i64, size: usize) -> Arc<Frame> {
    let mut slice = vec![if key { 0x65 } else { 0x41 }; size];
    slice[1] = 0x88;
    let slice = Bytes::from(slice);
    let mut nals = vec![slice];
    if key {
        nals.splice(0..0, [Bytes::from_static(SPS), Bytes::from_static(PPS)]);
    }
    Arc::new(Frame::new(CodecId::H264, key, pts, net.now, Payload::Nals(nals)))
}

fn sound(net: &Net, pts: i64) -> Arc<Frame> {
    let payload = Payload::Data(Bytes::from_static(&[0xfc, 1, 2, 3]));
    Arc::new(Frame::new(CodecId::Opus, true, pts, net.now, payload))
}

#[test]
fn frames_arrive_whole_and_in_time() {
    let mut net = Net::viewer();
    net.connect();
    // What comes before the first keyframe is not sent.
    net.write(0, &picture(&net, false, 3000, 500));
    net.write(0, &picture(&net, true, 6000, 5000));
    net.write(1, &sound(&net, 3200));
    net.write(0, &picture(&net, false, 9000, 300));
    net.run(ms(50));
    let video = net.packets(0);
    let times: Vec<u32> = video.iter().map(|p| p.time).collect();
    assert!(times.len() >= 6, "{times:?}");
    let first = times[0];
    let key: Vec<_> = video.iter().filter(|p| p.time == first).collect();
    assert!(video.iter().all(|p| p.time == first || p.time == first.wrapping_add(3000)));
    // Parameter sets before the picture, all under one timestamp, one marker at the end.
    assert!(matches!(key[0].payload[0] & 0x1f, 7 | 24));
    assert_eq!(key.iter().filter(|p| p.marker).count(), 1);
    assert!(key.last().unwrap().marker && video.last().unwrap().marker);
    for pair in video.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
    }
    let audio = net.packets(1);
    assert_eq!(audio.len(), 1);
    assert!(!audio[0].marker);
    assert_eq!(&audio[0].payload[..], [0xfc, 1, 2, 3]);
    let (packets, bytes) = net.session.take_sent(0);
    assert_eq!(packets, video.len() as u64);
    assert!(bytes > 5300);
}

#[test]
fn sound_and_picture_share_a_clock_from_the_first_report() {
    let mut net = Net::viewer();
    net.connect();
    for n in 0..10_i64 {
        net.write(0, &picture(&net, n == 0, 90_000 + n * 3000, 400));
        net.write(1, &sound(&net, 48_000 + n * 960));
        net.run(ms(33));
    }
    // One moment of the stream (one second after its epoch) by the reports of both tracks.
    let moment = |track: usize, rate: f64, first: u32| {
        let (ntp, rtp) = net.report(track).expect("a report");
        ntp + f64::from(first.wrapping_sub(rtp).cast_signed()) / rate
    };
    let video = moment(0, 90_000.0, net.packets(0)[0].time);
    let audio = moment(1, 48_000.0, net.packets(1)[0].time);
    assert!((video - audio).abs() < 0.002, "{video} {audio}");
    // The first report came with the first packets.
    assert!(net.report_delay(0) < ms(40) && net.report_delay(1) < ms(40));
}

#[test]
fn a_burst_ends_just_below_the_next_frame() {
    let mut net = Net::viewer();
    net.connect();
    let group: Vec<_> =
        (0..20).map(|n| picture(&net, n == 0, 900_000 + n * 3000, 20_000)).collect();
    net.session.write_burst(0, &group, net.now);
    net.run(ms(5));
    assert!(!net.packets(0).is_empty(), "the keyframe leaves at once");
    // A live frame during the burst follows it.
    net.write(0, &picture(&net, false, 900_000 + 20 * 3000, 300));
    net.run(ms(200));
    let video = net.packets(0);
    let mut times: Vec<u32> = video.iter().map(|p| p.time).collect();
    times.dedup();
    assert_eq!(times.len(), 21);
    for pair in times[..20].windows(2) {
        assert_eq!(pair[1].wrapping_sub(pair[0]), 1);
    }
    assert_eq!(times[20].wrapping_sub(times[19]), 3000);
    // Frames of the burst that come again are left out.
    net.write(0, &group[19]);
    net.run(ms(20));
    assert_eq!(net.packets(0).len(), video.len());
}

#[test]
fn a_lost_frame_is_skipped_to_the_next_keyframe() {
    let mut net = Net::viewer();
    net.connect();
    net.write(0, &picture(&net, true, 3000, 100));
    net.session.skip_to_keyframe(0);
    assert!(net.session.needs_keyframe(0));
    net.write(0, &picture(&net, false, 6000, 100));
    net.write(0, &picture(&net, true, 9000, 100));
    net.run(ms(20));
    let mut times: Vec<u32> = net.packets(0).iter().map(|p| p.time).collect();
    times.dedup();
    assert_eq!(times[1].wrapping_sub(times[0]), 6000);
    assert_eq!(times.len(), 2);
}

#[test]
fn a_keyframe_request_names_its_track() {
    let mut net = Net::viewer();
    net.connect();
    net.write(0, &picture(&net, true, 3000, 100));
    net.run(ms(50));
    net.request_keyframe(0);
    net.run(ms(200));
    assert!(net.events.iter().any(|e| matches!(e, Event::KeyframeRequest(0))), "{:?}", net.events);
}

#[test]
fn lost_packets_are_sent_again() {
    let mut net = Net::viewer();
    net.connect();
    net.write(0, &picture(&net, true, 3000, 20_000));
    net.run(ms(100));
    let before = net.packets(0).len();
    net.lose(1);
    net.write(0, &picture(&net, false, 6000, 3000));
    net.write(0, &picture(&net, false, 9000, 100));
    net.run(ms(500));
    let mut numbers: Vec<u64> = net.packets(0)[before..].iter().map(|p| p.sequence).collect();
    numbers.sort_unstable();
    numbers.dedup();
    for pair in numbers.windows(2) {
        assert_eq!(pair[1], pair[0] + 1);
    }
    assert!(numbers.len() >= 4);
}

#[test]
fn the_viewers_goodbye_ends_the_session_at_once() {
    let mut net = Net::viewer();
    net.connect();
    net.client.close().unwrap();
    net.run(ms(20));
    assert_eq!(net.closed().unwrap().reason, Reason::CloseNotify);
    net.run(ms(60));
    assert!(net.session.is_finished());
    let closed = net.events.iter().filter(|e| matches!(e, Event::Closed(_))).count();
    assert_eq!(closed, 1);
}

#[test]
fn our_goodbye_is_heard() {
    let mut net = Net::viewer();
    net.connect();
    net.session.close(Reason::Admin, "stream deleted", net.now);
    net.run(ms(20));
    assert_eq!(net.closed().unwrap().to_string(), "stream deleted");
    assert!(net.client_closed);
    net.run(ms(60));
    assert!(net.session.is_finished());
}

#[test]
fn a_viewer_that_never_comes_is_given_up() {
    let mut net = Net::viewer();
    net.deaf = true;
    net.run(ms(4900));
    assert_eq!(net.closed(), None);
    net.run(ms(200));
    let text = net.closed().unwrap().to_string();
    assert!(text.starts_with("no network path: no check"), "{text}");
    assert!(text.contains("udp 10.0.0.1:8555") && text.contains("udp 10.0.0.2:5000"), "{text}");
}

#[test]
fn a_handshake_that_never_ends_is_given_up() {
    let mut net = Net::viewer();
    net.stun_only = true;
    net.run(ms(9900));
    assert_eq!(net.closed(), None);
    net.run(ms(300));
    assert!(net.closed().unwrap().to_string().contains("no DTLS"));
}

/// Times since the connection at which the camera was let go and taken again.
fn holds(net: &Net) -> Vec<(bool, Option<Reason>)> {
    let held = net.events.iter().filter_map(|e| match e {
        Event::Hold => Some((true, None)),
        Event::Release { reason, .. } => Some((false, Some(*reason))),
        _ => None,
    });
    held.collect()
}

#[test]
fn silence_lets_go_of_the_camera_and_later_ends_the_session() {
    let mut net = Net::viewer();
    net.connect();
    net.run(ms(5000));
    net.deaf = true;
    net.run(ms(2400));
    assert_eq!(holds(&net), []);
    net.run(ms(800));
    assert_eq!(holds(&net), [(false, Some(Reason::Silence))]);
    net.run(ms(29_500));
    assert_eq!(net.closed(), None);
    net.run(ms(3500));
    assert_eq!(net.closed().unwrap().reason, Reason::Silence);
    assert!(net.session.is_finished() || net.closed().is_some());
}

#[test]
fn a_recorded_report_keeps_nobody_alive() {
    let mut net = Net::viewer();
    net.connect();
    for i in 0..50 {
        net.write(0, &picture(&net, true, 3000 * i, 500));
        net.run(ms(100));
    }
    let recorded = net.last_control.clone().unwrap();
    let from = net.session.pair().unwrap().remote;
    net.deaf = true;
    let replay = |net: &mut Net, seconds: i64| {
        for _ in 0..seconds * 10 {
            let now = net.now;
            net.session.handle_datagram(Protocol::Udp, from, net.local, &recorded, now);
            net.run(ms(100));
        }
    };
    replay(&mut net, 4);
    assert_eq!(holds(&net), [(false, Some(Reason::Silence))]);
    // It does not turn the camera on again either.
    replay(&mut net, 40);
    assert_eq!(holds(&net).len(), 1);
    assert_eq!(net.closed().unwrap().reason, Reason::Silence);
}

#[test]
fn a_data_channels_packets_are_signs_of_life() {
    let mut net = Net::with_channel();
    net.connect();
    net.run(ms(2000));
    assert!(net.channel_open);
    // No probe is sent earlier than half a second after the last sign.
    let silent = |net: &mut Net| net.session.report(net.now).silent;
    while silent(&mut net) < ms(200) {
        net.run(ms(10));
    }
    net.say("still here");
    net.run(ms(20));
    assert!(silent(&mut net) < ms(30), "{:?}", silent(&mut net));
}

#[test]
fn a_viewer_that_wakes_up_takes_the_camera_again_and_goes_on() {
    let mut net = Net::viewer();
    net.connect();
    net.write(0, &picture(&net, true, 0, 100));
    net.run(ms(5000));
    net.deaf = true;
    net.run(ms(10_000));
    assert_eq!(holds(&net).len(), 1);
    net.write(0, &picture(&net, true, 9000, 100));
    net.deaf = false;
    net.run(ms(2000));
    assert_eq!(holds(&net), [(false, Some(Reason::Silence)), (true, None)]);
    let before = net.packets(0).len();
    net.write(0, &picture(&net, false, 90_000, 100));
    net.run(ms(20));
    assert_eq!(net.packets(0).len(), before, "nothing before a keyframe");
    net.write(0, &picture(&net, true, 93_000, 100));
    net.run(ms(20));
    assert!(net.packets(0).len() > before);
    assert_eq!(net.closed(), None);
}

#[test]
fn a_websocket_that_ends_is_no_goodbye_while_probes_are_answered() {
    let mut net = Net::viewer();
    net.connect();
    net.run(ms(3000));
    net.session.handle_hint(Hint::WsFin, net.now);
    net.run(ms(5000));
    assert_eq!(holds(&net), []);
    assert_eq!(net.closed(), None);
    assert_eq!(net.session.take_counts().pardoned[Hint::WsFin.index()], 1);
}

#[test]
fn a_websocket_that_ends_with_its_viewer_lets_go_in_a_moment() {
    let mut net = Net::viewer();
    net.connect();
    net.run(ms(3000));
    net.deaf = true;
    net.session.handle_hint(Hint::WsFin, net.now);
    // This viewer reports seldom, so that the gaps between our probes count.
    net.run(ms(850));
    assert_eq!(holds(&net), [(false, Some(Reason::WsFinSilence))]);
    assert_eq!(net.closed(), None);
}

#[test]
fn two_proven_icmp_messages_let_go_at_once_forged_ones_never() {
    let mut net = Net::viewer();
    net.connect();
    net.run(ms(3000));
    for i in 0..10_000_u32 {
        let mut quote = vec![0x80, 96, (i >> 8) as u8, i as u8];
        quote.extend([0; 60]);
        assert!(!net.session.handle_rejection(true, &quote, net.now));
        if i % 10 == 0 {
            net.run(ms(1));
        }
    }
    net.run(ms(2000));
    assert_eq!(holds(&net), []);
    net.deaf = true;
    for _ in 0..2 {
        net.run(ms(510));
        let probe = net.last_probe.clone().unwrap();
        assert!(net.session.handle_rejection(true, &probe, net.now));
    }
    net.run(ms(1));
    assert_eq!(holds(&net), [(false, Some(Reason::IcmpVerified))]);
    // Its host answers every datagram with another such message, of which it
    // sends a few only: it is left alone.
    let viewer = net.session.pair().unwrap().remote;
    net.sent.clear();
    net.run(ms(3100));
    assert_eq!(net.closed().unwrap().reason, Reason::IcmpVerified);
    net.run(ms(500));
    assert!(!net.sent.contains(&viewer));
    assert!(net.session.is_finished());
}

#[test]
fn garbage_changes_nothing() {
    let mut net = Net::viewer();
    net.connect();
    let viewer = "10.0.0.2:5000".parse().unwrap();
    let stranger = "10.9.9.9:9".parse().unwrap();
    for first in 0..=255_u8 {
        for length in [1, 12, 13, 20, 60, 1400] {
            let mut bytes = vec![first; length];
            for from in [viewer, stranger] {
                net.session.handle_datagram(Protocol::Udp, from, net.local, &bytes, net.now);
                net.run(Duration::ZERO);
            }
            // The shape of DTLS 1.2 records of the running epoch.
            if length > 13 {
                bytes[1] = 0xfe;
                bytes[2] = 0xfd;
                bytes[3] = 0;
                bytes[4] = 1;
                let body = (length - 13) as u16;
                bytes[11..13].copy_from_slice(&body.to_be_bytes());
                net.session.handle_datagram(Protocol::Udp, viewer, net.local, &bytes, net.now);
                net.run(Duration::ZERO);
            }
        }
    }
    assert_eq!(net.closed(), None);
    net.write(0, &picture(&net, true, 3000, 100));
    net.run(ms(20));
    assert!(!net.packets(0).is_empty());
}

#[test]
fn sections_without_a_track_are_inactive() {
    let net = Net::with(&[(0, Codec::new(CodecId::H264).clock(90_000))]);
    let sections: Vec<&str> = net.answer.split("m=").skip(1).collect();
    let (audio, video): (Vec<&str>, Vec<&str>) =
        sections.iter().partition(|s| s.starts_with("audio"));
    assert!(audio[0].contains("a=inactive"), "{}", net.answer);
    assert!(video[0].contains("a=sendonly"));
    assert!(net.answer.contains("a=setup:active"));
    assert!(!net.answer.contains("a=candidate"));
    assert_eq!(net.candidates.len(), 2);
    let mut net = net;
    net.connect();
    net.write(0, &picture(&net, true, 3000, 100));
    net.run(ms(20));
    assert!(!net.packets(0).is_empty());
}

#[test]
fn a_microphone_is_heard() {
    let mut net = Net::talker();
    net.connect();
    net.talk(&[0xfc, 9, 9]);
    net.run(ms(50));
    let heard = net.events.iter().find_map(|e| match e {
        Event::Received(packet) => Some(packet.clone()),
        _ => None,
    });
    let heard = heard.expect("a packet");
    assert_eq!((heard.track, &heard.payload[..]), (0, &[0xfc, 9, 9][..]));
}

#[test]
fn data_channels_are_accepted() {
    let mut net = Net::with_channel();
    net.connect();
    net.run(ms(300));
    assert!(net.channel_open);
    net.client.close().unwrap();
    net.run(ms(50));
    // The abort of the channels leaves first.
    let reason = net.closed().unwrap().reason;
    assert!(matches!(reason, Reason::CloseNotify | Reason::SctpAbort), "{reason}");
    let closed = net.events.iter().filter(|e| matches!(e, Event::Closed(_))).count();
    assert_eq!(closed, 1);
}

#[test]
fn addresses_are_reported() {
    let mut net = Net::viewer();
    net.connect();
    net.run(ms(100));
    let pair = net.session.pair().unwrap();
    assert_eq!(pair.local, net.local);
    assert_eq!(pair.remote, "10.0.0.2:5000".parse().unwrap());
    assert_eq!(pair.kind.name(), "host");
    assert!(
        net.events.iter().any(|e| matches!(e, Event::Peer(Protocol::Udp, a) if *a == pair.remote))
    );
}

#[test]
fn a_complete_answer_carries_its_candidates() {
    let offer = rs2rtc_webrtc::Offer::parse(include_str!("data/assistant.sdp")).unwrap();
    let selected = [
        rs2rtc_webrtc::Selected { media: 1, codec: Codec::new(CodecId::H264).clock(90_000) },
        rs2rtc_webrtc::Selected {
            media: 3,
            codec: Codec::new(CodecId::Opus).clock(48_000).channels(2),
        },
    ];
    let accepted = peer::accept(&offer, &selected, true);
    let text = &accepted.answer;
    let sections: Vec<&str> = text.split("m=").skip(1).collect();
    assert!(sections[0].starts_with("audio 9 UDP/TLS/RTP/SAVPF 96\r\n"), "{text}");
    assert!(sections[0].contains("a=candidate:3613942034 1 tcp 1671430142"), "{text}");
    assert!(sections[0].contains("10.0.0.1 8555 typ host"), "{text}");
    assert!(sections[1].starts_with("video 9 UDP/TLS/RTP/SAVPF 99\r\n"), "{text}");
    assert!(sections[0].contains("a=sendonly") && sections[1].contains("a=sendonly"), "{text}");
    assert!(text.contains("a=group:BUNDLE audio0 video0\r\n"));
}

#[test]
fn media_follows_the_viewer_to_another_address() {
    let mut net = Net::viewer();
    net.connect();
    let other = peer::OTHER.parse().unwrap();
    let home = "10.0.0.2:5000".parse().unwrap();
    net.write(0, &picture(&net, true, 3000, 100));
    net.run(ms(20));
    assert_eq!(net.media_to, Some(home));
    // A stranger's packets change nothing, and neither does its address.
    net.session.handle_datagram(
        Protocol::Udp,
        "10.9.9.9:9".parse().unwrap(),
        net.local,
        &[0x80; 40],
        net.now,
    );
    net.write(0, &picture(&net, false, 6000, 100));
    net.run(ms(20));
    assert_eq!(net.media_to, Some(home));
    // The viewer reports from its other address, which was checked.
    net.moved = Some(other);
    net.request_keyframe(0);
    net.run(ms(50));
    net.write(0, &picture(&net, false, 9000, 100));
    net.run(ms(20));
    assert_eq!(net.media_to, Some(other));
    assert_eq!(net.session.pair().unwrap().remote, other);
    assert!(net.events.iter().any(|e| matches!(e, Event::PairChanged(p) if p.remote == other)));
}
