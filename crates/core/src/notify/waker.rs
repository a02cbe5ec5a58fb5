//! Wakers of readers that wait for messages.
//!
//! A wake-up is only a hint to read the log again. A reader registers its waker first and then
//! reads the log, so that anything appended after its read finds the waker registered.

use std::{collections::BTreeMap, sync::Arc, task::Waker};

use crate::{
    CloseReason,
    notify::connection::ConnectionInfo,
    sync::{AtomicU64, Mutex, Ordering},
};

/// Wakes a shard. It is called while no lock is held.
pub trait ShardWaker: Send + Sync {
    /// Wakes the shard, because one of its channels is dirty.
    fn wake(&self);

    /// Wakes one reader of the shard, which has a close request or another online count to send.
    fn wake_reader(&self, key: u32);
}

/// The waker of one reader, by which it can also be asked to close.
#[derive(Debug)]
pub(crate) struct ReaderWaker {
    target: Mutex<Option<WakeTarget>>,
    /// The requested close: reason in the upper half, retry in the lower; 0 if there is none.
    close: AtomicU64,
    /// The reader's connection. It is stored here because each connection has exactly one waker.
    pub(crate) info: ConnectionInfo,
}

/// The target of a wake-up.
enum WakeTarget {
    Task(Waker),
    /// A reader of a shard, by its key there.
    Shard(Arc<dyn ShardWaker>, u32),
}

impl std::fmt::Debug for WakeTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WakeTarget")
    }
}

impl ReaderWaker {
    pub(crate) fn new(info: ConnectionInfo) -> Arc<Self> {
        Arc::new(Self { target: Mutex::new(None), close: AtomicU64::new(0), info })
    }

    /// Registers the task that the next wake-up is for. To be called before reading the log.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut slot = self.target.lock();
        match &mut *slot {
            Some(WakeTarget::Task(registered)) => registered.clone_from(waker),
            slot => *slot = Some(WakeTarget::Task(waker.clone())),
        }
    }

    /// Registers a reader of a shard, by its key there, instead of a task.
    pub(crate) fn register_shard(&self, waker: &Arc<dyn ShardWaker>, key: u32) {
        let mut slot = self.target.lock();
        if !matches!(&*slot, Some(WakeTarget::Shard(..))) {
            *slot = Some(WakeTarget::Shard(waker.clone(), key));
        }
    }

    /// Wakes the reader, if it waits.
    pub(crate) fn wake(&self) {
        let target = self.target.lock().take();
        match target {
            Some(WakeTarget::Task(waker)) => waker.wake(),
            Some(WakeTarget::Shard(waker, key)) => waker.wake_reader(key),
            None => {}
        }
    }

    /// Asks the reader to close; the first reason given stays. `retry` is in milliseconds.
    pub(crate) fn close(&self, reason: CloseReason, retry: u32) {
        let goodbye = u64::from(reason as u8) << 32 | u64::from(retry);
        let _ = self.close.compare_exchange(0, goodbye, Ordering::Relaxed, Ordering::Relaxed);
        self.wake();
    }

    /// Returns the close that was requested: its reason, and the client's retry delay in
    /// milliseconds.
    pub(crate) fn close_request(&self) -> Option<(CloseReason, u32)> {
        let goodbye = self.close.load(Ordering::Relaxed);
        let reason = CloseReason::from_code((goodbye >> 32) as u8)?;
        Some((reason, goodbye as u32))
    }
}

impl std::task::Wake for ReaderWaker {
    fn wake(self: Arc<Self>) {
        ReaderWaker::wake(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        ReaderWaker::wake(self);
    }
}

/// The wakers of one channel's readers. They have a lock of their own, held only to copy a few, so
/// that waking thousands of readers blocks neither the log nor a reader that leaves.
#[derive(Debug, Default)]
pub(crate) struct WakerSet {
    wakers: Mutex<WakerEntries>,
}

#[derive(Debug, Default)]
struct WakerEntries {
    /// Entries by id. Ids only increase, and the map keeps no holes of readers that have left.
    entries: BTreeMap<u64, WakerEntry>,
    next_id: u64,
    /// Entries that are woken by messages; none where all readers belong to shards.
    message_readers: usize,
}

#[derive(Clone, Debug)]
struct WakerEntry {
    waker: Arc<ReaderWaker>,
    wake_on: WakeOn,
}

/// The events for which an entry is woken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WakeOn {
    pub(crate) messages: bool,
    pub(crate) online: bool,
}

/// Entries that are copied while the lock is held once.
const CHUNK: usize = 256;

impl WakerSet {
    pub(crate) fn insert(&self, waker: &Arc<ReaderWaker>, wake_on: WakeOn) -> u64 {
        let mut wakers = self.wakers.lock();
        let id = wakers.next_id;
        wakers.next_id += 1;
        wakers.message_readers += usize::from(wake_on.messages);
        wakers.entries.insert(id, WakerEntry { waker: waker.clone(), wake_on });
        id
    }

    pub(crate) fn remove(&self, id: u64) {
        let mut wakers = self.wakers.lock();
        if let Some(entry) = wakers.entries.remove(&id) {
            wakers.message_readers -= usize::from(entry.wake_on.messages);
        }
    }

    /// Wakes the readers that wait for messages in a task of their own.
    pub(crate) fn wake_message_readers(&self) {
        if self.wakers.lock().message_readers > 0 {
            self.wake_matching(|wake_on| wake_on.messages);
        }
    }

    /// Wakes the readers that watch the online count.
    pub(crate) fn wake_count_watchers(&self) {
        self.wake_matching(|wake_on| wake_on.online);
    }

    /// Wakes the entries that `wanted` selects. A reader that is inserted meanwhile has yet to read
    /// the log, and needs no wake-up.
    fn wake_matching(&self, wanted: impl Fn(&WakeOn) -> bool) {
        let mut from = 0;
        let mut chunk: Vec<(u64, WakerEntry)> = Vec::new();
        loop {
            let wakers = self.wakers.lock();
            let next = wakers.entries.range(from..).take(CHUNK);
            chunk.extend(next.map(|(id, entry)| (*id, entry.clone())));
            drop(wakers);
            let Some((last, _)) = chunk.last() else { return };
            from = last + 1;
            chunk
                .drain(..)
                .filter(|(_, entry)| wanted(&entry.wake_on))
                .for_each(|(_, entry)| entry.waker.wake());
        }
    }
}
