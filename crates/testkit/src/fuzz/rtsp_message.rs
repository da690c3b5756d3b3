//! Bytes into the RTSP decoder: it never panics, gives the same messages for
//! the same bytes in pieces, and what is written parses again.

use bytes::BytesMut;
use rs2rtc_base::Url;
use rs2rtc_base::http::auth::parse_challenges;
use rs2rtc_base::url::repair_rtsp;
use rs2rtc_rtsp::header::{Transport, parse_rtp_info, parse_session};
use rs2rtc_rtsp::{Decoder, Message};

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    let whole = decode(Decoder::strict(), data, usize::MAX);
    let pieces = decode(Decoder::strict(), data, 1 + data.len() % 13);
    assert_eq!(whole, pieces);
    decode(Decoder::new(), data, usize::MAX);
    for message in whole {
        let written = match &message {
            Message::Request(request) => request.write(),
            Message::Response(response) => response.write(),
            Message::Interleaved(_) => continue,
        };
        assert_eq!(decode(Decoder::strict(), &written, usize::MAX).len(), 1);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Url::parse(text).map(|url| url.expose());
        let _ = repair_rtsp(text);
        parse_challenges(text);
        parse_session(text);
        parse_rtp_info(text);
        for transport in Transport::parse_all(text) {
            assert_eq!(Transport::parse_all(&transport.to_string()), [transport]);
        }
    }
}

fn decode(mut decoder: Decoder, data: &[u8], piece: usize) -> Vec<Message> {
    let mut buffer = BytesMut::new();
    let mut messages = Vec::new();
    for part in data.chunks(piece) {
        buffer.extend_from_slice(part);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_) => return messages,
            }
        }
    }
    messages
}
