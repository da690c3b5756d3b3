use super::*;
use crate::message::write_interleaved;

fn decode_all(
    decoder: &mut Decoder,
    data: &[u8],
) -> Result<(Vec<Message>, BytesMut), MessageError> {
    let mut buffer = BytesMut::from(data);
    let mut messages = Vec::new();
    while let Some(message) = decoder.decode(&mut buffer)? {
        messages.push(message);
    }
    Ok((messages, buffer))
}

fn packet(channel: u8, size: usize) -> Vec<u8> {
    write_interleaved(channel, &vec![channel | 0x80; size]).unwrap().to_vec()
}

/// Everything that may come over a connection, in one piece.
fn stream() -> Vec<u8> {
    let mut data = Vec::new();
    data.extend(packet(0, 1400));
    data.extend(b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Base: rtsp://h/\r\nContent-Length: 5\r\n\r\nv=0\r\n");
    data.extend(b"\r\n");
    data.extend(packet(1, 60));
    data.extend(b"OPTIONS rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\n\r\n");
    data.extend(b"RTSP/1.0 200 OK\nCSeq: 3\n\n");
    data.extend(packet(200, 0));
    data
}

#[test]
fn messages_and_packets_in_one_stream() {
    let mut decoder = Decoder::new();
    let (messages, rest) = decode_all(&mut decoder, &stream()).unwrap();
    assert!(rest.is_empty());
    assert_eq!(messages.len(), 6);
    assert!(
        matches!(&messages[0], Message::Interleaved(p) if p.channel == 0 && p.payload.len() == 1400)
    );
    assert!(
        matches!(&messages[1], Message::Response(r) if r.body == "v=0\r\n" && r.headers.get("cseq") == Some("2"))
    );
    assert!(
        matches!(&messages[3], Message::Request(r) if r.method == Method::Options && r.url == "rtsp://h/")
    );
    assert!(matches!(&messages[4], Message::Response(r) if r.code == 200));
    assert_eq!(decoder.skipped(), Skipped::default());
}

#[test]
fn truncated_at_every_offset_and_in_pieces() {
    let data = stream();
    let (expected, _) = decode_all(&mut Decoder::new(), &data).unwrap();
    for cut in 0..data.len() {
        let mut decoder = Decoder::strict();
        let mut buffer = BytesMut::from(&data[..cut]);
        let mut messages = Vec::new();
        while let Some(message) = decoder.decode(&mut buffer).unwrap() {
            messages.push(message);
        }
        buffer.extend_from_slice(&data[cut..]);
        while let Some(message) = decoder.decode(&mut buffer).unwrap() {
            messages.push(message);
        }
        assert!(messages == expected, "{cut}");
    }
    let mut decoder = Decoder::new();
    let mut buffer = BytesMut::new();
    let mut messages = Vec::new();
    for byte in &data {
        buffer.extend_from_slice(&[*byte]);
        messages.extend(decoder.decode(&mut buffer).unwrap());
    }
    assert_eq!(messages, expected);
}

#[test]
fn payloads_are_not_copied() {
    let mut buffer = BytesMut::from(&stream()[..]);
    let range = buffer.as_ptr_range();
    let Some(Message::Interleaved(p)) = Decoder::new().decode(&mut buffer).unwrap() else {
        panic!()
    };
    assert!(range.contains(&p.payload.as_ptr()));
}

#[test]
fn round_trip() {
    let mut request = Request::new(Method::Announce, "rtsp://h/x").with("CSeq", "1").with("A", "b");
    request.body = Bytes::from_static(b"v=0");
    let mut response = Response::new(404).with("CSeq", "1");
    let mut data = request.write().to_vec();
    data.extend(response.write());
    request.headers.push("Content-Length", "3");
    response.reason = "Not Found".into();
    let (messages, _) = decode_all(&mut Decoder::strict(), &data).unwrap();
    assert_eq!(messages, [Message::Request(request), Message::Response(response)]);
}

#[test]
fn nothing_is_injected() {
    let request = Request::new(Method::Play, "rtsp://h/\r\nX: y").with("A", "b\r\nC: d").write();
    assert_eq!(&request[..], b"PLAY rtsp://h/X: y RTSP/1.0\r\nA: b  C: d\r\n\r\n");
}

#[test]
fn finds_its_place_again() {
    let mut decoder = Decoder::new();
    let mut data = packet(0, 100);
    // A packet longer than its header says, with a `$` in it that is none.
    data.extend(b"\x00\x01$\xff\x00\x01$\x00\xff\xff garbage RTSP RTS");
    data.extend(packet(0, 100));
    data.extend(packet(0, 100));
    data.extend(b"\xff\xfe");
    data.extend(b"RTSP/1.0 200 OK\r\nCSeq: 9\r\n\r\n");
    // Larger than a plausible one, but another one follows.
    data.extend(b"\xff");
    data.extend(packet(2, 5000));
    data.extend(packet(2, 5000));
    let (messages, rest) = decode_all(&mut decoder, &data).unwrap();
    assert_eq!(messages.len(), 6);
    assert!(rest.is_empty());
    assert_eq!(decoder.skipped().times, 3);
    for cut in 0..data.len() {
        let mut decoder = Decoder::new();
        let mut buffer = BytesMut::from(&data[..cut]);
        while decoder.decode(&mut buffer).unwrap().is_some() {}
    }
}

#[test]
fn garbage_has_its_limits() {
    assert_eq!(
        decode_all(&mut Decoder::strict(), b"hello\r\n").unwrap_err(),
        MessageError::Garbage
    );
    assert_eq!(
        decode_all(&mut Decoder::strict(), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap_err(),
        MessageError::Garbage
    );
    // Without end.
    assert_eq!(
        decode_all(&mut Decoder::new(), &vec![0; MAX_SKIPPED + 2]).unwrap_err(),
        MessageError::Garbage
    );
    // Lost again and again.
    let mut data = Vec::new();
    for _ in 0..=MAX_TRIES {
        data.extend(b"\0");
        data.extend(packet(0, 10));
        data.extend(packet(0, 10));
    }
    assert_eq!(decode_all(&mut Decoder::new(), &data).unwrap_err(), MessageError::Garbage);
    // Lost now and then.
    let mut data = Vec::new();
    for _ in 0..100 {
        data.extend(b"\0");
        for _ in 0..GOOD_RUN {
            data.extend(packet(0, 10));
        }
    }
    let (messages, _) = decode_all(&mut Decoder::new(), &data).unwrap();
    assert_eq!(messages.len(), 6400);
}

#[test]
fn limits() {
    let decode = |text: &str| decode_all(&mut Decoder::new(), text.as_bytes()).unwrap_err();
    let head = format!("RTSP/1.0 200 OK\r\n{}", "a".repeat(MAX_HEAD));
    assert_eq!(decode(&head), HeadError::TooLong.into());
    let many = format!("RTSP/1.0 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200));
    assert_eq!(decode(&many), HeadError::TooManyHeaders.into());
    let body = format!("RTSP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", MAX_BODY + 1);
    assert_eq!(decode(&body), MessageError::BodyTooLong);
    assert_eq!(decode("RTSP/1.0 200 OK\r\nContent-Length: x\r\n\r\n"), MessageError::ContentLength);
    assert_eq!(write_interleaved(0, &vec![0; 65536]), None);
}
