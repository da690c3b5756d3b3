//! Writing the answer (RFC 9429 section 5.3): one section for each of the
//! offer's, with the offerer's payload types; what is not used is inactive.

use std::fmt::Write as _;

use rs2rtc_media::Kind;

use crate::offer::{Offer, OfferedCodec, OfferedSection, SectionKind};

/// Header extension that names the section of a packet (RFC 9143 section 15).
pub(crate) const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
/// Header extension with transport-wide sequence numbers. Its feedback is a
/// sign of life several times a second.
pub(crate) const TRANSPORT_CC_URI: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// How one section is answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section<'a> {
    pub(crate) send: Option<Sending<'a>>,
    /// The codec of the viewer's own sound or picture.
    pub(crate) receive: Option<&'a OfferedCodec>,
    /// Ids and URIs of accepted header extensions.
    pub(crate) extensions: Vec<(u8, &'a str)>,
    /// Cannot be carried: port 0.
    pub(crate) refused: bool,
}

/// What we send in a section.
#[derive(Clone, Debug)]
pub(crate) struct Sending<'a> {
    pub(crate) codec: &'a OfferedCodec,
    pub(crate) ssrc: u32,
    pub(crate) resend_ssrc: Option<u32>,
    pub(crate) cname: String,
}

/// Our side of the transport.
#[derive(Debug)]
pub(crate) struct Local<'a> {
    pub(crate) ufrag: &'a str,
    pub(crate) password: &'a str,
    pub(crate) fingerprint: String,
    pub(crate) session_id: u64,
    /// Candidate lines to put into the answer, which is then complete.
    pub(crate) candidates: Option<&'a [String]>,
}

