//! The UDP port that all WebRTC sessions share: batched receiving (recvmmsg,
//! GRO), segmented sending (GSO), and the local address of every datagram.
//!
//! IPv4 and IPv6 have a socket each, bound to the same port without
//! `SO_REUSEADDR`: a port that somebody else uses is an error, not a lottery.
//! It is set right after that, because a viewer may get a socket of its own on
//! the port ([`Connected`]), which is how ICMP errors are told apart.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use quinn_udp::{UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use tracing::{debug, trace};

mod connected;
mod receiver;
mod rejection;

pub use connected::Connected;
pub use receiver::Receiver;
pub use rejection::{Rejection, RejectionKind};

/// Wanted kernel buffers in bytes; the system may give less. A keyframe for
/// many viewers leaves in one go.
const SEND_BUFFER: usize = 4 << 20;
const RECEIVE_BUFFER: usize = 1 << 20;
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
    /// A socket for addresses of this family.
    fn new_socket(address: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        Ok(socket)
    }

    /// Makes a socket ready for batches; it does not block then.
    fn with_state(socket: Socket) -> io::Result<Self> {
        let socket = UdpSocket::from(socket);
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let local = socket.local_addr()?;
        Ok(Self { socket, state, local })
    }

    fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Self::new_socket(address)?;
        socket.bind(&address.into())?;
        // From here on the sockets of viewers may share the port. Elsewhere the
        // option means something else.
        #[cfg(target_os = "linux")]
        socket.set_reuse_address(true)?;
        // The system caps these; a smaller buffer works too.
        let _ = socket.set_send_buffer_size(SEND_BUFFER);
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        Self::with_state(socket)
    }
}

/// The sockets of one port.
#[derive(Debug)]
pub struct UdpPort {
    sockets: Vec<Udp>,
    port: u16,
    dropped: AtomicU64,
    /// How many sockets of viewers there are.
    connected: Arc<AtomicUsize>,
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
        Ok(Self { sockets, port, dropped: AtomicU64::new(0), connected: Arc::default() })
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

    /// Sockets of single viewers that are open.
    pub fn connected(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
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

#[cfg(test)]
mod tests;
