//! A WebRTC viewer without a browser: offers over WHEP, connects with ICE and DTLS, counts what
//! arrives and leaves in a chosen way.
//!
//! One thread, one socket, str0m in RTP mode. Sequence numbers are compared, so
//! that a single datagram that did not arrive shows.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind};
use str0m::rtp::RtpPacket;
use str0m::{Event, RtcConfig};

pub use crate::peer::{Error, Leave};
use crate::peer::{Peer, connect, request};

/// What a viewer got so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Packets with media, each sequence number once.
    pub packets: u64,
    /// Ends of pictures (RTP markers).
    pub frames: u64,
    /// Sequence numbers that were jumped over when a later one arrived.
    pub gaps: u64,
    /// Packets that arrived after a later one: repaired gaps.
    pub late: u64,
    newest: Option<u64>,
}

impl Received {
    fn count(&mut self, packet: &RtpPacket) {
        let number = *packet.seq_no;
        self.packets += 1;
        self.frames += u64::from(packet.header.marker);
        let expected = self.newest.map_or(number, |newest| newest + 1);
        if number >= expected {
            self.gaps += number - expected;
            self.newest = Some(number);
        } else {
            self.late += 1;
        }
    }
}

/// A viewer of one stream's pictures.
#[derive(Debug)]
pub struct Viewer {
    peer: Peer,
    /// The server's user name for connectivity checks, from its answer.
    pub ufrag: String,
    /// Its own.
    pub own_ufrag: String,
    /// What arrived.
    pub received: Received,
}

impl Viewer {
    /// Asks for a stream and waits for the answer.
    ///
    /// # Errors
    /// If the server cannot be reached or refuses.
    pub fn start(server: SocketAddr, stream: &str) -> Result<Self, Error> {
        let mut tcp = connect(server)?;
        // The address that leads to the server.
        let ip = tcp.local_addr()?.ip();
        let path = format!("/api/webrtc?src={stream}");
        Self::offer(server, ip, false, |offer| request(&mut tcp, "POST", &path, offer))
    }

    /// Offers to take pictures, and sound if wanted, at an own address.
    /// `exchange` gives the server's answer to an offer, and where the session is.
    ///
    /// # Errors
    /// What `exchange` says, and an answer that cannot be used.
    pub fn offer(
        server: SocketAddr,
        ip: IpAddr,
        sound: bool,
        exchange: impl FnOnce(&str) -> Result<(Option<String>, String), Error>,
    ) -> Result<Self, Error> {
        let config = RtcConfig::new().set_rtp_mode(true);
        let config = config.enable_pcmu(sound, false).enable_pcma(sound, false);
        let mut peer = Peer::bind(config.build(Instant::now()), server, ip)?;
        let mut api = peer.rtc.sdp_api();
        api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        if sound {
            api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        }
        let (offer, pending) = api.apply().ok_or("no offer")?;
        let (location, answer) = exchange(&offer.to_sdp_string())?;
        peer.location = location;
        let value = |name| answer.lines().find_map(|line| line.trim().strip_prefix(name));
        let ufrag = value("a=ice-ufrag:").ok_or("an answer without a user name")?.to_owned();
        let own_ufrag = peer.rtc.direct_api().local_ice_credentials().ufrag;
        peer.rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer)?)?;
        Ok(Self { peer, ufrag, own_ufrag, received: Received::default() })
    }

    /// Its own address.
    pub const fn address(&self) -> SocketAddr {
        self.peer.local
    }

    /// Whether ICE and DTLS are up.
    pub fn is_connected(&self) -> bool {
        self.peer.rtc.is_connected()
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
        let received = &mut self.received;
        self.peer.turn(|event| {
            if let Event::RtpPacket(packet) = event {
                received.count(&packet);
            }
        })
    }

    /// Ends it.
    ///
    /// # Errors
    /// If the goodbye cannot be said.
    pub fn leave(self, how: Leave) -> Result<(), Error> {
        self.peer.leave(how)
    }
}
