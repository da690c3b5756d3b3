//! Frames that wait for what belongs before them, or with them.
//!
//! Sound that ends after the newest picture waits for the next one: if that begins anew, the sound
//! belongs behind it. Players put what begins anew where the longest track ended before, and
//! a hole that this makes in the other one can stop them for seconds.
//!
//! Sound comes later than the pictures of its moment, from FFmpeg by a third of a second. Where
//! the pictures get other parameters the stream begins anew, and the times of fragments with
//! it: sound of the moments before would have no place behind that, and players a hole in
//! front of it. So the new pictures wait until the sound before them has come.

use std::sync::Arc;

use crate::frame::Frame;

/// Longest time of the stream that pictures wait, in microseconds.
const LONGEST: i64 = 500_000;
/// Frames that wait; whatever their times are.
const MOST: usize = 1000;

/// A frame with the index of its track.
pub(super) type OfTrack = (usize, Arc<Frame>);

/// Sound that is ahead of the pictures.
#[derive(Debug, Default)]
pub(super) struct Ahead(Vec<(OfTrack, i64)>);

impl Ahead {
    /// Takes a frame that ends at a moment, where the newest picture is decoded at `newest`.
    /// Gives what waits no more, with its ends: all, if it is too much.
    pub(super) fn push(&mut self, frame: OfTrack, end: i64, newest: i64) -> Vec<(OfTrack, i64)> {
        self.0.push((frame, end));
        let is_too_much = end - newest > LONGEST || self.0.len() > MOST;
        self.until(if is_too_much { i64::MAX } else { newest })
    }

    /// What ends until then, with its ends.
    pub(super) fn until(&mut self, end: i64) -> Vec<(OfTrack, i64)> {
        self.0.extract_if(.., |(_, ends)| *ends <= end).collect()
    }
}

/// The frames that wait.
#[derive(Debug)]
pub(super) struct Held {
    /// Track of the first picture, and when it is decoded, in microseconds.
    lead: (usize, i64),
    first: Arc<Frame>,
    /// What came behind it.
    others: Vec<OfTrack>,
    /// By track: nothing of before is waited for.
    is_there: Vec<bool>,
}

impl Held {
    /// Begins with a picture of a track that is decoded at a moment. By track: whether
    /// anything has ever come; who has not is not waited for.
    pub(super) fn new(lead: (usize, i64), first: &Arc<Frame>, have_come: &[bool]) -> Self {
        let tracks = have_come.iter().enumerate();
        let is_there = tracks.map(|(track, has_come)| track == lead.0 || !has_come).collect();
        Self { lead, first: Arc::clone(first), others: Vec::new(), is_there }
    }

    /// Takes a frame of a track: of pictures that are decoded, or sound that ends, at a
    /// moment; unless it belongs before what waits.
    pub(super) fn take(&mut self, track: usize, frame: &Arc<Frame>, at: i64) -> bool {
        if at < self.lead.1 {
            return false;
        }
        self.others.push((track, Arc::clone(frame)));
        if let Some(is_there) = self.is_there.get_mut(track) {
            *is_there = true;
        }
        if at - self.lead.1 > LONGEST || self.others.len() > MOST {
            self.is_there.fill(true);
        }
        true
    }

    /// Whether nothing is waited for.
    pub(super) fn is_over(&self) -> bool {
        self.is_there.iter().all(|is_there| *is_there)
    }

    /// The first picture, its moment, and the others in the order in which they came.
    pub(super) fn into_frames(self) -> (OfTrack, i64, Vec<OfTrack>) {
        ((self.lead.0, self.first), self.lead.1, self.others)
    }
}
