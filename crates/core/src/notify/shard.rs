//! Shards: threads that own many readers' sockets, and are told once that a channel has news, not once
//! for each reader. A desk is where one shard's readers of one channel stand in the log.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::{
    Format, Identity, Message, ReadLimit, Seq, ShardWaker,
    log::{Log, table::Table},
};

/// Names a shard of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardId(u32);

/// One shard's readers of one channel.
#[derive(Debug)]
pub(crate) struct ShardCursor {
    shard: ShardId,
    readers: u32,
    /// The shard has been given everything up to here.
    taken_up_to: Seq,
    /// There is something behind it, and the shard's list says so.
    dirty: bool,
}

/// What a log knows of one shard.
#[derive(Default)]
pub(crate) struct ShardEntry {
    /// `None`: the shard has closed.
    waker: Option<Arc<dyn ShardWaker>>,
    /// Slots of channels with news.
    dirty_slots: Vec<usize>,
}

impl std::fmt::Debug for ShardEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard").field("news", &self.dirty_slots).finish_non_exhaustive()
    }
}

/// The news of one channel for one shard: what came since the run before it, in order.
#[derive(Debug)]
pub struct Batch {
    /// The channel's slot, as in [`Session::slots`](crate::Session::slots).
    pub slot: usize,
    messages: Vec<Arc<Message>>,
    /// Everything up to here was in earlier runs.
    after: Seq,
    /// The last of them: with it a reader has everything of this channel up to here. Without one, the watermark.
    last_seq: Seq,
    /// Each reader has to look for itself: something is lost, or the channel ends.
    slow_path: bool,
    /// Some message is not for everybody.
    has_skip_self: bool,
}

/// Where a reader stands to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// It reads exactly these messages next.
    Aligned,
    /// It has read them.
    Ahead,
    /// It has to look for itself.
    Diverged,
}

impl Batch {
    /// How a reader stands that has read everything up to `position`.
    pub fn alignment(&self, position: Seq) -> Alignment {
        let (Some(first), Some(last)) = (self.messages.first(), self.messages.last()) else {
            return Alignment::Diverged;
        };
        if self.slow_path {
            Alignment::Diverged
        } else if self.after <= position && position < first.id.seq {
            Alignment::Aligned
        } else if position >= last.id.seq {
            Alignment::Ahead
        } else {
            Alignment::Diverged
        }
    }

    /// Whether something in it may be hidden from somebody.
    pub fn has_skip_self(&self) -> bool {
        self.has_skip_self
    }

    /// Whether something in it is hidden from `reader`.
    pub fn is_hidden_from(&self, reader: &Identity) -> bool {
        self.messages.iter().any(|message| message.is_hidden_from(reader))
    }

    /// Where a reader stands that was in step and has read it: at the last message, whose id it was sent, and not at a
    /// watermark that it was not.
    pub fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// The messages.
    pub fn messages(&self) -> &[Arc<Message>] {
        &self.messages
    }

    /// All of it as it goes out in `format`, for all readers of that format.
    pub fn encoded(&self, format: &dyn Format) -> Bytes {
        if let [message] = &self.messages[..] {
            return message.encoded(format);
        }
        let frames: Vec<Bytes> = self.messages.iter().map(|m| m.encoded(format)).collect();
        let mut joined = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
        frames.iter().for_each(|frame| joined.extend_from_slice(frame));
        joined.freeze()
    }
}

impl Table {
    /// Puts one more reader at its shard's desk in a channel.
    pub(crate) fn attach_shard(&mut self, slot: usize, shard: ShardId) {
        let taken_up_to = self.watermark;
        let cursors = &mut self.slots[slot].shard_cursors;
        match cursors.iter_mut().find(|cursor| cursor.shard == shard) {
            Some(cursor) => cursor.readers += 1,
            None => cursors.push(ShardCursor { shard, readers: 1, taken_up_to, dirty: false }),
        }
    }

    /// Takes a reader from its shard's desk in a channel.
    pub(crate) fn detach_shard(&mut self, slot: usize, shard: ShardId) {
        let cursors = &mut self.slots[slot].shard_cursors;
        if let Some(at) = cursors.iter().position(|cursor| cursor.shard == shard) {
            cursors[at].readers -= 1;
            if cursors[at].readers == 0 && cursors.swap_remove(at).dirty {
                // A desk that comes after it notes its own.
                self.shards[shard.0 as usize].dirty_slots.retain(|dirty| *dirty != slot);
            }
        }
    }

