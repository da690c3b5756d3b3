//! A WebRTC viewer without a browser: offers over WHEP, connects with ICE and DTLS, counts what
//! arrives and leaves in a chosen way.
//!
//! One thread, one socket, str0m in RTP mode. Sequence numbers are compared, so
//! that a single datagram that did not arrive shows.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use rs2rtc_base::http::{Head, StatusLine};
use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpPacket;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// Longest answer to a request, in bytes, and longest wait for it.
const MAX_ANSWER: usize = 64 * 1024;
pub(crate) const ANSWER: Duration = Duration::from_secs(20);
/// Longest datagram.
pub(crate) const MAX_DATAGRAM: usize = 2000;
/// Longest time in which nothing is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

/// What goes wrong.
pub type Error = Box<dyn std::error::Error>;

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

/// How a viewer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// With DTLS close_notify.
    Close,
    /// By DELETE of its session.
    Delete,
    /// At once and without a word: its port is closed.
    Kill,
    /// It says nothing any more, and its port stays open for some time.
    Silence(Duration),
}

/// A viewer of one stream's pictures.
#[derive(Debug)]
pub struct Viewer {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    server: SocketAddr,
    location: Option<String>,
    /// The server's user name for connectivity checks, from its answer.
    pub ufrag: String,
    /// Its own.
    pub own_ufrag: String,
    /// What arrived.
    pub received: Received,
    /// The server said goodbye.
    pub closed: bool,
    due: Instant,
}

impl Viewer {
    /// Asks for a stream and waits for the answer.
    ///
    /// # Errors
    /// If the server cannot be reached or refuses.
    pub fn start(server: SocketAddr, stream: &str) -> Result<Self, Error> {
        let mut tcp = TcpStream::connect_timeout(&server, ANSWER)?;
        tcp.set_read_timeout(Some(ANSWER))?;
        tcp.set_write_timeout(Some(ANSWER))?;
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
        let mut now = Instant::now();
        let config = RtcConfig::new().set_rtp_mode(true);
        let mut rtc = config.enable_pcmu(sound, false).enable_pcma(sound, false).build(now);
        let socket = UdpSocket::bind(SocketAddr::new(ip, 0))?;
        let local = socket.local_addr()?;
        rtc.add_local_candidate(Candidate::host(local, "udp")?);
        let mut api = rtc.sdp_api();
        api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        if sound {
            api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        }
        let (offer, pending) = api.apply().ok_or("no offer")?;
        let (location, answer) = exchange(&offer.to_sdp_string())?;
        now = now.max(Instant::now());
        let value = |name| answer.lines().find_map(|line| line.trim().strip_prefix(name));
        let ufrag = value("a=ice-ufrag:").ok_or("an answer without a user name")?.to_owned();
        let own_ufrag = rtc.direct_api().local_ice_credentials().ufrag;
        rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer)?)?;
        let this = Self {
            rtc,
            socket,
            local,
            server,
            location,
            ufrag,
            own_ufrag,
            received: Received::default(),
            closed: false,
            due: now,
        };
        Ok(this)
    }

    /// Its own address.
    pub const fn address(&self) -> SocketAddr {
        self.local
    }

    /// Whether ICE and DTLS are up.
    pub fn is_connected(&self) -> bool {
        self.rtc.is_connected()
    }

    /// Waits for the next datagram or the next timer, at most some
    /// milliseconds, and does what is to be done.
    ///
    /// # Errors
    /// If the socket or the session fails.
    pub fn turn(&mut self) -> Result<(), Error> {
        self.drain()?;
        let wait = self.due.saturating_duration_since(Instant::now());
        self.socket.set_read_timeout(Some(wait.clamp(Duration::from_millis(1), LOOK)))?;
        let mut bytes = [0; MAX_DATAGRAM];
        match self.socket.recv_from(&mut bytes) {
            Ok((length, from)) => {
                let bytes = bytes.get(..length).unwrap_or_default();
                // What is no STUN, DTLS or SRTP is nobody's.
                if let Ok(receive) = Receive::new(Protocol::Udp, from, self.local, bytes) {
                    let input = Input::Receive(Instant::now(), receive);
                    if self.rtc.accepts(&input) {
                        self.rtc.handle_input(input)?;
                    }
                }
            }
            Err(error) if is_quiet(&error) => {}
            Err(error) => return Err(error.into()),
        }
        self.rtc.handle_input(Input::Timeout(Instant::now()))?;
        self.drain()
    }

    fn drain(&mut self) -> Result<(), Error> {
        loop {
            match self.rtc.poll_output()? {
                Output::Transmit(transmit) => {
                    // A port that is closed shows as silence.
                    let _ = self.socket.send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(Event::RtpPacket(packet)) => self.received.count(&packet),
                Output::Event(Event::Closed) => self.closed = true,
                Output::Event(_) => {}
                Output::Timeout(due) => {
                    self.due = due;
                    return Ok(());
                }
            }
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// If the goodbye cannot be said.
    pub fn leave(mut self, how: Leave) -> Result<(), Error> {
        match how {
            Leave::Close => {
                self.rtc.close()?;
                let end = Instant::now() + Duration::from_millis(200);
                while self.rtc.is_alive() && Instant::now() < end {
                    self.turn()?;
                }
            }
            Leave::Delete => {
                let location = self.location.as_deref().ok_or("a session without a location")?;
                let mut tcp = TcpStream::connect_timeout(&self.server, ANSWER)?;
                tcp.set_read_timeout(Some(ANSWER))?;
                request(&mut tcp, "DELETE", location, "")?;
            }
            Leave::Kill => {}
            Leave::Silence(time) => {
                let end = Instant::now() + time;
                let mut ignored = [0; MAX_DATAGRAM];
                while let Some(left) = end.checked_duration_since(Instant::now()) {
                    self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
                    let _ = self.socket.recv_from(&mut ignored);
                }
            }
        }
        Ok(())
    }
}

pub(crate) fn is_quiet(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted | ConnectionRefused)
}

/// One request with one answer: `Location` and body.
pub(crate) fn request(
    tcp: &mut TcpStream,
    method: &str,
    path: &str,
    body: &str,
) -> Result<(Option<String>, String), Error> {
    let host = tcp.peer_addr()?;
    write!(
        tcp,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    tcp.take(MAX_ANSWER as u64).read_to_end(&mut answer)?;
    let (head, length) = Head::parse(&answer)?.ok_or("an answer that is cut off")?;
    let status = StatusLine::parse(&head.start)?.code;
    let body = String::from_utf8_lossy(answer.get(length..).unwrap_or_default()).into_owned();
    if !(200..300).contains(&status) {
        return Err(format!("{method}: {status} {}", body.trim()).into());
    }
    let location = head.headers.get("location").map(|location| match location.starts_with('/') {
        true => location.to_owned(),
        false => format!("/api/{location}"),
    });
    Ok((location, body))
}
