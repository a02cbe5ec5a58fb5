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
use tricast_core::{Answer, Doorbell};

use crate::conn::Newcomer;

/// The token under which a shard hears its inbox.
pub(crate) const INBOX: mio::Token = mio::Token(usize::MAX);

pub(crate) enum Note {
    /// A connection that belongs to the shard from here on.
    Newcomer(Box<Newcomer>),
    /// A connection should look at the log: a goodbye, a change of the online count.
    Called(u32),
    /// The work that a connection's peer asked for is done.
    Answered { key: u32, birth: u32, answer: Answer },
    /// The shard ends, and its connections with it.
    Close,
}

pub(crate) struct Inbox {
    posted: Mutex<Posted>,
    waker: mio::Waker,
    /// The shard's thread, once it runs.
    owner: OnceLock<ThreadId>,
    /// The shard has rung for itself, and will look before it sleeps: no system call is needed for that.
    rung: AtomicBool,
}

#[derive(Default)]
struct Posted {
    notes: VecDeque<Note>,
    /// Nobody reads any more.
    closed: bool,
}

impl Inbox {
    pub(crate) fn new(registry: &mio::Registry) -> io::Result<Arc<Self>> {
        let waker = mio::Waker::new(registry, INBOX)?;
        let (owner, rung) = (OnceLock::new(), AtomicBool::new(false));
        Ok(Arc::new(Self { posted: Mutex::default(), waker, owner, rung }))
    }

    /// This is the shard's thread.
    pub(crate) fn own(&self) {
        self.owner.get_or_init(|| thread::current().id());
    }

    /// The shard looks now.
    pub(crate) fn clear_ring(&self) {
        self.rung.store(false, Ordering::Relaxed);
    }

    /// Whether the shard has rung for itself.
    pub(crate) fn has_rung(&self) -> bool {
        self.rung.load(Ordering::Relaxed)
    }

    /// Posts a note; gives it back when the inbox is closed.
    pub(crate) fn post(&self, note: Note) -> Result<(), Note> {
        let mut posted = self.posted.lock();
        if posted.closed {
            return Err(note);
        }
        let first = posted.notes.is_empty();
        posted.notes.push_back(note);
        drop(posted);
        // A shard with older notes has been woken, and has not come yet.
        if first {
            self.wake();
        }
        Ok(())
    }

    /// Moves everything that was posted behind `notes`.
    pub(crate) fn take(&self, notes: &mut VecDeque<Note>) {
        let posted = &mut self.posted.lock().notes;
        if notes.is_empty() {
            std::mem::swap(posted, notes);
        } else {
            notes.append(posted);
        }
    }

    /// Takes nothing any more.
    pub(crate) fn close(&self) {
        let mut posted = self.posted.lock();
        posted.closed = true;
        let left = std::mem::take(&mut posted.notes);
        // A connection that goes may ring here.
        drop(posted);
        drop(left);
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "a shard cannot be woken");
        }
    }
}

impl Doorbell for Inbox {
    fn ring(&self) {
        if self.owner.get() == Some(&thread::current().id()) {
            self.rung.store(true, Ordering::Relaxed);
        } else {
            self.wake();
        }
    }

    /// A key may be another's by then: that one looks in vain.
    fn call(&self, key: u32) {
        // When the shard has closed, so have its connections.
        let _ = self.post(Note::Called(key));
    }
}
