//! Session descriptions (RFC 8866), read leniently: cameras write wrong ones.
//!
//! The reader goes line by line and leaves out what it cannot read, so the
//! repairs that strict parsers need (text lines inside medias, unknown media
//! types, incomplete origins, a missing last newline) need no code of their own.
//! Codec rules: `spec/media.md` 1.1 and 1.2, camera quirks: `spec/protocols-standard.md` 1.4.

use crate::track::Direction;

mod medias;
mod write;

pub use write::write;

/// A parsed session description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// User name of the `o=` line; may be empty.
    pub origin_user: String,
    /// Session name; may be empty.
    pub name: String,
    /// Attributes before the first media.
    pub attributes: Vec<Attribute>,
    /// The medias in order, at most 64.
    pub medias: Vec<MediaDesc>,
}

/// An `a=` line: name and value (empty for flags).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribute {
    /// Before the colon.
    pub name: String,
    /// After the colon, without surrounding white space; may be empty.
    pub value: String,
}

/// One `m=` section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaDesc {
    /// Media type as written: `video`, `audio`, `application`, ...
    pub kind: String,
    /// Port; 0 if absent or unreadable.
    pub port: u16,
    /// Transport, such as `RTP/AVP`.
    pub protocol: String,
    /// Formats: payload type numbers for RTP; at most 64.
    pub formats: Vec<String>,
    /// Value of the first `b=` line, in kbit/s for the usual `AS`.
    pub bandwidth: Option<u32>,
    /// Attributes in order, at most 256.
    pub attributes: Vec<Attribute>,
}

/// Whose session description it is: decides what directions mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A camera's answer to DESCRIBE: directions are from our side.
    Camera,
    /// A publisher's ANNOUNCE: every media comes to us.
    Publisher,
}

/// More medias than this are left out.
const MAX_MEDIAS: usize = 64;
/// More formats of a media than this are left out.
const MAX_FORMATS: usize = 64;
/// More attributes of a section than this are left out.
const MAX_ATTRIBUTES: usize = 256;

impl Session {
    /// Parses a description. Never fails: what cannot be read is left out.
    pub fn parse(text: &str) -> Self {
        let mut session = Self::default();
        // True inside a media that is left out because there are too many.
        let mut skipping = false;
        for line in text.split(['\n', '\r']) {
            let Some((kind, value)) = line.trim_start().split_once('=') else { continue };
            let value = value.trim();
            if kind == "m" {
                skipping = session.medias.len() >= MAX_MEDIAS;
                if !skipping {
                    session.medias.push(MediaDesc::parse(value));
                }
                continue;
            }
            if skipping {
                continue;
            }
            match (kind, session.medias.last_mut()) {
                ("a", Some(media)) => push_attribute(&mut media.attributes, value),
                ("b", Some(media)) if media.bandwidth.is_none() => {
                    media.bandwidth =
                        value.split_once(':').and_then(|(_, n)| n.trim().parse().ok());
                }
                ("a", None) => push_attribute(&mut session.attributes, value),
                ("o", None) => {
                    let user = value.split_ascii_whitespace().next();
                    session.origin_user = user.unwrap_or_default().to_owned();
                }
                ("s", None) => value.clone_into(&mut session.name),
                _ => {}
            }
        }
        session
    }

    /// Session-level `a=control`, if any.
    pub fn control(&self) -> Option<&str> {
        last(&self.attributes, "control")
    }
}

impl MediaDesc {
    fn parse(line: &str) -> Self {
        let mut words = line.split_ascii_whitespace();
        let mut next = || words.next().unwrap_or_default();
        let kind = next().to_owned();
        // `port/count` is allowed.
        let port = next().split('/').next().and_then(|p| p.parse().ok()).unwrap_or(0);
        let protocol = next().to_owned();
        let formats = words.take(MAX_FORMATS).map(str::to_owned).collect();
        Self { kind, port, protocol, formats, ..Self::default() }
    }

    /// Value of the last attribute of a name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        last(&self.attributes, name)
    }

    /// Value of an attribute that belongs to a format: `a=<name>:<format> <value>`,
    /// the first one.
    pub fn format_attribute(&self, name: &str, format: &str) -> Option<&str> {
        self.attributes.iter().filter(|a| a.name == name).find_map(|a| {
            let (number, value) = a.value.split_once(|c: char| c.is_ascii_whitespace())?;
            (number == format).then(|| value.trim())
        })
    }

    /// The last direction attribute, if any; `sendrecv` and `inactive` count as none.
    pub fn direction(&self) -> Option<Direction> {
        let mut directions = self.attributes.iter().rev().filter_map(|a| match a.name.as_str() {
            "sendonly" => Some(Some(Direction::SendOnly)),
            "recvonly" => Some(Some(Direction::RecvOnly)),
            "sendrecv" | "inactive" => Some(None),
            _ => None,
        });
        directions.next().flatten()
    }
}

fn last<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes.iter().rev().find(|a| a.name == name).map(|a| a.value.as_str())
}

fn push_attribute(attributes: &mut Vec<Attribute>, line: &str) {
    if attributes.len() >= MAX_ATTRIBUTES {
        return;
    }
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    attributes.push(Attribute { name: name.trim().to_owned(), value: value.trim().to_owned() });
}

#[cfg(test)]
mod tests;
