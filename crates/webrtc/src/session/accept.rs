//! From an offer and the chosen tracks to a session and its answer.

use std::time::Instant;

use rs2rtc_media::{Codec, CodecId, Direction, Kind};
use str0m::format::{Codec as RtpCodec, FormatParams};
use str0m::media::{Frequency, MediaKind, Mid};
use str0m::rtp::{Extension, Ssrc};
use str0m::{IceCreds, Rtc, RtcConfig};

use super::authentic;
use super::outgoing::Outgoing;
use super::sender::{RtpPath, Stream};
use super::{Accepted, Config, Session};
use crate::answer::{self, Local, MID_URI, Section, Sending, TRANSPORT_CC_URI};
use crate::liveness::Timers;
use crate::offer::{Offer, OfferedCodec, OfferedSection, SectionKind};
use crate::{Error, LocalCandidate};

/// A track chosen for a media of the offer.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Index in [`Offer::medias`].
    pub media: usize,
    /// For a media that we send: the source's codec with its parameters. For
    /// one that we receive: the codec of the offer that the source takes.
    pub codec: Codec,
}

/// What is needed to answer an offer.
#[derive(Clone, Copy, Debug)]
pub struct Accept<'a> {
    /// The offer.
    pub offer: &'a Offer,
    /// The chosen tracks; their order numbers the session's tracks.
    pub selected: &'a [Selected],
    /// Our user name fragment: 4 to 256 letters and digits, unique per process.
    pub ufrag: &'a str,
    /// Our ICE password: at least 22 random letters and digits.
    pub password: &'a str,
    /// Addresses at which datagrams reach us.
    pub local: &'a [LocalCandidate],
    /// Candidate lines to signal before them, such as a public address.
    pub configured: &'a [String],
    /// Put the candidates into the answer, for signalling without trickle.
    pub complete: bool,
    /// The zero of the tracks' timelines.
    pub epoch: Instant,
    /// Times of the liveness.
    pub timers: Timers,
    /// Whether the camera is held already; else [`Event::Hold`](super::Event::Hold)
    /// asks for it when the viewer comes.
    pub held: bool,
    /// From the system's randomness: what probes are made of.
    pub seed: [u8; 32],
}

impl Session {
    /// Makes a session and its answer. Takes milliseconds: not for a thread
    /// that serves other sessions.
    ///
    /// Sections without a chosen track become inactive.
    ///
    /// # Errors
    /// [`Error::NoMedias`] if no track can be sent or received,
    /// [`Error::Setup`] if the transport refuses the offer.
    pub fn accept(config: &Config, request: Accept<'_>, now: Instant) -> Result<Accepted, Error> {
        let Accept { offer, selected, .. } = request;
        let plan = Plan::new(offer, selected);
        // An offer of a data channel alone carries no track.
        if !offer.medias().is_empty() && plan.tracks.iter().all(Option::is_none) {
            return Err(Error::NoMedias(String::new()));
        }
        let mut rtc = plan.transport(config, &request, now)?;
        let mut candidates = request.configured.to_vec();
        for candidate in request.local.iter().filter_map(|c| c.to_str0m()) {
            if let Some(added) = rtc.add_local_candidate(candidate) {
                candidates.push(added.to_sdp_string());
            }
        }

        let mut sections = plan.sections(offer);
        let mut streams = Vec::new();
        let mut outgoing = Vec::new();
        let mut mids = Vec::new();
        for (index, track) in plan.tracks.iter().enumerate() {
            let (mut stream, mut out) = (None, None);
            if let Some(Track { section, codec, direction: Direction::SendOnly }) = track {
                let mid = plan.mid(*section);
                let ssrc = rtc.direct_api().new_ssrc();
                let resend = codec.resend.map(|_| rtc.direct_api().new_ssrc());
                let cname = rtc.media(mid).map(|m| m.cname().to_owned()).unwrap_or_default();
                if let Some(section) = sections.get_mut(*section) {
                    section.send = Some(Sending {
                        codec,
                        ssrc: *ssrc,
                        resend_ssrc: resend.map(|r| *r),
                        cname,
                    });
                }
                let payload_type = codec.payload_type().into();
                stream = Some(Stream { mid, ssrc, resend, payload_type });
                let source = selected.get(index).map_or(&codec.codec, |s| &s.codec);
                out = Some(Outgoing::new(index, source, codec.codec.clock_rate, *Ssrc::new()));
            }
            mids.push(track.as_ref().map(|t| (plan.mid(t.section), t.direction)));
            streams.push(stream);
            outgoing.push(out);
        }

        let local = Local {
            ufrag: request.ufrag,
            password: request.password,
            fingerprint: rtc.direct_api().local_dtls_fingerprint().to_string(),
            session_id: u64::from(*Ssrc::new()) << 16,
            candidates: request.complete.then_some(candidates.as_slice()),
        };
        let answer = answer::write(offer, &sections, &local);
        let session =
            Self::new(rtc, Box::new(RtpPath::new(streams)), outgoing, mids, &request, now);
        Ok(Accepted { session, answer, candidates })
    }
}

