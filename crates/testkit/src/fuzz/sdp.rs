//! Session descriptions: any text gives medias, and what we write is read back.

use rs2rtc_media::sdp::{self, Session, Side};

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let session = Session::parse(&text);
    assert!(session.medias.len() <= 64);
    session.medias(Side::Publisher);
    let medias = session.medias(Side::Camera);
    let written = sdp::write("fuzz", &medias);
    let again = Session::parse(&written);
    let with_codecs = medias.iter().filter(|m| !m.codecs.is_empty()).count();
    assert_eq!(again.medias.len(), with_codecs);
}
