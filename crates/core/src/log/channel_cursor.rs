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
    /// Parts of folds up to here are left out, and the snapshot has them; 0 if none are.
    pub(super) compact_until: Seq,
    /// It may have missed parts of folds that have ended up to here, and does not read the rest of
    /// these: their ends follow. The same holds of what had ended when it joined, because a reader
    /// that is cut does not know what it has missed.
    pub(super) missed_until: Seq,
    /// Whether a snapshot is due although the position is not below it: after a gap that ends
    /// there, after portions of the engine, or because parts were left out.
    pub(crate) snapshot_due: bool,
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
            compact_until: 0,
            missed_until: 0,
            snapshot_due: false,
            next_index: 0,
            in_portion: false,
        }
    }

    /// Leaves out the parts of folds up to `head`, and reads a snapshot there.
    pub(super) fn begin_compact(&mut self, head: Seq) {
        self.compact_until = head;
        self.snapshot_due = true;
    }

    /// Whether messages after its position have left the ring that no fold covers.
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

    /// Returns the seq of the snapshot that stands for the parts that it misses, if it misses some.
    pub(super) fn snapshot_at(&self, table: &Table) -> Option<Seq> {
        let ring = &table.slots[self.slot].ring;
        if self.snapshot_due {
            let compact = ring.newest_part_up_to(self.compact_until);
            return Some(compact.max(self.position));
        }
        Some(ring.folded()).filter(|folded| *folded > self.position)
    }

    /// Moves to `seq` without reading what comes before.
    pub(super) fn pass(&mut self, seq: Seq, table: &Table) {
        let folded = table.slots[self.slot].ring.folded();
        self.snapshot_due |= (self.position + 1..=seq).contains(&folded);
        self.position = self.position.max(seq);
    }

    /// Whether it does not read `message`, because a snapshot or the end of its fold follows.
    pub(super) fn leaves_out(&self, message: &Message, table: &Table) -> bool {
        let seq = message.id.seq;
        if self.compact_until > 0 && self.snapshot_due {
            return seq <= self.compact_until && table.is_add(&message.draft);
        }
        let ended = message.fold.as_ref().and_then(|fold| fold.ended());
        ended.is_some_and(|seq| seq <= self.joined_at.max(self.missed_until))
    }

    /// Returns the next message in the ring; `None` if the channel is behind, or has no more.
    pub(super) fn next_message<'a>(&self, table: &'a Table) -> Option<&'a Arc<Message>> {
        match self.is_behind(table) {
            true => None,
            false => table.slots[self.slot].ring.get(self.next_index),
        }
    }

    /// Moves to the next message in the ring that it reads.
    pub(super) fn seek(&mut self, table: &Table) {
        self.next_index = table.slots[self.slot].ring.index_after(self.position);
        self.skip_left_out(table);
    }

    /// Moves over the messages that it does not read.
    pub(super) fn skip_left_out(&mut self, table: &Table) {
        while self.next_message(table).is_some_and(|message| self.leaves_out(message, table)) {
            self.next_index += 1;
        }
    }

    /// Returns the seq of the next item of this channel outside a portion, snapshots left out: what
    /// has to be fetched, a gap, or a message.
    pub(super) fn next_seq(&self, table: &Table) -> Option<Seq> {
        if self.needs_engine(table) {
            return Some(self.position + 1);
        }
        if self.is_behind(table) {
            return Some(table.slots[self.slot].ring.floor().seq);
        }
        self.next_message(table).map(|message| message.id.seq)
    }
}
