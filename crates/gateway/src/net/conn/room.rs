//! Room for answers that are made whole: what those of one connection may occupy until its client has taken them. Over HTTP/2 a client
//! may ask for a thousand at once, and read none of them.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// What is counted by.
const UNIT: usize = 1024;

/// For two pages of history.
const UNITS: usize = 2048;

/// How long an answer waits for those of its connection while nothing of them is taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// The room of one connection.
#[derive(Debug)]
pub(crate) struct Room {
    turns: Mutex<()>,
    units: Arc<Semaphore>,
    progress: Progress,
}

/// What one answer has of it, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share(OwnedSemaphorePermit);

/// Notes that something of an answer is taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(crate) fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn mark(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Share {
    /// Whether an answer of so many bytes has all the room that it needs.
    pub(crate) fn is_for(&self, bytes: usize) -> bool {
        units(bytes) as usize <= self.0.num_permits()
    }
}

impl Room {
    pub(crate) fn new() -> Self {
        let units = Arc::new(Semaphore::new(UNITS));
        Self { turns: Mutex::default(), units, progress: Progress::default() }
    }

    /// Waits until no other answer of this connection is being made. Nobody waits for the client meanwhile.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turns.lock().await
    }

    /// Room for an answer of so many bytes, if there is any now.
    pub(crate) fn share_at_once(&self, bytes: usize) -> Option<Share> {
        self.units.clone().try_acquire_many_owned(units(bytes)).ok().map(Share)
    }

    /// Waits until there is room for an answer of so many bytes, for as long as the client goes on to take others. One that is larger
    /// than all of the room waits until it has all of it.
    pub(crate) async fn share(&self, bytes: usize) -> Option<Share> {
        let mut room = pin!(self.units.clone().acquire_many_owned(units(bytes)));
        loop {
            let before = self.progress.mark();
            match timeout(PATIENCE, room.as_mut()).await {
                // Nobody closes it.
                Ok(permit) => return permit.ok().map(Share),
                Err(_) if self.progress.mark() == before => return None,
                Err(_) => {}
            }
        }
    }

    /// Where its answers note that they are taken.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

fn units(bytes: usize) -> u32 {
    bytes.div_ceil(UNIT).min(UNITS) as u32
}

#[cfg(test)]
mod tests {
    use std::{future::Future, task::Context};

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
        let large = room.share_at_once(2000 * UNIT).expect("room");
        let small = room.share_at_once(1).expect("room");
        assert!(room.share_at_once(48 * UNIT).is_none());
        drop(small);
        assert!(room.share_at_once(48 * UNIT).is_some());
        drop(large);
        let huge = room.share_at_once(usize::MAX).expect("all of it");
        assert!(huge.is_for(usize::MAX) && room.share_at_once(1).is_none());
        drop(huge);
        assert!(room.share_at_once(1).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_does_so_while_others_are_taken() {
        let room = Room::new();
        let large = room.share_at_once(2000 * UNIT).expect("room");
        assert!(room.share(49 * UNIT).await.is_none(), "nothing of it is taken");
        let mut waits = pin!(room.share(49 * UNIT));
        for _ in 0..5 {
            room.progress().note();
            assert!(timeout(PATIENCE - Duration::from_millis(1), waits.as_mut()).await.is_err());
        }
        drop(large);
        assert!(waits.await.is_some_and(|share| share.is_for(49 * UNIT)));
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
