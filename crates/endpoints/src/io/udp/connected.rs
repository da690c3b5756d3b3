//! A viewer's own socket on the shared port, so that its ICMP errors are its
//! own: on a shared socket they would either be hidden or, with `IP_RECVERR`,
//! make the send to somebody else fail.
//!
//! The kernel gives a datagram, and the ICMP error of a datagram, to the socket
//! that is connected to its other end. That is so whichever socket sent it: we
//! go on sending from the main sockets. A message that names another pair of
//! addresses reaches none of these sockets.

use std::io;
use std::net::{SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{RECEIVE_BUFFER, Receiver, Rejection, Udp, UdpPort};
use crate::io::sys;

/// Errors taken in a row before others get their turn.
#[cfg(target_os = "linux")]
const ERRORS: usize = 64;

/// A socket that receives what one remote address sends to one local address of
/// a port, and the ICMP errors of what is sent the other way.
#[derive(Debug)]
pub struct Connected {
    udp: Udp,
    remote: SocketAddr,
    _place: Place,
}

/// A place among the connected sockets of a port.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(places: &Arc<AtomicUsize>) -> io::Result<Self> {
        // The other half is for files, TCP connections and children.
        let most = usize::try_from(sys::descriptor_limit() / 2).unwrap_or(usize::MAX);
        let place = Self(Arc::clone(places));
        if places.fetch_add(1, Ordering::Relaxed) >= most {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connected {
    /// Opens a socket for what `remote` sends to `local`, an address of this
    /// host with the port's number.
    ///
    /// From here on the main socket does not get these datagrams any more. A few
    /// of others that arrive in this moment may come out of the new socket.
    ///
    /// # Errors
    /// `Unsupported` where the system cannot do it, `QuotaExceeded` if half of
    /// the process's descriptors are such sockets, `InvalidInput` if the
    /// addresses do not suit the port, or the system's, such as
    /// `AddrNotAvailable` for an address that is not this host's. The main
    /// socket serves the viewer then, without ICMP errors.
    pub fn open(port: &UdpPort, local: SocketAddr, remote: SocketAddr) -> io::Result<Self> {
        let bound = Self::bind(port, local, remote)?;
        bound.connect()?;
        Ok(bound)
    }

    /// The first half: it takes from everybody.
    pub(super) fn bind(port: &UdpPort, local: SocketAddr, remote: SocketAddr) -> io::Result<Self> {
        if !cfg!(target_os = "linux") {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let main = port.socket_for(remote).ok_or(io::ErrorKind::InvalidInput)?;
        let ours = main.local.ip().is_unspecified() || main.local.ip() == local.ip();
        if !ours
            || local.ip().is_unspecified()
            || local.port() != port.port()
            || local.is_ipv4() != remote.is_ipv4()
        {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let place = Place::take(&port.connected)?;
        let local = in_scope(local, remote);
        let socket = Udp::new_socket(local)?;
        socket.set_reuse_address(true)?;
        // Datagrams and errors share it. A smaller one works too.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        // All set up before it has an address, so that the time in which
        // strangers' datagrams come here is short.
        let mut udp = Udp::with_state(socket)?;
        socket2::SockRef::from(&udp.socket).bind(&local.into())?;
        udp.local = local;
        Ok(Self { udp, remote, _place: place })
    }

    /// The second half.
    pub(super) fn connect(&self) -> io::Result<()> {
        socket2::SockRef::from(&self.udp.socket).connect(&self.remote.into())?;
        self.udp.state.enable_transport_errors(quinn_udp::UdpSockRef::from(&self.udp.socket))
    }

    /// The viewer's address.
    pub const fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Our address.
    pub const fn local(&self) -> SocketAddr {
        self.udp.local
    }

    /// Takes what has arrived, at most `calls` receive calls, and hands every
    /// datagram over with its source and destination. The source is another
    /// than [`Self::remote`] for datagrams that arrived while the socket was
    /// being opened: they are for the whole port.
    pub fn receive(
        &self,
        receiver: &mut Receiver,
        calls: usize,
        take: impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) {
        receiver.drain(&self.udp, calls, take);
    }

    /// Takes the errors that have arrived, the oldest first, and a limited number in one call.
    #[cfg(target_os = "linux")]
    pub fn errors(&self, mut take: impl FnMut(Rejection<'_>)) {
        use super::rejection::{MAX_QUOTE, RejectionKind};
        use sys::error_queue::{self, Origin};

        let mut buffer = [0; MAX_QUOTE];
        for _ in 0..ERRORS {
            match error_queue::next(self.as_fd(), &mut buffer) {
                Ok(Some(entry)) => take(Rejection {
                    kind: RejectionKind::of(&entry),
                    local: entry.origin == Origin::Local,
                    offender: entry.offender,
                    destination: entry.destination,
                    quote: buffer.get(..entry.length).unwrap_or_default(),
                }),
                Ok(None) => break,
                // The socket's pending error; the queue comes after it.
                Err(error) => tracing::trace!(%error, "error queue"),
            }
        }
        // An error whose entry found no room in the queue: else it would be
        // reported as ready for ever.
        let _ = self.udp.socket.take_error();
    }

    /// Takes the errors that have arrived: none on this system.
    #[cfg(not(target_os = "linux"))]
    pub fn errors(&self, _take: impl FnMut(Rejection<'_>)) {}
}

impl AsFd for Connected {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.udp.socket.as_fd()
    }
}

/// A link-local address is complete only with its interface, which the remote
/// address names too.
fn in_scope(local: SocketAddr, remote: SocketAddr) -> SocketAddr {
    match (local, remote) {
        (SocketAddr::V6(local), SocketAddr::V6(remote))
            if local.ip().is_unicast_link_local() && local.scope_id() == 0 =>
        {
            SocketAddrV6::new(*local.ip(), local.port(), 0, remote.scope_id()).into()
        }
        _ => local,
    }
}
