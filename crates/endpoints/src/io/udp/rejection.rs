//! What the network says about a datagram of ours that it could not deliver
//! (ICMP, RFC 792 and RFC 1812 5.2.7.1; ICMPv6, RFC 4443 3.1).

use std::net::{IpAddr, SocketAddr};

/// Most bytes of a bounced datagram that are kept: an ICMPv6 message is at most
/// 1280 bytes long (RFC 4443 2.4).
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(super) const MAX_QUOTE: usize = 1280;

/// Why a datagram was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectionKind {
    /// The host is there, but no socket has that port.
    PortUnreachable,
    /// The last router, or this host itself, finds no host of that address.
    HostUnreachable,
    /// There is no route to that network.
    NetUnreachable,
    /// A filter on the way does not allow it.
    Prohibited,
    /// Anything else, such as a datagram that is too long for the path.
    Other,
}

/// A datagram of ours that came back. **Anybody can make one**: unless `local`,
/// it proves something only if `quote` is a datagram that was really sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection<'a> {
    /// Why.
    pub kind: RejectionKind,
    /// This system decided so, no message came from outside. (A neighbour that
    /// does not answer to ARP is *not* local: the system sends itself ICMP.)
    pub local: bool,
    /// Who sent the message: the viewer's host, or a router on the way.
    pub offender: Option<IpAddr>,
    /// Where the datagram was going.
    pub destination: SocketAddr,
    /// The beginning of the datagram, as far as it was quoted; without IP and UDP headers.
    pub quote: &'a [u8],
}

#[cfg(target_os = "linux")]
impl RejectionKind {
    pub(super) fn of(entry: &crate::io::sys::error_queue::Entry) -> Self {
        use crate::io::sys::error_queue::Origin;
        match (entry.origin, entry.kind, entry.code) {
            (Origin::Icmp, 3, 3) | (Origin::Icmp6, 1, 4) => Self::PortUnreachable,
            (Origin::Icmp, 3, 1 | 7 | 12) | (Origin::Icmp6, 1, 3) => Self::HostUnreachable,
            (Origin::Icmp, 3, 0 | 6 | 11) | (Origin::Icmp6, 1, 0) => Self::NetUnreachable,
            (Origin::Icmp, 3, 9 | 10 | 13) | (Origin::Icmp6, 1, 1 | 5 | 6) => Self::Prohibited,
            (Origin::Local, ..) => match entry.errno {
                libc::ECONNREFUSED => Self::PortUnreachable,
                libc::EHOSTUNREACH | libc::EHOSTDOWN => Self::HostUnreachable,
                libc::ENETUNREACH | libc::ENETDOWN => Self::NetUnreachable,
                libc::EACCES | libc::EPERM => Self::Prohibited,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}
