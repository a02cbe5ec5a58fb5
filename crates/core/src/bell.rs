//! How a sleeping reader learns that it should look at the log again.
//!
//! A ring is only a hint: the reader registers its waker first and reads the log then, so that
//! whatever is appended after its read finds the waker there.

use std::task::Waker;

use slab::Slab;

use crate::{
    CloseReason,
    sync::{AtomicU8, AtomicU32, Mutex, Ordering},
};

/// One reader's bell.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    waker: Mutex<Option<Waker>>,
    close: AtomicU8,
    retry: AtomicU32,
}

impl Bell {
    /// Sets who is to be woken by the next ring; call it before reading the log.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut slot = self.waker.lock();
        match &mut *slot {
            Some(registered) => registered.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }

    /// Wakes the reader, if it sleeps.
    pub(crate) fn ring(&self) {
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Asks the reader to say goodbye; the first reason given stays. `retry` in milliseconds.
    pub(crate) fn close(&self, reason: CloseReason, retry: u32) {
        self.retry.store(retry, Ordering::Relaxed);
        let _ = self.close.compare_exchange(0, reason as u8, Ordering::Release, Ordering::Relaxed);
        self.ring();
    }

    /// The goodbye that was asked for: reason, and milliseconds to stay away.
    pub(crate) fn closing(&self) -> Option<(CloseReason, u32)> {
        let reason = CloseReason::from_code(self.close.load(Ordering::Acquire))?;
        Some((reason, self.retry.load(Ordering::Relaxed)))
    }
}

/// The bells of one channel's readers. Its own lock, so that ringing thousands of
/// bells keeps nobody from the log.
#[derive(Debug, Default)]
pub(crate) struct Belfry {
    bells: Mutex<Slab<Rope>>,
}

#[derive(Debug)]
struct Rope {
    bell: std::sync::Arc<Bell>,
    watches_online: bool,
}

impl Belfry {
    pub(crate) fn hang(&self, bell: &std::sync::Arc<Bell>, watches_online: bool) -> usize {
        self.bells.lock().insert(Rope { bell: bell.clone(), watches_online })
    }

    pub(crate) fn take_down(&self, place: usize) {
        let mut bells = self.bells.lock();
        bells.remove(place);
        if bells.is_empty() {
            bells.shrink_to_fit();
        }
    }

    /// Wakes every reader.
    pub(crate) fn ring(&self) {
        for (_, rope) in self.bells.lock().iter() {
            rope.bell.ring();
        }
    }

    /// Wakes the readers that want to know the online count.
    pub(crate) fn ring_watchers(&self) {
        for (_, rope) in self.bells.lock().iter().filter(|(_, rope)| rope.watches_online) {
            rope.bell.ring();
        }
    }
}
