//! ICE candidates as they are written (RFC 8839 section 5.1, RFC 6544 section
//! 4.5) and the contract's form of configured ones (`spec/protocols-standard.md` 8.1).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use str0m::Candidate;
use str0m::net::TcpType;

/// Transport protocol of a candidate pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP with the framing of RFC 4571.
    Tcp,
}

impl Protocol {
    /// `udp` or `tcp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }

    pub(crate) const fn from_str0m(proto: str0m::net::Protocol) -> Self {
        match proto {
            str0m::net::Protocol::Udp => Self::Udp,
            _ => Self::Tcp,
        }
    }

    pub(crate) const fn to_str0m(self) -> str0m::net::Protocol {
        match self {
            Self::Udp => str0m::net::Protocol::Udp,
            Self::Tcp => str0m::net::Protocol::Tcp,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What kind of address a remote candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateKind {
    /// An address of the peer's own interface.
    Host,
    /// Seen by a STUN server.
    ServerReflexive,
    /// Learned from the peer's checks.
    PeerReflexive,
    /// A TURN relay.
    Relay,
}

impl CandidateKind {
    /// `host`, `srflx`, `prflx` or `relay`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relay => "relay",
        }
    }

    pub(crate) const fn from_str0m(kind: str0m::CandidateKind) -> Self {
        match kind {
            str0m::CandidateKind::Host => Self::Host,
            str0m::CandidateKind::ServerReflexive => Self::ServerReflexive,
            str0m::CandidateKind::PeerReflexive => Self::PeerReflexive,
            str0m::CandidateKind::Relayed => Self::Relay,
        }
    }
}

/// An address at which datagrams reach us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalCandidate {
    /// UDP, or TCP on which we listen (passive).
    pub protocol: Protocol,
    /// Address of an interface with our port; never unspecified.
    pub address: SocketAddr,
}

impl LocalCandidate {
    /// `None` for an address that cannot be a candidate (unspecified, multicast).
    pub(crate) fn to_str0m(self) -> Option<Candidate> {
        match self.protocol {
            Protocol::Udp => Candidate::host(self.address, "udp").ok(),
            Protocol::Tcp => {
                Candidate::builder().tcp().host(self.address).tcptype(TcpType::Passive).build().ok()
            }
        }
    }
}

/// Priority from which configured UDP candidates count down (RFC 8445 section
/// 5.1.2.1: host, best local preference, component 1).
const UDP_PRIORITY: u32 = 2_130_706_431;
/// The same for passive TCP (RFC 6544 section 4.2).
const TCP_PRIORITY: u32 = 1_671_430_143;

/// A configured address `host:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfiguredAddress<'a> {
    /// A name or an address, without brackets; `stun`: our public address.
    pub host: &'a str,
    /// Not 0.
    pub port: u16,
}

impl<'a> ConfiguredAddress<'a> {
    /// `None` if it is malformed.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = text.trim().rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let is_host = !host.is_empty() && !host.contains(char::is_whitespace);
        is_host.then_some(Self { host, port })
    }

    /// Whether it stands for our public address, which a STUN server tells.
    pub fn is_public(&self) -> bool {
        self.host == "stun"
    }
}

/// Candidate lines for configured addresses, for the networks that are listened
/// on. A host may be a name and is written as it is; `public` takes the place of
/// `stun`. Malformed entries are left out, and the public one while it is unknown.
pub fn configured_candidates<'a>(
    addresses: impl IntoIterator<Item = &'a str>,
    public: Option<IpAddr>,
    tcp: bool,
    udp: bool,
) -> Vec<String> {
    let public = public.map(|ip| ip.to_string());
    let mut lines = Vec::new();
    let mut count = 0;
    for text in addresses {
        let Some(address) = ConfiguredAddress::parse(text) else { continue };
        let seen = if address.is_public() { public.as_deref() } else { Some(address.host) };
        let (Some(host), port) = (seen, address.port) else { continue };
        for (network, wanted, base, suffix) in
            [("tcp", tcp, TCP_PRIORITY, " tcptype passive"), ("udp", udp, UDP_PRIORITY, "")]
        {
            if wanted {
                count += 1;
                let foundation = crc32(format!("host{host}{network}4").as_bytes());
                let priority = base.saturating_sub(count);
                lines.push(format!(
                    "candidate:{foundation} 1 {network} {priority} {host} {port} typ host{suffix}"
                ));
            }
        }
    }
    lines
}

/// CRC-32 of IEEE 802.3, bit by bit: a few dozen bytes per offer.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_candidates_have_the_contracts_form() {
        assert_eq!(
            configured_candidates(["216.58.210.174:8555"], None, true, true),
            [
                "candidate:3613942034 1 tcp 1671430142 216.58.210.174 8555 typ host tcptype passive",
                "candidate:1788547314 1 udp 2130706429 216.58.210.174 8555 typ host",
            ]
        );
        assert_eq!(configured_candidates(["a:1", "[::1]:2"], None, false, true).len(), 2);
        assert!(
            configured_candidates(["", "x", ":8555", "a:b", "a:0", "a b:1"], None, true, true)
                .is_empty()
        );
    }

    #[test]
    fn the_public_address_takes_the_place_of_stun() {
        let lines = |public: Option<&str>| {
            let public = public.map(|text| text.parse().unwrap());
            configured_candidates(["stun:8555", "stun"], public, true, true)
        };
        assert_eq!(lines(None), [""; 0], "no candidate has the address \"stun\"");
        assert_eq!(
            lines(Some("216.58.210.174")),
            configured_candidates(["216.58.210.174:8555"], None, true, true)
        );
        assert!(lines(Some("2001:db8::1"))[1].contains(" 2001:db8::1 8555 typ host"));
    }

    #[test]
    fn host_candidates_can_be_built() {
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            let address = "192.168.1.2:8555".parse().unwrap();
            let text = LocalCandidate { protocol, address }.to_str0m().unwrap().to_sdp_string();
            assert!(text.contains("192.168.1.2 8555 typ host"), "{text}");
            let unspecified = "0.0.0.0:8555".parse().unwrap();
            assert!(LocalCandidate { protocol, address: unspecified }.to_str0m().is_none());
        }
    }
}
