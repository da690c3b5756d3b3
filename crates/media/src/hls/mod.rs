//! HTTP Live Streaming: cutting a stream into segments and parts, and the
//! playlists that list them (RFC 8216 and its second edition,
//! draft-pantos-hls-rfc8216bis, for parts, blocking reloads and preload hints).
//!
//! A [`Segmenter`] cuts one stream in one form for all its viewers; a [`Playlist`]
//! is the text for one of them. What a segment is made of is a [`Packager`]'s
//! business: [`Ts`] or [`Mp4`].

mod groups;
mod held;
mod mp4;
mod playlist;
mod rates;
mod rhythm;
mod segment;
mod segmenter;
mod ts;

pub use groups::Lead;
pub use mp4::Mp4;
pub use playlist::{Names, Playlist, codecs, master};
pub use rates::Rates;
pub use segment::{Begin, Counts, Form, Init, Packager, Part, Segment, Start};
pub use segmenter::{First, Segmenter};
pub use ts::Ts;
