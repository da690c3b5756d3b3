//! Owned tasks: everything that is spawned has a name, a span and somebody who
//! waits for it.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// A group of tasks that is joined at shutdown. Cloning shares the group.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    names: Names,
}

/// How many tasks of each name are running.
type Names = Arc<Mutex<BTreeMap<&'static str, usize>>>;

impl Tasks {
    /// An empty group.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a future as a task of this group, in the caller's span.
    ///
    /// A panic ends that task only; it is reported under `name`.
    pub fn spawn<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let span = tracing::Span::current();
        let task = CatchPanic {
            name,
            inner: Box::pin(future),
            _listed: Listed::new(Arc::clone(&self.names), name),
        };
        #[allow(clippy::disallowed_methods)] // the one place that may spawn
        self.tracker.spawn(task.instrument(span));
    }

    /// Names of running tasks and how many there are of each.
    pub fn names(&self) -> Vec<(&'static str, usize)> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().map(|(name, count)| (*name, *count)).collect()
    }

    /// Tasks that have not ended.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// True if no task is running.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Waits until all tasks have ended, at most `limit`. Says whether they have.
    pub async fn join(&self, limit: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }
}

/// A task in the list, until it is dropped.
struct Listed {
    names: Names,
    name: &'static str,
}

impl Listed {
    fn new(names: Names, name: &'static str) -> Self {
        *names.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
        Self { names, name }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = names.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                names.remove(self.name);
            }
        }
    }
}

struct CatchPanic<F> {
    name: &'static str,
    inner: Pin<Box<F>>,
    _listed: Listed,
}

impl<F: Future<Output = ()>> Future for CatchPanic<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let name = self.name;
        let inner = self.inner.as_mut();
        match std::panic::catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
            Ok(poll) => poll,
            Err(panic) => {
                let text = panic
                    .downcast_ref::<&str>()
                    .map(ToString::to_string)
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_else(|| "unknown panic".to_owned());
                tracing::error!(target: "streams", task = name, panic = %text, "task ended by a panic");
                Poll::Ready(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_only_its_task() {
        let tasks = Tasks::new();
        let (tx, rx) = tokio::sync::oneshot::channel();
        tasks.spawn("bad", async { panic!("boom") });
        assert_eq!(tasks.names(), [("bad", 1)]);
        tasks.spawn("good", async move {
            let _ = tx.send(7);
        });
        assert_eq!(rx.await.unwrap(), 7);
        assert!(tasks.join(Duration::from_secs(5)).await);
        assert_eq!(tasks.names(), []);
    }
}
