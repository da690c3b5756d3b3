//! Answers of STUN servers: the first twelve bytes are the transaction that is waited
//! for, the rest an answer, and once more its attributes alone.

use std::net::{IpAddr, SocketAddr};

use rs2rtc_webrtc::binding::{Answer, HEADER, TransactionId, answer, request};

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    let Some((id, datagram)) = data.split_first_chunk::<12>() else { return };
    let id = TransactionId(*id);
    let read = answer(datagram, id);
    if let Some(Answer::Refused(code)) = read {
        assert!((300..700).contains(&code));
    }
    if read.is_some() {
        let mut other = id;
        other.0[0] ^= 1;
        assert_eq!(answer(datagram, other), None, "an answer to somebody else");
    }
    assert_eq!(answer(&request(id), id), None);
    // A mutation rarely hits a right header.
    answer(&message(id, datagram), id);
    if let Some(octets) = datagram.first_chunk::<6>() {
        let [a, b, c, d, high, low] = *octets;
        let seen = SocketAddr::new(IpAddr::from([a, b, c, d]), u16::from_be_bytes([high, low]));
        let attribute =
            [0, 0x20, 0, 8, 0, 1, high ^ 0x21, low ^ 0x12, a ^ 0x21, b ^ 0x12, c ^ 0xa4, d ^ 0x42];
        assert_eq!(answer(&message(id, &attribute), id), Some(Answer::Address(seen)));
    }
}

/// A success response with these attributes, cut to what its length can say.
fn message(id: TransactionId, attributes: &[u8]) -> Vec<u8> {
    let attributes = attributes.get(..attributes.len().min(0xfffc) & !3).unwrap_or_default();
    let length = u16::try_from(attributes.len()).unwrap_or(0).to_be_bytes();
    let mut bytes = Vec::with_capacity(HEADER + attributes.len());
    for part in [&[1, 1][..], &length, &[0x21, 0x12, 0xa4, 0x42], &id.0, attributes] {
        bytes.extend_from_slice(part);
    }
    bytes
}
