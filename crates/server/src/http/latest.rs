//! One answer for all who ask at the same time.
//!
//! A list of everything costs time, and a page or a script that polls asks in
//! crowds. Who comes while an answer is being made waits for the next one, and
//! shares it with all others that wait: nobody gets one that is older than his
//! question, and a thousand questions at once cost two answers.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::Mutex;

/// The newest answer to one question.
#[derive(Debug, Default)]
pub struct Latest {
    /// Answers that were begun.
    begun: AtomicU64,
    /// The last one, with its number.
    last: Mutex<(u64, Bytes)>,
}

impl Latest {
    /// An answer that was begun after this call: somebody else's, or `make` gives
    /// it, without waiting for anything.
    pub async fn get(&self, make: impl FnOnce() -> Bytes) -> Bytes {
        let before = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if last.0 <= before {
            let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            *last = (number, make());
        }
        last.1.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn who_waits_shares_an_answer_that_is_newer_than_his_question() {
        let (latest, made) = (Latest::default(), Cell::new(0_u8));
        let make = || {
            made.set(made.get() + 1);
            Bytes::copy_from_slice(&[made.get()])
        };
        assert_eq!(latest.get(make).await[..], [1]);
        assert_eq!(latest.get(make).await[..], [2], "it is asked again later");
        // An answer is under way: all who come now wait for the next.
        let under_way = latest.last.lock().await;
        latest.begun.fetch_add(1, Ordering::SeqCst);
        let asked = async { tokio::join!(latest.get(make), latest.get(make), latest.get(make)) };
        let finish = async {
            yield_now().await;
            let mut under_way = under_way;
            *under_way = (3, Bytes::from_static(b"old"));
        };
        let ((a, b, c), ()) = tokio::join!(asked, finish);
        assert_eq!((&a[..], &b[..], &c[..]), (&[3][..], &[3][..], &[3][..]));
        assert_eq!(made.get(), 3);
    }
}
