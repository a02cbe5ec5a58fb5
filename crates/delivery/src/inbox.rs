//! What other threads tell a shard.

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
use tricast_core::{CommandResult, ShardWaker};

use crate::handoff::Handoff;

/// The token under which a shard hears its inbox.
pub(crate) const INBOX: mio::Token = mio::Token(usize::MAX);

pub(crate) enum ShardEvent {
    /// A connection that belongs to the shard from here on.
    Handoff(Box<Handoff>),
    /// A connection should look at the log: a goodbye, a change of the online count.
    ReaderWoken(u32),
    /// The work that a connection's peer asked for is done.
    CommandDone { key: u32, generation: u32, result: CommandResult },
    /// The shard ends, and its connections with it.
    Close,
}

pub(crate) struct Inbox {
    queue: Mutex<InboxQueue>,
    waker: mio::Waker,
    /// The shard's thread, once it runs.
    owner: OnceLock<ThreadId>,
    /// The shard has rung for itself, and will look before it sleeps: no system call is needed for that.
    woken: AtomicBool,
}

#[derive(Default)]
struct InboxQueue {
    events: VecDeque<ShardEvent>,
    /// Nobody reads any more.
    closed: bool,
}

impl Inbox {
    pub(crate) fn new(registry: &mio::Registry) -> io::Result<Arc<Self>> {
        let waker = mio::Waker::new(registry, INBOX)?;
        let (owner, woken) = (OnceLock::new(), AtomicBool::new(false));
        Ok(Arc::new(Self { queue: Mutex::default(), waker, owner, woken }))
    }

    /// This is the shard's thread.
    pub(crate) fn set_owner_thread(&self) {
        self.owner.get_or_init(|| thread::current().id());
    }

    /// The shard looks now.
    pub(crate) fn clear_woken(&self) {
        self.woken.store(false, Ordering::Relaxed);
    }

    /// Whether the shard has rung for itself.
    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Relaxed)
    }

    /// Posts a note; gives it back when the inbox is closed.
    pub(crate) fn post(&self, event: ShardEvent) -> Result<(), ShardEvent> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(event);
        }
        let first = queue.events.is_empty();
        queue.events.push_back(event);
        drop(queue);
        // A shard with older notes has been woken, and has not come yet.
        if first {
            self.wake_poll();
        }
        Ok(())
    }

    /// Moves everything that was posted behind `notes`.
    pub(crate) fn take(&self, events: &mut VecDeque<ShardEvent>) {
        let queued = &mut self.queue.lock().events;
        if events.is_empty() {
            std::mem::swap(queued, events);
        } else {
            events.append(queued);
        }
    }

    /// Takes nothing any more.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let left = std::mem::take(&mut queue.events);
        // A connection that goes may ring here.
        drop(queue);
        drop(left);
    }

    fn wake_poll(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "a shard cannot be woken");
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

    /// A key may be another's by then: that one looks in vain.
    fn wake_reader(&self, key: u32) {
        // When the shard has closed, so have its connections.
        let _ = self.post(ShardEvent::ReaderWoken(key));
    }
}
