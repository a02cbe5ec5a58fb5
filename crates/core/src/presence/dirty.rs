//! Notes of who has come and gone: written where seats are taken and given up, read by the registrar.

use std::task::{Context, Poll, Waker};

use super::Who;
use crate::{ChannelName, log::Log};

/// That somebody came, or is gone from its last seat.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) channel: ChannelName,
    pub(crate) who: Who,
    pub(crate) gone: bool,
}

impl Note {
    pub(crate) fn came(channel: &ChannelName, who: Who) -> Self {
        Self { channel: channel.clone(), who, gone: false }
    }

    pub(crate) fn went(channel: &ChannelName, who: Who) -> Self {
        Self { channel: channel.clone(), who, gone: true }
    }
}

/// Notes that nobody has taken yet, and who waits for them.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    list: Vec<Note>,
    waker: Option<Waker>,
}

impl Notes {
    /// Adds notes, and wakes who waits: once, however many follow before it comes.
    pub(crate) fn extend(&mut self, notes: impl IntoIterator<Item = Note>) {
        let before = self.list.len();
        self.list.extend(notes);
        if self.list.len() > before
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }

    fn poll_take(&mut self, cx: &Context<'_>) -> Poll<Vec<Note>> {
        if self.list.is_empty() {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut self.list))
    }
}

impl Log {
    /// Who has come and gone since the last time.
    pub(crate) fn poll_notes(&self, cx: &Context<'_>) -> Poll<Vec<Note>> {
        self.table.lock().notes.poll_take(cx)
    }
}
