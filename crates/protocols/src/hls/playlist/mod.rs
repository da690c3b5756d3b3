//! The text of playlists (RFC 8216 4).

mod attributes;
mod master;
mod media;
mod model;
#[cfg(test)]
mod tests;

use attributes::attribute;
use master::Rendition;
pub use master::{Choice, Variant};
use media::Builder;
pub use model::{Cipher, Key, Map, Media, Part, Partial, Range, Segment};

/// Variants that are kept of a master playlist, and renditions of sound.
const MAX_VARIANTS: usize = 64;

/// Why a text is no playlist, or none that can be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It does not begin with `#EXTM3U`.
    #[error("this is no playlist")]
    NoPlaylist,
    /// It names neither variants nor segments, and does not say that segments come.
    #[error("the playlist is empty")]
    Empty,
    /// A part of a file without a place in it.
    #[error("the playlist has a byte range without its beginning")]
    ByteRange,
    /// The segments behind the first one cannot be counted.
    #[error("the playlist begins with a media sequence number that is too large")]
    Sequence,
    /// What is played next is encrypted in a way that is not known here.
    #[error("the segments are encrypted ({0}), which is not supported")]
    Encrypted(String),
}

/// A playlist of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Playlist {
    /// Names variants of a stream, never none.
    Master(Vec<Variant>),
    /// Names segments.
    Media(Media),
}

impl Playlist {
    /// Reads a playlist. Tags that are not known, and those without meaning to
    /// somebody who only plays, are passed over.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim_start_matches('\u{feff}');
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        if !lines.next().is_some_and(|line| line.starts_with("#EXTM3U")) {
            return Err(Error::NoPlaylist);
        }
        let mut variants = Vec::new();
        let mut variant = None;
        let mut renditions = Vec::new();
        let mut media = Builder::default();
        for line in lines {
            let Some(tag) = line.strip_prefix('#') else {
                match variant.take() {
                    Some(variant) if variants.len() < MAX_VARIANTS => {
                        variants.push(Variant { uri: line.to_owned(), ..variant });
                    }
                    Some(_) => {}
                    None => media.uri(line)?,
                }
                continue;
            };
            let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
            match name {
                "EXT-X-STREAM-INF" => {
                    let rate = attribute(value, "BANDWIDTH").and_then(|text| text.parse().ok());
                    // The name of a group at first.
                    let audio = attribute(value, "AUDIO").map(str::to_owned);
                    let bandwidth = rate.unwrap_or(0);
                    variant = Some(Variant { bandwidth, audio, ..Variant::default() });
                }
                "EXT-X-MEDIA" if attribute(value, "TYPE") == Some("AUDIO") => {
                    if renditions.len() < MAX_VARIANTS {
                        renditions.push(Rendition::parse(value));
                    }
                }
                _ => media.tag(name, value)?,
            }
        }
        if !variants.is_empty() {
            for variant in &mut variants {
                let group = variant.audio.take();
                variant.audio = group.and_then(|group| Rendition::of(&group, &renditions));
            }
            return Ok(Self::Master(variants));
        }
        media.finish().map(Self::Media)
    }
}
