//! Session descriptions of our own (`spec/media.md` 1.2).

use std::fmt::Write as _;

use crate::codec::CodecId;
use crate::track::Media;

/// Writes a description for RTSP DESCRIBE or ANNOUNCE: one section per media
/// with its first codec; medias without codecs are left out. `name` is the
/// session name. A codec without payload type gets 96.
///
/// Little endian PCM is announced as `L16`: its samples are swapped on the wire.
pub fn write(name: &str, medias: &[Media]) -> String {
    let mut out = String::from("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n");
    let _ = write!(out, "s={}\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n", one_line(name));
    for media in medias {
        let Some(codec) = media.codecs.first() else { continue };
        let pt = codec.payload_type.unwrap_or(96);
        let encoding = match &codec.id {
            CodecId::Eld => CodecId::Aac.name(),
            CodecId::Pcml => CodecId::L16.name(),
            id => id.name(),
        };
        let _ = write!(out, "m={} 0 RTP/AVP {pt}\r\n", media.kind);
        let _ = write!(out, "a=rtpmap:{pt} {}/{}", one_line(encoding), codec.clock_rate);
        if codec.channels > 0 {
            let _ = write!(out, "/{}", codec.channels);
        }
        out.push_str("\r\n");
        if !codec.fmtp.is_empty() {
            let _ = write!(out, "a=fmtp:{pt} {}\r\n", one_line(&codec.fmtp));
        }
        let _ = write!(out, "a={}\r\n", media.direction);
        if !media.id.is_empty() {
            let _ = write!(out, "a=control:{}\r\n", one_line(&media.id));
        }
    }
    out
}

/// The text up to a line end: a camera must not write lines of ours.
fn one_line(text: &str) -> &str {
    text.split(['\r', '\n']).next().unwrap_or_default()
}
