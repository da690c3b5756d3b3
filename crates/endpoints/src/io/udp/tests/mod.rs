//! Sockets on the loopback.

use std::io::{ErrorKind, Write as _};
use std::time::{Duration, Instant};

use super::*;
use crate::io::poller::{Poller, Ready, Token};

#[cfg(target_os = "linux")]
mod network;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const PORT: Token = Token(u64::MAX);
const LIMIT: Duration = Duration::from_secs(10);

/// An owned [`Rejection`].
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bounced {
    kind: RejectionKind,
    local: bool,
    offender: Option<IpAddr>,
    destination: SocketAddr,
    quote: Vec<u8>,
}

/// What came out of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Arrival {
    Datagram { at: Token, from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    Error { at: Token, bounced: Bounced },
}

/// A port and its viewers' sockets, as a shard has them.
struct Server {
    port: UdpPort,
    viewers: Vec<Connected>,
    receiver: Receiver,
    poller: Poller,
}

impl Server {
    fn new(ip: Option<IpAddr>) -> Self {
        let port = UdpPort::bind(ip, 0).unwrap();
        let mut poller = Poller::new().unwrap();
        for fd in port.fds() {
            poller.add(fd, PORT).unwrap();
        }
        Self { port, viewers: Vec::new(), receiver: Receiver::new(), poller }
    }

    fn at(&self, ip: IpAddr) -> SocketAddr {
        SocketAddr::new(ip, self.port.port())
    }

    /// Gives a viewer its own socket, whose token is its number.
    fn connect(&mut self, ip: IpAddr, viewer: SocketAddr) {
        let connected = Connected::open(&self.port, self.at(ip), viewer).unwrap();
        self.poller.add(&connected, Token(self.viewers.len() as u64)).unwrap();
        self.viewers.push(connected);
    }

    fn send(&self, from: IpAddr, to: SocketAddr, bytes: &[u8]) {
        self.port.send(from, to, bytes, bytes.len());
    }

    /// Waits for something, and gives it in the order in which a shard takes it.
    fn arrivals(&mut self, limit: Duration) -> Vec<Arrival> {
        let mut ready = Vec::new();
        self.poller.wait(limit, &mut ready);
        let mut found = Vec::new();
        for Ready { token: at, error, .. } in ready {
            if at == PORT {
                self.receiver.receive(&self.port, 8, |from, to, bytes| {
                    found.push(Arrival::Datagram { at, from, to, bytes: bytes.to_vec() });
                });
                continue;
            }
            let viewer = &self.viewers[usize::try_from(at.0).unwrap()];
            if error {
                viewer.errors(|r| {
                    let bounced = Bounced {
                        kind: r.kind,
                        local: r.local,
                        offender: r.offender,
                        destination: r.destination,
                        quote: r.quote.to_vec(),
                    };
                    found.push(Arrival::Error { at, bounced });
                });
            }
            viewer.receive(&mut self.receiver, 8, |from, to, bytes| {
                found.push(Arrival::Datagram { at, from, to, bytes: bytes.to_vec() });
            });
        }
        found
    }

    fn take(&mut self, count: usize) -> Vec<Arrival> {
        let mut found = Vec::new();
        while found.len() < count {
            let new = self.arrivals(LIMIT);
            assert!(!new.is_empty(), "{} of {count} arrived", found.len());
            found.extend(new);
        }
        found
    }
}

/// IPv4, and IPv6 where there is one.
fn families() -> impl Iterator<Item = IpAddr> {
    let v6 = match UdpSocket::bind((V6, 0)) {
        Ok(_) => Some(V6),
        Err(error) => {
            let _ = io::stderr().write_all(format!("SKIPPED IPv6: {error}\n").as_bytes());
            None
        }
    };
    std::iter::once(V4).chain(v6)
}

fn peer(ip: IpAddr) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[test]
fn segments_arrive_one_by_one_with_their_addresses() {
    let mut server = Server::new(None);
    let mut other = Server::new(Some(V4));
    let (here, there) = (server.at(V4), other.at(V4));
    let bytes: Vec<u8> = (0..250).collect();
    server.port.send(V4, there, &bytes, 100);
    let found = other.take(3);
    let expected = bytes.chunks(100).map(|c| Arrival::Datagram {
        at: PORT,
        from: here,
        to: there,
        bytes: c.to_vec(),
    });
    assert!(expected.eq(found));
    other.send(V4, here, b"back");
    let back = Arrival::Datagram { at: PORT, from: there, to: here, bytes: b"back".to_vec() };
    assert_eq!(server.take(1), [back]);
}

