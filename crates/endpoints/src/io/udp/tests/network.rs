//! Two hosts on a wire of their own: real and forged ICMP errors.
//!
//! The hosts are network namespaces without names, joined by a veth pair; all
//! of it ends with the test's thread. Needs root and `ip`.
#![allow(clippy::print_stderr)]

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::*;
use crate::io::sys::netns;

/// Forged messages in a flood, and in a second.
const FLOOD: u32 = 10_000;
const BURST: u32 = 20;

/// Both hosts; the thread is in the server's network.
struct Wire {
    server: File,
    viewers: File,
}

impl Wire {
    fn new() -> io::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let viewers = netns::enter_new()?;
        let server = netns::enter_new()?;
        let there = format!("/proc/{}/fd/{}", std::process::id(), viewers.as_raw_fd());
        ip(&format!("link add server type veth peer name viewers netns {there}"))?;
        ip("link set lo up")?;
        ip("addr add 10.77.0.1/24 dev server")?;
        ip("addr add fd77::1/64 dev server nodad")?;
        ip("link set server up")?;
        let wire = Self { server, viewers };
        wire.at_viewers(|| {
            ip("link set lo up")?;
            ip("addr add 10.77.0.2/24 dev viewers")?;
            ip("addr add fd77::2/64 dev viewers nodad")?;
            ip("addr add 10.77.0.3/24 dev viewers")?;
            ip("addr add fd77::3/64 dev viewers nodad")?;
            ip("link set viewers up")
        })?;
        Ok(wire)
    }

    /// Does something in the viewers' network.
    fn at_viewers<T>(&self, act: impl FnOnce() -> T) -> T {
        netns::enter(&self.viewers).unwrap();
        let result = act();
        netns::enter(&self.server).unwrap();
        result
    }

    fn peer(&self, ip: IpAddr) -> (UdpSocket, SocketAddr) {
        self.at_viewers(|| peer(ip))
    }
}

fn ip(arguments: &str) -> io::Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// Runs a test for both families, each in networks of its own, at the same time.
fn on_a_wire(name: &str, test: impl Fn(&Wire, Hosts) + Sync) {
    std::thread::scope(|scope| {
        for hosts in [Hosts::new("10.77.0."), Hosts::new("fd77::")] {
            let test = &test;
            scope.spawn(move || match Wire::new() {
                Ok(wire) => test(&wire, hosts),
                Err(error) => {
                    // Not by the macro, whose output a passing test does not show.
                    let line = format!("SKIPPED {name}: needs root, namespaces, ip(8): {error}\n");
                    let _ = io::stderr().write_all(line.as_bytes());
                }
            });
        }
    });
}

/// Addresses of one family.
#[derive(Clone, Copy)]
struct Hosts {
    server: IpAddr,
    viewers: IpAddr,
    forger: IpAddr,
    nobody: IpAddr,
}

impl Hosts {
    fn new(prefix: &str) -> Self {
        let [server, viewers, forger, nobody] =
            [1, 2, 3, 4].map(|n| format!("{prefix}{n}").parse().unwrap());
        Self { server, viewers, forger, nobody }
    }
}

/// Waits until the wire carries datagrams.
fn until_it_works(server: &mut Server, hosts: Hosts, peer: &UdpSocket) {
    let begin = Instant::now();
    loop {
        let _ = peer.send_to(b"hello", server.at(hosts.server));
        if !server.arrivals(Duration::from_millis(5)).is_empty() {
            break;
        }
        assert!(begin.elapsed() < LIMIT, "the wire carries nothing");
    }
    while !server.arrivals(Duration::from_millis(5)).is_empty() {}
}

