//! System calls that no safe crate offers. The only place here for `unsafe`.

#![allow(unsafe_code)]

pub mod child;
#[cfg(target_os = "linux")]
pub(crate) mod error_queue;
mod limits;
#[cfg(all(test, target_os = "linux"))]
pub(crate) mod netns;
#[cfg(any(test, not(target_os = "linux")))]
pub(crate) mod poll;
#[cfg(target_os = "linux")]
pub(crate) mod tcp;
#[cfg(target_os = "linux")]
mod watched;

pub use limits::{
    descriptor_limit, disk_space, original_descriptor_limit, raise_descriptor_limit,
    restore_descriptor_limit, set_descriptor_limit,
};

#[cfg(target_os = "linux")]
pub(crate) use watched::watched;

use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address of a network interface that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// Name of the interface.
    pub interface: String,
    /// Its address.
    pub ip: IpAddr,
    /// The interface is the loopback.
    pub loopback: bool,
}

impl InterfaceAddress {
    /// Whether other machines can be told it: link-local ones of IPv6 need a zone, which is
    /// another one on each machine.
    pub fn is_for_others(&self) -> bool {
        let is_local = match self.ip {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        !(self.loopback || self.ip.is_loopback() || self.ip.is_unspecified() || is_local)
    }
}

/// Addresses of all interfaces that are up, in the system's order.
///
/// # Errors
/// What the system says; in practice only lack of memory.
pub fn interface_addresses() -> io::Result<Vec<InterfaceAddress>> {
    let mut head: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `head` is a valid place for the pointer that the call writes.
    if unsafe { libc::getifaddrs(&raw mut head) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = head;
    while !next.is_null() {
        // SAFETY: `next` is an element of the list, which lives until `freeifaddrs` below.
        let entry = unsafe { &*next };
        next = entry.ifa_next;
        let up = entry.ifa_flags & libc::IFF_UP as libc::c_uint != 0;
        if !up || entry.ifa_addr.is_null() || entry.ifa_name.is_null() {
            continue;
        }
        // SAFETY: a non-null `ifa_addr` points to a socket address whose family
        // says which structure it is; the casts follow the family.
        let ip = unsafe {
            match libc::c_int::from((*entry.ifa_addr).sa_family) {
                libc::AF_INET => {
                    let address = &*entry.ifa_addr.cast::<libc::sockaddr_in>();
                    IpAddr::V4(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)))
                }
                libc::AF_INET6 => {
                    let address = &*entry.ifa_addr.cast::<libc::sockaddr_in6>();
                    IpAddr::V6(Ipv6Addr::from(address.sin6_addr.s6_addr))
                }
                _ => continue,
            }
        };
        // SAFETY: a non-null `ifa_name` is a string that ends with NUL.
        let name = unsafe { CStr::from_ptr(entry.ifa_name) };
        found.push(InterfaceAddress {
            interface: name.to_string_lossy().into_owned(),
            ip,
            loopback: entry.ifa_flags & libc::IFF_LOOPBACK as libc::c_uint != 0,
        });
    }
    // SAFETY: `head` came from `getifaddrs` and is freed once; nothing refers to it any more.
    unsafe { libc::freeifaddrs(head) };
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_listed() {
        let addresses = interface_addresses().unwrap();
        assert!(addresses.iter().any(|a| a.ip == Ipv4Addr::LOCALHOST && a.loopback));
    }
}
