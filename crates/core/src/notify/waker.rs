//! How a sleeping reader learns that it should look at the log again.
//!
//! A ring is only a hint: the reader registers its waker first and reads the log then, so that
//! whatever is appended after its read finds the waker there.

use std::{collections::BTreeMap, sync::Arc, task::Waker};

use crate::{
    CloseReason, Doorbell,
    subscription::connections::Card,
    sync::{AtomicU64, Mutex, Ordering},
};

/// One reader's bell.
#[derive(Debug)]
pub(crate) struct Bell {
    sleeper: Mutex<Option<Sleeper>>,
    /// The goodbye that was asked for: reason in the upper half, retry in the lower; 0 is none.
    close: AtomicU64,
    /// Whose it is. Kept here, and not beside it, because there is one of each for every connection.
    pub(crate) card: Card,
}

/// Who is to be woken.
enum Sleeper {
    Task(Waker),
    /// A reader of a shard, by its key there.
    Shard(Arc<dyn Doorbell>, u32),
}

impl std::fmt::Debug for Sleeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sleeper")
    }
}

impl Bell {
    pub(crate) fn new(card: Card) -> Arc<Self> {
        Arc::new(Self { sleeper: Mutex::new(None), close: AtomicU64::new(0), card })
    }

    /// Sets who is to be woken by the next ring; call it before reading the log.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut slot = self.sleeper.lock();
        match &mut *slot {
            Some(Sleeper::Task(registered)) => registered.clone_from(waker),
            slot => *slot = Some(Sleeper::Task(waker.clone())),
        }
    }

    /// The same for a reader of a shard.
    pub(crate) fn register_at(&self, doorbell: &Arc<dyn Doorbell>, key: u32) {
        let mut slot = self.sleeper.lock();
        if !matches!(&*slot, Some(Sleeper::Shard(..))) {
            *slot = Some(Sleeper::Shard(doorbell.clone(), key));
        }
    }

    /// Wakes the reader, if it sleeps.
    pub(crate) fn ring(&self) {
        let sleeper = self.sleeper.lock().take();
        match sleeper {
            Some(Sleeper::Task(waker)) => waker.wake(),
            Some(Sleeper::Shard(doorbell, key)) => doorbell.call(key),
            None => {}
        }
    }

    /// Asks the reader to say goodbye; the first reason given stays. `retry` in milliseconds.
    pub(crate) fn close(&self, reason: CloseReason, retry: u32) {
        let goodbye = u64::from(reason as u8) << 32 | u64::from(retry);
        let _ = self.close.compare_exchange(0, goodbye, Ordering::Relaxed, Ordering::Relaxed);
        self.ring();
    }

    /// The goodbye that was asked for: reason, and milliseconds to stay away.
    pub(crate) fn closing(&self) -> Option<(CloseReason, u32)> {
        let goodbye = self.close.load(Ordering::Relaxed);
        let reason = CloseReason::from_code((goodbye >> 32) as u8)?;
        Some((reason, goodbye as u32))
    }
}

/// The bells of one channel's readers. Its own lock, and held only to copy a few, so that ringing
/// thousands of bells keeps nobody from the log or from leaving.
#[derive(Debug, Default)]
pub(crate) struct Belfry {
    bells: Mutex<Bells>,
}

#[derive(Debug, Default)]
struct Bells {
    /// By place, which only grows: whoever leaves leaves no hole to walk over.
    hung: BTreeMap<u64, Rope>,
    next: u64,
    /// Those that are pulled for messages; where shards bring the news there are none.
    for_messages: usize,
}

#[derive(Clone, Debug)]
struct Rope {
    bell: Arc<Bell>,
    calls: Calls,
}

/// What a rope is pulled for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calls {
    pub(crate) messages: bool,
    pub(crate) online: bool,
}

/// How many bells are copied at once.
const CHUNK: usize = 256;

impl Belfry {
    pub(crate) fn hang(&self, bell: &Arc<Bell>, calls: Calls) -> u64 {
        let mut bells = self.bells.lock();
        let place = bells.next;
        bells.next += 1;
        bells.for_messages += usize::from(calls.messages);
        bells.hung.insert(place, Rope { bell: bell.clone(), calls });
        place
    }

    pub(crate) fn take_down(&self, place: u64) {
        let mut bells = self.bells.lock();
        if let Some(rope) = bells.hung.remove(&place) {
            bells.for_messages -= usize::from(rope.calls.messages);
        }
    }

    /// Wakes the readers that read by themselves.
    pub(crate) fn ring(&self) {
        if self.bells.lock().for_messages > 0 {
            self.ring_those(|calls| calls.messages);
        }
    }

    /// Wakes the readers that want to know the online count.
    pub(crate) fn ring_watchers(&self) {
        self.ring_those(|calls| calls.online);
    }

    /// Whoever is hung while this goes on has yet to read the log, and needs no ring.
    fn ring_those(&self, wanted: impl Fn(&Calls) -> bool) {
        let mut from = 0;
        let mut chunk: Vec<(u64, Rope)> = Vec::new();
        loop {
            let bells = self.bells.lock();
            let next = bells.hung.range(from..).take(CHUNK);
            chunk.extend(next.map(|(place, rope)| (*place, rope.clone())));
            drop(bells);
            let Some((last, _)) = chunk.last() else { return };
            from = last + 1;
            chunk
                .drain(..)
                .filter(|(_, rope)| wanted(&rope.calls))
                .for_each(|(_, rope)| rope.bell.ring());
        }
    }
}