#[test]
fn a_used_port_is_an_error() {
    for ip in std::iter::once(None).chain(families().map(Some)) {
        let mut server = Server::new(None);
        let (_peer, address) = peer(V4);
        for _ in 0..2 {
            let error = UdpPort::bind(ip, server.port.port()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            // Also with a viewer's socket on it.
            server.connect(V4, address);
        }
    }
}

#[test]
fn a_viewer_has_its_own_socket_and_all_others_the_main_one() {
    for (ip, bound) in families().flat_map(|ip| [(ip, None), (ip, Some(ip))]) {
        let mut server = Server::new(bound);
        let here = server.at(ip);
        let peers = [peer(ip), peer(ip), peer(ip)];
        server.connect(ip, peers[0].1);
        server.connect(ip, peers[1].1);
        assert_eq!(server.port.connected(), 2);
        for ((peer, from), at) in peers.iter().zip([Token(0), Token(1), PORT]) {
            peer.send_to(b"in", here).unwrap();
            let from = *from;
            let expected = Arrival::Datagram { at, from, to: here, bytes: b"in".to_vec() };
            assert_eq!(server.take(1), [expected]);
            // Sending is the main socket's task for all of them.
            server.send(ip, from, b"out");
            let mut buffer = [0; 8];
            assert_eq!(peer.recv_from(&mut buffer).unwrap(), (3, here));
        }
        // A viewer that went to another address is heard by the main socket, and
        // the old one's place is free again.
        let old = server.viewers.remove(0);
        server.poller.remove(&old);
        drop(old);
        assert_eq!(server.port.connected(), 1);
        peers[0].0.send_to(b"again", here).unwrap();
        let (from, bytes) = (peers[0].1, b"again".to_vec());
        assert_eq!(server.take(1), [Arrival::Datagram { at: PORT, from, to: here, bytes }]);
    }
}

#[test]
fn a_closed_viewer_is_reported_to_its_socket_and_nobody_loses_anything() {
    for ip in families() {
        let mut server = Server::new(None);
        let here = server.at(ip);
        let (gone, gone_address) = peer(ip);
        let (innocent, innocent_address) = peer(ip);
        let (plain, plain_address) = peer(ip);
        server.connect(ip, gone_address);
        server.connect(ip, innocent_address);
        gone.send_to(b"last words", here).unwrap();
        drop(gone);
        let sent: Vec<Vec<u8>> = (0..100_u8).map(|n| vec![n; 100]).collect();
        for datagram in &sent {
            // Each draws an error.
            server.send(ip, gone_address, datagram);
            for (peer, address) in [(&innocent, innocent_address), (&plain, plain_address)] {
                server.send(ip, address, datagram);
                let mut buffer = [0; 200];
                assert_eq!(peer.recv_from(&mut buffer).unwrap(), (100, here));
                assert_eq!(buffer[..100], datagram[..]);
                peer.send_to(datagram, here).unwrap();
            }
        }
        assert_eq!(server.port.dropped(), 0);
        let mut arrivals = server.take(301);
        arrivals.retain(|arrival| {
            !matches!(arrival, Arrival::Error { at, bounced }
            if *at == Token(0)
            && *bounced == Bounced {
                kind: RejectionKind::PortUnreachable,
                local: false,
                offender: Some(ip),
                destination: gone_address,
                quote: sent[usize::from(bounced.quote[0])].clone(),
            })
        });
        assert_eq!(arrivals.len(), 201, "{ip}");
        let datagrams = |token| {
            let of = arrivals.iter().filter_map(move |a| match a {
                Arrival::Datagram { at, bytes, .. } if *at == token => Some(bytes.clone()),
                _ => None,
            });
            of.collect::<Vec<_>>()
        };
        // The pending error did not cost the datagram behind it.
        assert_eq!(datagrams(Token(0)), [b"last words".to_vec()]);
        assert_eq!(datagrams(Token(1)), sent);
        assert_eq!(datagrams(PORT), sent);
        // And nothing stays ready.
        assert_eq!(server.arrivals(Duration::ZERO), []);
        let mut ready = Vec::new();
        server.poller.wait(Duration::ZERO, &mut ready);
        assert_eq!(ready, []);
    }
}

#[test]
fn an_unread_error_does_not_keep_datagrams_back() {
    let mut server = Server::new(Some(V4));
    let here = server.at(V4);
    let (gone, address) = peer(V4);
    server.connect(V4, address);
    gone.send_to(b"before", here).unwrap();
    drop(gone);
    server.send(V4, address, b"bounces");
    let mut found = Vec::new();
    server.viewers[0].receive(&mut server.receiver, 8, |_, _, bytes| found.push(bytes.to_vec()));
    assert_eq!(found, [b"before"]);
}

#[test]
fn datagrams_of_others_that_arrive_while_it_opens_come_with_their_source() {
    for ip in families() {
        let mut server = Server::new(None);
        let here = server.at(ip);
        let (viewer, address) = peer(ip);
        let (stranger, other) = peer(ip);
        let bound = Connected::bind(&server.port, here, address).unwrap();
        stranger.send_to(b"early", here).unwrap();
        viewer.send_to(b"in time", here).unwrap();
        bound.connect().unwrap();
        stranger.send_to(b"late", here).unwrap();
        server.poller.add(&bound, Token(0)).unwrap();
        server.viewers.push(bound);
        let arrived = server.take(3);
        for (at, from, bytes) in [
            (Token(0), other, &b"early"[..]),
            (Token(0), address, &b"in time"[..]),
            (PORT, other, &b"late"[..]),
        ] {
            let expected = Arrival::Datagram { at, from, to: here, bytes: bytes.to_vec() };
            assert!(arrived.contains(&expected), "{arrived:?}");
        }
    }
}

#[test]
fn addresses_that_do_not_suit_the_port_are_refused() {
    let port = UdpPort::bind(Some(V4), 0).unwrap();
    let (_viewer, viewer) = peer(V4);
    let other = SocketAddr::new(V6, 5000);
    let ours = port.port();
    let open = |ip: &str, port_number, remote| {
        let local = SocketAddr::new(ip.parse().unwrap(), port_number);
        Connected::open(&port, local, remote).unwrap_err().kind()
    };
    assert_eq!(open("0.0.0.0", ours, viewer), ErrorKind::InvalidInput);
    assert_eq!(open("127.0.0.1", ours ^ 1, viewer), ErrorKind::InvalidInput);
    assert_eq!(open("127.0.0.2", ours, viewer), ErrorKind::InvalidInput);
    assert_eq!(open("::1", ours, viewer), ErrorKind::InvalidInput);
    assert_eq!(open("::1", ours, other), ErrorKind::InvalidInput);
    let port = UdpPort::bind(None, 0).unwrap();
    let foreign = SocketAddr::from(([192, 0, 2, 1], port.port()));
    let error = Connected::open(&port, foreign, viewer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    assert_eq!(port.connected(), 0);
}

#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stderr)]
fn cost_of_a_thousand_viewers() {
    const DATAGRAMS: u32 = 100_000;
    crate::io::sys::raise_descriptor_limit();
    for viewers in [1, 100, 1000] {
        let mut server = Server::new(None);
        let here = server.at(V4);
        // One socket with many addresses: all of 127/8 is ours.
        let peers = UdpPort::bind(None, 0).unwrap();
        let ip = |n: u32| IpAddr::from([127, 1, n.to_be_bytes()[2], n.to_be_bytes()[3]]);
        let begin = Instant::now();
        for viewer in 0..viewers {
            server.connect(V4, SocketAddr::new(ip(viewer), peers.port()));
        }
        let opened = begin.elapsed() / viewers;
        let (mut waits, mut ready) = (Duration::ZERO, Vec::new());
        let begin = Instant::now();
        for number in 0..DATAGRAMS {
            let viewer = number * 7 % viewers;
            peers.send(ip(viewer), here, b"x", 1);
            let before = Instant::now();
            server.poller.wait(LIMIT, &mut ready);
            waits += before.elapsed();
            let expected = Token(u64::from(viewer));
            assert_eq!(ready, [Ready { token: expected, input: true, error: false }]);
            let mut own = 0;
            let connected = &server.viewers[viewer as usize];
            connected.receive(&mut server.receiver, 8, |_, _, _| own += 1);
            assert_eq!(own, 1);
        }
        eprintln!(
            "{viewers} viewers: opened in {opened:?} each; {:?} per datagram, of it {:?} waiting",
            begin.elapsed() / DATAGRAMS,
            waits / DATAGRAMS,
        );
    }
}
