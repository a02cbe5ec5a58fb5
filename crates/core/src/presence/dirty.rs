//! Notes of who has come and gone: written where seats are taken and given up, read by the registrar.

use std::task::{Context, Poll, Waker};

use super::PresenceKey;
use crate::ChannelName;

/// That somebody came, or is gone from its last seat.
#[derive(Debug)]
pub(crate) struct DirtyUser {
    pub(crate) channel: ChannelName,
    pub(crate) key: PresenceKey,
    pub(crate) gone: bool,
}

impl DirtyUser {
    pub(crate) fn connected(channel: &ChannelName, key: PresenceKey) -> Self {
        Self { channel: channel.clone(), key, gone: false }
    }

    pub(crate) fn disconnected(channel: &ChannelName, key: PresenceKey) -> Self {
        Self { channel: channel.clone(), key, gone: true }
    }
}

/// Notes that nobody has taken yet, and who waits for them.
#[derive(Debug, Default)]
pub(crate) struct DirtyUsers {
    entries: Vec<DirtyUser>,
    waker: Option<Waker>,
}

impl DirtyUsers {
    /// Adds notes, and wakes who waits: once, however many follow before it comes.
    pub(crate) fn extend(&mut self, users: impl IntoIterator<Item = DirtyUser>) {
        let before = self.entries.len();
        self.entries.extend(users);
        if self.entries.len() > before
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }

    /// Takes all entries; waits for one if there is none.
    pub(crate) fn poll_take(&mut self, cx: &Context<'_>) -> Poll<Vec<DirtyUser>> {
        if self.entries.is_empty() {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut self.entries))
    }
}
