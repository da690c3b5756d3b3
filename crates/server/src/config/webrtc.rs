//! Section `webrtc`.

use rs2rtc_base::Secret;
use rs2rtc_endpoints::outputs::webrtc::Listen;

use super::key::Kind;
use super::liveness::{Liveness, Timeouts};
use super::node::Value;
use super::problem::Severity;
use super::section::Section;
use super::with;

/// Section `webrtc`.
#[derive(Clone, Debug)]
pub struct Webrtc {
    /// `host:port`, `/tcp` or `/udp` for one of them; empty: a random UDP port. Default `:8555`.
    pub listen: String,
    /// Extra host candidates.
    pub candidates: Vec<String>,
    /// STUN and TURN servers. `None`: the default list.
    pub ice_servers: Option<Vec<IceServer>>,
    /// Section `webrtc.filters`.
    pub filters: Filters,
    /// How quickly silent viewers are let go.
    pub liveness: Liveness,
    /// The same in the words of other servers.
    pub timeouts: Timeouts,
}

/// A STUN or TURN server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:host:port`, `turn:host:port?transport=…`.
    pub urls: Vec<String>,
    /// For TURN.
    pub username: String,
    /// For TURN.
    pub credential: Secret,
}

/// Section `webrtc.filters`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Only these candidates are offered.
    pub candidates: Option<Vec<String>>,
    /// Offer loopback addresses.
    pub loopback: bool,
    /// Only these interfaces.
    pub interfaces: Option<Vec<String>>,
    /// Only these addresses.
    pub ips: Option<Vec<String>>,
    /// Only these of `udp4`, `udp6`, `tcp4`, `tcp6`.
    pub networks: Option<Vec<String>>,
    /// First and last UDP port.
    pub udp_ports: Option<(u16, u16)>,
}

impl Default for Webrtc {
    fn default() -> Self {
        Self {
            listen: ":8555".into(),
            candidates: Vec::new(),
            ice_servers: None,
            filters: Filters::default(),
            liveness: Liveness::default(),
            timeouts: Timeouts::default(),
        }
    }
}

impl Webrtc {
    pub(super) fn read(&mut self, section: &mut Section<'_>) {
        section
            .about("`host:port`, with /tcp or /udp for one of them; empty: a random UDP port.")
            .restart();
        section.text("listen", &mut self.listen);
        if let Some(node) = section.any("listen")
            && Listen::parse(&self.listen).is_err()
        {
            let text =
                format!("must be host:port, host:port/tcp or host:port/udp, not {:?}", self.listen);
            section.report(Severity::Error, node.at, "webrtc.listen", text);
        }
        section.about("Addresses `host:port` to tell viewers besides our own; `stun:port` asks for the public one.");
        section.plain_list("candidates", &mut self.candidates);
        self.read_ice_servers(section);
        section.about("Which of our own addresses viewers are told.");
        with(section, "filters", |s| self.filters.read(s));
        self.liveness.read(section, "liveness");
        section.about("How quickly silent viewers are let go, in the words of other servers.");
        with(section, "timeouts", |s| self.timeouts.read(s));
    }

    fn read_ice_servers(&mut self, section: &mut Section<'_>) {
        if section.notes() {
            section.about("STUN and TURN servers for viewers.");
            section.note("ice_servers", Kind::Items, || {
                let servers = self.ice_servers.iter().flatten();
                servers.map(|s| format!("{s:?} {}", s.credential.expose())).collect()
            });
            let mut inner = section.noting_below("ice_servers.[]");
            IceServer::default().read(&mut inner);
            section.absorb(inner.finish());
            return;
        }
        let Some(node) = section.any("ice_servers") else { return };
        match &node.value {
            Value::List(items) => {
                let read = items.iter().map(|item| {
                    let mut inner = section.below("webrtc.ice_servers", item);
                    let mut server = IceServer::default();
                    server.read(&mut inner);
                    section.absorb(inner.finish());
                    server
                });
                self.ice_servers = Some(read.collect());
            }
            _ => section.wrong("ice_servers", node, "a list of servers"),
        }
    }
}

impl IceServer {
    pub(super) fn read(&mut self, section: &mut Section<'_>) {
        section.about("`stun:host:port` or `turn:host:port`, one or more.");
        section.plain_list("urls", &mut self.urls);
        section.about("User name, for TURN.");
        section.text("username", &mut self.username);
        section.about("Password, for TURN.");
        section.secret("credential", &mut self.credential);
    }
}

impl Filters {
    pub(super) fn read(&mut self, section: &mut Section<'_>) {
        section.about("Only these addresses are told.");
        section.list("candidates", &mut self.candidates);
        section.about("Tell loopback addresses too.");
        section.flag("loopback", &mut self.loopback);
        section.about("Only addresses of these interfaces.");
        section.list("interfaces", &mut self.interfaces);
        section.about("Only these addresses of our own.");
        section.list("ips", &mut self.ips);
        section.about("Only these kinds.");
        section.list_of("networks", &["udp4", "udp6", "tcp4", "tcp6"], &mut self.networks);
        let mut ports =
            self.udp_ports.map(|(first, last)| vec![first.to_string(), last.to_string()]);
        section
            .about("First and last of the UDP ports that are tried when listen is empty.")
            .restart();
        section.list("udp_ports", &mut ports);
        let Some((ports, node)) = ports.zip(section.any("udp_ports")) else { return };
        let numbers: Vec<u16> = ports.iter().filter_map(|p| p.trim().parse().ok()).collect();
        match numbers.as_slice() {
            [first, last] if first <= last => self.udp_ports = Some((*first, *last)),
            _ => section.wrong("udp_ports", node, "two ports, first and last"),
        }
    }
}
