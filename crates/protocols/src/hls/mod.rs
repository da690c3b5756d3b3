//! HTTP Live Streaming, the reading side (RFC 8216): playlists and what to fetch
//! next.
//!
//! 1. [`Playlist::parse`]: a master playlist names variants, one of which is chosen
//!    ([`Choice`]); a media playlist names segments.
//! 2. [`Follower`]: takes each media playlist as it was fetched and says what to
//!    fetch now: a segment, or the playlist again, and when.
//!
//! Encrypted segments are refused. Renditions apart from the variant (`EXT-X-MEDIA`),
//! partial segments and blocking reloads are left out.

mod follower;
mod playlist;

pub use follower::{Follower, Load, Step};
pub use playlist::{Choice, Error, Media, Part, Playlist, Range, Segment, Variant};
