//! Work that several wait for at the same time: it is done once for all of them, and
//! ends when nobody waits any more.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_streams::{CancellationToken, Tasks};
use tokio::sync::watch;

/// Work under way, by what it makes.
pub(super) struct Shared<K, V>(Mutex<HashMap<K, Weak<Work<V>>>>);

/// One piece of work, held by those who wait for it.
struct Work<V> {
    outcome: watch::Receiver<Option<Result<V, Error>>>,
    end: CancellationToken,
}

impl<V> Drop for Work<V> {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

impl<K, V> Default for Shared<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, V> std::fmt::Debug for Shared<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl<K: Eq + Hash, V: Clone + Send + Sync + 'static> Shared<K, V> {
    /// Waits for what is made under a key already, or begins with it. What is done is
    /// not given again: who comes then is to get something newer.
    ///
    /// # Errors
    /// Those of the work; `Ended` if it was given up.
    pub(super) async fn get<F>(
        &self,
        tasks: &Tasks,
        key: K,
        begin: impl FnOnce() -> F,
    ) -> Result<V, Error>
    where
        F: Future<Output = Result<V, Error>> + Send + 'static,
    {
        let work = self.join(tasks, key, begin);
        let mut outcome = work.outcome.clone();
        let made = outcome.wait_for(Option::is_some).await.ok().and_then(|made| made.clone());
        made.unwrap_or_else(|| Err(Error::new(ErrorKind::Ended, "the picture was given up")))
    }

    fn join<F>(&self, tasks: &Tasks, key: K, begin: impl FnOnce() -> F) -> Arc<Work<V>>
    where
        F: Future<Output = Result<V, Error>> + Send + 'static,
    {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, work| work.strong_count() > 0);
        let under_way = running.get(&key).and_then(Weak::upgrade);
        if let Some(work) = under_way.filter(|work| work.outcome.borrow().is_none()) {
            return work;
        }
        let (give, outcome) = watch::channel(None);
        let end = CancellationToken::new();
        let work = Arc::new(Work { outcome, end: end.clone() });
        running.insert(key, Arc::downgrade(&work));
        let make = begin();
        tasks.spawn("picture", async move {
            tokio::select! {
                biased;
                () = end.cancelled() => {}
                made = make => drop(give.send(Some(made))),
            }
        });
        work
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    /// Work that ends when it is told to; counts how often it began and ended.
    #[derive(Default)]
    struct Job {
        begun: AtomicUsize,
        ended: AtomicUsize,
        go: Notify,
        left: Notify,
    }

    struct Ends(Arc<Job>);

    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.ended.fetch_add(1, Ordering::Relaxed);
            self.0.left.notify_one();
        }
    }

    async fn run(job: Arc<Job>) -> Result<usize, Error> {
        let number = job.begun.fetch_add(1, Ordering::Relaxed);
        let ends = Ends(Arc::clone(&job));
        job.go.notified().await;
        drop(ends);
        Ok(number)
    }

    #[tokio::test]
    async fn who_asks_meanwhile_gets_the_same_and_who_asks_later_something_new() {
        let (shared, tasks, job) = (Shared::default(), Tasks::new(), Arc::new(Job::default()));
        let ask = |key: &'static str| shared.get(&tasks, key, || run(Arc::clone(&job)));
        let go = async { job.go.notify_one() };
        let (one, other, ()) = tokio::join!(ask("a"), ask("a"), go);
        assert_eq!((one.unwrap(), other.unwrap()), (0, 0));
        job.go.notify_one();
        assert_eq!(ask("a").await.unwrap(), 1);
        let both = async {
            tokio::task::yield_now().await;
            job.go.notify_waiters();
            job.go.notify_one();
        };
        let (one, other, ()) = tokio::join!(ask("a"), ask("b"), both);
        assert_eq!(one.unwrap() + other.unwrap(), 2 + 3);
    }

    #[tokio::test]
    async fn the_work_ends_with_the_last_who_waits() {
        let (shared, tasks, job) = (Shared::default(), Tasks::new(), Arc::new(Job::default()));
        let ask = || Box::pin(shared.get(&tasks, "a", || run(Arc::clone(&job))));
        let (mut one, mut other) = (ask(), ask());
        std::future::poll_fn(|cx| {
            assert!(one.as_mut().poll(cx).is_pending() && other.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        while job.begun.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        drop(one);
        tokio::task::yield_now().await;
        assert_eq!(job.ended.load(Ordering::Relaxed), 0);
        drop(other);
        job.left.notified().await;
        assert_eq!(job.ended.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn work_that_fails_in_the_worst_way_is_an_error() {
        let (shared, tasks) = (Shared::<_, ()>::default(), Tasks::new());
        let made = shared.get(&tasks, "a", || async { panic!("broken") }).await;
        assert_eq!(made.unwrap_err().kind(), ErrorKind::Ended);
    }
}
