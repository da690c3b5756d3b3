//! What a viewer offers, in the gateway's terms
//! (`spec/protocols-standard.md` 8.2; RFC 9429 section 5.8, RFC 9143).
//!
//! An offer is read leniently: what cannot be used is left out and answered as
//! inactive. It is refused here, before anything is dialled, if nothing remains.

use rs2rtc_media::codec::fmtp_value;
use rs2rtc_media::{Codec, CodecId, Direction, Kind, Media};
use str0m::config::Fingerprint;

use crate::sdp::{Description, Section};
use crate::{Error, Selected, profile};

/// Whether an offer is a viewer's or brings a source (`spec/api.md` 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Wants to see or hear.
    Consumer,
    /// Offers its own picture or sound and wants no picture.
    Producer,
}

/// A parsed offer.
#[derive(Clone, Debug)]
pub struct Offer {
    pub(crate) sections: Vec<OfferedSection>,
    pub(crate) transport: Transport,
    /// Candidates in the offer, as written, without `a=`.
    pub(crate) candidates: Vec<String>,
    pub(crate) bundled: bool,
    medias: Vec<Media>,
    /// The section of each media.
    origins: Vec<usize>,
}

/// Whom we talk to.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    pub(crate) ufrag: String,
    pub(crate) password: String,
    pub(crate) fingerprint: Fingerprint,
    /// We open the DTLS handshake.
    pub(crate) active: bool,
    pub(crate) ice_lite: bool,
}

/// One `m=` section of an offer.
#[derive(Clone, Debug)]
pub(crate) struct OfferedSection {
    /// First word of the `m=` line.
    pub(crate) name: String,
    pub(crate) protocol: String,
    /// The formats as written.
    pub(crate) formats: Vec<String>,
    pub(crate) kind: SectionKind,
    pub(crate) mid: Option<String>,
    /// Directions of the viewer.
    pub(crate) sends: bool,
    pub(crate) receives: bool,
    pub(crate) codecs: Vec<OfferedCodec>,
    /// Header extensions: id and URI.
    pub(crate) extensions: Vec<(u8, String)>,
    /// The viewer's own sources.
    pub(crate) ssrcs: Vec<u32>,
    /// Pairs of a source and that of its resends.
    pub(crate) resends: Vec<(u32, u32)>,
    pub(crate) reduced_rtcp: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SectionKind {
    Media(Kind),
    /// Data channels over SCTP (RFC 8841).
    Channels,
    /// Cannot be answered but with port 0.
    Refused,
}

/// A codec of a section with what belongs to its payload type.
#[derive(Clone, Debug)]
pub(crate) struct OfferedCodec {
    pub(crate) codec: Codec,
    /// The part of `a=rtpmap` after the payload type.
    pub(crate) rtpmap: String,
    /// Payload type of its resends (RFC 4588).
    pub(crate) resend: Option<u8>,
    /// Values of its `a=rtcp-fb` lines.
    pub(crate) feedback: Vec<String>,
}

impl OfferedCodec {
    pub(crate) fn payload_type(&self) -> u8 {
        self.codec.payload_type.unwrap_or(0)
    }
}

impl Offer {
    /// Reads an offer.
    ///
    /// # Errors
    /// See [`Error`]: no description, no credentials, nothing usable in it.
    pub fn parse(sdp: &str) -> Result<Self, Error> {
        let description = Description::parse(sdp)?;
        let offer = Self::read(&description)?;
        if offer.medias.is_empty() {
            return Err(Error::NoMedias(offered_names(&description)));
        }
        Ok(offer)
    }

    /// Reads the offer of a data channel and nothing else: of somebody who tries the way to
    /// us. Candidates are left out: only what he reaches is to be found, not what we reach.
    ///
    /// # Errors
    /// See [`Error`]: no description, no credentials, anything but one data channel.
    pub fn parse_channel(sdp: &str) -> Result<Self, Error> {
        let mut offer = Self::read(&Description::parse(sdp)?)?;
        match offer.sections.as_slice() {
            [only] if only.kind == SectionKind::Channels => {}
            _ => return Err(Error::NoChannel),
        }
        // One section is a bundle of its own.
        offer.bundled = true;
        offer.candidates.clear();
        Ok(offer)
    }

    fn read(description: &Description<'_>) -> Result<Self, Error> {
        let sections: Vec<_> =
            description.sections.iter().map(|s| section(s, &description.session)).collect();
        let transport = transport(description)?;
        let mut candidates = Vec::new();
        for s in std::iter::once(&description.session).chain(&description.sections) {
            candidates.extend(s.all("candidate").take(64).map(|c| format!("candidate:{c}")));
        }
        let bundled = description.session.all("group").any(|g| g.starts_with("BUNDLE"));
        let (medias, origins) = medias(&sections);
        Ok(Self { sections, transport, candidates, bundled, medias, origins })
    }

