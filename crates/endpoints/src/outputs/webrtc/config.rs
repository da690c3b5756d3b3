//! Settings of the WebRTC output (`spec/protocols-standard.md` 8.1).

use std::collections::HashMap;
use std::net::IpAddr;

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_webrtc::liveness::Timers;

use crate::io::stun::Server;

/// Settings of the WebRTC output.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where UDP and TCP are listened on.
    pub listen: Listen,
    /// Addresses `host:port` to signal besides our own, best first, such as
    /// the public one of a router that forwards the port. `stun:port`: what the
    /// STUN servers say.
    pub candidates: Vec<String>,
    /// Servers to ask for the public address, in order.
    pub stun: Vec<Server>,
    /// Which of our own addresses are signalled.
    pub filters: Filters,
    /// Threads that own sessions; `None`: one for every two processors.
    pub shards: Option<usize>,
    /// How quickly a silent viewer is let go.
    pub liveness: Timers,
    /// The same for the viewers of single streams, by name.
    pub liveness_of: HashMap<String, Timers>,
}

impl Default for Config {
    /// Port 8555 on all addresses, UDP and TCP.
    fn default() -> Self {
        Self {
            listen: Listen { ip: None, port: 8555, udp: true, tcp: true },
            candidates: Vec::new(),
            stun: Vec::new(),
            filters: Filters::default(),
            shards: None,
            liveness: Timers::default(),
            liveness_of: HashMap::new(),
        }
    }
}

/// Which of our own addresses are signalled. Empty lists allow everything.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    /// Only these host candidate addresses.
    pub candidates: Vec<IpAddr>,
    /// Only addresses of these interfaces.
    pub interfaces: Vec<String>,
    /// Only these addresses, which may then be in 172.16.0.0/12.
    pub ips: Vec<IpAddr>,
    /// Loopback addresses too. Viewers on loopback get them in any case.
    pub loopback: bool,
    /// Only these of `udp4`, `udp6`, `tcp4`, `tcp6`.
    pub networks: Vec<String>,
    /// Range of the random UDP port that is used without `listen`.
    pub udp_ports: Option<(u16, u16)>,
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// `None`: all addresses.
    pub ip: Option<IpAddr>,
    /// 0: a random UDP port.
    pub port: u16,
    /// Listen on UDP.
    pub udp: bool,
    /// Listen on TCP (ICE-TCP, passive).
    pub tcp: bool,
}

impl Listen {
    /// Reads `addr[/tcp|/udp]`, such as `:8555`, `0.0.0.0:8555/tcp`,
    /// `[::1]:8555`. An empty text means a random UDP port and no TCP.
    ///
    /// # Errors
    /// Kind `Config` if it is none of these.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self { ip: None, port: 0, udp: true, tcp: false });
        }
        let bad = || {
            let text =
                format!("webrtc: listen {text:?} is not host:port, host:port/tcp or host:port/udp");
            Error::new(ErrorKind::Config, text)
        };
        let (address, udp, tcp) = match text.rsplit_once('/') {
            None => (text, true, true),
            Some((address, "udp")) => (address, true, false),
            Some((address, "tcp")) => (address, false, true),
            Some(_) => return Err(bad()),
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().map_err(|_| bad())?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let ip = match host {
            "" | "*" => None,
            "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
            host => Some(host.parse::<IpAddr>().map_err(|_| bad())?),
        };
        // The unspecified addresses mean all, of both families for IPv6.
        let ip = ip.filter(|ip| *ip != IpAddr::from([0_u16; 8]));
        Ok(Self { ip, port, udp, tcp: tcp && port != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_listen() {
        let parse = |text| Listen::parse(text).unwrap();
        assert_eq!(parse(":8555"), Listen { ip: None, port: 8555, udp: true, tcp: true });
        assert_eq!(parse("[::]:8555"), parse(":8555"));
        assert_eq!(parse(":8555/tcp"), Listen { ip: None, port: 8555, udp: false, tcp: true });
        let one = Some("192.168.1.2".parse().unwrap());
        assert_eq!(parse("192.168.1.2:1/udp"), Listen { ip: one, port: 1, udp: true, tcp: false });
        assert_eq!(parse(""), Listen { ip: None, port: 0, udp: true, tcp: false });
        for bad in ["8555", "host:1", ":x", ":1/sctp", ":70000"] {
            assert_eq!(Listen::parse(bad).unwrap_err().kind(), ErrorKind::Config, "{bad}");
        }
    }
}
