//! The UDP port that all WebRTC sessions share: batched receiving (recvmmsg,
//! GRO), segmented sending (GSO), and the local address of every datagram.
//!
//! IPv4 and IPv6 have a socket each, bound to the same port without
//! `SO_REUSEADDR`: a port that somebody else uses is an error, not a lottery.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use tracing::{debug, trace};

/// Wanted kernel buffers in bytes; the system may give less. A keyframe for
/// many viewers leaves in one go.
const SEND_BUFFER: usize = 4 << 20;
const RECEIVE_BUFFER: usize = 1 << 20;
/// Buffers per receive call, each large enough for a coalesced batch.
const RECEIVE_BATCH: usize = 8;
const RECEIVE_SIZE: usize = 65_535;
/// Attempts to find a random port that is free for both address families.
const RANDOM_ATTEMPTS: usize = 16;

/// One socket.
#[derive(Debug)]
struct Udp {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

impl Udp {
    fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        // The system caps these; a smaller buffer works too.
        let _ = socket.set_send_buffer_size(SEND_BUFFER);
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        let socket = UdpSocket::from(socket);
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let local = socket.local_addr()?;
        Ok(Self { socket, state, local })
    }
}

/// The sockets of one port.
#[derive(Debug)]
pub struct UdpPort {
    sockets: Vec<Udp>,
    port: u16,
    dropped: AtomicU64,
}

impl UdpPort {
    /// Binds a port on one address, or on all (`None`). Port 0 takes a random one.
    ///
    /// # Errors
    /// The system's, such as an address in use. Where one address family does
    /// not exist, the other suffices.
    pub fn bind(ip: Option<IpAddr>, port: u16) -> io::Result<Self> {
        let bind = |ip: IpAddr, port| Udp::bind(SocketAddr::new(ip, port));
        let (v4, v6) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let sockets = match ip {
            Some(ip) => vec![bind(ip, port)?],
            None => {
                let mut attempts = if port == 0 { RANDOM_ATTEMPTS } else { 1 };
                loop {
                    attempts -= 1;
                    let first = bind(v4, port);
                    let second_port = first.as_ref().map_or(port, |udp| udp.local.port());
                    match (first, bind(v6, second_port)) {
                        (Ok(first), Ok(second)) => break vec![first, second],
                        (_, Err(e)) if e.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
                        (_, Err(e)) | (Err(e), _) if e.kind() == io::ErrorKind::AddrInUse => {
                            return Err(e);
                        }
                        (Ok(only), Err(error)) | (Err(error), Ok(only)) => {
                            debug!(%error, local = %only.local, "one address family only");
                            break vec![only];
                        }
                        (Err(e), Err(_)) => return Err(e),
                    }
                }
            }
        };
        let port = sockets.first().map_or(port, |udp| udp.local.port());
        Ok(Self { sockets, port, dropped: AtomicU64::new(0) })
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The addresses it is bound to: one, or the unspecified ones.
    pub fn local_addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.sockets.iter().map(|udp| udp.local)
    }

    /// Datagrams that the system did not take.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// File descriptors to wait on for input.
    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(|udp| udp.socket.as_fd())
    }

    /// Most segments of one [`Self::send`] to an address; 1 without GSO.
    pub(crate) fn max_segments(&self, destination: SocketAddr) -> usize {
        self.socket_for(destination).map_or(1, |udp| udp.state.max_gso_segments())
    }

    fn socket_for(&self, destination: SocketAddr) -> Option<&Udp> {
        self.sockets.iter().find(|udp| udp.local.is_ipv4() == destination.is_ipv4())
    }

    /// Sends datagrams of `segment` bytes each (the last may be shorter) from a
    /// local address. What the system does not take is dropped and counted.
    pub(crate) fn send(
        &self,
        source: IpAddr,
        destination: SocketAddr,
        bytes: &[u8],
        segment: usize,
    ) {
        let Some(udp) = self.socket_for(destination) else { return };
        let several = bytes.len() > segment;
        let one = |contents: &[u8], segment_size| {
            let transmit = quinn_udp::Transmit {
                destination,
                ecn: None,
                contents,
                segment_size,
                src_ip: udp.local.ip().is_unspecified().then_some(source),
            };
            udp.state.try_send(UdpSockRef::from(&udp.socket), &transmit)
        };
        let result = one(bytes, several.then_some(segment));
        let Err(error) = result else { return };
        let again = several && error.kind() != io::ErrorKind::WouldBlock;
        if !again {
            let lost = bytes.len().div_ceil(segment.max(1));
            self.dropped.fetch_add(lost as u64, Ordering::Relaxed);
            trace!(%destination, %error, "not sent");
            return;
        }
        // The link or its driver does not take segmented sends (EMSGSIZE, EIO).
        for datagram in bytes.chunks(segment.max(1)) {
            if let Err(error) = one(datagram, None) {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                trace!(%destination, %error, "not sent");
            }
        }
    }
}

