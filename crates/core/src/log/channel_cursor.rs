//! A cursor's position in one channel.

use std::sync::Arc;

use crate::{Message, Seq, log::table::Table};

/// One channel of a cursor.
#[derive(Debug)]
pub(crate) struct ChannelCursor {
    /// The channel's slot in the table.
    pub(crate) slot: usize,
    /// Where its bell hangs in the channel's belfry; nothing hangs at the highest place.
    pub(crate) waker_id: u64,
    /// Everything of this channel up to here has been read, or told as a gap.
    pub(crate) position: Seq,
    /// What was read last has ended the channel.
    pub(crate) ended: bool,
    /// Asked for by name; the user's own channel comes along unasked.
    pub(crate) explicit: bool,
    /// It only tells of another channel, and keeps no stream open that all others have ended for.
    pub(crate) is_presence: bool,
    /// What lies above it was published while the reader was there.
    pub(super) joined_at: Seq,
    /// Scratch of one read: index of the next message in the ring.
    pub(super) next_index: usize,
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
            joined_at,
            next_index: 0,
        }
    }

    /// The next message; `None` when a gap has to be told first, or there is nothing.
    pub(super) fn next_message<'a>(&self, table: &'a Table) -> Option<&'a Arc<Message>> {
        let ring = &table.slots[self.slot].ring;
        if ring.floor().seq > self.position { None } else { ring.get(self.next_index) }
    }

    /// The seq at which this channel has something to tell next: a gap or a message.
    pub(super) fn next_seq(&self, table: &Table) -> Option<Seq> {
        let lost = table.slots[self.slot].ring.floor().seq;
        if lost > self.position {
            return Some(lost);
        }
        self.next_message(table).map(|message| message.id.seq)
    }
}
