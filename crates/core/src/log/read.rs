//! One read of a cursor: how much it may take, and what it finds.

use std::sync::Arc;

use crate::{Gap, Message, SlowReader};

/// How much one read may take, so that the log is never locked for long: a message of any size,
/// then as many more as fit.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimit {
    /// Messages.
    pub messages: usize,
    /// Bytes of data.
    pub bytes: usize,
}

impl Default for ReadLimit {
    fn default() -> Self {
        Self { messages: 256, bytes: 64 * 1024 }
    }
}

/// How far a read has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// To the head of the log, or to the end of all channels.
    CaughtUp,
    /// To the limit of one read: there may be more.
    More,
}

/// What a reader finds next.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) kind: ItemKind,
    /// It came while the reader was there.
    pub(crate) live: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum ItemKind {
    Message(Arc<Message>),
    /// And what the channel's namespace has for readers that fall behind.
    Gap(Gap, SlowReader),
}
