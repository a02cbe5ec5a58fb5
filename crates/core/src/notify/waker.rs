//! How a sleeping reader learns that it should look at the log again.
//!
//! A ring is only a hint: the reader registers its waker first and reads the log then, so that
//! whatever is appended after its read finds the waker there.

use std::{collections::BTreeMap, sync::Arc, task::Waker};

use crate::{
    CloseReason,
    notify::connection::ConnectionInfo,
    sync::{AtomicU64, Mutex, Ordering},
};

/// How a shard is woken. Called with no lock held.
pub trait ShardWaker: Send + Sync {
    /// There is news at some desk.
    fn wake(&self);

    /// One of its readers should look at the log: a goodbye, a change of the online count.
    fn wake_reader(&self, key: u32);
}

/// One reader's bell.
#[derive(Debug)]
pub(crate) struct ReaderWaker {
    target: Mutex<Option<WakeTarget>>,
    /// The goodbye that was asked for: reason in the upper half, retry in the lower; 0 is none.
    close: AtomicU64,
    /// Whose it is. Kept here, and not beside it, because there is one of each for every connection.
    pub(crate) info: ConnectionInfo,
}

/// Who is to be woken.
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

    /// Sets who is to be woken by the next ring; call it before reading the log.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut slot = self.target.lock();
        match &mut *slot {
            Some(WakeTarget::Task(registered)) => registered.clone_from(waker),
            slot => *slot = Some(WakeTarget::Task(waker.clone())),
        }
    }

    /// The same for a reader of a shard.
    pub(crate) fn register_shard(&self, waker: &Arc<dyn ShardWaker>, key: u32) {
        let mut slot = self.target.lock();
        if !matches!(&*slot, Some(WakeTarget::Shard(..))) {
            *slot = Some(WakeTarget::Shard(waker.clone(), key));
        }
    }

    /// Wakes the reader, if it sleeps.
    pub(crate) fn wake(&self) {
        let target = self.target.lock().take();
        match target {
            Some(WakeTarget::Task(waker)) => waker.wake(),
            Some(WakeTarget::Shard(waker, key)) => waker.wake_reader(key),
            None => {}
        }
    }

    /// Asks the reader to say goodbye; the first reason given stays. `retry` in milliseconds.
    pub(crate) fn close(&self, reason: CloseReason, retry: u32) {
        let goodbye = u64::from(reason as u8) << 32 | u64::from(retry);
        let _ = self.close.compare_exchange(0, goodbye, Ordering::Relaxed, Ordering::Relaxed);
        self.wake();
    }

    /// The goodbye that was asked for: reason, and milliseconds to stay away.
    pub(crate) fn close_request(&self) -> Option<(CloseReason, u32)> {
        let goodbye = self.close.load(Ordering::Relaxed);
        let reason = CloseReason::from_code((goodbye >> 32) as u8)?;
        Some((reason, goodbye as u32))
    }
}

/// The bells of one channel's readers. Its own lock, and held only to copy a few, so that ringing
/// thousands of bells keeps nobody from the log or from leaving.
#[derive(Debug, Default)]
pub(crate) struct WakerSet {
    wakers: Mutex<WakerEntries>,
}

#[derive(Debug, Default)]
struct WakerEntries {
    /// By place, which only grows: whoever leaves leaves no hole to walk over.
    entries: BTreeMap<u64, WakerEntry>,
    next_id: u64,
    /// Those that are pulled for messages; where shards bring the news there are none.
    message_readers: usize,
}

#[derive(Clone, Debug)]
struct WakerEntry {
    waker: Arc<ReaderWaker>,
    wake_on: WakeOn,
}

/// What a rope is pulled for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WakeOn {
    pub(crate) messages: bool,
    pub(crate) online: bool,
}

/// How many bells are copied at once.
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

    /// Wakes the readers that read by themselves.
    pub(crate) fn wake_message_readers(&self) {
        if self.wakers.lock().message_readers > 0 {
            self.wake_matching(|wake_on| wake_on.messages);
        }
    }

    /// Wakes the readers that want to know the online count.
    pub(crate) fn wake_count_watchers(&self) {
        self.wake_matching(|wake_on| wake_on.online);
    }

    /// Whoever is hung while this goes on has yet to read the log, and needs no ring.
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
