//! One read of a cursor: its limit, its progress, and the items that it returns.

use std::sync::Arc;

use crate::{Gap, Message, ReadRequest, SlowReader, fold::snapshot::Snapshot};

/// The limit of one read, so that the log is locked only briefly. The first message is read
/// whatever its size, then as many more as fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// Messages.
    pub messages: usize,
    /// Bytes of data.
    pub bytes: usize,
}

impl ReadLimit {
    /// Returns the limit that keeps to this one and to `other`.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { messages: self.messages.min(other.messages), bytes: self.bytes.min(other.bytes) }
    }
}

impl Default for ReadLimit {
    fn default() -> Self {
        Self { messages: 256, bytes: 64 * 1024 }
    }
}

/// The progress of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The read has reached the head of the log, or the end of all channels.
    CaughtUp,
    /// The read has reached its limit: there may be more.
    More,
    /// The next messages have left the rings; the engine is asked for them.
    Behind(ReadRequest),
    /// The log has overtaken a reader that had caught up, and its channel's policy is to
    /// disconnect.
    Overtaken,
}

/// An item that a reader reads.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) kind: ItemKind,
    /// Whether it was published after the reader joined.
    pub(crate) live: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum ItemKind {
    Message(Arc<Message>),
    /// A snapshot in place of parts of folds.
    Snapshot(Arc<Snapshot>),
    /// A gap, and the channel's policy for slow consumers.
    Gap(Gap, SlowReader),
}
