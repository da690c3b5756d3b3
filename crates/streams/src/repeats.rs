//! Failures that come again and again: each is told when it comes first, then once a
//! minute with how often it came meanwhile. A dead camera that somebody looks at is
//! tried every few seconds, and its log is to stay legible.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What is equal to what was told so long ago is told again.
const PAUSE: Duration = Duration::from_secs(60);
/// Different failures that are remembered, of one source.
const KNOWN: usize = 8;

/// What failed lately.
#[derive(Debug)]
pub struct Repeats {
    known: VecDeque<Known>,
    /// How many different failures are remembered.
    most: usize,
}

impl Default for Repeats {
    fn default() -> Self {
        Self::remembering(KNOWN)
    }
}

#[derive(Debug)]
struct Known {
    /// Without its numbers: ports, times and ids differ from try to try.
    text: String,
    told: Instant,
    /// How often it came since.
    tries: u64,
}

/// A failure, and whether it is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// It is to be told, and counts from the beginning.
    pub is_news: bool,
    /// How often it came since it was told, this time included.
    pub tries: u64,
}

impl Repeats {
    /// Remembers so many different failures; the oldest is forgotten.
    pub const fn remembering(most: usize) -> Self {
        Self { known: VecDeque::new(), most }
    }

    /// Counts a failure of a source that has these to itself.
    pub(crate) fn count(&mut self, text: &str, now: Instant) -> Repeat {
        self.count_of("", text, now)
    }

    /// Counts a failure of one of several, by its name.
    pub fn count_of(&mut self, name: &str, text: &str, now: Instant) -> Repeat {
        let letters = text.chars().filter(|c| !c.is_ascii_digit());
        let text: String = name.chars().chain(['\n']).chain(letters).collect();
        let Some(known) = self.known.iter_mut().find(|known| known.text == text) else {
            if self.known.len() >= self.most {
                self.known.pop_front();
            }
            self.known.push_back(Known { text, told: now, tries: 0 });
            return Repeat { is_news: true, tries: 1 };
        };
        known.tries += 1;
        let tries = known.tries;
        let is_news = now.saturating_duration_since(known.told) >= PAUSE;
        if is_news {
            (known.told, known.tries) = (now, 0);
        }
        Repeat { is_news, tries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn equal_ones_are_told_once_a_minute() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let mut count = |text: &str, seconds: u64| {
            let repeat = repeats.count(text, start + Duration::from_secs(seconds));
            (repeat.is_news, repeat.tries)
        };
        assert_eq!(count("no answer for 5.1 s", 0), (true, 1));
        assert_eq!(count("no answer for 5.2 s", 6), (false, 1));
        assert_eq!(count("refused", 7), (true, 1), "another one is news");
        assert_eq!(count("no answer for 5.0 s", 12), (false, 2));
        assert_eq!(count("no answer for 5.0 s", 60), (true, 3));
        assert_eq!(count("no answer for 5.0 s", 61), (false, 1));
        assert_eq!(count("refused", 62), (false, 1));
        // Of very many different ones the oldest are forgotten.
        for n in 0..100 {
            count(&"x".repeat(n), 63);
        }
        assert_eq!(repeats.known.len(), KNOWN);
    }

    #[tokio::test(start_paused = true)]
    async fn several_are_told_apart_by_their_names() {
        let (mut repeats, now) = (Repeats::remembering(2), Instant::now());
        let mut is_news = |name: &str| repeats.count_of(name, "port 5", now).is_news;
        assert!(is_news("cam1") && is_news("cam2"));
        assert!(!is_news("cam1") && !is_news("cam2"));
        assert!(is_news("cam3") && is_news("cam1"), "the oldest was forgotten");
    }
}
