//! Section `webrtc`.

use std::net::IpAddr;

use rs2rtc_base::Secret;
use rs2rtc_endpoints::outputs::webrtc::{ConfiguredAddress, Listen, StunServer};

use super::key::Kind;
use super::liveness::{Liveness, Timeouts};
use super::node::{Node, Value};
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
    /// Servers that tell our public address. `None`: [`STUN_SERVERS`].
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
    /// `stun:host:port`; others are left out.
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
        warn_of(section, "candidates", &self.candidates, |text| {
            let bad = ConfiguredAddress::parse(text).is_none();
            bad.then(|| "must be host:port or stun:port".to_owned())
        });
        self.read_ice_servers(section);
        section.about("Which of our own addresses viewers are told.");
        with(section, "filters", |s| self.filters.read(s));
        self.liveness.read(section, "liveness");
        section.about("How quickly silent viewers are let go, in the words of other servers.");
        with(section, "timeouts", |s| self.timeouts.read(s));
    }

    fn read_ice_servers(&mut self, section: &mut Section<'_>) {
        if section.notes() {
            section.about("STUN servers that tell our public address, for `stun:port` in candidates; they are asked for nothing else.");
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

/// Servers that tell our public address where `ice_servers` is not set.
pub(crate) const STUN_SERVERS: [&str; 2] =
    ["stun:stun.cloudflare.com:3478", "stun:stun.l.google.com:19302"];

/// What is wrong with the address of a server.
fn wrong_server(url: &str) -> Option<String> {
    if StunServer::parse(url).is_some() {
        return None;
    }
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme.trim());
    Some(match scheme {
        "turn" | "turns" | "stuns" => format!(
            "{scheme}: is not supported: viewers reach this server directly, at its own addresses and those of webrtc.candidates; must be stun:host:port"
        ),
        _ => "must be stun:host:port".to_owned(),
    })
}

/// Kinds of addresses, for `filters.networks`.
pub(crate) const NETWORKS: &[&str] = &["udp4", "udp6", "tcp4", "tcp6"];

/// Reports the items of a list that cannot be used; `wrong` says what is allowed.
fn warn_of<'t>(
    section: &mut Section<'_>,
    key: &'static str,
    items: impl IntoIterator<Item = &'t String>,
    wrong: impl Fn(&str) -> Option<String>,
) {
    let Some(node) = section.any(key) else { return };
    let nodes: &[Node] = match &node.value {
        Value::List(nodes) => nodes,
        _ => std::slice::from_ref(node),
    };
    let path = section.child(key);
    for item in items {
        let Some(allowed) = wrong(item) else { continue };
        let at = nodes.iter().find(|n| n.text() == Some(item)).map_or(node.at, |n| n.at);
        let text = format!("{allowed}, not {item:?}; it is left out");
        section.report(Severity::Warning, at, &path, text);
    }
}

impl IceServer {
    pub(super) fn read(&mut self, section: &mut Section<'_>) {
        section.about("`stun:host:port`, one or more. TURN is not supported.");
        section.plain_list("urls", &mut self.urls);
        warn_of(section, "urls", &self.urls, wrong_server);
        section.about("User name, for TURN.");
        section.text("username", &mut self.username);
        section.about("Password, for TURN.");
        section.secret("credential", &mut self.credential);
    }
}

impl Filters {
    pub(super) fn read(&mut self, section: &mut Section<'_>) {
        let address = |text: &str| {
            let bad = text.parse::<IpAddr>().is_err();
            bad.then(|| "must be an IP address such as 192.168.1.10".to_owned())
        };
        section.about("Only these addresses are told.");
        section.list("candidates", &mut self.candidates);
        warn_of(section, "candidates", self.candidates.iter().flatten(), address);
        section.about("Tell loopback addresses too.");
        section.flag("loopback", &mut self.loopback);
        section.about("Only addresses of these interfaces.");
        section.list("interfaces", &mut self.interfaces);
        section.about("Only these addresses of our own.");
        section.list("ips", &mut self.ips);
        warn_of(section, "ips", self.ips.iter().flatten(), address);
        section.about("Only these kinds.");
        section.list_of("networks", NETWORKS, &mut self.networks);
        warn_of(section, "networks", self.networks.iter().flatten(), |text| {
            let bad = !NETWORKS.contains(&text);
            bad.then(|| format!("must be {}", NETWORKS.join(", ")))
        });
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
            [first, last] => {
                let text = format!("the first port comes before the last: [{last}, {first}]");
                section.report(Severity::Error, node.at, "webrtc.filters.udp_ports", text);
            }
            _ => {
                let text = "must be two ports from 0 to 65535, first and last, such as \
                    [50000, 50100]";
                section.report(
                    Severity::Error,
                    node.at,
                    "webrtc.filters.udp_ports",
                    text.to_owned(),
                );
            }
        }
    }
}
