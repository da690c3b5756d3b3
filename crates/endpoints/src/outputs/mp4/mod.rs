//! Fragmented MP4 for viewers: media source extensions over a WebSocket, and
//! MP4 over HTTP (`spec/media.md` 4, `spec/api.md` 4.1 and 7).
//!
//! ```text
//! Track ─┐                       ┌─> Queue ─> Viewer a ─> WebSocket
//! Track ─┴─> Fragmenter (once) ──┼─> Queue ─> Viewer b ─> WebSocket
//!            fmp4::Track         └─> Queue ─> Viewer c ─> HTTP body
//! ```
//!
//! The viewers of the same tracks share a [`fragmenter`]: a frame is made a
//! fragment once, and all of them hold the same bytes. What is a viewer's own are
//! the hundred bytes in front of it, which carry its times (`fmp4::Cursor`).
//! Nothing on the way from the source waits: a viewer that does not keep up goes
//! on with the newest keyframe, and is sent away if it never does.

mod ask;
pub mod clip;
mod fragmenter;
mod queue;
mod viewer;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::container::fmp4::Format;
pub use rs2rtc_media::container::fmp4::Picture;
use rs2rtc_media::{Direction, Media};
use rs2rtc_streams::{Attached, AttachedTrack, Connection, Description, Request, Stream};

pub use ask::{of_list, of_query};
use fragmenter::Fragmenter;
pub use viewer::{End, Piece, Still, Viewer};

/// How a viewer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At once, with the pictures since the last keyframe, and always at the live edge.
    Live,
    /// With the next keyframe, and true times.
    Keyframe,
    /// Keyframes only, the last one at once.
    Pictures,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Tracks, from the viewer's side.
    pub medias: Vec<Media>,
    /// What the API shows of the viewer; `medias` is filled in.
    pub description: Description,
    /// How it begins.
    pub begin: Begin,
    /// Opens a source that is opened for viewers only.
    pub wakes: bool,
    /// How pictures are to be shown.
    pub picture: Picture,
}

/// All fragmenters of the program.
#[derive(Debug, Default)]
pub struct Hub {
    /// By the ids of the tracks.
    all: Mutex<HashMap<Vec<u64>, Weak<Fragmenter>>>,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    built: AtomicU64,
    sent: AtomicU64,
    skips: AtomicU64,
}

/// Figures since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Fragments that were made of frames.
    pub built: u64,
    /// Fragments that viewers took.
    pub sent: u64,
    /// Times that a viewer was too slow and went on with a newer keyframe.
    pub skips: u64,
}

impl Hub {
    /// Attaches a viewer to a stream; the source is dialled if need be.
    ///
    /// # Errors
    /// As [`Stream::attach`]; `Unsupported` if a track was matched that MP4
    /// cannot carry.
    pub async fn attach(&self, stream: &Arc<Stream>, wish: Wish) -> Result<Viewer, Error> {
        let (attached, tracks, formats) =
            attach(stream, wish.description, wish.medias, wish.wakes).await?;
        let fragmenter = self.fragmenter(&tracks, formats);
        let senders = tracks.iter().map(|track| Arc::clone(&track.sender)).collect();
        Ok(Viewer::new(attached, fragmenter, senders, wish.begin, wish.picture))
    }

    /// The fragmenter of tracks; one for all who want the same.
    fn fragmenter(&self, tracks: &[AttachedTrack], formats: Vec<Format>) -> Arc<Fragmenter> {
        let key = tracks.iter().map(|track| track.track.id).collect();
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, fragmenter| fragmenter.strong_count() > 0);
        if let Some(fragmenter) = all.get(&key).and_then(Weak::upgrade) {
            return fragmenter;
        }
        let tracks: Vec<_> = tracks.iter().map(|track| Arc::clone(&track.track)).collect();
        let fragmenter = Arc::new(Fragmenter::new(&tracks, formats, Arc::clone(&self.counters)));
        all.insert(key, Arc::downgrade(&fragmenter));
        fragmenter
    }

    /// Figures since the start.
    pub fn figures(&self) -> Figures {
        Figures {
            built: self.counters.built.load(Ordering::Relaxed),
            sent: self.counters.sent.load(Ordering::Relaxed),
            skips: self.counters.skips.load(Ordering::Relaxed),
        }
    }
}

/// Attaches to a stream; gives the tracks that are sent, and what MP4 makes of them.
async fn attach(
    stream: &Arc<Stream>,
    mut description: Description,
    medias: Vec<Media>,
    wakes: bool,
) -> Result<(Attached, Vec<AttachedTrack>, Vec<Format>), Error> {
    description.medias.clone_from(&medias);
    let connection = Arc::new(Connection::new(description));
    let request = Request { medias, connection, source_tag: None, may_sleep: false };
    let attached = match wakes {
        true => stream.attach(request).await?,
        false => stream.attach_briefly(request).await?,
    };
    let sent = |track: &&AttachedTrack| track.direction == Direction::SendOnly;
    let tracks: Vec<AttachedTrack> = attached.tracks.iter().filter(sent).cloned().collect();
    let formats: Result<Vec<Format>, _> =
        tracks.iter().map(|track| Format::new(&track.track.codec())).collect();
    let formats = formats.map_err(|e| Error::new(ErrorKind::Unsupported, e.to_string()))?;
    if formats.is_empty() {
        return Err(Error::new(ErrorKind::Unsupported, "mp4: nothing to send"));
    }
    for (track, format) in tracks.iter().zip(&formats) {
        format.leaves_as().into_iter().for_each(|codec| track.sender.leaves_as(codec));
    }
    Ok((attached, tracks, formats))
}

#[cfg(test)]
mod tests;
