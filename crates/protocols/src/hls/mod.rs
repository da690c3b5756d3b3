//! HTTP Live Streaming, the reading side (RFC 8216): playlists and what to fetch
//! next.
//!
//! 1. [`Playlist::parse`]: a master playlist names variants, one of which is chosen
//!    ([`Choice`]); a media playlist names segments.
//! 2. [`Follower`]: takes each media playlist as it was fetched and says what to
//!    fetch now: a segment, or the playlist again, and when.
//!
//! Segments that are encrypted as a whole (AES-128) come with their key's address;
//! other methods are refused. Sound apart from the variant (`EXT-X-MEDIA`) has a
//! playlist of its own. Where parts of segments are listed (rfc8216bis 4.4.4.9) they
//! are fetched near the live edge, the playlist by blocking reloads (6.2.5.2).
//! Choosing among several languages, subtitles and delta updates are left out.

mod follower;
mod playlist;

pub use follower::{Follower, Load, Reload, Step};
pub use playlist::{
    Choice, Cipher, Error, Key, Map, Media, Part, Partial, Playlist, Range, Segment, Variant,
};
