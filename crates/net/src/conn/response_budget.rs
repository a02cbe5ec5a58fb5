//! A memory budget for whole responses (pages of history, lists) of one connection, until its
//! client has read them. Over HTTP/2 a client may request a thousand at once, and read none of
//! them.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore};
use tricast_core::awake_timeout;

/// Bytes of one permit.
const UNIT: usize = 1024;

/// Permits of a connection: enough for two pages of history.
const MAX_UNITS: usize = 2048;

/// Time for which a response waits for others of its connection while the client reads none of
/// them.
const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The memory budget of one connection.
#[derive(Debug)]
pub struct ResponseBudget {
    render_lock: Mutex<()>,
    units: Arc<Semaphore>,
    read_progress: ReadProgress,
}

/// The part of the budget that one response occupies, until it is dropped.
#[derive(Debug)]
pub struct ResponsePermit(OwnedSemaphorePermit);

/// Records that the client reads responses.
#[derive(Clone, Debug, Default)]
pub struct ReadProgress(Arc<AtomicU64>);

impl ReadProgress {
    /// Records that the client has taken some of a response.
    pub fn record(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl ResponsePermit {
    /// Whether the permit suffices for a response of `bytes`.
    pub fn covers(&self, bytes: usize) -> bool {
        to_units(bytes) as usize <= self.0.num_permits()
    }
}

impl Default for ResponseBudget {
    fn default() -> Self {
        let units = Arc::new(Semaphore::new(MAX_UNITS));
        Self { render_lock: Mutex::default(), units, read_progress: ReadProgress::default() }
    }
}

impl ResponseBudget {
    /// Waits until no other response of this connection is being made. That never depends on the
    /// client.
    pub async fn exclusive(&self) -> MutexGuard<'_, ()> {
        self.render_lock.lock().await
    }

    /// Reserves memory for a response of `bytes`, if there is enough now.
    pub fn try_acquire(&self, bytes: usize) -> Option<ResponsePermit> {
        self.units.clone().try_acquire_many_owned(to_units(bytes)).ok().map(ResponsePermit)
    }

    /// Waits for memory for a response of `bytes`, for as long as the client goes on to read
    /// others. One that is larger than the budget waits for all of it.
    pub async fn acquire(&self, bytes: usize) -> Option<ResponsePermit> {
        let mut acquiring = pin!(self.units.clone().acquire_many_owned(to_units(bytes)));
        loop {
            let before = self.read_progress.count();
            match awake_timeout(STALL_TIMEOUT, acquiring.as_mut()).await {
                // The semaphore is never closed.
                Some(permit) => return permit.ok().map(ResponsePermit),
                None if self.read_progress.count() == before => return None,
                None => {}
            }
        }
    }

    /// Returns the recorder of progress that responses of this connection share.
    pub fn progress(&self) -> ReadProgress {
        self.read_progress.clone()
    }
}

fn to_units(bytes: usize) -> u32 {
    bytes.div_ceil(UNIT).min(MAX_UNITS) as u32
}

#[cfg(test)]
mod tests {
    use std::{future::Future, task::Context};

    use tokio::time::timeout;

    use super::*;

    fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        match future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(done) => Some(done),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn unread_responses_use_up_the_budget() {
        let budget = ResponseBudget::default();
        let large = budget.try_acquire(2000 * UNIT).expect("room");
        let small = budget.try_acquire(1).expect("room");
        assert!(budget.try_acquire(48 * UNIT).is_none());
        drop(small);
        assert!(budget.try_acquire(48 * UNIT).is_some());
        drop(large);
        let huge = budget.try_acquire(usize::MAX).expect("all of it");
        assert!(huge.covers(usize::MAX) && budget.try_acquire(1).is_none());
        drop(huge);
        assert!(budget.try_acquire(1).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_waits_while_others_are_read() {
        let budget = ResponseBudget::default();
        let large = budget.try_acquire(2000 * UNIT).expect("room");
        assert!(budget.acquire(49 * UNIT).await.is_none(), "nothing of it is read");
        let mut waits = pin!(budget.acquire(49 * UNIT));
        for _ in 0..5 {
            budget.progress().record();
            assert!(
                timeout(STALL_TIMEOUT - Duration::from_millis(1), waits.as_mut()).await.is_err()
            );
        }
        drop(large);
        assert!(waits.await.is_some_and(|permit| permit.covers(49 * UNIT)));
    }

    #[test]
    fn one_response_is_made_at_a_time() {
        let budget = ResponseBudget::default();
        let guard = poll_once(budget.exclusive()).expect("no other");
        assert!(poll_once(budget.exclusive()).is_none());
        drop(guard);
        assert!(poll_once(budget.exclusive()).is_some());
    }
}