/// Receives from the sockets of a port.
#[derive(Debug)]
pub(crate) struct Receiver {
    buffers: Vec<Vec<u8>>,
    meta: [RecvMeta; RECEIVE_BATCH],
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self {
            buffers: (0..RECEIVE_BATCH).map(|_| vec![0; RECEIVE_SIZE]).collect(),
            meta: [RecvMeta::default(); RECEIVE_BATCH],
        }
    }

    /// Takes what has arrived, at most `calls` receive calls per socket, and
    /// hands every datagram over with its source and destination.
    pub(crate) fn receive(
        &mut self,
        port: &UdpPort,
        calls: usize,
        mut take: impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) {
        for udp in &port.sockets {
            for _ in 0..calls {
                let mut slices: Vec<IoSliceMut<'_>> =
                    self.buffers.iter_mut().map(|b| IoSliceMut::new(b)).collect();
                let socket = UdpSockRef::from(&udp.socket);
                let count = match udp.state.recv(socket, &mut slices, &mut self.meta) {
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => {
                        // ICMP errors of earlier sends show up here.
                        debug!(%error, "receive");
                        continue;
                    }
                };
                for (meta, buffer) in self.meta.iter().zip(&self.buffers).take(count) {
                    let ip = meta.dst_ip.unwrap_or_else(|| udp.local.ip());
                    let destination = SocketAddr::new(ip, udp.local.port());
                    let bytes = buffer.get(..meta.len).unwrap_or_default();
                    for datagram in bytes.chunks(meta.stride.max(1)) {
                        take(meta.addr, destination, datagram);
                    }
                }
                if count < RECEIVE_BATCH {
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn receive_all(port: &UdpPort, count: usize) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
        let mut receiver = Receiver::new();
        let mut found = Vec::new();
        let begin = Instant::now();
        while found.len() < count && begin.elapsed() < Duration::from_secs(5) {
            receiver.receive(port, 4, |from, to, bytes| found.push((from, to, bytes.to_vec())));
            std::thread::yield_now();
        }
        found
    }

    #[test]
    fn segments_arrive_one_by_one_with_their_addresses() {
        let port = UdpPort::bind(None, 0).unwrap();
        let other = UdpPort::bind(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), 0).unwrap();
        let there = SocketAddr::from((Ipv4Addr::LOCALHOST, other.port()));
        let bytes: Vec<u8> = (0..250).collect();
        port.send(IpAddr::V4(Ipv4Addr::LOCALHOST), there, &bytes, 100);
        let found = receive_all(&other, 3);
        assert_eq!(found.iter().map(|f| f.2.len()).collect::<Vec<_>>(), [100, 100, 50]);
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, port.port()));
        assert_eq!(found[0].0, here);
        other.send(IpAddr::V4(Ipv4Addr::LOCALHOST), here, b"back", 4);
        let found = receive_all(&port, 1);
        assert_eq!(found, [(there, here, b"back".to_vec())]);
    }

    #[test]
    fn a_used_port_is_an_error() {
        let port = UdpPort::bind(None, 0).unwrap();
        let error = UdpPort::bind(None, port.port()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