    /// What the viewer wants and gives, from our side: video first, then audio;
    /// pictures and sound we send are `SendOnly`. Codecs carry the viewer's
    /// payload types and parameters. Audio that we send ends with G.711 entries
    /// of any clock rate (0): they can only be served by resampling.
    pub fn medias(&self) -> &[Media] {
        &self.medias
    }

    /// Whether this is a viewer's offer or brings a source.
    pub fn role(&self) -> Role {
        let has = |kind: Option<Kind>, direction| {
            self.medias
                .iter()
                .any(|m| m.direction == direction && kind.is_none_or(|kind| m.kind == kind))
        };
        if has(Some(Kind::Video), Direction::SendOnly) {
            Role::Consumer
        } else if has(Some(Kind::Video), Direction::RecvOnly) || !has(None, Direction::SendOnly) {
            Role::Producer
        } else {
            Role::Consumer
        }
    }

    /// What a publisher's offer brings: for each of its medias the codec to take.
    /// H.264 and Opus are what every viewer understands; else the publisher's
    /// first choice. Empty if it brings nothing.
    pub fn brought(&self) -> Vec<Selected> {
        let received = |(_, media): &(usize, &Media)| media.direction == Direction::RecvOnly;
        let best = |(media, offered): (usize, &Media)| {
            let rank = |codec: &&Codec| match codec.id {
                CodecId::H264 => match fmtp_value(&codec.fmtp, "packetization-mode") {
                    Some("1") => 0,
                    _ => 1,
                },
                CodecId::Opus => 0,
                _ => 2,
            };
            let codec = offered.codecs.iter().min_by_key(rank)?.clone();
            Some(Selected { media, codec })
        };
        self.medias.iter().enumerate().filter(received).filter_map(best).collect()
    }

    /// The section a media came from.
    pub(crate) fn origin(&self, media: usize) -> Option<usize> {
        self.origins.get(media).copied()
    }

    /// A codec of a media's section by its payload type.
    pub(crate) fn codec_of(&self, media: usize, codec: &Codec) -> Option<&OfferedCodec> {
        let section = self.sections.get(self.origin(media)?)?;
        let same = |c: &&OfferedCodec| {
            c.codec.id == codec.id && c.codec.payload_type == codec.payload_type
        };
        section.codecs.iter().find(same)
    }

    /// The payload type of a media's section for a codec to send: the one of
    /// the same codec that fits its parameters best.
    pub(crate) fn codec_for(&self, media: usize, codec: &Codec) -> Option<&OfferedCodec> {
        let section = self.sections.get(self.origin(media)?)?;
        let mut fitting = section.codecs.iter().filter(|c| c.codec.id == codec.id);
        match codec.id {
            CodecId::H264 => {
                let stream = profile::of_stream(codec);
                best(fitting, |c| profile::score(&c.codec.fmtp, stream))
            }
            CodecId::H265 => best(fitting, |c| {
                let value = |name| fmtp_value(&c.codec.fmtp, name).unwrap_or_default();
                let main = matches!(value("profile-id"), "" | "1");
                let level: u32 = value("level-id").parse().unwrap_or(0);
                u32::from(main) * 1000 + level
            }),
            CodecId::Av1 => best(fitting, |c| profile::av1(&c.codec.fmtp, &codec.fmtp)),
            _ => fitting.next(),
        }
    }
}

/// The first of those with the highest score.
fn best<'a, T>(items: impl Iterator<Item = &'a T>, score: impl Fn(&T) -> u32) -> Option<&'a T> {
    items
        .map(|item| (score(item), item))
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, item)| item)
}

