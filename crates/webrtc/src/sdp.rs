//! The lines of an offer, by section (RFC 8866 section 5).
//!
//! Browsers list every codec with its feedback, so sections are long; names and
//! values are borrowed from the text.

use crate::Error;

/// Longest offer in bytes; browsers need some 10 kB.
const MAX_TEXT: usize = 256 * 1024;
/// More sections than this are left out.
const MAX_SECTIONS: usize = 32;
/// More attributes of a section than this are left out.
const MAX_ATTRIBUTES: usize = 2048;

/// Attributes of the session or of one `m=` section.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section<'a> {
    /// The value of the `m=` line; empty for the session.
    pub(crate) line: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Section<'a> {
    /// Value of the first attribute of a name; empty for flags.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Whether an attribute is present.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Values of all attributes of a name, in order.
    pub(crate) fn all<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'a str> + 'b {
        self.attributes.iter().filter(move |(n, _)| *n == name).map(|(_, v)| *v)
    }

    /// Values of all attributes of a name that begin with a format: `<format> <value>`.
    pub(crate) fn of_format<'b>(
        &'b self,
        name: &'b str,
        format: &'b str,
    ) -> impl Iterator<Item = &'a str> + 'b {
        self.all(name).filter_map(move |value| {
            let (f, rest) = value.split_once(char::is_whitespace)?;
            (f == format).then_some(rest.trim())
        })
    }
}

/// Session attributes and sections of a description.
#[derive(Clone, Debug, Default)]
pub(crate) struct Description<'a> {
    pub(crate) session: Section<'a>,
    pub(crate) sections: Vec<Section<'a>>,
}

impl<'a> Description<'a> {
    /// Reads the lines; unknown ones are left out.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Error> {
        if text.len() > MAX_TEXT {
            return Err(Error::TooLong);
        }
        let mut description = Self::default();
        let mut skipping = false;
        for line in text.split(['\n', '\r']) {
            let Some((kind, value)) = line.trim_start().split_once('=') else { continue };
            let value = value.trim();
            match kind {
                "m" => {
                    skipping = description.sections.len() >= MAX_SECTIONS;
                    if !skipping {
                        description.sections.push(Section { line: value, attributes: Vec::new() });
                    }
                }
                "a" if !skipping => {
                    let section =
                        description.sections.last_mut().unwrap_or(&mut description.session);
                    if section.attributes.len() < MAX_ATTRIBUTES {
                        let (name, value) = value.split_once(':').unwrap_or((value, ""));
                        section.attributes.push((name.trim(), value.trim()));
                    }
                }
                _ => {}
            }
        }
        if description.sections.is_empty() {
            return Err(Error::NotSdp);
        }
        Ok(description)
    }
}
