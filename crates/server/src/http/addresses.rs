//! The addresses of this machine under which it serves pages, for links that are passed on
//! (`docs/api-rs.md`). From within a container these are the container's.

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};

use rs2rtc_endpoints::io::sys::{InterfaceAddress, interface_addresses};

use super::{Api, Call, access};

/// Most addresses that are told.
const MOST: usize = 8;

/// A port that pages are served on.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// With TLS.
    pub tls: bool,
    /// What it is bound to.
    pub bound: SocketAddr,
}

/// Whole addresses, with `base_path`; none for callers from outside, whom the inner network
/// does not concern.
pub(super) fn of_pages(api: &Api, call: &Call) -> Vec<String> {
    let served = api.served.get().map(Vec::as_slice).unwrap_or_default();
    if served.is_empty() || !access::is_near(call.peer, &call.parts.headers) {
        return Vec::new();
    }
    list(served, &interface_addresses().unwrap_or_default(), &api.settings().api.base_path)
}

/// IPv4 first, without the networks of containers and virtual machines on this one.
fn list(served: &[Served], own: &[InterfaceAddress], base: &str) -> Vec<String> {
    let others = own.iter().filter(|own| own.is_for_others() && !is_inner(&own.interface));
    let mut ips: Vec<IpAddr> = others.map(|own| own.ip).collect();
    ips.sort_by_key(|ip| Reverse(ip.is_ipv4()));
    let pairs = ips.iter().flat_map(|ip| served.iter().map(move |served| (ip, served)));
    let reached = pairs.filter(|(ip, served)| covers(served.bound.ip(), **ip));
    let text = |(ip, served): (&IpAddr, &Served)| {
        let scheme = if served.tls { "https" } else { "http" };
        format!("{scheme}://{}{base}/", SocketAddr::new(*ip, served.bound.port()))
    };
    reached.map(text).take(MOST).collect()
}

/// The unspecified address of IPv6 takes IPv4 too.
fn covers(bound: IpAddr, ip: IpAddr) -> bool {
    bound == ip || (bound.is_unspecified() && (bound.is_ipv6() || ip.is_ipv4()))
}

/// Bridges of Docker, Podman, LXC and libvirt, and what is plugged into them.
fn is_inner(interface: &str) -> bool {
    const NAMES: [&str; 7] = ["docker", "br-", "veth", "podman", "cni", "lxc", "virbr"];
    NAMES.iter().any(|name| interface.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(served: &[(bool, &str)], base: &str) -> Vec<String> {
        let own = [
            ("lo", "127.0.0.1"),
            ("eth0", "fd00::5"),
            ("eth0", "fe80::1"),
            ("docker0", "172.17.0.1"),
            ("br-5a1f", "192.168.32.1"),
            ("eth0", "192.168.1.5"),
        ];
        let own = own.map(|(interface, ip)| InterfaceAddress {
            interface: interface.to_owned(),
            ip: ip.parse().unwrap(),
            loopback: interface == "lo",
        });
        let served =
            served.iter().map(|(tls, bound)| Served { tls: *tls, bound: bound.parse().unwrap() });
        list(&served.collect::<Vec<_>>(), &own, base)
    }

    #[test]
    fn addresses_that_others_reach() {
        let both = ["http://192.168.1.5:1984/", "http://[fd00::5]:1984/"];
        assert_eq!(told(&[(false, "[::]:1984")], ""), both);
        assert_eq!(told(&[(false, "0.0.0.0:1984")], ""), both[..1]);
        assert_eq!(told(&[(false, "[fd00::5]:1984")], ""), both[1..]);
        assert_eq!(told(&[(false, "127.0.0.1:1984")], ""), [""; 0]);
        let secure = told(&[(false, "127.0.0.1:1984"), (true, "0.0.0.0:1985")], "/rtc");
        assert_eq!(secure, ["https://192.168.1.5:1985/rtc/"]);
    }
}