/// A chosen track that can be carried.
struct Track<'a> {
    section: usize,
    codec: &'a OfferedCodec,
    direction: Direction,
}

/// What is carried in which section.
struct Plan<'a> {
    offer: &'a Offer,
    tracks: Vec<Option<Track<'a>>>,
}

impl<'a> Plan<'a> {
    fn new(offer: &'a Offer, selected: &[Selected]) -> Self {
        let mut tracks: Vec<Option<Track<'_>>> = Vec::new();
        // Without BUNDLE each section would need a transport of its own; we have one.
        let mut only = None;
        for chosen in selected {
            let media = offer.medias().get(chosen.media);
            let track = media.and_then(|media| {
                let section = offer.origin(chosen.media)?;
                let named = match media.direction {
                    Direction::RecvOnly => offer.codec_of(chosen.media, &chosen.codec),
                    Direction::SendOnly => None,
                };
                let codec = named.or_else(|| offer.codec_for(chosen.media, &chosen.codec))?;
                let taken = tracks
                    .iter()
                    .flatten()
                    .any(|t: &Track<'_>| t.section == section && t.direction == media.direction);
                let carried = offer.bundled || *only.get_or_insert(section) == section;
                (carried && !taken).then_some(Track { section, codec, direction: media.direction })
            });
            tracks.push(track);
        }
        Self { offer, tracks }
    }

    /// str0m's name of a section. One that it would write differently is
    /// replaced, and then not used on the wire.
    fn mid(&self, section: usize) -> Mid {
        match self.wire_mid(section) {
            Some(mid) => Mid::from(mid),
            None => Mid::from(format!("section{section}").as_str()),
        }
    }

    fn wire_mid(&self, section: usize) -> Option<&'a str> {
        let mid = self.offer.sections.get(section)?.mid.as_deref()?;
        let plain = (1..=16).contains(&mid.len()) && mid.bytes().all(|b| b.is_ascii_alphanumeric());
        plain.then_some(mid)
    }

    fn used(&self) -> impl Iterator<Item = (usize, &'a OfferedSection)> {
        let offer = self.offer;
        let mut sections: Vec<usize> = self.tracks.iter().flatten().map(|t| t.section).collect();
        sections.sort_unstable();
        sections.dedup();
        sections.into_iter().filter_map(move |i| Some((i, offer.sections.get(i)?)))
    }

    /// Ids and URIs of the header extensions that a section accepts.
    fn extensions(&self, index: usize, section: &'a OfferedSection) -> Vec<(u8, &'a str)> {
        let mid = self.wire_mid(index).is_some();
        section
            .extensions
            .iter()
            .filter(|(id, uri)| {
                (1..=14).contains(id) && ((mid && uri == MID_URI) || uri == TRANSPORT_CC_URI)
            })
            .map(|(id, uri)| (*id, uri.as_str()))
            .collect()
    }

