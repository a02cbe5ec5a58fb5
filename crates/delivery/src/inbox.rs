//! Events that other threads post to a shard.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, ThreadId},
};

use parking_lot::Mutex;
use tricast_core::{CommandOutcome, ShardWaker};

use crate::{conns::ConnKey, handoff::Handoff};

/// The token of the inbox among the sockets that a shard polls.
pub(crate) const INBOX: mio::Token = mio::Token(usize::MAX);

pub(crate) enum ShardEvent {
    /// A connection that belongs to the shard from now on.
    Handoff(Box<Handoff>),
    /// The connection at this index should read the log: it has to say goodbye, or the online
    /// count has changed.
    ReaderWoken(u32),
    /// A command that a connection's peer sent is done.
    CommandDone { key: ConnKey, outcome: CommandOutcome },
    /// The next reply that a connection waits for is there.
    ReplyReady(ConnKey),
    /// The shard ends and closes its connections.
    Close,
}

pub(crate) struct Inbox {
    queue: Mutex<InboxQueue>,
    waker: mio::Waker,
    /// The shard's thread, once it has started.
    owner: OnceLock<ThreadId>,
    /// The shard's own thread has woken it. It reads this flag before it sleeps, so that needs no
    /// system call.
    woken: AtomicBool,
}

#[derive(Default)]
struct InboxQueue {
    events: VecDeque<ShardEvent>,
    closed: bool,
}

impl Inbox {
    pub(crate) fn new(registry: &mio::Registry) -> io::Result<Arc<Self>> {
        let waker = mio::Waker::new(registry, INBOX)?;
        let (owner, woken) = (OnceLock::new(), AtomicBool::new(false));
        Ok(Arc::new(Self { queue: Mutex::default(), waker, owner, woken }))
    }

    /// Makes the current thread the shard's.
    pub(crate) fn set_owner_thread(&self) {
        self.owner.get_or_init(|| thread::current().id());
    }

    /// Forgets a wake-up by the shard's own thread, before the shard takes its batches.
    pub(crate) fn clear_woken(&self) {
        self.woken.store(false, Ordering::Relaxed);
    }

    /// Returns whether the shard's own thread has woken it.
    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Relaxed)
    }

    /// Posts an event, or returns it if the inbox is closed.
    pub(crate) fn post(&self, event: ShardEvent) -> Result<(), ShardEvent> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(event);
        }
        let first = queue.events.is_empty();
        queue.events.push_back(event);
        drop(queue);
        // A shard with earlier events has been woken already.
        if first {
            self.wake_poll();
        }
        Ok(())
    }

    /// Appends everything that was posted to `events`.
    pub(crate) fn take(&self, events: &mut VecDeque<ShardEvent>) {
        let queued = &mut self.queue.lock().events;
        if events.is_empty() {
            std::mem::swap(queued, events);
        } else {
            events.append(queued);
        }
    }

    /// Closes the inbox and drops what it holds.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let left = std::mem::take(&mut queue.events);
        // A connection that is dropped may wake a reader of this shard, which takes the lock.
        drop(queue);
        drop(left);
    }

    fn wake_poll(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "cannot wake a shard");
        }
    }
}

impl ShardWaker for Inbox {
    fn wake(&self) {
        if self.owner.get() == Some(&thread::current().id()) {
            self.woken.store(true, Ordering::Relaxed);
        } else {
            self.wake_poll();
        }
    }

    /// The connection may have closed by the time the event is read, and its index may belong to
    /// another, which then reads the log in vain.
    fn wake_reader(&self, key: u32) {
        // If the shard has closed, so have its connections.
        let _ = self.post(ShardEvent::ReaderWoken(key));
    }
}
