//! The log in memory: 16 chunks of 64 KiB, a record never spans two of them,
//! the oldest chunk goes first (`spec/core.md` 5).
//!
//! Readers follow it by position: the number of bytes that were ever written.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

const CHUNKS: usize = 16;
const CHUNK: usize = 64 * 1024;

/// The longest line in bytes, its end included.
pub(super) const LONGEST: usize = CHUNK;

/// The newest records, one JSON line each.
#[derive(Debug, Default)]
pub struct Ring {
    chunks: Mutex<VecDeque<Vec<u8>>>,
    end: watch::Sender<u64>,
}

/// Lines after a position.
#[derive(Debug)]
pub struct Lines {
    /// The lines, oldest first.
    pub bytes: Vec<u8>,
    /// The position of the first of them.
    pub from: u64,
    /// Others were there and are gone, or the position is none of this log's.
    pub missed: bool,
}

impl Ring {
    /// Adds one line of at most [`LONGEST`] bytes.
    pub(super) fn push(&self, line: &[u8]) {
        let mut chunks = self.lock();
        let fits = chunks.back().is_some_and(|last| last.len() + line.len() <= CHUNK);
        if !fits {
            if chunks.len() == CHUNKS {
                chunks.pop_front();
            }
            chunks.push_back(Vec::with_capacity(line.len().max(4096)));
        }
        if let Some(last) = chunks.back_mut() {
            last.extend_from_slice(line);
        }
        // Under the lock, so that positions fit what is held.
        self.end.send_modify(|end| *end += line.len() as u64);
    }

    /// All lines, oldest first.
    pub fn read(&self) -> Vec<u8> {
        let chunks = self.lock();
        let mut all = Vec::with_capacity(chunks.iter().map(Vec::len).sum());
        for chunk in chunks.iter() {
            all.extend_from_slice(chunk);
        }
        all
    }

    /// The position after the newest line.
    pub fn end(&self) -> u64 {
        *self.end.borrow()
    }

    /// Waits until there are lines after a position.
    pub async fn changed(&self, after: u64) {
        let mut end = self.end.subscribe();
        // The sender lives in this ring.
        let _ = end.wait_for(|end| *end > after).await;
    }

    /// All lines after a position, which must be one that this log gave.
    pub fn since(&self, position: u64) -> Lines {
        let chunks = self.lock();
        let end = *self.end.borrow();
        let held: usize = chunks.iter().map(Vec::len).sum();
        let oldest = end.saturating_sub(held as u64);
        let from = position.clamp(oldest, end);
        let mut skip = usize::try_from(from - oldest).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        for chunk in chunks.iter() {
            bytes.extend_from_slice(chunk.get(skip..).unwrap_or_default());
            skip = skip.saturating_sub(chunk.len());
        }
        Lines { bytes, from, missed: from != position }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Vec<u8>>> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_chunk_goes_first_and_records_stay_whole() {
        let ring = Ring::default();
        let line = [vec![b'x'; 999], vec![b'\n']].concat();
        for _ in 0..16 * 65 {
            ring.push(&line);
        }
        assert_eq!(ring.read().len(), 16 * 65 * 1000);
        ring.push(&line.repeat(2));
        let all = ring.read();
        assert_eq!(all.len(), 15 * 65 * 1000 + 2000);
        ring.clear();
        assert!(ring.read().is_empty());
    }

    #[tokio::test]
    async fn readers_follow_by_position() {
        let ring = Ring::default();
        let (woken, ()) = tokio::join!(ring.changed(0), async { ring.push(b"a\n") });
        let () = woken;
        assert_eq!(ring.since(0).bytes, b"a\n");
        let end = ring.end();
        ring.push(b"b\n");
        ring.push(b"c\n");
        let lines = ring.since(end);
        assert_eq!((lines.bytes.as_slice(), lines.from, lines.missed), (&b"b\nc\n"[..], 2, false));
        let line = [vec![b'x'; 999], vec![b'\n']].concat();
        for _ in 0..17 * 65 {
            ring.push(&line);
        }
        let lines = ring.since(end);
        assert!(lines.missed);
        assert_eq!(lines.bytes.len(), 16 * 65 * 1000);
        assert_eq!(ring.since(lines.from + 1000).bytes.len(), 16 * 65 * 1000 - 1000);
        let tail = ring.since(ring.end());
        assert!(tail.bytes.is_empty() && !tail.missed);
        ring.clear();
        assert!(ring.since(end).missed && ring.since(end).bytes.is_empty());
        assert!(ring.since(ring.end() + 1).missed, "a position of another start");
    }
}