    fn sections(&self, offer: &'a Offer) -> Vec<Section<'a>> {
        let carried = |index: usize| self.tracks.iter().flatten().any(|t| t.section == index);
        let section = |(index, offered): (usize, &'a OfferedSection)| {
            let receive = self
                .tracks
                .iter()
                .flatten()
                .find(|t| t.section == index && t.direction == Direction::RecvOnly)
                .map(|t| t.codec);
            Section {
                send: None,
                receive,
                extensions: self.extensions(index, offered),
                refused: offered.kind == SectionKind::Refused
                    || (!offer.bundled && !carried(index)),
            }
        };
        offer.sections.iter().enumerate().map(section).collect()
    }

    fn transport(&self, config: &Config, request: &Accept<'_>, now: Instant) -> Result<Rtc, Error> {
        let setup = |error: str0m::RtcError| Error::Setup(error.to_string());
        let transport = &self.offer.transport;
        let credentials =
            IceCreds { ufrag: request.ufrag.to_owned(), pass: request.password.to_owned() };
        // Bandwidth estimation, statistics and raw packets stay off: they cost
        // per packet and nothing here reads them.
        let mut rtc_config = RtcConfig::new()
            .set_crypto_provider(authentic::provider())
            .set_rtp_mode(true)
            .set_stats_interval(None)
            .enable_raw_packets(false)
            .set_dtls_cert(config.certificate.0.clone())
            .set_local_ice_credentials(credentials)
            .clear_codecs()
            .clear_extension_map();
        let mut known = Vec::new();
        for track in self.tracks.iter().flatten() {
            let payload_type = track.codec.payload_type();
            let Some((codec, clock)) = rtp_codec(&track.codec.codec) else { continue };
            if known.contains(&payload_type) {
                continue;
            }
            known.push(payload_type);
            rtc_config.codec_config().add_config(
                payload_type.into(),
                track.codec.resend.map(Into::into),
                codec,
                clock,
                (track.codec.codec.channels > 0).then_some(track.codec.codec.channels),
                FormatParams::default(),
            );
        }
        for (index, section) in self.used() {
            for (id, uri) in self.extensions(index, section) {
                let extension = match uri {
                    MID_URI => Extension::RtpMid,
                    _ => Extension::TransportSequenceNumber,
                };
                rtc_config = rtc_config.set_extension(id, extension);
            }
        }
        let mut rtc = rtc_config.build(now);
        let mut api = rtc.direct_api();
        api.set_ice_controlling(transport.ice_lite);
        api.set_remote_ice_credentials(IceCreds {
            ufrag: transport.ufrag.clone(),
            pass: transport.password.clone(),
        });
        api.set_remote_fingerprint(transport.fingerprint.clone());
        for (index, section) in self.used() {
            let kind = match section.kind {
                SectionKind::Media(Kind::Video) => MediaKind::Video,
                _ => MediaKind::Audio,
            };
            let mid = self.mid(index);
            api.declare_media(mid, kind);
            let receives = |t: &Track<'_>| t.section == index && t.direction == Direction::RecvOnly;
            if let Some(track) = self.tracks.iter().flatten().find(|t| receives(t)) {
                // Without a payload type of their own, resends look like what they repeat.
                let resends = track.codec.resend.is_some();
                let asks = track.codec.feedback.iter().any(|f| f == "nack");
                for ssrc in &section.ssrcs {
                    let pair = section.resends.iter().find(|(main, _)| resends && main == ssrc);
                    let resend = pair.map(|(_, resend)| (*resend).into());
                    api.expect_stream_rx((*ssrc).into(), resend, mid, None).suppress_nack(!asks);
                }
            }
        }
        api.start_dtls(transport.active).map_err(setup)?;
        if self.offer.sections.iter().any(|s| s.kind == SectionKind::Channels) {
            api.start_sctp(transport.active);
        }
        Ok(rtc)
    }
}

fn rtp_codec(codec: &Codec) -> Option<(RtpCodec, Frequency)> {
    match codec.id {
        CodecId::H264 => Some((RtpCodec::H264, Frequency::NINETY_KHZ)),
        CodecId::H265 => Some((RtpCodec::H265, Frequency::NINETY_KHZ)),
        CodecId::Av1 => Some((RtpCodec::Av1, Frequency::NINETY_KHZ)),
        CodecId::Opus => Some((RtpCodec::Opus, Frequency::FORTY_EIGHT_KHZ)),
        CodecId::Pcmu => Some((RtpCodec::PCMU, Frequency::EIGHT_KHZ)),
        CodecId::Pcma => Some((RtpCodec::PCMA, Frequency::EIGHT_KHZ)),
        _ => None,
    }
}
