//! What every WebRTC peer without a browser does: one socket, str0m in RTP mode, one
//! request to the server, and the ways of leaving.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use rs2rtc_base::http::{Head, StatusLine};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// Longest answer to a request, in bytes, and longest wait for it.
const MAX_ANSWER: usize = 64 * 1024;
const ANSWER: Duration = Duration::from_secs(20);
/// Longest datagram.
const MAX_DATAGRAM: usize = 2000;
/// Longest time in which nothing is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What goes wrong.
pub type Error = Box<dyn std::error::Error>;

/// How a peer ends.
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

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) rtc: Rtc,
    socket: UdpSocket,
    /// Its own address.
    pub(crate) local: SocketAddr,
    server: SocketAddr,
    /// Where the session is, to delete it.
    pub(crate) location: Option<String>,
    /// The server said goodbye.
    pub(crate) closed: bool,
    due: Instant,
}

impl Peer {
    /// Takes a port of an own address and offers it as a candidate.
    pub(crate) fn bind(mut rtc: Rtc, server: SocketAddr, ip: IpAddr) -> Result<Self, Error> {
        let socket = UdpSocket::bind(SocketAddr::new(ip, 0))?;
        let local = socket.local_addr()?;
        rtc.add_local_candidate(Candidate::host(local, "udp")?);
        let due = Instant::now();
        Ok(Self { rtc, socket, local, server, location: None, closed: false, due })
    }

    /// Waits for the next datagram or the next timer, at most some
    /// milliseconds, and does what is to be done.
    ///
    /// # Errors
    /// If the socket or the session fails.
    pub(crate) fn turn(&mut self, mut on: impl FnMut(Event)) -> Result<(), Error> {
        self.drain(&mut on)?;
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
        self.drain(&mut on)
    }

    /// Sends what is to be sent, and tells what happened.
    pub(crate) fn drain(&mut self, mut on: impl FnMut(Event)) -> Result<(), Error> {
        loop {
            match self.rtc.poll_output()? {
                Output::Transmit(transmit) => {
                    // A port that is closed shows as silence.
                    let _ = self.socket.send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(Event::Closed) => self.closed = true,
                Output::Event(event) => on(event),
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
    pub(crate) fn leave(mut self, how: Leave) -> Result<(), Error> {
        match how {
            Leave::Close => {
                self.rtc.close()?;
                let end = Instant::now() + Duration::from_millis(200);
                while self.rtc.is_alive() && Instant::now() < end {
                    self.turn(|_| {})?;
                }
            }
            Leave::Delete => {
                let location = self.location.as_deref().ok_or("a session without a location")?;
                let mut tcp = connect(self.server)?;
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

/// A connection for one request.
pub(crate) fn connect(server: SocketAddr) -> Result<TcpStream, Error> {
    let tcp = TcpStream::connect_timeout(&server, ANSWER)?;
    tcp.set_read_timeout(Some(ANSWER))?;
    tcp.set_write_timeout(Some(ANSWER))?;
    Ok(tcp)
}

fn is_quiet(error: &io::Error) -> bool {
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
    // In one piece: the rest of a request that begins with a small write waits for an acknowledgement.
    let asked = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    tcp.write_all(asked.as_bytes())?;
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
