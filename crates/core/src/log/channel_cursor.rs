//! The position of a cursor in one channel.

use std::sync::Arc;

use crate::{Message, Seq, log::table::Table};

/// One channel of a cursor.
#[derive(Debug)]
pub(crate) struct ChannelCursor {
    /// The channel's slot in the table.
    pub(crate) slot: usize,
    /// The id of the reader's waker in the channel; `u64::MAX` if it has none there.
    pub(crate) waker_id: u64,
    /// Everything of this channel up to here has been read, or reported as a gap.
    pub(crate) position: Seq,
    /// Whether the message read last has ended the channel.
    pub(crate) ended: bool,
    /// Whether the reader asked for the channel by name; the user's own channel is added without
    /// that.
    pub(crate) explicit: bool,
    /// Whether this is a presence channel, which keeps no stream open whose other channels have all
    /// ended.
    pub(crate) is_presence: bool,
    /// Whether it has reached the head: if it falls behind after that, its reader is slow.
    pub(super) caught_up: bool,
    /// Messages above this were published after the reader joined.
    pub(super) joined_at: Seq,
    /// Scratch of one read: index of the next message in the ring.
    pub(super) next_index: usize,
    /// Scratch of one read: whether the portion has the next messages, and not the ring.
    pub(super) in_portion: bool,
}

impl ChannelCursor {
    pub(crate) fn new(slot: usize, position: Seq, explicit: bool, joined_at: Seq) -> Self {
        let waker_id = u64::MAX;
        Self {
            slot,
            waker_id,
            position,
            ended: false,
            explicit,
            is_presence: false,
            caught_up: false,
            joined_at,
            next_index: 0,
            in_portion: false,
        }
    }

    /// Whether messages of this channel after its position have left the ring.
    pub(super) fn is_behind(&self, table: &Table) -> bool {
        table.slots[self.slot].ring.floor().seq > self.position
    }

    /// Whether the engine has to be asked for its next messages.
    pub(super) fn needs_engine(&self, table: &Table) -> bool {
        self.is_behind(table) && table.is_stored(self.slot)
    }

    /// Whether messages after its position were erased, and the ring does not have them any more.
    pub(super) fn is_erased(&self, table: &Table) -> bool {
        table.slots[self.slot].erased > self.position && self.needs_engine(table)
    }

    /// Returns the next message in the ring; `None` if the channel is behind, or has no more.
    pub(super) fn next_message<'a>(&self, table: &'a Table) -> Option<&'a Arc<Message>> {
        match self.is_behind(table) {
            true => None,
            false => table.slots[self.slot].ring.get(self.next_index),
        }
    }

    /// Returns the seq of the next item of this channel outside a portion: what has to be fetched,
    /// a gap, or a message.
    pub(super) fn next_seq(&self, table: &Table) -> Option<Seq> {
        if self.needs_engine(table) {
            return Some(self.position + 1);
        }
        match self.is_behind(table) {
            true => Some(table.slots[self.slot].ring.floor().seq),
            false => self.next_message(table).map(|message| message.id.seq),
        }
    }
}
