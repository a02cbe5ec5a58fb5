//! The window of a connection that publishes: how much of it may be in flight, and what waits for
//! that.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{AcquireError, Semaphore};

/// The most publishes of one connection that are in flight.
const MESSAGES: u32 = 64;

/// The share of the window that is counted as one message. A larger message counts as several, so
/// that the window is bounded in bytes too; one that is larger than the window fills it.
const BYTES_PER_MESSAGE: usize = 4 * 1024;

/// The publishes of one connection that the engine has yet to settle.
#[derive(Clone, Debug)]
pub(crate) struct PublishWindow(Arc<Window>);

#[derive(Debug)]
struct Window {
    room: Semaphore,
    /// The outcome of a publish is unknown, so what is in flight settles before another is sent.
    settles_first: AtomicBool,
}

/// A publish in flight; it leaves its window on drop.
#[derive(Debug)]
pub(crate) struct InFlight {
    window: PublishWindow,
    share: u32,
}

impl Default for PublishWindow {
    fn default() -> Self {
        let room = Semaphore::new(MESSAGES as usize);
        Self(Arc::new(Window { room, settles_first: AtomicBool::new(false) }))
    }
}

impl PublishWindow {
    /// Returns whether nothing is in flight.
    pub(crate) fn is_unused(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Waits until nothing is in flight.
    pub(crate) async fn settled(&self) {
        drop(never_closed(self.0.room.acquire_many(MESSAGES).await));
    }

    /// Waits for room for a publish of `bytes`.
    pub(crate) async fn enter(&self, bytes: usize) -> InFlight {
        if self.0.settles_first.load(Ordering::Relaxed) {
            self.settled().await;
            self.0.settles_first.store(false, Ordering::Relaxed);
        }
        let share = (bytes / BYTES_PER_MESSAGE).clamp(1, MESSAGES as usize) as u32;
        never_closed(self.0.room.acquire_many(share).await).forget();
        InFlight { window: self.clone(), share }
    }
}

impl InFlight {
    /// Notes that the outcome of this publish is unknown: nothing more is sent before everything in
    /// flight has settled.
    pub(crate) fn record_unknown(&self) {
        self.window.0.settles_first.store(true, Ordering::Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.window.0.room.add_permits(self.share as usize);
    }
}

fn never_closed<T>(acquired: Result<T, AcquireError>) -> T {
    acquired.expect("the semaphore is never closed")
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    fn is_ready<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn the_window_is_bounded_in_messages_and_bytes() {
        let window = PublishWindow::default();
        let mut in_flight: Vec<InFlight> =
            (0..MESSAGES).map(|_| is_ready(window.enter(1)).expect("room")).collect();
        assert!(is_ready(window.enter(1)).is_none());
        assert!(is_ready(window.settled()).is_none());
        in_flight.pop();
        in_flight.push(is_ready(window.enter(1)).expect("room again"));
        in_flight.clear();
        assert!(window.is_unused());
        let large = is_ready(window.enter(usize::MAX)).expect("is alone");
        assert!(is_ready(window.enter(1)).is_none());
        drop(large);
        assert!(is_ready(window.settled()).is_some());
    }

    #[test]
    fn after_an_unknown_outcome_everything_settles_first() {
        let window = PublishWindow::default();
        let first = is_ready(window.enter(1)).expect("room");
        let second = is_ready(window.enter(1)).expect("room");
        first.record_unknown();
        drop(first);
        assert!(is_ready(window.enter(1)).is_none());
        drop(second);
        assert!(is_ready(window.enter(1)).is_some());
        let third = is_ready(window.enter(1));
        assert!(third.is_some() && is_ready(window.enter(1)).is_some());
    }
}
