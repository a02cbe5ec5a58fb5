//! Room for answers that are made whole: what those of one connection may occupy until its client has taken them. Over HTTP/2 a client
//! may ask for a thousand at once, and read none of them.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore};

/// What is counted by.
const UNIT: usize = 1024;

/// For two pages of history.
const UNITS: usize = 2048;

/// The room of one connection.
#[derive(Debug)]
pub(crate) struct Room {
    turns: Mutex<()>,
    units: Arc<Semaphore>,
}

/// What one answer has of it, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    _units: Option<OwnedSemaphorePermit>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { turns: Mutex::default(), units: Arc::new(Semaphore::new(UNITS)) }
    }

    /// Waits until no other answer of this connection is being made, or waits for room: so what has no room yet is one of them.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turns.lock().await
    }

    /// Waits until there is room for an answer of so many bytes. One that is larger than all of the room waits until it has all of it.
    pub(crate) async fn share(&self, bytes: usize) -> Share {
        let units = bytes.div_ceil(UNIT).min(UNITS) as u32;
        // Nobody closes it.
        Share { _units: self.units.clone().acquire_many_owned(units).await.ok() }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Context};

    use super::*;

    fn at_once<T>(what: impl Future<Output = T>) -> Option<T> {
        let mut what = pin!(what);
        match what.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(done) => Some(done),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn what_nobody_takes_leaves_no_room_for_more() {
        let room = Room::new();
        let large = at_once(room.share(2000 * UNIT)).expect("room");
        let small = at_once(room.share(1)).expect("room");
        assert!(at_once(room.share(48 * UNIT)).is_none());
        drop(small);
        assert!(at_once(room.share(48 * UNIT)).is_some());
        drop(large);
        let huge = at_once(room.share(usize::MAX)).expect("all of it");
        assert!(at_once(room.share(1)).is_none());
        drop(huge);
        assert!(at_once(room.share(1)).is_some());
    }

    #[test]
    fn one_is_made_at_a_time() {
        let room = Room::new();
        let turn = at_once(room.turn()).expect("nobody else");
        assert!(at_once(room.turn()).is_none());
        drop(turn);
        assert!(at_once(room.turn()).is_some());
    }
}
