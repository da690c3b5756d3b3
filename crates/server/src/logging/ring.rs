//! The log in memory: 16 chunks of 64 KiB, a record never spans two of them,
//! the oldest chunk goes first (`spec/core.md` 5).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

const CHUNKS: usize = 16;
const CHUNK: usize = 64 * 1024;

/// The newest records, one JSON line each.
#[derive(Debug, Default)]
pub struct Ring {
    chunks: Mutex<VecDeque<Vec<u8>>>,
}

impl Ring {
    /// Adds one line. A line longer than a chunk is cut.
    pub fn push(&self, line: &[u8]) {
        let line = line.get(..CHUNK).unwrap_or(line);
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
}
