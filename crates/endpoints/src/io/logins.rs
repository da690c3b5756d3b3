//! Holds back the answers to wrong logins, for all protocols together, and tells the log of them.
//! How long, and how many, decides [`rs2rtc_base::throttle`].

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rs2rtc_base::throttle::{Line, Report, Source, Throttle, Verdict, Waiting};
use rs2rtc_streams::CancellationToken;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// Wrong logins of a program.
#[derive(Debug, Default)]
pub struct Logins {
    throttle: Mutex<Throttle>,
    /// There may be something to tell.
    news: Notify,
}

/// So many answers are held back that this client has to come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many wrong logins, try again in {} s", retry_after.as_secs())]
pub struct TooMany {
    /// After this time.
    pub retry_after: Duration,
}

impl Logins {
    /// Counts a wrong login, and ends when it may be answered. Drop it when the client leaves.
    /// `forwarded` is the client's address as a proxy tells it; only the log shows that.
    ///
    /// # Errors
    /// Too many answers are held back already. This one is due at once.
    pub async fn wrong(&self, source: Source, forwarded: Option<IpAddr>) -> Result<(), TooMany> {
        let verdict = self.lock().wrong(Instant::now().into_std(), source, forwarded);
        self.news.notify_one();
        match verdict {
            Verdict::Now => Ok(()),
            Verdict::TooMany(retry_after) => Err(TooMany { retry_after }),
            Verdict::After(time, waiting) => {
                let _held = Held(self, waiting);
                sleep(time).await;
                Ok(())
            }
        }
    }

    /// Tells the log who tries, until cancelled.
    pub async fn report(&self, cancel: CancellationToken) {
        loop {
            let report = self.lock().poll_report(Instant::now().into_std());
            let due = match report {
                Report::Line(Line { source, forwarded, tries }) => {
                    let forwarded = forwarded.map(tracing::field::display);
                    tracing::warn!(target: "access", from = %source, forwarded, tries, "wrong logins");
                    continue;
                }
                Report::Timeout(due) => due,
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.news.notified() => {}
                () = at(due) => {}
            }
        }
    }

    /// How many answers are held back.
    pub fn waiting(&self) -> u32 {
        self.lock().waiting()
    }

    fn lock(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn at(due: Option<std::time::Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// An answer that is held back, until it is dropped.
struct Held<'l>(&'l Logins, Waiting);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.lock().waited(self.1);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    fn source() -> Source {
        Source::ip([192, 168, 1, 5].into())
    }

    async fn begin(future: &mut (impl Future + Unpin)) {
        let began =
            poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending()));
        assert!(began.await, "it is not answered at once");
    }

    #[tokio::test(start_paused = true)]
    async fn each_wrong_login_takes_longer() {
        let logins = Logins::default();
        let mut waits = Vec::new();
        for _ in 0..7 {
            let begin = Instant::now();
            logins.wrong(source(), None).await.unwrap();
            waits.push(begin.elapsed().as_millis());
        }
        assert_eq!(waits, [0, 0, 0, 250, 500, 1000, 2000]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_gives_its_place_back() {
        let logins = Logins::default();
        for _ in 0..3 {
            logins.wrong(source(), None).await.unwrap();
        }
        let mut held = Vec::new();
        for _ in 0..8 {
            let mut answer = Box::pin(logins.wrong(source(), None));
            begin(&mut answer).await;
            held.push(answer);
        }
        let refused = logins.wrong(source(), None).await.unwrap_err();
        assert_eq!(refused.to_string(), "too many wrong logins, try again in 4 s");
        held.pop();
        let mut next = pin!(logins.wrong(source(), None));
        begin(&mut next).await;
    }
}
