//! The other end and the network between: one millisecond each way, time jumps.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use rs2rtc_media::{Codec, CodecId, Frame};
use rs2rtc_webrtc::liveness::Timers;
use rs2rtc_webrtc::{
    Accept, Accepted, Certificate, CloseReason, Config, Event, LocalCandidate, Offer, Output,
    Protocol, Selected, Session, configured_candidates, stun,
};
use str0m::change::SdpAnswer;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid};
use str0m::net::Receive;
use str0m::rtp::{RtpWrite, SeqNo};
use str0m::{Candidate, Input, Rtc, RtcConfig};

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The client's second address.
pub(crate) const OTHER: &str = "10.0.0.3:5000";
const LATENCY: Duration = Duration::from_millis(1);

#[derive(Clone)]
pub(crate) struct Packet {
    pub(crate) track: usize,
    pub(crate) sequence: u64,
    pub(crate) time: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) at: Instant,
}

pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) session: Session,
    pub(crate) answer: String,
    pub(crate) candidates: Vec<String>,
    pub(crate) client: Rtc,
    pub(crate) local: SocketAddr,
    mids: Vec<Mid>,
    to_client: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
    to_session: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
    /// Where the client's packets other than STUN seem to come from.
    pub(crate) moved: Option<SocketAddr>,
    /// Where media went last.
    pub(crate) media_to: Option<SocketAddr>,
    session_due: Instant,
    client_due: Instant,
    packets: Vec<Packet>,
    reports: Vec<(usize, f64, u32, Instant)>,
    pub(crate) events: Vec<Event>,
    pub(crate) client_closed: bool,
    pub(crate) channel_open: bool,
    /// Nothing of the client arrives.
    pub(crate) deaf: bool,
    /// Only STUN arrives.
    pub(crate) stun_only: bool,
    lose: usize,
    /// The last STUN request of the session.
    pub(crate) last_probe: Option<Vec<u8>>,
}

fn config() -> Config {
    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    let certificate = CERTIFICATE.get_or_init(|| Certificate::generate().unwrap()).clone();
    Config { certificate }
}

pub(crate) fn accept(offer: &Offer, selected: &[Selected], complete: bool) -> Accepted {
    accept_at(offer, selected, complete, Instant::now())
}

fn accept_at(offer: &Offer, selected: &[Selected], complete: bool, now: Instant) -> Accepted {
    let address = "10.0.0.1:8555".parse().unwrap();
    let request = Accept {
        offer,
        selected,
        ufrag: "serverUfrag",
        password: "serverPassword0123456789",
        local: &[
            LocalCandidate { protocol: Protocol::Udp, address },
            LocalCandidate { protocol: Protocol::Tcp, address },
        ],
        configured: &if complete {
            configured_candidates(["216.58.210.174:8555"], true, true)
        } else {
            Vec::new()
        },
        complete,
        epoch: now.checked_sub(ms(1000)).unwrap(),
        timers: Timers::default(),
        held: true,
        seed: [7; 32],
    };
    Session::accept(&config(), request, now).unwrap()
}

fn h264() -> Codec {
    Codec::new(CodecId::H264).clock(90_000)
}

fn opus() -> Codec {
    Codec::new(CodecId::Opus).clock(48_000).channels(2)
}

impl Net {
    /// A viewer of picture and sound.
    pub(crate) fn viewer() -> Self {
        Self::with(&[(0, h264()), (1, opus())])
    }

    pub(crate) fn with(selected: &[(usize, Codec)]) -> Self {
        Self::build(selected, Direction::RecvOnly, false)
    }

    /// A viewer that only speaks.
    pub(crate) fn talker() -> Self {
        Self::build(&[(1, opus())], Direction::SendOnly, false)
    }

    pub(crate) fn with_channel() -> Self {
        Self::build(&[(0, h264()), (1, opus())], Direction::RecvOnly, true)
    }