    /// Notes at every desk of a channel that there is news; gives the doorbells to ring.
    pub(crate) fn mark_dirty(&mut self, slot: usize) -> Vec<Arc<dyn ShardWaker>> {
        let mut wakers = Vec::new();
        for cursor in self.slots[slot].shard_cursors.iter_mut().filter(|cursor| !cursor.dirty) {
            cursor.dirty = true;
            let shard = &mut self.shards[cursor.shard.0 as usize];
            shard.dirty_slots.push(slot);
            // A shard with older news has been rung, and has not come yet.
            if shard.dirty_slots.len() == 1 {
                wakers.extend(shard.waker.clone());
            }
        }
        wakers
    }
}

impl Log {
    /// A shard that reads this log from now on.
    pub fn open_shard(&self, waker: Arc<dyn ShardWaker>) -> ShardId {
        let mut table = self.table.lock();
        let id = ShardId(table.shards.len() as u32);
        table.shards.push(ShardEntry { waker: Some(waker), dirty_slots: Vec::new() });
        id
    }

    /// The shard reads no more.
    pub fn close_shard(&self, shard: ShardId) {
        self.table.lock().shards[shard.0 as usize] = ShardEntry::default();
    }

    /// When the oldest message was published that some shard has not yet taken (milliseconds since 1970). Looks
    /// at a part of each shard's list, whose oldest notes come first.
    pub fn oldest_pending(&self) -> Option<u64> {
        const SAMPLE: usize = 64;
        let table = self.table.lock();
        let mut oldest: Option<u64> = None;
        for (id, shard) in table.shards.iter().enumerate() {
            for &slot in shard.dirty_slots.iter().take(SAMPLE) {
                let Some(channel) = table.slots.get(slot) else { continue };
                let here = |cursor: &&ShardCursor| cursor.shard.0 as usize == id;
                let Some(cursor) = channel.shard_cursors.iter().find(here) else { continue };
                let first =
                    channel.ring.iter_after(cursor.taken_up_to).next().map(|message| message.time);
                oldest = [oldest, first].into_iter().flatten().min();
            }
        }
        oldest
    }

    /// Appends to `runs` the news at a shard's desks, each at most a `portion`, all under one lock. News of
    /// channels that are `busy`, because an earlier run of theirs is still on its way, stays for
    /// the next time, as does what is behind a portion: without a ring, so ask again when that is done.
    pub fn take_batches(
        &self,
        shard: ShardId,
        busy: impl Fn(usize) -> bool,
        limit: ReadLimit,
        batches: &mut Vec<Batch>,
    ) {
        let mut table = self.table.lock();
        let mut dirty_slots = std::mem::take(&mut table.shards[shard.0 as usize].dirty_slots);
        let watermark = table.watermark;
        dirty_slots.retain(|&slot| {
            if busy(slot) {
                return true;
            }
            // The channel may have been forgotten, and its slot given to another.
            let Some(channel) = table.slots.get_mut(slot) else { return false };
            let cursor = channel.shard_cursors.iter_mut().find(|cursor| cursor.shard == shard);
            let Some(cursor) = cursor.filter(|cursor| cursor.dirty) else { return false };
            let batch = Batch::take(&channel.ring, slot, cursor.taken_up_to, watermark, limit);
            cursor.taken_up_to = batch.last_seq;
            cursor.dirty = batch.last_seq < channel.ring.newest();
            let remains = cursor.dirty;
            batches.push(batch);
            remains
        });
        table.shards[shard.0 as usize].dirty_slots = dirty_slots;
    }
}

impl Batch {
    fn take(
        ring: &crate::log::ring::Ring,
        slot: usize,
        after: Seq,
        watermark: Seq,
        limit: ReadLimit,
    ) -> Self {
        let slow_path = ring.floor().seq > after;
        let mut batch = Self {
            slot,
            messages: Vec::new(),
            after,
            last_seq: watermark,
            slow_path,
            has_skip_self: false,
        };
        if slow_path {
            return batch;
        }
        let mut bytes = 0;
        for message in ring.iter_after(after) {
            let size = message.draft.data.as_bytes().len();
            let full = batch.messages.len() == limit.messages || bytes + size > limit.bytes;
            if full && !batch.messages.is_empty() {
                break;
            }
            batch.last_seq = message.id.seq;
            bytes += size;
            batch.slow_path |= message.draft.end;
            batch.has_skip_self |= message.draft.skip_self;
            batch.messages.push(message.clone());
        }
        batch
    }
}