fn transport(description: &Description<'_>) -> Result<Transport, Error> {
    // With BUNDLE every section has the same values; data channels may stand alone.
    let find = |name: &str| {
        let mut values = description.sections.iter().filter_map(|s| s.get(name));
        values.next().or_else(|| description.session.get(name)).filter(|v| !v.is_empty())
    };
    let ufrag = find("ice-ufrag").ok_or(Error::Missing("ice-ufrag"))?.to_owned();
    let password = find("ice-pwd").ok_or(Error::Missing("ice-pwd"))?.to_owned();
    let mut fingerprints = description
        .sections
        .iter()
        .chain([&description.session])
        .flat_map(|s| s.all("fingerprint"));
    let mut any = false;
    let fingerprint = fingerprints.find_map(|text| {
        any = true;
        let (hash, digits) = text.split_once(' ')?;
        let sha256 = hash.eq_ignore_ascii_case("sha-256");
        let parsed: Fingerprint = format!("sha-256 {}", digits.trim()).parse().ok()?;
        (sha256 && parsed.bytes.len() == 32).then_some(parsed)
    });
    let fingerprint = match fingerprint {
        Some(fingerprint) => fingerprint,
        None if any => return Err(Error::Fingerprint),
        None => return Err(Error::Missing("fingerprint")),
    };
    // The offerer's `active` makes us passive; `actpass` leaves the choice to us.
    let active = find("setup").is_none_or(|setup| setup != "active");
    let ice_lite = description.session.has("ice-lite");
    Ok(Transport { ufrag, password, fingerprint, active, ice_lite })
}

fn section(source: &Section<'_>, session: &Section<'_>) -> OfferedSection {
    let mut words = source.line.split_ascii_whitespace();
    let mut word = || words.next().unwrap_or_default();
    let (name, port, protocol) = (word(), word(), word());
    let formats: Vec<String> = words.take(128).map(str::to_owned).collect();
    // A section that shares another's port is written with port 0 (RFC 9143 section 6).
    let rejected = port == "0" && !source.has("bundle-only");
    let channels = name == "application"
        && protocol.ends_with("DTLS/SCTP")
        && formats.iter().any(|f| f == "webrtc-datachannel");
    let kind = match name {
        _ if rejected => SectionKind::Refused,
        "video" => SectionKind::Media(Kind::Video),
        "audio" => SectionKind::Media(Kind::Audio),
        _ if channels => SectionKind::Channels,
        _ => SectionKind::Refused,
    };
    let codecs = match kind {
        SectionKind::Media(kind) => codecs(source, &formats, kind),
        _ => Vec::new(),
    };
    let directions = ["sendrecv", "sendonly", "recvonly", "inactive"];
    let direction = directions
        .into_iter()
        .find(|d| source.has(d))
        .or_else(|| directions.into_iter().find(|d| session.has(d)))
        .unwrap_or("sendrecv");
    OfferedSection {
        name: name.to_owned(),
        protocol: protocol.to_owned(),
        kind: if matches!(kind, SectionKind::Media(_)) && codecs.is_empty() {
            SectionKind::Refused
        } else {
            kind
        },
        mid: source.get("mid").filter(|m| !m.is_empty()).map(str::to_owned),
        sends: matches!(direction, "sendrecv" | "sendonly"),
        receives: matches!(direction, "sendrecv" | "recvonly"),
        codecs,
        extensions: source.all("extmap").filter_map(extension).collect(),
        ssrcs: ssrcs(source),
        resends: resends(source).take(16).collect(),
        reduced_rtcp: source.has("rtcp-rsize"),
        formats,
    }
}

/// `<id>[/<direction>] <uri>` (RFC 8285 section 5).
fn extension(value: &str) -> Option<(u8, String)> {
    let mut words = value.split_ascii_whitespace();
    let id = words.next()?.split('/').next()?.parse().ok()?;
    Some((id, words.next()?.to_owned()))
}

/// The sources of a section, at most 16, without those of resends.
fn ssrcs(source: &Section<'_>) -> Vec<u32> {
    let resends: Vec<u32> = resends(source).map(|(_, resend)| resend).collect();
    let mut found = Vec::new();
    for value in source.all("ssrc") {
        let number = value.split_ascii_whitespace().next().and_then(|n| n.parse().ok());
        if let Some(number) =
            number.filter(|n| *n != 0 && !found.contains(n) && !resends.contains(n))
        {
            found.push(number);
        }
        if found.len() >= 16 {
            break;
        }
    }
    found
}

/// Sources and those of their resends (RFC 5576 section 4.2).
fn resends<'a>(source: &'a Section<'_>) -> impl Iterator<Item = (u32, u32)> + 'a {
    source.all("ssrc-group").filter_map(|group| {
        let mut numbers = group.strip_prefix("FID ")?.split_ascii_whitespace();
        let mut next = || numbers.next()?.parse().ok().filter(|n: &u32| *n != 0);
        Some((next()?, next()?))
    })
}

