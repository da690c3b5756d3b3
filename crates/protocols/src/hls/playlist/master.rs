//! The tags of master playlists (RFC 8216 4.3.4): variants of a stream, and their sound.

use super::attributes::attribute;

/// One of several forms of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// Address of its playlist, relative to that of the master playlist.
    pub uri: String,
    /// Bits per second at most; 0 if it is not said.
    pub bandwidth: u64,
    /// Address of the playlist of its sound, if that is not in its segments.
    pub audio: Option<String>,
}

/// Which variant to play.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The one that the server names first.
    #[default]
    First,
    /// The one of the highest rate.
    Best,
    /// The one of the lowest rate.
    Smallest,
}

impl Choice {
    /// Chooses.
    pub fn of(self, variants: &[Variant]) -> Option<&Variant> {
        // Of several of the same rate the first one counts.
        match self {
            Self::First => variants.first(),
            Self::Best => variants.iter().rev().max_by_key(|variant| variant.bandwidth),
            Self::Smallest => variants.iter().min_by_key(|variant| variant.bandwidth),
        }
    }
}

/// Sound of variants (4.3.4.1).
#[derive(Debug)]
pub(super) struct Rendition {
    group: String,
    /// Without one the sound is in the segments of the variant.
    uri: Option<String>,
    is_default: bool,
}

impl Rendition {
    pub(super) fn parse(attributes: &str) -> Self {
        Self {
            group: attribute(attributes, "GROUP-ID").unwrap_or_default().to_owned(),
            uri: attribute(attributes, "URI").filter(|uri| !uri.is_empty()).map(str::to_owned),
            is_default: attribute(attributes, "DEFAULT") == Some("YES"),
        }
    }

    /// Where the sound of a group is that is played if nobody chooses: the default one,
    /// else the first.
    pub(super) fn of(group: &str, all: &[Self]) -> Option<String> {
        let mut found = all.iter().filter(|rendition| rendition.group == group);
        let first = found.clone().next();
        found.find(|rendition| rendition.is_default).or(first)?.uri.clone()
    }
}
