//! The other end and the network between: by default one millisecond each way,
//! time jumps.

// Each file of tests uses a part of it.
#![allow(dead_code)]

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use rs2rtc_media::{Codec, CodecId, Frame};
use rs2rtc_testkit::netem::{Link, Profile};
use rs2rtc_webrtc::liveness::Timers;
use rs2rtc_webrtc::{
    Accept, Accepted, Certificate, CloseReason, Config, Event, LocalCandidate, Offer, Output,
    Protocol, Selected, Session, configured_candidates, stun,
};
use str0m::change::SdpAnswer;
use str0m::channel::ChannelId;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid};
use str0m::net::Receive;
use str0m::rtp::{RtpWrite, SeqNo};
use str0m::{Candidate, IceConnectionState, Input, Rtc, RtcConfig};

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The client's second address.
pub(crate) const OTHER: &str = "10.0.0.3:5000";
/// The network of tests that ask for no other.
const QUICK: &str = "delay 1ms";

/// A viewer and its network.
pub(crate) struct Setup<'a> {
    /// Index of the offered media and codec.
    pub(crate) selected: Vec<(usize, Codec)>,
    pub(crate) direction: Direction,
    pub(crate) channel: bool,
    pub(crate) timers: Timers,
    /// Sender reports are noted.
    pub(crate) reports: bool,
    /// As in [`Profile::from_str`](std::str::FromStr), both ways.
    pub(crate) network: &'a str,
    pub(crate) seed: u64,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            selected: vec![(0, h264()), (1, opus())],
            direction: Direction::RecvOnly,
            channel: false,
            timers: Timers::default(),
            reports: true,
            network: QUICK,
            seed: 1,
        }
    }
}

/// On its way: the client's address and what is sent.
pub(crate) struct Datagram(SocketAddr, Vec<u8>);

impl AsRef<[u8]> for Datagram {
    fn as_ref(&self) -> &[u8] {
        &self.1
    }
}

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
    remote: SocketAddr,
    mids: Vec<Mid>,
    /// To the client and to the session.
    pub(crate) down: Link<Datagram>,
    pub(crate) up: Link<Datagram>,
    /// Where the client's packets other than STUN seem to come from.
    pub(crate) moved: Option<SocketAddr>,
    /// Where everything of the client comes from, as if a NAT had forgotten it;
    /// what goes to its former address is lost.
    pub(crate) rebound: Option<SocketAddr>,
    /// The session is not run: its server is stopped.
    pub(crate) frozen: bool,
    /// Addresses whose datagrams find the session.
    peers: Vec<SocketAddr>,
    /// Where media went last.
    pub(crate) media_to: Option<SocketAddr>,
    session_due: Instant,
    client_due: Instant,
    packets: Vec<Packet>,
    reports: Vec<(usize, f64, u32, Instant)>,
    pub(crate) events: Vec<Event>,
    pub(crate) client_closed: bool,
    /// How often the client's own ICE gave up.
    pub(crate) client_lost: usize,
    pub(crate) channel_open: bool,
    channel: Option<ChannelId>,
    /// Nothing of the client arrives.
    pub(crate) deaf: bool,
    /// Only STUN arrives.
    pub(crate) stun_only: bool,
    lose: usize,
    /// The last STUN request of the session.
    pub(crate) last_probe: Option<Vec<u8>>,
    /// The client's last control packet (SRTCP).
    pub(crate) last_control: Option<Vec<u8>>,
    /// Where the session's datagrams went.
    pub(crate) sent: Vec<SocketAddr>,
}

fn config() -> Config {
    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    let certificate = CERTIFICATE.get_or_init(|| Certificate::generate().unwrap()).clone();
    Config { certificate }
}

pub(crate) fn accept(offer: &Offer, selected: &[Selected], complete: bool) -> Accepted {
    accept_at(offer, selected, complete, Timers::default(), Instant::now())
}