/// Writes an answer; `sections` are in the offer's order.
pub(crate) fn write(offer: &Offer, sections: &[Section<'_>], local: &Local<'_>) -> String {
    let mut out = String::with_capacity(4096);
    let id = local.session_id & (i64::MAX as u64);
    let _ = write!(out, "v=0\r\no=- {id} 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n");
    if offer.bundled {
        out.push_str("a=group:BUNDLE");
        for (offered, _) in offer.sections.iter().zip(sections).filter(|(_, s)| !s.refused) {
            if let Some(mid) = &offered.mid {
                let _ = write!(out, " {mid}");
            }
        }
        out.push_str("\r\n");
    }
    out.push_str("a=msid-semantic: WMS *\r\n");
    let first = sections.iter().position(|s| !s.refused);
    for (index, (offered, section)) in offer.sections.iter().zip(sections).enumerate() {
        if section.refused {
            refuse(&mut out, offered);
            continue;
        }
        head(&mut out, offered, section);
        transport(&mut out, offer, local);
        if let Some(mid) = &offered.mid {
            let _ = write!(out, "a=mid:{mid}\r\n");
        }
        match offered.kind {
            SectionKind::Channels => {
                out.push_str("a=sctp-port:5000\r\na=max-message-size:262144\r\n");
            }
            _ => media(&mut out, offered, section),
        }
        if let Some(lines) = local.candidates.filter(|_| Some(index) == first) {
            for line in lines {
                let _ = write!(out, "a={line}\r\n");
            }
            out.push_str("a=end-of-candidates\r\n");
        }
    }
    out
}

fn refuse(out: &mut String, offered: &OfferedSection) {
    let formats =
        if offered.formats.is_empty() { "0".to_owned() } else { offered.formats.join(" ") };
    let _ =
        write!(out, "m={} 0 {} {formats}\r\nc=IN IP4 0.0.0.0\r\n", offered.name, offered.protocol);
    if let Some(mid) = &offered.mid {
        let _ = write!(out, "a=mid:{mid}\r\n");
    }
    if offered.name != "application" {
        out.push_str("a=inactive\r\n");
    }
}

/// The codecs of a section: what is sent, what is received, each once; for an
/// inactive section the first, because there must be one.
fn listed<'a>(offered: &'a OfferedSection, section: &Section<'a>) -> Vec<&'a OfferedCodec> {
    let mut codecs: Vec<&OfferedCodec> = section.send.iter().map(|s| s.codec).collect();
    let any = codecs.is_empty().then(|| offered.codecs.first()).flatten();
    let more = section.receive.or(any);
    if let Some(more) = more.filter(|m| codecs.iter().all(|c| c.payload_type() != m.payload_type()))
    {
        codecs.push(more);
    }
    codecs
}

fn head(out: &mut String, offered: &OfferedSection, section: &Section<'_>) {
    let _ = write!(out, "m={} 9 {}", offered.name, offered.protocol);
    if offered.kind == SectionKind::Channels {
        out.push_str(" webrtc-datachannel");
    }
    for codec in listed(offered, section) {
        let _ = write!(out, " {}", codec.payload_type());
        if let Some(resend) = codec.resend {
            let _ = write!(out, " {resend}");
        }
    }
    out.push_str("\r\nc=IN IP4 0.0.0.0\r\n");
}

fn transport(out: &mut String, offer: &Offer, local: &Local<'_>) {
    let setup = if offer.transport.active { "active" } else { "passive" };
    let Local { ufrag, password, fingerprint, .. } = local;
    let _ = write!(
        out,
        "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\na=ice-options:trickle\r\n\
         a=fingerprint:{fingerprint}\r\na=setup:{setup}\r\n"
    );
}

fn media(out: &mut String, offered: &OfferedSection, section: &Section<'_>) {
    let direction = match (section.send.is_some(), section.receive.is_some()) {
        (true, true) => "sendrecv",
        (true, false) => "sendonly",
        (false, true) => "recvonly",
        (false, false) => "inactive",
    };
    let _ = write!(out, "a={direction}\r\n");
    out.push_str("a=rtcp:9 IN IP4 0.0.0.0\r\na=rtcp-mux\r\n");
    if offered.reduced_rtcp {
        out.push_str("a=rtcp-rsize\r\n");
    }
    for (id, uri) in &section.extensions {
        let _ = write!(out, "a=extmap:{id} {uri}\r\n");
    }
    let transport_cc = section.extensions.iter().any(|(_, uri)| *uri == TRANSPORT_CC_URI);
    for codec in listed(offered, section) {
        let payload_type = codec.payload_type();
        let _ = write!(out, "a=rtpmap:{payload_type} {}\r\n", codec.rtpmap);
        for feedback in &codec.feedback {
            let known = match feedback.as_str() {
                "nack" | "nack pli" | "ccm fir" => true,
                "transport-cc" => transport_cc,
                _ => false,
            };
            if known {
                let _ = write!(out, "a=rtcp-fb:{payload_type} {feedback}\r\n");
            }
        }
        if !codec.codec.fmtp.is_empty() {
            let _ = write!(out, "a=fmtp:{payload_type} {}\r\n", codec.codec.fmtp);
        }
        if let Some(resend) = codec.resend {
            let _ = write!(
                out,
                "a=rtpmap:{resend} rtx/90000\r\na=fmtp:{resend} apt={payload_type}\r\n"
            );
        }
    }
    let Some(sending) = &section.send else { return };
    let Sending { ssrc, cname, resend_ssrc, .. } = sending;
    let kind = if offered.kind == SectionKind::Media(Kind::Video) { "video" } else { "audio" };
    // One stream for both, so that viewers play them in step.
    let _ = write!(out, "a=msid:rs2rtc rs2rtc-{kind}\r\n");
    // The main source comes first: viewers take the first line for it.
    if let Some(resend) = resend_ssrc {
        let _ = write!(out, "a=ssrc-group:FID {ssrc} {resend}\r\n");
    }
    for source in std::iter::once(ssrc).chain(resend_ssrc) {
        let _ = write!(out, "a=ssrc:{source} cname:{cname}\r\n");
    }
}
