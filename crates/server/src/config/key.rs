//! What the readers know of a key. The list of all keys is made by the readers
//! themselves: they run once against nothing and note what they ask for. The
//! schema, the comparison of two configurations and the page of keys come from
//! this list.

use std::time::Duration;

use serde_json::Value as Json;

/// A key that a reader asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Dotted; `*` stands for a name, `[]` for the items of a list.
    pub path: String,
    /// What it may hold.
    pub kind: Kind,
    /// What it holds in the configuration that was asked; null: nothing. May be
    /// a secret: to be compared, not to be shown.
    pub value: Json,
    /// For people.
    pub about: &'static str,
    /// A change takes effect with the next start only.
    pub restart: bool,
}

/// What a key may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A mapping with keys of its own.
    Section,
    /// A text.
    Text,
    /// A text that is not to be shown.
    Secret,
    /// True or false.
    Flag,
    /// A whole number within limits.
    Whole(u64, u64),
    /// A duration within limits; a bare number is seconds.
    Duration(Duration, Duration),
    /// One of some words.
    Choice(Vec<&'static str>),
    /// A list of texts, or one text; of some words only, if there are any.
    List(Vec<&'static str>),
    /// A list of mappings.
    Items,
    /// A mapping of names to texts.
    Map,
    /// The sources of a stream: a text, a list of texts, or a mapping.
    Sources,
    /// One of some words, or a mapping with keys of its own.
    ChoiceOrSection(Vec<&'static str>),
    /// Accepted and not used in this version.
    NotYet,
}