/// Sends a datagram until it comes back to the socket of a viewer: a system need not
/// answer every one with ICMP (RFC 4443 2.4 (f)), and a fresh one sometimes does not.
fn until_rejected(server: &mut Server, viewer: Token, from: IpAddr, what: &Bounced) -> Bounced {
    let begin = Instant::now();
    loop {
        server.send(from, what.destination, &what.quote);
        for arrival in server.arrivals(Duration::from_millis(200)) {
            match arrival {
                Arrival::Error { at, bounced } if at == viewer => return bounced,
                // An answer to an earlier one.
                Arrival::Error { at, .. } if at.0 < viewer.0 => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(begin.elapsed() < LIMIT, "nothing comes back from {}", what.destination);
    }
}

/// Sends ICMP "destination unreachable" with a quote of its choice.
struct Forger {
    socket: Socket,
    to: SocketAddr,
}

impl Forger {
    fn new(wire: &Wire, hosts: Hosts) -> Self {
        let (domain, protocol) = match hosts.forger {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        let socket = wire.at_viewers(|| Socket::new(domain, Type::RAW, Some(protocol))).unwrap();
        socket.bind(&SocketAddr::new(hosts.forger, 0).into()).unwrap();
        Self { socket, to: SocketAddr::new(hosts.server, 0) }
    }

    fn send(&self, message: &[u8]) {
        self.socket.send_to(message, &self.to.into()).unwrap();
    }

    /// Sends messages in turn, [`FLOOD`] in a second. Gives how long it took.
    fn flood(&self, messages: &[Vec<u8>]) -> Duration {
        let begin = Instant::now();
        let mut messages = messages.iter().cycle();
        for sent in 0..FLOOD {
            self.send(messages.next().unwrap());
            if sent % BURST == 0 {
                let due = Duration::from_secs(1) * sent / FLOOD;
                while begin.elapsed() < due {
                    std::thread::park_timeout(due.saturating_sub(begin.elapsed()));
                }
            }
        }
        begin.elapsed()
    }
}

/// "Destination unreachable" about a datagram from one address to another.
fn unreachable(code: u8, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    let (kind, mut header) = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![0x45, 0];
            header.extend((20 + length).to_be_bytes());
            header.extend([0, 1, 0, 0, 64, 17, 0, 0]);
            header.extend(from.octets());
            header.extend(to.octets());
            (3, header)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let mut header = vec![0x60, 0, 0, 0];
            header.extend(length.to_be_bytes());
            header.extend([17, 64]);
            header.extend(from.octets());
            header.extend(to.octets());
            (1, header)
        }
        _ => panic!("one family"),
    };
    for field in [from.port(), to.port(), length, 0] {
        header.extend(field.to_be_bytes());
    }
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    message.extend(header);
    message.extend(payload);
    if kind == 3 {
        // The kernel does it for ICMPv6 only.
        let words =
            message.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(*w.get(1).unwrap_or(&0)));
        let sum: u32 = words.sum();
        let sum = (sum >> 16) + (sum & 0xffff);
        let sum = !u16::try_from((sum >> 16) + (sum & 0xffff)).unwrap();
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    message
}

#[test]
fn real_errors_of_what_the_main_socket_sent_reach_the_viewers_socket() {
    on_a_wire("real errors", |wire, hosts| {
        let mut server = Server::new(None);
        let (gone, address) = wire.peer(hosts.viewers);
        until_it_works(&mut server, hosts, &gone);
        server.connect(hosts.server, address);
        drop(gone);
        let mut expected = Bounced {
            kind: RejectionKind::PortUnreachable,
            local: false,
            offender: Some(hosts.viewers),
            destination: address,
            quote: (0..200).collect(),
        };
        assert_eq!(until_rejected(&mut server, Token(0), hosts.server, &expected), expected);

        // A host that is not there any more. The system asks for it three times.
        let family = if hosts.server.is_ipv4() { "ipv4" } else { "ipv6" };
        let pause = format!("/proc/sys/net/{family}/neigh/server/retrans_time_ms");
        std::fs::write(pause, "20").unwrap();
        let nobody = SocketAddr::new(hosts.nobody, 5000);
        server.connect(hosts.server, nobody);
        expected.kind = RejectionKind::HostUnreachable;
        expected.offender = Some(hosts.server);
        expected.destination = nobody;
        assert_eq!(until_rejected(&mut server, Token(1), hosts.server, &expected), expected);
    });
}

#[test]
fn codes_are_told_apart() {
    use RejectionKind::{HostUnreachable, NetUnreachable, Other, PortUnreachable, Prohibited};
    on_a_wire("codes", |wire, hosts| {
        let mut server = Server::new(None);
        let (viewer, address) = wire.peer(hosts.viewers);
        until_it_works(&mut server, hosts, &viewer);
        server.connect(hosts.server, address);
        let forger = Forger::new(wire, hosts);
        let codes = if hosts.server.is_ipv4() {
            [
                (3, PortUnreachable),
                (1, HostUnreachable),
                (0, NetUnreachable),
                (13, Prohibited),
                (5, Other),
            ]
        } else {
            [
                (4, PortUnreachable),
                (3, HostUnreachable),
                (0, NetUnreachable),
                (1, Prohibited),
                (2, Other),
            ]
        };
        for (code, kind) in codes {
            forger.send(&unreachable(code, server.at(hosts.server), address, b"quote"));
            let bounced = Bounced {
                kind,
                local: false,
                offender: Some(hosts.forger),
                destination: address,
                quote: b"quote".to_vec(),
            };
            assert_eq!(server.take(1), [Arrival::Error { at: Token(0), bounced }]);
        }
    });
}

/// Numbered datagrams there and back, one after the other, until it is over.
/// Gives their number; panics if one is lost.
fn exchange(peer: &UdpSocket, server: SocketAddr, over: &AtomicBool) -> u64 {
    let mut number = 0_u64;
    while !over.load(Ordering::Relaxed) {
        peer.send_to(&number.to_be_bytes(), server).unwrap();
        let mut buffer = [0; 16];
        let (length, from) = peer.recv_from(&mut buffer).expect("the answer is lost");
        assert_eq!((from, &buffer[..length]), (server, &number.to_be_bytes()[..]));
        number += 1;
    }
    number
}

/// What a flood did.
#[derive(Debug)]
struct Outcome {
    /// Of the victim.
    errors: u64,
    /// Those of them that quote what was sent to it.
    matching: u64,
    /// Datagrams that the victim, another viewer and a peer without a socket of
    /// its own exchanged meanwhile, none lost.
    exchanged: [u64; 3],
}

/// What the server sent to the victim.
const SENT: &[u8] = b"a datagram that was really sent";

/// Floods the server with messages while three peers exchange datagrams with it.
fn flood(
    wire: &Wire,
    hosts: Hosts,
    messages: impl Fn(SocketAddr, SocketAddr, SocketAddr) -> Vec<Vec<u8>>,
) -> Outcome {
    let mut server = Server::new(None);
    let here = server.at(hosts.server);
    let (victim, victim_address) = wire.peer(hosts.viewers);
    let (viewer, viewer_address) = wire.peer(hosts.viewers);
    let (plain, plain_address) = wire.peer(hosts.viewers);
    until_it_works(&mut server, hosts, &plain);
    server.connect(hosts.server, victim_address);
    server.connect(hosts.server, viewer_address);
    let forger = Forger::new(wire, hosts);
    let messages = messages(here, victim_address, plain_address);
    let over = AtomicBool::new(false);
    let mut outcome = Outcome { errors: 0, matching: 0, exchanged: [0; 3] };
    std::thread::scope(|scope| {
        let over = &over;
        let peers = [victim, viewer, plain];
        let peers = peers.map(|peer| scope.spawn(move || exchange(&peer, here, over)));
        scope.spawn(|| {
            let took = forger.flood(&messages);
            over.store(true, Ordering::Relaxed);
            eprintln!("{}: {FLOOD} messages in {took:?}", hosts.server);
        });
        while !peers.iter().all(|peer| peer.is_finished()) {
            for arrival in server.arrivals(Duration::from_millis(5)) {
                match arrival {
                    Arrival::Datagram { at, from, to, bytes } => {
                        let expected = match at {
                            Token(0) => victim_address,
                            Token(1) => viewer_address,
                            _ => plain_address,
                        };
                        assert_eq!((from, to), (expected, here));
                        server.send(to.ip(), from, &bytes);
                    }
                    Arrival::Error { at, bounced } => {
                        assert_eq!((at, bounced.destination), (Token(0), victim_address));
                        outcome.errors += 1;
                        outcome.matching += u64::from(bounced.quote == SENT);
                    }
                }
            }
        }
        outcome.exchanged = peers.map(|peer| peer.join().unwrap());
    });
    assert_eq!(server.port.dropped(), 0);
    outcome
}

#[test]
fn forged_errors_cost_nobody_a_datagram() {
    on_a_wire("forged errors", |wire, hosts| {
        let code = if hosts.server.is_ipv4() { 3 } else { 4 };
        // Wrong pairs: no socket is connected like that.
        let outcome = flood(wire, hosts, |server, victim, plain| {
            let mut other_port = victim;
            other_port.set_port(victim.port() ^ 1);
            let mut our_other_port = server;
            our_other_port.set_port(server.port() ^ 1);
            let elsewhere = SocketAddr::new(hosts.nobody, victim.port());
            let pairs = [
                (server, other_port),
                (server, plain),
                (server, elsewhere),
                (our_other_port, victim),
                (victim, server),
            ];
            pairs.map(|(from, to)| unreachable(code, from, to, SENT)).to_vec()
        });
        eprintln!("{}: wrong pair: {outcome:?}", hosts.server);
        assert_eq!(outcome.errors, 0);
        assert!(outcome.exchanged.iter().all(|n| *n > 0));

        let outcome = flood(wire, hosts, |server, victim, _| {
            vec![
                unreachable(code, server, victim, b"a guess"),
                unreachable(code, server, victim, b""),
            ]
        });
        eprintln!("{}: right pair, wrong quote: {outcome:?}", hosts.server);
        assert!(outcome.errors > 0 && outcome.matching == 0);
        assert!(outcome.exchanged.iter().all(|n| *n > 0));

        let outcome =
            flood(wire, hosts, |server, victim, _| vec![unreachable(code, server, victim, SENT)]);
        eprintln!("{}: right pair, right quote: {outcome:?}", hosts.server);
        assert!(outcome.errors > 0 && outcome.matching == outcome.errors);
        assert!(outcome.exchanged.iter().all(|n| *n > 0));
    });
}
