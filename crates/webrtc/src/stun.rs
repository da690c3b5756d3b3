//! The few bytes of STUN that demultiplexing needs (RFC 8489 sections 5 and
//! 14.3; RFC 7983 for the first byte). Nothing here is authenticated.

/// Header length in bytes.
const HEADER: usize = 20;
/// Magic cookie at offset 4.
pub(crate) const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Attribute type of USERNAME.
const USERNAME: u16 = 0x0006;

/// What a STUN message is, by method and class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Binding request.
    Request,
    /// Binding success response.
    Success,
    /// Anything else.
    Other,
}

/// Kind of a datagram if it is a STUN message.
pub fn kind(datagram: &[u8]) -> Option<Kind> {
    if datagram.get(4..8)? != COOKIE || datagram.len() < HEADER {
        return None;
    }
    match datagram.get(..2)? {
        [0x00, 0x01] => Some(Kind::Request),
        [0x01, 0x01] => Some(Kind::Success),
        [first, _] if *first < 4 => Some(Kind::Other),
        _ => None,
    }
}

/// The receiver's user name fragment: the part of USERNAME before the colon
/// (RFC 8445 section 7.2.2). `None` if the message has none.
pub fn local_ufrag(datagram: &[u8]) -> Option<&str> {
    kind(datagram)?;
    let mut rest = datagram.get(HEADER..)?;
    loop {
        let (head, after) = rest.split_at_checked(4)?;
        let (kind, length) = head.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        let value = after.get(..length)?;
        if u16::from_be_bytes(kind.try_into().ok()?) == USERNAME {
            let name = std::str::from_utf8(value).ok()?;
            return name.split_once(':').map(|(local, _)| local).filter(|l| !l.is_empty());
        }
        rest = after.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 20];
        bytes.extend(COOKIE);
        bytes.extend([7; 12]);
        bytes.extend([0x80, 0x22, 0, 3, b'a', b'b', b'c', 0]);
        bytes.extend([0, 6, 0, 7, b'w', b'x', b'y', b'z', b':', b'a', b'b', 0]);
        bytes
    }

    #[test]
    fn reads_the_user_name() {
        assert_eq!(kind(&request()), Some(Kind::Request));
        assert_eq!(local_ufrag(&request()), Some("wxyz"));
    }

    #[test]
    fn anything_shorter_has_none() {
        let whole = request();
        for end in 0..whole.len() - 1 {
            assert_eq!(local_ufrag(&whole[..end]), None, "{end}");
        }
        assert_eq!(kind(&[0x80; 40]), None);
    }
}