fn accept_at(
    offer: &Offer,
    selected: &[Selected],
    complete: bool,
    timers: Timers,
    now: Instant,
) -> Accepted {
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
            configured_candidates(["216.58.210.174:8555"], None, true, true)
        } else {
            Vec::new()
        },
        complete,
        epoch: now.checked_sub(ms(1000)).unwrap(),
        timers,
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
        Self::build(Setup::default())
    }

    pub(crate) fn with(selected: &[(usize, Codec)]) -> Self {
        Self::build(Setup { selected: selected.to_vec(), ..Setup::default() })
    }

    /// A viewer that only speaks.
    pub(crate) fn talker() -> Self {
        let selected = vec![(1, opus())];
        Self::build(Setup { selected, direction: Direction::SendOnly, ..Setup::default() })
    }

    pub(crate) fn with_channel() -> Self {
        Self::build(Setup { channel: true, ..Setup::default() })
    }

    pub(crate) fn build(setup: Setup<'_>) -> Self {
        let now = Instant::now();
        let remote: SocketAddr = "10.0.0.2:5000".parse().unwrap();
        let mut client =
            RtcConfig::new().set_rtp_mode(true).enable_raw_packets(setup.reports).build(now);
        client.add_local_candidate(Candidate::host(remote, "udp").unwrap());
        client.add_local_candidate(Candidate::host(OTHER.parse().unwrap(), "udp").unwrap());
        let mut api = client.sdp_api();
        let audio = api.add_media(MediaKind::Audio, setup.direction, None, None, None);
        let video = api.add_media(MediaKind::Video, setup.direction, None, None, None);
        if setup.channel {
            api.add_channel("alive".to_owned());
        }
        let (sdp, pending) = api.apply().unwrap();
        let offer = Offer::parse(&sdp.to_sdp_string()).unwrap();
        let selected: Vec<_> =
            setup.selected.into_iter().map(|(media, codec)| Selected { media, codec }).collect();
        let Accepted { session, answer, candidates } =
            accept_at(&offer, &selected, false, setup.timers, now);
        let parsed =
            SdpAnswer::from_sdp_string(&answer).unwrap_or_else(|e| panic!("{e}: {answer}"));
        client.sdp_api().accept_answer(pending, parsed).unwrap();
        for line in &candidates {
            if !line.contains(" tcp ") {
                client.add_remote_candidate(Candidate::from_sdp_string(line).unwrap());
            }
        }
        let network: Profile = setup.network.parse().unwrap();
        Self {
            now,
            session,
            answer,
            candidates,
            client,
            local: "10.0.0.1:8555".parse().unwrap(),
            remote,
            mids: vec![video, audio],
            down: Link::new(network.clone(), 2 * setup.seed, now),
            up: Link::new(network, 2 * setup.seed + 1, now),
            moved: None,
            rebound: None,
            frozen: false,
            peers: Vec::new(),
            media_to: None,
            session_due: now,
            client_due: now,
            packets: Vec::new(),
            reports: Vec::new(),
            events: Vec::new(),
            client_closed: false,
            client_lost: 0,
            channel_open: false,
            channel: None,
            deaf: false,
            stun_only: false,
            lose: 0,
            last_probe: None,
            last_control: None,
            sent: Vec::new(),
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
        self.drain_session();
        self.drain_client();
        loop {
            let next = [
                self.down.next_due(),
                Some(self.client_due),
                self.up.next_due().filter(|_| !self.frozen),
                Some(self.session_due).filter(|_| !self.frozen),
            ];
            let next = next.into_iter().flatten().min().unwrap();
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            while let Some(Datagram(to, bytes)) = self.down.pop_due(self.now) {
                let to = match self.rebound {
                    Some(outside) if to == outside => self.remote,
                    Some(_) => continue,
                    None => to,
                };
                let receive =
                    Receive::new(str0m::net::Protocol::Udp, self.local, to, &bytes).unwrap();
                self.client.handle_input(Input::Receive(self.now, receive)).unwrap();
                self.drain_client();
            }
            while !self.frozen
                && let Some(Datagram(from, bytes)) = self.up.pop_due(self.now)
            {
                if stun::kind(&bytes).is_none() && !self.peers.contains(&from) {
                    continue;
                }
                self.session.handle_datagram(Protocol::Udp, from, self.local, &bytes, self.now);
                self.drain_session();
            }
            if !self.frozen && self.session_due <= self.now {
                self.session.handle_timeout(self.now);
                self.drain_session();
            }
            if self.client_due <= self.now {
                self.client.handle_input(Input::Timeout(self.now)).unwrap();
                self.drain_client();
            }
        }
        self.now = end;
    }

    /// Changes the network, both ways.
    pub(crate) fn network(&mut self, words: &str) {
        let profile: Profile = words.parse().unwrap();
        self.up.set(profile.clone(), self.now);
        self.down.set(profile, self.now);
    }

    fn drain_session(&mut self) {
        self.session_due = loop {
            match self.session.poll_output() {
                Output::Transmit(t) => {
                    assert_eq!(t.source, self.local);
                    self.sent.push(t.destination);
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
                        self.down.push(self.now, Datagram(t.destination, t.contents));
                    }
                }
                Output::Event(event) => {
                    if let Event::Peer(_, address) = event {
                        self.peers.push(address);
                    }
                    self.events.push(event);
                }
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
                    if matches!(t.contents[..], [128..192, 192..224, ..]) {
                        self.last_control = Some(t.contents.to_vec());
                    }
                    if heard && t.destination == self.local {
                        let stun = stun::kind(&t.contents).is_some();
                        let from = self.moved.filter(|_| !stun).or(self.rebound);
                        let from = from.unwrap_or(t.source);
                        self.up.push(self.now, Datagram(from, t.contents.to_vec()));
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
            str0m::Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.client_lost += 1;
            }
            str0m::Event::ChannelOpen(id, _) => {
                self.channel_open = true;
                self.channel = Some(id);
            }
            _ => {}
        }
    }

    pub(crate) fn write(&mut self, track: usize, frame: &Arc<Frame>) {
        self.session.write_frame(track, frame, self.now);
    }

    /// Forgets the packets so far and tells how many there were.
    pub(crate) fn take_packets(&mut self) -> usize {
        std::mem::take(&mut self.packets).len()
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
    /// Says something over the data channel.
    pub(crate) fn say(&mut self, text: &str) {
        let mut channel = self.client.channel(self.channel.unwrap()).unwrap();
        channel.write(false, text.as_bytes()).unwrap();
        self.client.handle_input(Input::Timeout(self.now)).unwrap();
        self.drain_client();
    }

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
