//! How WebSockets end.

use super::*;

/// A frame of a client, with the first byte as it is given.
fn bytes_of(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 126, "a short one");
    [&[first, 0x80 | length, 0, 0, 0, 0][..], payload].concat()
}

/// The code of the close frame that a socket ends with, without those before it; `None`: it
/// ends without one.
async fn close_code(socket: &mut TcpStream) -> Option<Option<u16>> {
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    let mut rest = &rest[..];
    while let [first, length, after @ ..] = rest {
        let (payload, next) = after.split_at(usize::from(*length));
        if *first == 0x88 {
            assert_eq!(next, b"", "nothing follows");
            return Some(payload.first_chunk().copied().map(u16::from_be_bytes));
        }
        rest = next;
    }
    None
}

/// A browser calls an end clean if both have said it; a script wants to know what it did.
#[tokio::test]
async fn the_end_of_a_socket_is_said() {
    let server = Server::start("socket-ends", STREAMS);
    let unmasked = vec![0x81, 2, b'{', b'}'];
    let too_long = [&[0x81, 0xFF][..], &300_000_u64.to_be_bytes(), &[0; 4]].concat();
    let going_away = [&1001_u16.to_be_bytes()[..], b"bye"].concat();
    for (what, sent, code) in [
        ("a goodbye without a reason", bytes_of(0x88, b""), None),
        ("a goodbye", bytes_of(0x88, &1000_u16.to_be_bytes()), Some(1000)),
        ("a page that goes", bytes_of(0x88, &going_away), Some(1001)),
        ("no mask", unmasked, Some(1002)),
        ("reserved bits", bytes_of(0xC1, b"{}"), Some(1002)),
        ("an unknown kind", bytes_of(0x83, b"{}"), Some(1002)),
        ("the rest of nothing", bytes_of(0x80, b"{}"), Some(1002)),
        ("no UTF-8", bytes_of(0x81, b"\xFF"), Some(1007)),
        ("no JSON", bytes_of(0x81, b"x"), Some(1007)),
        ("too long", too_long, Some(1009)),
    ] {
        let (status, mut socket) = open_socket(&server, "").await;
        assert_eq!(status, 101);
        socket.write_all(&sent).await.unwrap();
        assert_eq!(close_code(&mut socket).await, Some(code), "{what}");
    }
    server.stop().await;
}
