//! Pictures that were made, for those who ask again: bounded, the one that was
//! not asked for the longest goes first.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Picture;

/// Pictures that are kept.
const MAX_PICTURES: usize = 64;
/// Their bytes.
const MAX_BYTES: usize = 32 << 20;

/// What a picture is of, and how it was made.
pub(super) type Key = (&'static str, String, super::Wish);

/// The pictures, last used first.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<VecDeque<(Key, Picture)>>);

impl Shelf {
    /// The picture of a key, if it is good enough.
    pub(super) fn get(&self, key: &Key, is_good: impl Fn(&Picture) -> bool) -> Option<Picture> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|(k, picture)| k == key && is_good(picture))?;
        let found = all.remove(at)?;
        let picture = found.1.clone();
        all.push_front(found);
        Some(picture)
    }

    /// Keeps a picture in place of the one of the same key.
    pub(super) fn put(&self, key: Key, picture: &Picture) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(k, _)| *k != key);
        all.push_front((key, picture.clone()));
        let bytes = |all: &VecDeque<(Key, Picture)>| -> usize {
            all.iter().map(|(_, picture)| picture.jpeg.len()).sum()
        };
        while all.len() > MAX_PICTURES || bytes(&all) > MAX_BYTES {
            all.pop_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn picture(size: usize) -> Picture {
        Picture {
            jpeg: vec![0; size].into(),
            taken: Instant::now(),
            frames: 1,
            decoding: Duration::ZERO,
            encoding: Duration::ZERO,
        }
    }

    fn key(name: &str) -> Key {
        ("snapshot", name.to_owned(), super::super::Wish::default())
    }

    #[test]
    fn is_bounded_and_forgets_what_nobody_asks_for() {
        let shelf = Shelf::default();
        for number in 0..MAX_PICTURES {
            shelf.put(key(&number.to_string()), &picture(1));
        }
        assert!(shelf.get(&key("0"), |_| true).is_some());
        shelf.put(key("new"), &picture(1));
        assert!(shelf.get(&key("0"), |_| true).is_some(), "it was used");
        assert!(shelf.get(&key("1"), |_| true).is_none(), "this one was not");
        assert!(shelf.get(&key("2"), |_| false).is_none(), "not good enough");
        shelf.put(key("large"), &picture(MAX_BYTES));
        assert!(shelf.get(&key("new"), |_| true).is_none());
        assert!(shelf.get(&key("large"), |_| true).is_some());
        shelf.put(key("too large"), &picture(MAX_BYTES + 1));
        assert!(shelf.get(&key("too large"), |_| true).is_none());
    }
}
