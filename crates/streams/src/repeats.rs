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
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    known: VecDeque<Known>,
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
pub(crate) struct Repeat {
    /// It is to be told, and counts from the beginning.
    pub(crate) is_news: bool,
    /// How often it came since it was told, this time included.
    pub(crate) tries: u64,
}

impl Repeats {
    /// Counts a failure.
    pub(crate) fn count(&mut self, text: &str, now: Instant) -> Repeat {
        let text: String = text.chars().filter(|c| !c.is_ascii_digit()).collect();
        let Some(known) = self.known.iter_mut().find(|known| known.text == text) else {
            if self.known.len() >= KNOWN {
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
}
