//! Which addresses are whose.

use std::net::IpAddr;

/// Whether an address leads to this machine itself or only to its neighbours
/// (loopback, link-local with the metadata services, unspecified), or to many at
/// once: what nobody from outside may have us dial.
pub const fn is_inside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_broadcast()
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unicast_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_and_outside() {
        for inside in [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "ff02::1",
        ] {
            assert!(is_inside(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["192.168.1.10", "10.0.0.1", "100.64.0.1", "2001:db8::1", "fd00::1"] {
            assert!(!is_inside(outside.parse().unwrap()), "{outside}");
        }
    }
}
