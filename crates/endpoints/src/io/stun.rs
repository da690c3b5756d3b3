//! Asking a STUN server where we are seen from outside (RFC 8489 section 6.2.1).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rs2rtc_webrtc::binding::{self, Answer, TransactionId};
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{Instant, timeout_at};

use crate::io::random::random_bytes;

/// Port of an address without one (RFC 7064 section 3.2).
const PORT: u16 = 3478;
/// How long one server is waited for, its name included.
const LIMIT: Duration = Duration::from_secs(3);
/// When a request is sent again, from the first one on.
const AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1500)];

/// A STUN server over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    host: String,
    port: u16,
}

impl Server {
    /// Reads `stun:host` or `stun:host:port` (RFC 7064).
    pub fn parse(url: &str) -> Option<Self> {
        let address = url.trim().strip_prefix("stun:")?;
        let (host, port) = match address.rsplit_once(':') {
            // The colons of a bare IPv6 address in brackets.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (address, PORT),
        };
        let is_name = |c: char| c.is_alphanumeric() || "-._".contains(c);
        let bare = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').filter(|ip| ip.parse::<Ipv6Addr>().is_ok())?,
            None if host.is_empty() || !host.chars().all(is_name) => return None,
            None => host,
        };
        (port != 0).then(|| Self { host: bare.to_owned(), port })
    }

    /// Asks where a datagram from here is seen to come from. Takes at most three
    /// seconds; dropping the future gives up.
    ///
    /// # Errors
    /// Why there is no answer, for the log.
    pub async fn ask(&self) -> Result<IpAddr, String> {
        let end = Instant::now() + LIMIT;
        let late = || format!("{self}: no answer within {} s", LIMIT.as_secs());
        match timeout_at(end, self.ask_until_answered()).await {
            Ok(answer) => answer.map_err(|why| format!("{self}: {why}")),
            Err(_) => Err(late()),
        }
    }

    async fn ask_until_answered(&self) -> Result<IpAddr, String> {
        let found = lookup_host((self.host.as_str(), self.port)).await;
        let mut addresses: Vec<SocketAddr> = found.map_err(|e| e.to_string())?.collect();
        // Ports are forwarded to addresses of IPv4.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        let server = *addresses.first().ok_or("no address")?;
        let local: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((local, 0)).await.map_err(|e| e.to_string())?;
        // From here on the system drops what comes from anybody else.
        socket.connect(server).await.map_err(|e| e.to_string())?;
        let id = TransactionId(random_bytes().map_err(|e| e.to_string())?);
        let request = binding::request(id);
        let started = Instant::now();
        for again in AGAIN.map(|after| Some(started + after)).into_iter().chain([None]) {
            socket.send(&request).await.map_err(|e| e.to_string())?;
            let received = match again {
                Some(at) => timeout_at(at, receive(&socket, id)).await,
                None => Ok(receive(&socket, id).await),
            };
            match received {
                Ok(Ok(Answer::Address(seen))) => return Ok(seen.ip().to_canonical()),
                Ok(Ok(Answer::Refused(code))) => return Err(format!("refused with {code}")),
                Ok(Err(error)) => return Err(error.to_string()),
                Err(_) => {}
            }
        }
        Err("no answer".to_owned())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "stun:[{}]:{}", self.host, self.port),
            false => write!(f, "stun:{}:{}", self.host, self.port),
        }
    }
}

/// The answer to our request; whatever else comes is passed over.
async fn receive(socket: &UdpSocket, id: TransactionId) -> std::io::Result<Answer> {
    let mut buffer = [0; binding::LONGEST];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Some(answer) = buffer.get(..length).and_then(|bytes| binding::answer(bytes, id)) {
            return Ok(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_servers() {
        let shown = |text| Server::parse(text).map(|server| server.to_string());
        assert_eq!(shown("stun:a.example:19302").unwrap(), "stun:a.example:19302");
        assert_eq!(shown(" stun:a.example ").unwrap(), "stun:a.example:3478");
        assert_eq!(shown("stun:[2001:db8::1]").unwrap(), "stun:[2001:db8::1]:3478");
        assert_eq!(shown("stun:[2001:db8::1]:1").unwrap(), "stun:[2001:db8::1]:1");
        for bad in [
            "a:1",
            "turn:a:1",
            "stuns:a:1",
            "stun:",
            "stun::1",
            "stun:a:0",
            "stun:a:x",
            "stun:[a]:1",
            "stun:a b:1",
            "stun:a/x",
            "stun:2001:db8::1",
        ] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }

    /// Answers the first request with `reply`, from the socket it came to.
    fn answer(kind: [u8; 2], id: &[u8], attributes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(attributes.len()).unwrap().to_be_bytes();
        [&kind[..], &length, &[0x21, 0x12, 0xa4, 0x42], id, attributes].concat()
    }

    /// XOR-MAPPED-ADDRESS of 192.0.2.1, port 32853.
    const SEEN: [u8; 12] = [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];

    async fn fake() -> (UdpSocket, Server) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        (socket, Server { host: "127.0.0.1".to_owned(), port })
    }

    #[tokio::test]
    async fn takes_the_answer_to_its_own_request_from_whom_it_asked() {
        let (socket, server) = fake().await;
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let serve = async {
            let mut buffer = [0; 64];
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            assert_eq!(length, binding::HEADER);
            let id = &buffer[8..20];
            let elsewhere = [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 1, 2, 3, 4];
            stranger.send_to(&answer([1, 1], id, &elsewhere), from).await.unwrap();
            socket.send_to(&answer([1, 1], &[9; 12], &elsewhere), from).await.unwrap();
            socket.send_to(b"nonsense", from).await.unwrap();
            socket.send_to(&answer([1, 1], id, &SEEN), from).await.unwrap();
        };
        let (seen, ()) = tokio::join!(server.ask(), serve);
        assert_eq!(seen, Ok("192.0.2.1".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_lost_request_is_sent_again() {
        let (socket, server) = fake().await;
        let serve = async {
            let mut buffer = [0; 64];
            socket.recv_from(&mut buffer).await.unwrap();
            let first = buffer;
            let (_, from) = socket.recv_from(&mut buffer).await.unwrap();
            assert_eq!(first, buffer, "one transaction");
            socket.send_to(&answer([1, 1], &buffer[8..20], &SEEN), from).await.unwrap();
        };
        let (seen, ()) = tokio::join!(server.ask(), serve);
        assert_eq!(seen, Ok("192.0.2.1".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_refusal_and_silence_are_told() {
        let (socket, server) = fake().await;
        let serve = async {
            let mut buffer = [0; 64];
            let (_, from) = socket.recv_from(&mut buffer).await.unwrap();
            let code = [0, 9, 0, 4, 0, 0, 4, 1];
            socket.send_to(&answer([1, 0x11], &buffer[8..20], &code), from).await.unwrap();
        };
        let (told, ()) = tokio::join!(server.ask(), serve);
        assert_eq!(told, Err(format!("{server}: refused with 401")));
        // Nobody reads what the socket gets from here on.
        tokio::time::pause();
        assert_eq!(server.ask().await, Err(format!("{server}: no answer within 3 s")));
    }
}
