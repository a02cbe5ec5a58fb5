//! What other threads tell a shard.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
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
    notes: Mutex<VecDeque<Note>>,
    waker: mio::Waker,
    closed: AtomicBool,
}

impl Inbox {
    pub(crate) fn new(registry: &mio::Registry) -> io::Result<Arc<Self>> {
        let waker = mio::Waker::new(registry, INBOX)?;
        Ok(Arc::new(Self { notes: Mutex::default(), waker, closed: AtomicBool::new(false) }))
    }

    pub(crate) fn post(&self, note: Note) {
        let mut notes = self.notes.lock();
        let first = notes.is_empty();
        notes.push_back(note);
        drop(notes);
        // A shard with older notes has been woken, and has not come yet.
        if first {
            self.wake();
        }
    }

    /// Moves everything that was posted behind `notes`.
    pub(crate) fn take(&self, notes: &mut VecDeque<Note>) {
        let mut posted = self.notes.lock();
        if notes.is_empty() {
            std::mem::swap(&mut *posted, notes);
        } else {
            notes.append(&mut posted);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "a shard cannot be woken");
        }
    }
}

impl Doorbell for Inbox {
    fn ring(&self) {
        self.wake();
    }

    /// A key may be another's by then: that one looks in vain.
    fn call(&self, key: u32) {
        self.post(Note::Called(key));
    }
}
