//! The memory that messages occupy, encodings included, and its limit.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes that all messages of a log occupy, encodings included, and how many they may.
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

    /// Bytes above the limit.
    pub(crate) fn excess(&self) -> usize {
        self.bytes().saturating_sub(self.limit)
    }

    fn has_headroom(&self) -> bool {
        self.bytes() < self.limit / 2
    }
}

/// One message's share of the memory, given back when it goes.
#[derive(Debug)]
pub(super) struct MemoryShare {
    memory: Arc<MemoryBudget>,
    bytes: AtomicUsize,
}

impl MemoryShare {
    pub(super) fn new(memory: &Arc<MemoryBudget>, bytes: usize) -> Self {
        let share = Self { memory: Arc::clone(memory), bytes: AtomicUsize::new(0) };
        share.grow(bytes);
        share
    }

    /// The bytes of this message alone.
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
