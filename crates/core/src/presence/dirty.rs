//! Dirty users: entries that joins and leaves mark, and that the presence tracker has to check.

use std::task::{Context, Poll, Waker};

use super::PresenceKey;
use crate::ChannelName;

/// An entry of one channel whose connections have changed.
#[derive(Debug)]
pub(crate) struct DirtyUser {
    pub(crate) channel: ChannelName,
    pub(crate) key: PresenceKey,
    pub(crate) change: DirtyChange,
}

/// What has happened to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DirtyChange {
    /// It has connected.
    Connected,
    /// It has closed its last connection.
    Disconnected,
    /// An earlier life of the log has announced it, and it is not connected yet.
    Restored,
}

impl DirtyUser {
    pub(crate) fn connected(channel: &ChannelName, key: PresenceKey) -> Self {
        Self { channel: channel.clone(), key, change: DirtyChange::Connected }
    }

    pub(crate) fn disconnected(channel: &ChannelName, key: PresenceKey) -> Self {
        Self { channel: channel.clone(), key, change: DirtyChange::Disconnected }
    }

    pub(crate) fn restored(channel: &ChannelName, key: PresenceKey) -> Self {
        Self { channel: channel.clone(), key, change: DirtyChange::Restored }
    }
}

/// Dirty users that the tracker has not taken yet, and its waker.
#[derive(Debug, Default)]
pub(crate) struct DirtyUsers {
    entries: Vec<DirtyUser>,
    waker: Option<Waker>,
}

impl DirtyUsers {
    /// Adds `users`, and wakes the tracker: once, however many more are added before it runs.
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
