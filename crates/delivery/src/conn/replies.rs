//! The replies that a connection waits for, which leave in the order of the commands.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tricast_core::{CommandOutcome, CommandResult, ReplyQueue};

pub(crate) struct Replies {
    queue: ReplyQueue,
    /// Tells the shard that the next reply is there.
    waker: Waker,
    /// The reply to the peer's close frame, which follows the others.
    close: Option<Bytes>,
}

impl Replies {
    pub(crate) fn new(waker: Waker) -> Self {
        Self { queue: ReplyQueue::default(), waker, close: None }
    }

    /// Whether nothing more is read from the peer.
    pub(crate) fn block_reading(&self) -> bool {
        self.close.is_some() || self.queue.is_full()
    }

    pub(crate) fn push(&mut self, outcome: CommandOutcome) {
        self.queue.push(outcome);
    }

    /// Sets the reply to the peer's close frame.
    pub(crate) fn set_close(&mut self, bytes: Bytes) {
        self.close = Some(bytes);
    }

    /// Takes the oldest reply if it is there; `None` if no reply waits.
    pub(crate) fn next(&mut self) -> Poll<Option<CommandResult>> {
        self.queue.poll_next(&mut Context::from_waker(&self.waker))
    }

    /// Returns the reply to the peer's close frame, after all others.
    pub(crate) fn into_close(self) -> Option<Bytes> {
        self.close
    }

    /// Waits for all replies, whose peer has left, so that what was published is counted.
    pub(crate) async fn settle(self) {
        self.queue.settle().await;
    }
}