    fn build(selected: &[(usize, Codec)], direction: Direction, channel: bool) -> Self {
        let now = Instant::now();
        let remote: SocketAddr = "10.0.0.2:5000".parse().unwrap();
        let mut client = RtcConfig::new().set_rtp_mode(true).enable_raw_packets(true).build(now);
        client.add_local_candidate(Candidate::host(remote, "udp").unwrap());
        client.add_local_candidate(Candidate::host(OTHER.parse().unwrap(), "udp").unwrap());
        let mut api = client.sdp_api();
        let audio = api.add_media(MediaKind::Audio, direction, None, None, None);
        let video = api.add_media(MediaKind::Video, direction, None, None, None);
        if channel {
            api.add_channel("alive".to_owned());
        }
        let (sdp, pending) = api.apply().unwrap();
        let offer = Offer::parse(&sdp.to_sdp_string()).unwrap();
        let selected: Vec<_> = selected
            .iter()
            .map(|(media, codec)| Selected { media: *media, codec: codec.clone() })
            .collect();
        let Accepted { session, answer, candidates } = accept_at(&offer, &selected, false, now);
        let parsed =
            SdpAnswer::from_sdp_string(&answer).unwrap_or_else(|e| panic!("{e}: {answer}"));
        client.sdp_api().accept_answer(pending, parsed).unwrap();
        for line in &candidates {
            if !line.contains(" tcp ") {
                client.add_remote_candidate(Candidate::from_sdp_string(line).unwrap());
            }
        }
        Self {
            now,
            session,
            answer,
            candidates,
            client,
            local: "10.0.0.1:8555".parse().unwrap(),
            mids: vec![video, audio],
            to_client: VecDeque::new(),
            to_session: VecDeque::new(),
            moved: None,
            media_to: None,
            session_due: now,
            client_due: now,
            packets: Vec::new(),
            reports: Vec::new(),
            events: Vec::new(),
            client_closed: false,
            channel_open: false,
            deaf: false,
            stun_only: false,
            lose: 0,
            last_probe: None,
        }
    }

