//! Fragmented MP4, written for live viewers (ISO/IEC 14496-12, 14496-15 for
//! H.264 and H.265, 14496-14 for AAC and MP3, and the encapsulations of AV1, Opus
//! and FLAC in ISO BMFF).
//!
//! One frame is one fragment. Work is split by who shares it:
//!
//! 1. [`Track`] turns the frames of a track into [`Fragment`]s, once for all
//!    readers: the payload, and its place on a timeline without gaps.
//! 2. [`Cursor`] is the place of one reader on that timeline. It begins at zero,
//!    writes the few bytes in front of each payload, and knows how to begin with
//!    pictures that are already in the past.
//! 3. [`init`] writes the initialisation segment from the [`Format`]s of the tracks.
//!
//! G.711 and linear PCM leave as FLAC ([`flac`]). Left out: encryption, segment
//! indexes, and files with a table of samples.

mod boxes;
mod cursor;
pub mod flac;
mod format;
pub mod fragment;
pub mod init;
mod still;
mod timeline;
mod track;

pub use cursor::{Cursor, Pace, place_before};
pub use format::{Format, Unsupported};
pub use init::Picture;
pub use still::still;
pub use track::{Fragment, Track};
