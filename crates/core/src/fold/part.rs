//! The part that a message has in a fold.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::Seq;

/// What a message does to a fold of its channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The fold; unique among those that are open in one channel.
    pub key: Arc<str>,
    /// What the message does to it.
    pub step: PartStep,
}

/// A step of a fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartStep {
    /// Opens the fold.
    Begin,
    /// Adds to it.
    Add,
    /// Closes it. The message carries the whole, or says that there is none.
    End,
}

/// A fold, as its parts know it.
#[derive(Debug)]
pub(crate) struct FoldMember {
    pub(crate) key: Arc<str>,
    /// The seq of the message that ends it; 0 before that.
    ended: AtomicU64,
}

impl FoldMember {
    pub(super) fn new(key: Arc<str>) -> Self {
        Self { key, ended: AtomicU64::new(0) }
    }

    /// Returns the seq of the message that ends the fold, once that is published. Changes under the
    /// log's lock.
    pub(crate) fn ended(&self) -> Option<Seq> {
        Some(self.ended.load(Ordering::Relaxed)).filter(|seq| *seq > 0)
    }

    pub(super) fn end(&self, seq: Seq) {
        self.ended.store(seq, Ordering::Relaxed);
    }
}
