//! The memory budget of messages, encodings included.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The bytes that all messages of a log occupy, encodings included, and their limit.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    bytes: AtomicUsize,
    limit: usize,
}

impl MemoryBudget {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), limit }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the bytes above the limit.
    pub(crate) fn excess(&self) -> usize {
        self.bytes().saturating_sub(self.limit)
    }

    fn has_headroom(&self) -> bool {
        self.bytes() < self.limit / 2
    }
}

/// The share of one message, returned to the budget when it is dropped.
#[derive(Debug)]
pub(crate) struct MemoryShare {
    memory: Arc<MemoryBudget>,
    bytes: AtomicUsize,
}

impl MemoryShare {
    pub(crate) fn new(memory: &Arc<MemoryBudget>, bytes: usize) -> Self {
        let share = Self { memory: Arc::clone(memory), bytes: AtomicUsize::new(0) };
        share.grow(bytes);
        share
    }

    /// Returns the bytes of this message.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn has_headroom(&self) -> bool {
        self.memory.has_headroom()
    }

    pub(super) fn grow(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.memory.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.memory.bytes.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}