    pub(crate) fn connect(&mut self) {
        for _ in 0..400 {
            self.run(ms(5));
            if self.events.iter().any(|e| matches!(e, Event::Connected))
                && self.client.is_connected()
            {
                self.run(ms(20));
                return;
            }
        }
        panic!("not connected: {:?}", self.events);
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.drain_session();
            self.drain_client();
            let next = [
                self.to_client.front().map(|(t, ..)| *t),
                self.to_session.front().map(|(t, ..)| *t),
                Some(self.session_due),
                Some(self.client_due),
            ];
            let next = next.into_iter().flatten().min().unwrap();
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            while self.to_client.front().is_some_and(|(t, ..)| *t <= self.now) {
                let (_, to, bytes) = self.to_client.pop_front().unwrap();
                let receive =
                    Receive::new(str0m::net::Protocol::Udp, self.local, to, &bytes).unwrap();
                self.client.handle_input(Input::Receive(self.now, receive)).unwrap();
                self.drain_client();
            }
            while self.to_session.front().is_some_and(|(t, ..)| *t <= self.now) {
                let (_, from, bytes) = self.to_session.pop_front().unwrap();
                self.session.handle_datagram(Protocol::Udp, from, self.local, &bytes, self.now);
                self.drain_session();
            }
            if self.session_due <= self.now {
                self.session.handle_timeout(self.now);
            }
            if self.client_due <= self.now {
                self.client.handle_input(Input::Timeout(self.now)).unwrap();
            }
        }
        self.now = end;
    }

    fn drain_session(&mut self) {
        self.session_due = loop {
            match self.session.poll_output() {
                Output::Transmit(t) => {
                    assert_eq!(t.source, self.local);
                    if stun::kind(&t.contents) == Some(stun::Kind::Request) {
                        self.last_probe = Some(t.contents.clone());
                    }
                    let media = t.contents[0] >= 128 && !(192..224).contains(&t.contents[1]);
                    if media {
                        self.media_to = Some(t.destination);
                    }
                    if media && self.lose > 0 {
                        self.lose -= 1;
                    } else {
                        self.to_client.push_back((self.now + LATENCY, t.destination, t.contents));
                    }
                }
                Output::Event(event) => self.events.push(event),
                Output::Timeout(t) => break t,
            }
        };
    }

    fn drain_client(&mut self) {
        self.client_due = loop {
            match self.client.poll_output().unwrap() {
                str0m::Output::Transmit(t) => {
                    let heard =
                        !self.deaf && (!self.stun_only || stun::kind(&t.contents).is_some());
                    if heard && t.destination == self.local {
                        let stun = stun::kind(&t.contents).is_some();
                        let from = self.moved.filter(|_| !stun).unwrap_or(t.source);
                        self.to_session.push_back((self.now + LATENCY, from, t.contents.to_vec()));
                    }
                }
                str0m::Output::Event(event) => self.client_event(event),
                str0m::Output::Timeout(t) => break t,
            }
        };
    }

    fn client_event(&mut self, event: str0m::Event) {
        use str0m::rtp::RawPacket;
        use str0m::rtp::rtcp::Rtcp;
        match event {
            str0m::Event::RtpPacket(packet) => {
                let ssrc = packet.header.ssrc;
                let mid = self.client.direct_api().stream_rx(&ssrc).unwrap().mid();
                self.packets.push(Packet {
                    track: self.mids.iter().position(|m| *m == mid).unwrap(),
                    sequence: *packet.seq_no,
                    time: packet.header.timestamp,
                    marker: packet.header.marker,
                    payload: packet.payload,
                    at: self.now,
                });
            }
            str0m::Event::RawPacket(raw) => {
                if let RawPacket::RtcpRx(Rtcp::SenderReport(report)) = *raw {
                    let info = report.sender_info;
                    let mid = self.client.direct_api().stream_rx(&info.ssrc).map(|s| s.mid());
                    let Some(track) = self.mids.iter().position(|m| Some(*m) == mid) else {
                        return;
                    };
                    let ntp = info.ntp_time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
                    let rtp = info.rtp_time.numer() as u32;
                    self.reports.push((track, ntp.as_secs_f64(), rtp, self.now));
                }
            }
            str0m::Event::Closed => self.client_closed = true,
            str0m::Event::ChannelOpen(..) => self.channel_open = true,
            _ => {}
        }
    }

    pub(crate) fn write(&mut self, track: usize, frame: &Arc<Frame>) {
        self.session.write_frame(track, frame, self.now);
    }

    pub(crate) fn packets(&self, track: usize) -> Vec<Packet> {
        self.packets.iter().filter(|p| p.track == track).cloned().collect()
    }

    /// NTP time in seconds and RTP time of a track's first report.
    pub(crate) fn report(&self, track: usize) -> Option<(f64, u32)> {
        self.reports.iter().find(|r| r.0 == track).map(|r| (r.1, r.2))
    }

    pub(crate) fn report_delay(&self, track: usize) -> Duration {
        let at = self.reports.iter().find(|r| r.0 == track).unwrap().3;
        at.saturating_duration_since(self.packets(track)[0].at)
    }

    pub(crate) fn request_keyframe(&mut self, track: usize) {
        let mid = self.mids[track];
        let mut api = self.client.direct_api();
        api.stream_rx_by_mid(mid, None).unwrap().request_keyframe(KeyframeRequestKind::Pli);
        self.client.handle_input(Input::Timeout(self.now)).unwrap();
    }

    pub(crate) fn talk(&mut self, payload: &[u8]) {
        let mid = self.mids[1];
        let payload_type = *self.client.media(mid).unwrap().remote_pts().first().unwrap();
        let mut api = self.client.direct_api();
        let out = api.stream_tx_by_mid(mid, None).unwrap();
        out.write_rtp(RtpWrite::new(payload_type, SeqNo::from(7), 960, self.now, payload.to_vec()));
        self.client.handle_input(Input::Timeout(self.now)).unwrap();
    }

    /// Drops the next media packets on their way to the client.
    pub(crate) fn lose(&mut self, packets: usize) {
        self.lose = packets;
    }

    pub(crate) fn closed(&self) -> Option<CloseReason> {
        self.events.iter().find_map(|e| match e {
            Event::Closed(reason) => Some(reason.clone()),
            _ => None,
        })
    }
}
