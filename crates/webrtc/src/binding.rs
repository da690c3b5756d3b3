//! STUN binding without authentication (RFC 8489 sections 5, 14.2 and 14.8): the
//! question at which address we are seen from outside, and the reading of its answer.
//!
//! Who asks draws the transaction id from the system's random numbers, so that only
//! who saw the request can answer it, and takes answers of the asked address only.
//! MAPPED-ADDRESS of older servers is not read: routers rewrite it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::stun::COOKIE;

/// Header length in bytes, which is all of a request.
pub const HEADER: usize = 20;
/// Longest answer that is read, in bytes.
pub const LONGEST: usize = 548;

const REQUEST: [u8; 2] = [0x00, 0x01];
const SUCCESS: [u8; 2] = [0x01, 0x01];
const ERROR: [u8; 2] = [0x01, 0x11];
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// What tells the answer to a request from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionId(pub [u8; 12]);

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Where the server saw us.
    Address(SocketAddr),
    /// It refused, with this code (300 to 699).
    Refused(u16),
}

/// A binding request.
pub fn request(id: TransactionId) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    let (head, rest) = bytes.split_at_mut(4);
    head.copy_from_slice(&[REQUEST[0], REQUEST[1], 0, 0]);
    let (cookie, transaction) = rest.split_at_mut(4);
    cookie.copy_from_slice(&COOKIE);
    transaction.copy_from_slice(&id.0);
    bytes
}

/// The answer to a request; `None` if the datagram is anything else, or says nothing.
pub fn answer(datagram: &[u8], id: TransactionId) -> Option<Answer> {
    let (head, mut rest) = datagram.split_at_checked(HEADER)?;
    let (kind, head) = head.split_at_checked(2)?;
    let (length, head) = head.split_at_checked(2)?;
    let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
    let is_ours = head.get(..4)? == COOKIE && head.get(4..)? == id.0;
    if !is_ours || length != rest.len() || length % 4 != 0 {
        return None;
    }
    let wanted = match kind {
        k if *k == SUCCESS => XOR_MAPPED_ADDRESS,
        k if *k == ERROR => ERROR_CODE,
        _ => return None,
    };
    while !rest.is_empty() {
        let (head, after) = rest.split_at_checked(4)?;
        let (kind, length) = head.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        let value = after.get(..length)?;
        if u16::from_be_bytes(kind.try_into().ok()?) == wanted {
            return match wanted {
                ERROR_CODE => refusal(value).map(Answer::Refused),
                _ => address(value, id).map(Answer::Address),
            };
        }
        rest = after.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// XOR-MAPPED-ADDRESS: the port is mixed with the first half of the cookie, the
/// address with the cookie and, for IPv6, the transaction.
fn address(value: &[u8], id: TransactionId) -> Option<SocketAddr> {
    let (head, address) = value.split_at_checked(4)?;
    let [_, family, high, low] = <[u8; 4]>::try_from(head).ok()?;
    let port = u16::from_be_bytes([high ^ COOKIE[0], low ^ COOKIE[1]]);
    let mixed = address.iter().zip(COOKIE.iter().chain(&id.0)).map(|(a, b)| a ^ b);
    let bytes: Vec<u8> = mixed.collect();
    let ip = match (family, address.len()) {
        (1, 4) => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        (2, 16) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn refusal(value: &[u8]) -> Option<u16> {
    let (class, number) = (*value.get(2)? & 7, *value.get(3)?);
    let is_code = (3..=6).contains(&class) && number < 100;
    is_code.then(|| u16::from(class) * 100 + u16::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TransactionId =
        TransactionId([0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);

    fn message(kind: [u8; 2], attributes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(attributes.len()).unwrap().to_be_bytes();
        [&kind[..], &length, &COOKIE, &ID.0, attributes].concat()
    }

    /// SOFTWARE `test vector`, then the address: RFC 5769 sections 2.2 and 2.3
    /// without what is for authentication.
    fn v4() -> Vec<u8> {
        let mut attributes = vec![0x80, 0x22, 0, 0x0b];
        attributes.extend(b"test vector ");
        attributes.extend([0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        message(SUCCESS, &attributes)
    }

    fn v6() -> Vec<u8> {
        let mut attributes = vec![0, 0x20, 0, 0x14, 0, 2, 0xa1, 0x47];
        attributes.extend([0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79]);
        attributes.extend([0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9]);
        message(SUCCESS, &attributes)
    }

    #[test]
    fn reads_the_addresses_of_the_test_vectors() {
        let seen = |text: &str| Some(Answer::Address(text.parse().unwrap()));
        assert_eq!(answer(&v4(), ID), seen("192.0.2.1:32853"));
        assert_eq!(answer(&v6(), ID), seen("[2001:db8:1234:5678:11:2233:4455:6677]:32853"));
        let refused = message(ERROR, &[0, 9, 0, 4, 0, 0, 4, 20]);
        assert_eq!(answer(&refused, ID), Some(Answer::Refused(420)));
    }

    #[test]
    fn a_request_is_one_that_our_own_reader_knows() {
        let request = request(ID);
        assert_eq!(crate::stun::kind(&request), Some(crate::stun::Kind::Request));
        assert_eq!(request[8..], ID.0);
        assert_eq!(answer(&request, ID), None, "it is no answer");
    }

    #[test]
    fn anything_shorter_says_nothing() {
        for whole in [v4(), v6(), message(ERROR, &[0, 9, 0, 4, 0, 0, 4, 20])] {
            for end in 0..whole.len() {
                assert_eq!(answer(&whole[..end], ID), None, "{end}");
                // The header may say that this is all.
                let mut cut = whole[..end].to_vec();
                if let Some(rest) = end.checked_sub(HEADER) {
                    cut[2..4].copy_from_slice(&u16::try_from(rest).unwrap().to_be_bytes());
                    assert_eq!(answer(&cut, ID), None, "{end}");
                }
            }
        }
    }

    #[test]
    fn answers_to_others_are_not_taken() {
        let other = TransactionId([1; 12]);
        assert_eq!(answer(&v4(), other), None);
        for at in 4..8 {
            let mut wrong = v4();
            wrong[at] ^= 1;
            assert_eq!(answer(&wrong, ID), None, "cookie");
        }
        assert_eq!(answer(&message([0x01, 0x02], &v4()[HEADER..]), ID), None, "another method");
        let mut longer = v4();
        longer.extend([0; 4]);
        assert_eq!(answer(&longer, ID), None);
    }

    #[test]
    fn codes_outside_of_their_range_are_none() {
        for bad in [[0, 0, 2, 0], [0, 0, 7, 0], [0, 0, 4, 100]] {
            let attribute = [&[0, 9, 0, 4][..], &bad].concat();
            assert_eq!(answer(&message(ERROR, &attribute), ID), None, "{bad:?}");
        }
    }
}
