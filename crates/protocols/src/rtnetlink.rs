//! What the kernel says about networks (netlink(7), rtnetlink(7)): only whether
//! one came up, or an address. Attributes are not looked at.

use std::collections::BTreeSet;

/// The multicast groups to listen to: links, IPv4 and IPv6 addresses.
pub const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// Message types.
const NEW_LINK: u16 = 16;
const DEL_LINK: u16 = 17;
const NEW_ADDRESS: u16 = 20;
/// Length of a message's head in bytes.
const HEAD: usize = 16;
/// Flags of a link: up, loopback, running (it has a carrier).
const UP: u32 = 0x1;
const LOOPBACK: u32 = 0x8;
const RUNNING: u32 = 0x40;
/// Flag of an IPv6 address that is still being checked.
const TENTATIVE: u8 = 0x40;
/// Scope of an address that only this host knows.
const SCOPE_HOST: u8 = 254;
/// Links that are remembered.
const MAX_LINKS: usize = 4096;

/// The links that are known to carry.
#[derive(Debug, Default)]
pub struct Links {
    running: BTreeSet<u32>,
}

impl Links {
    /// Takes a datagram of the kernel, one or several messages in this machine's
    /// byte order. Says whether a link or an address came up. Whatever follows
    /// something malformed is ignored.
    pub fn handle_datagram(&mut self, datagram: &[u8]) -> bool {
        let mut came_up = false;
        let mut rest = datagram;
        while let Some((length, kind)) = head(rest) {
            let Some(body) = rest.get(HEAD..length) else { break };
            came_up |= self.message(kind, body).unwrap_or(false);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        came_up
    }

    fn message(&mut self, kind: u16, body: &[u8]) -> Option<bool> {
        match kind {
            NEW_LINK => {
                // The kernel repeats it for whatever changes about a link.
                let (index, flags) = (word(body, 4)?, word(body, 8)?);
                let runs = flags & (UP | RUNNING) == UP | RUNNING && flags & LOOPBACK == 0;
                if !runs {
                    self.running.remove(&index);
                    return Some(false);
                }
                let has_room = self.running.len() < MAX_LINKS;
                Some(has_room && self.running.insert(index))
            }
            DEL_LINK => {
                self.running.remove(&word(body, 4)?);
                Some(false)
            }
            NEW_ADDRESS => {
                let (flags, scope) = (*body.get(2)?, *body.get(3)?);
                Some(flags & TENTATIVE == 0 && scope != SCOPE_HOST)
            }
            _ => Some(false),
        }
    }
}

/// Length with the head, and type.
fn head(bytes: &[u8]) -> Option<(usize, u16)> {
    let length = usize::try_from(word(bytes, 0)?).ok()?;
    let kind = bytes.get(4..6)?.try_into().ok().map(u16::from_ne_bytes)?;
    (length >= HEAD && length <= bytes.len()).then_some((length, kind))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(HEAD + body.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn link(kind: u16, index: u32, flags: u32) -> Vec<u8> {
        let words = [0, index, flags, 0];
        message(kind, &words.map(u32::to_ne_bytes).concat())
    }

    fn address(flags: u8, scope: u8) -> Vec<u8> {
        // With an attribute that is not looked at, of an odd length.
        message(NEW_ADDRESS, &[2, 24, flags, scope, 3, 0, 0, 0, 5, 0, 1, 0, 9])
    }

    #[test]
    fn a_link_comes_up_once() {
        let mut links = Links::default();
        assert!(!links.handle_datagram(&link(NEW_LINK, 2, UP)));
        assert!(links.handle_datagram(&link(NEW_LINK, 2, UP | RUNNING)));
        assert!(!links.handle_datagram(&link(NEW_LINK, 2, UP | RUNNING)), "said again");
        assert!(!links.handle_datagram(&link(NEW_LINK, 2, UP)), "the cable is pulled");
        assert!(links.handle_datagram(&link(NEW_LINK, 2, UP | RUNNING)));
        assert!(!links.handle_datagram(&link(DEL_LINK, 2, UP | RUNNING)));
        assert!(links.handle_datagram(&link(NEW_LINK, 2, UP | RUNNING)));
        assert!(!links.handle_datagram(&link(NEW_LINK, 1, UP | RUNNING | LOOPBACK)));
    }

    #[test]
    fn an_address_counts_once_it_can_be_used() {
        let mut links = Links::default();
        assert!(links.handle_datagram(&address(0, 0)));
        assert!(!links.handle_datagram(&address(TENTATIVE, 0)));
        assert!(!links.handle_datagram(&address(0, SCOPE_HOST)));
        let several = [link(NEW_LINK, 1, UP | LOOPBACK), message(3, &[]), address(0, 0)];
        assert!(links.handle_datagram(&several.concat()));
    }

    #[test]
    fn anything_shorter_says_nothing() {
        for whole in [link(NEW_LINK, 2, UP | RUNNING), address(0, 0)] {
            let length = usize::try_from(word(&whole, 0).unwrap()).unwrap();
            for end in 0..length {
                assert!(!Links::default().handle_datagram(&whole[..end]), "{end}");
            }
            // Also one that says so itself, and one that says too little.
            for end in 0..HEAD + 4 {
                let mut short = whole.clone();
                short[..4].copy_from_slice(&u32::try_from(end).unwrap().to_ne_bytes());
                short.truncate(end.max(4));
                let _ = Links::default().handle_datagram(&short);
            }
        }
    }
}