fn codecs(source: &Section<'_>, formats: &[String], kind: Kind) -> Vec<OfferedCodec> {
    formats
        .iter()
        .filter_map(|format| {
            let payload_type = format.parse::<u8>().ok().filter(|pt| *pt < 128)?;
            let rtpmap = source.of_format("rtpmap", format).next().or(match payload_type {
                0 => Some("PCMU/8000"),
                8 => Some("PCMA/8000"),
                _ => None,
            })?;
            let mut parts = rtpmap.split('/').map(str::trim);
            let id = CodecId::from_name(parts.next()?);
            let clock_rate = parts.next().and_then(|c| c.parse().ok()).unwrap_or(0);
            let channels: u8 = parts.next().and_then(|c| c.parse().ok()).unwrap_or(0);
            if !supported(&id, clock_rate) || id.kind() != kind {
                return None;
            }
            let fmtp = source.of_format("fmtp", format).next().unwrap_or_default();
            let channels = if channels == 1 { 0 } else { channels };
            Some(OfferedCodec {
                codec: Codec {
                    id,
                    clock_rate,
                    channels,
                    fmtp: fmtp.to_owned(),
                    payload_type: Some(payload_type),
                },
                rtpmap: rtpmap.to_owned(),
                resend: resend(source, formats, format),
                feedback: source.of_format("rtcp-fb", format).take(16).map(str::to_owned).collect(),
            })
        })
        .take(64)
        .collect()
}

/// What we can send or receive; retransmission and redundancy formats, comfort
/// noise and telephone events are among those left out.
fn supported(id: &CodecId, clock_rate: u32) -> bool {
    match id {
        CodecId::H264 | CodecId::H265 | CodecId::Av1 => clock_rate == 90_000,
        CodecId::Opus => clock_rate == 48_000,
        CodecId::Pcmu | CodecId::Pcma => clock_rate == 8000,
        _ => false,
    }
}

/// The payload type whose `apt` is this format.
fn resend(source: &Section<'_>, formats: &[String], format: &str) -> Option<u8> {
    formats.iter().find_map(|candidate| {
        let map = source.of_format("rtpmap", candidate).next()?;
        let name = map.split('/').next()?;
        let fmtp = source.of_format("fmtp", candidate).next()?;
        let belongs = name.eq_ignore_ascii_case("rtx") && fmtp_value(fmtp, "apt") == Some(format);
        belongs.then(|| candidate.parse().ok().filter(|pt: &u8| *pt < 128))?
    })
}

fn medias(sections: &[OfferedSection]) -> (Vec<Media>, Vec<usize>) {
    let mut found = Vec::new();
    for wanted in [Kind::Video, Kind::Audio] {
        for (index, section) in sections.iter().enumerate() {
            if section.kind != SectionKind::Media(wanted) {
                continue;
            }
            let codecs: Vec<_> = section.codecs.iter().map(|c| c.codec.clone()).collect();
            let id = section.mid.clone().unwrap_or_default();
            let mut media = Media { kind: wanted, direction: Direction::RecvOnly, codecs, id };
            if section.sends {
                found.push((media.clone(), index));
            }
            if section.receives {
                media.direction = Direction::SendOnly;
                add_resampled(&mut media);
                found.push((media, index));
            }
        }
    }
    found.into_iter().unzip()
}

/// Any clock rate of G.711, and of linear samples where A-law is known.
fn add_resampled(media: &mut Media) {
    let offered = |id: &CodecId| media.codecs.iter().find(|c| c.id == *id).cloned();
    let (alaw, ulaw) = (offered(&CodecId::Pcma), offered(&CodecId::Pcmu));
    let any = |codec: &Codec, id| Codec { id, clock_rate: 0, ..codec.clone() };
    let mut extra = Vec::new();
    extra.extend(alaw.as_ref().map(|c| any(c, CodecId::Pcma)));
    extra.extend(ulaw.as_ref().map(|c| any(c, CodecId::Pcmu)));
    for id in [CodecId::L16, CodecId::Pcml] {
        extra.extend(alaw.as_ref().map(|c| any(c, id)));
    }
    media.codecs.extend(extra);
}

/// Names of what was offered in vain, for the error text.
fn offered_names(description: &Description<'_>) -> String {
    let mut names: Vec<String> = Vec::new();
    for section in &description.sections {
        for map in section.all("rtpmap") {
            let name = map.split_ascii_whitespace().nth(1).and_then(|m| m.split('/').next());
            let name: String = name.unwrap_or_default().chars().take(24).collect();
            if !name.is_empty() && !names.contains(&name) && names.len() < 12 {
                names.push(name);
            }
        }
    }
    if names.is_empty() { String::new() } else { format!(" (offered: {})", names.join(", ")) }
}

#[cfg(test)]
mod tests;
