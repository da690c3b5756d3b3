//! A WebRTC publisher without a browser: offers over WHIP, sends H.264 pictures that say nothing,
//! counts how often it is asked for a keyframe, and leaves in a chosen way.

use std::net::SocketAddr;
use std::time::Instant;

use str0m::change::SdpAnswer;
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::rtp::{RtpWrite, SeqNo};
use str0m::{Event, Input, RtcConfig};

use crate::peer::{Error, Leave, Peer, connect, request};

/// 320x240, baseline.
const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00,
    0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0xa4, 0x80,
];
const PPS: &[u8] = &[0x68, 0xcb, 0x8c, 0xb2];
/// Slices that begin a picture; what follows is not looked at on the way.
const KEYFRAME: &[u8] = &[0x65, 0x88, 0x84, 0x0a, 0xf2, 0x62, 0x80, 0x00, 0xa7, 0xbe];
const PICTURE: &[u8] = &[0x41, 0x9a, 0x24, 0x6c, 0x41, 0x4f, 0xfe, 0x8d, 0x20];
/// Ticks between pictures at 30 a second.
const STEP: u32 = 3000;

/// A publisher of pictures.
#[derive(Debug)]
pub struct Publisher {
    peer: Peer,
    mid: Mid,
    payload_type: Pt,
    sequence: u64,
    timestamp: u32,
    /// How often a keyframe was asked for.
    pub asked: u32,
}

impl Publisher {
    /// Offers pictures for a stream and waits for the answer.
    ///
    /// # Errors
    /// If the server cannot be reached or refuses.
    pub fn start(server: SocketAddr, stream: &str) -> Result<Self, Error> {
        let config = RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_h264(true);
        let mut tcp = connect(server)?;
        let ip = tcp.local_addr()?.ip();
        let mut peer = Peer::bind(config.build(Instant::now()), server, ip)?;
        let mut api = peer.rtc.sdp_api();
        let mid = api.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
        let (offer, pending) = api.apply().ok_or("no offer")?;
        let path = format!("/api/webrtc?dst={stream}");
        let (location, answer) = request(&mut tcp, "POST", &path, &offer.to_sdp_string())?;
        peer.location = location;
        peer.rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer)?)?;
        // The codec that the answer names.
        let line = answer.lines().find(|line| line.starts_with("m=video ")).ok_or("no video")?;
        let number: u8 = line.split(' ').nth(3).ok_or("no format")?.trim().parse()?;
        let payload_type =
            peer.rtc.codec_config().params().iter().find(|p| p.pt() == number.into());
        let payload_type = payload_type.filter(|p| p.spec().codec == Codec::H264);
        let payload_type = payload_type.ok_or("an answer without H.264")?.pt();
        Ok(Self { peer, mid, payload_type, sequence: 1000, timestamp: 0, asked: 0 })
    }

    /// Whether ICE and DTLS are up.
    pub fn is_connected(&self) -> bool {
        self.peer.rtc.is_connected()
    }

    /// Sends a picture.
    ///
    /// # Errors
    /// If the session fails.
    pub fn send(&mut self, keyframe: bool) -> Result<(), Error> {
        let nals: &[&[u8]] = if keyframe { &[SPS, PPS, KEYFRAME] } else { &[PICTURE] };
        self.timestamp = self.timestamp.wrapping_add(STEP);
        let now = Instant::now();
        for (index, nal) in nals.iter().enumerate() {
            let number = SeqNo::from(self.sequence);
            self.sequence += 1;
            let write = RtpWrite::new(self.payload_type, number, self.timestamp, now, *nal);
            let mut api = self.peer.rtc.direct_api();
            let stream = api.stream_tx_by_mid(self.mid, None).ok_or("nothing to send on")?;
            stream.write_rtp(write.marker(index + 1 == nals.len()).nackable(true));
        }
        self.peer.rtc.handle_input(Input::Timeout(now))?;
        let asked = &mut self.asked;
        self.peer.drain(|event| count(asked, &event))
    }

    /// The server said goodbye.
    pub const fn is_closed(&self) -> bool {
        self.peer.closed
    }

    /// Waits for the next datagram or the next timer, at most some
    /// milliseconds, and does what is to be done.
    ///
    /// # Errors
    /// If the socket or the session fails.
    pub fn turn(&mut self) -> Result<(), Error> {
        let asked = &mut self.asked;
        self.peer.turn(|event| count(asked, &event))
    }

    /// Ends it.
    ///
    /// # Errors
    /// If the goodbye cannot be said.
    pub fn leave(self, how: Leave) -> Result<(), Error> {
        self.peer.leave(how)
    }
}

fn count(asked: &mut u32, event: &Event) {
    *asked += u32::from(matches!(event, Event::KeyframeRequest(_)));
}
