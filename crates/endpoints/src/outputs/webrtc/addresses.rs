//! Which of our own addresses a viewer is told (`spec/protocols-standard.md` 8.1).

use std::net::{IpAddr, SocketAddr};

use rs2rtc_webrtc::{LocalCandidate, Protocol};

use super::config::Filters;
use crate::io::sys::InterfaceAddress;

/// Most addresses signalled; each costs the viewer checks.
const MAX_ADDRESSES: usize = 24;

/// The addresses that pass the filters, in the system's order.
///
/// Docker's networks (172.16.0.0/12) are left out unless there is nothing else
/// of IPv4 or they are named. Loopback is for viewers on this machine.
pub(super) fn select(
    interfaces: &[InterfaceAddress],
    filters: &Filters,
    viewer_on_loopback: bool,
) -> Vec<IpAddr> {
    let allowed = |a: &&InterfaceAddress| {
        if a.loopback || a.ip.is_loopback() {
            return viewer_on_loopback || filters.loopback;
        }
        (filters.interfaces.is_empty() || filters.interfaces.contains(&a.interface))
            && (filters.ips.is_empty() || filters.ips.contains(&a.ip))
            && (filters.candidates.is_empty() || filters.candidates.contains(&a.ip))
            && a.is_for_others()
    };
    let mut found: Vec<IpAddr> = interfaces.iter().filter(allowed).map(|a| a.ip).collect();
    found.dedup();
    if filters.ips.is_empty() {
        let other = |ip: &IpAddr| ip.is_ipv4() && !ip.is_loopback() && !container(*ip);
        if found.iter().any(other) {
            found.retain(|ip| !container(*ip));
        }
    }
    found.truncate(MAX_ADDRESSES);
    found
}

/// A port that is listened on.
#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) protocol: Protocol,
    pub(super) port: u16,
    /// What it is bound to: single addresses, or unspecified ones for a family.
    pub(super) bound: Vec<IpAddr>,
}

impl Port {
    fn covers(&self, ip: IpAddr) -> bool {
        let whole = |b: &IpAddr| b.is_unspecified() && b.is_ipv4() == ip.is_ipv4();
        self.bound.iter().any(|b| *b == ip || whole(b))
    }
}

/// Candidates of these addresses for the ports that are listened on.
pub(super) fn candidates(
    addresses: &[IpAddr],
    filters: &Filters,
    ports: &[Port],
) -> Vec<LocalCandidate> {
    let mut found = Vec::new();
    for port in ports {
        let protocol = port.protocol;
        for ip in addresses.iter().copied().filter(|ip| port.covers(*ip)) {
            let network = format!("{protocol}{}", if ip.is_ipv4() { 4 } else { 6 });
            if filters.networks.is_empty() || filters.networks.contains(&network) {
                found.push(LocalCandidate { protocol, address: SocketAddr::new(ip, port.port) });
            }
        }
    }
    found
}

/// 172.16.0.0/12.
fn container(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(v4) if v4.octets()[0] == 172 && v4.octets()[1] & 0xf0 == 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interfaces() -> Vec<InterfaceAddress> {
        [
            ("lo", "127.0.0.1"),
            ("eth0", "192.168.1.2"),
            ("eth0", "fe80::1"),
            ("eth0", "2001:db8::2"),
            ("docker0", "172.17.0.1"),
        ]
        .map(|(interface, ip)| InterfaceAddress {
            interface: interface.to_owned(),
            ip: ip.parse().unwrap(),
            loopback: interface == "lo",
        })
        .to_vec()
    }

    fn texts(filters: &Filters, loopback: bool) -> Vec<String> {
        select(&interfaces(), filters, loopback).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn containers_link_local_and_loopback_are_left_out() {
        assert_eq!(texts(&Filters::default(), false), ["192.168.1.2", "2001:db8::2"]);
        assert_eq!(texts(&Filters::default(), true), ["127.0.0.1", "192.168.1.2", "2001:db8::2"]);
    }

    #[test]
    fn a_container_sees_its_own_address() {
        let filters = Filters { interfaces: vec!["docker0".to_owned()], ..Filters::default() };
        assert_eq!(texts(&filters, false), ["172.17.0.1"]);
        assert_eq!(texts(&filters, true), ["127.0.0.1", "172.17.0.1"]);
    }

    #[test]
    fn named_addresses_replace_the_rule() {
        let ips = vec!["172.17.0.1".parse().unwrap(), "192.168.1.2".parse().unwrap()];
        let filters = Filters { ips, ..Filters::default() };
        assert_eq!(texts(&filters, false), ["192.168.1.2", "172.17.0.1"]);
    }

    #[test]
    fn networks_limit_candidates() {
        let addresses = ["10.0.0.1".parse().unwrap(), "2001:db8::2".parse().unwrap()];
        let filters = Filters { networks: vec!["udp4".to_owned()], ..Filters::default() };
        let bound = vec!["0.0.0.0".parse().unwrap(), "::".parse().unwrap()];
        let ports = [Protocol::Udp, Protocol::Tcp].map(|protocol| Port {
            protocol,
            port: 1,
            bound: bound.clone(),
        });
        assert_eq!(candidates(&addresses, &filters, &ports).len(), 1);
        assert_eq!(candidates(&addresses, &Filters::default(), &ports).len(), 4);
        let one = Port { protocol: Protocol::Udp, port: 1, bound: vec![addresses[0]] };
        assert_eq!(candidates(&addresses, &Filters::default(), &[one]).len(), 1);
    }
}
