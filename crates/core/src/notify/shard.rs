//! Shards: event loops on threads of their own, each of which owns the sockets of many readers. A
//! shard is woken once for a dirty channel, not once for each of its readers there.

use std::sync::Arc;

use crate::{Seq, ShardWaker};

/// Identifies a shard of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardId(u32);

/// The position of one shard's readers in one channel.
#[derive(Debug)]
pub(crate) struct ShardCursor {
    shard: ShardId,
    readers: u32,
    /// The shard has taken everything up to here.
    pub(crate) taken_up_to: Seq,
    /// Whether there are messages after that; then the channel is in the shard's list.
    pub(crate) dirty: bool,
}

/// The positions of all shards that have readers in one channel.
#[derive(Debug, Default)]
pub(crate) struct ShardCursors(Vec<ShardCursor>);

/// All shards of a log.
#[derive(Debug, Default)]
pub(crate) struct Shards(Vec<Shard>);

#[derive(Default)]
struct Shard {
    /// `None`: the shard has closed.
    waker: Option<Arc<dyn ShardWaker>>,
    /// Slots of the shard's dirty channels.
    dirty_slots: Vec<usize>,
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard").field("dirty_slots", &self.dirty_slots).finish_non_exhaustive()
    }
}

impl ShardCursors {
    /// Counts one more reader of `shard`. The reader itself reads everything up to `watermark`.
    pub(crate) fn attach(&mut self, shard: ShardId, watermark: Seq) {
        match self.get_mut(shard) {
            Some(cursor) => cursor.readers += 1,
            None => {
                let (taken_up_to, dirty) = (watermark, false);
                self.0.push(ShardCursor { shard, readers: 1, taken_up_to, dirty });
            }
        }
    }

    pub(crate) fn get(&self, shard: ShardId) -> Option<&ShardCursor> {
        self.0.iter().find(|cursor| cursor.shard == shard)
    }

    pub(crate) fn get_mut(&mut self, shard: ShardId) -> Option<&mut ShardCursor> {
        self.0.iter_mut().find(|cursor| cursor.shard == shard)
    }
}

impl Shards {
    pub(crate) fn open(&mut self, waker: Arc<dyn ShardWaker>) -> ShardId {
        let id = ShardId(self.0.len() as u32);
        self.0.push(Shard { waker: Some(waker), dirty_slots: Vec::new() });
        id
    }

    pub(crate) fn close(&mut self, shard: ShardId) {
        *self.get_mut(shard) = Shard::default();
    }

    /// Counts one reader of `shard` less in the channel in `slot`, to which `cursors` belongs.
    pub(crate) fn detach(&mut self, cursors: &mut ShardCursors, slot: usize, shard: ShardId) {
        let Some(at) = cursors.0.iter().position(|cursor| cursor.shard == shard) else { return };
        cursors.0[at].readers -= 1;
        if cursors.0[at].readers == 0 && cursors.0.swap_remove(at).dirty {
            // A cursor that is made later marks the channel by itself.
            self.get_mut(shard).dirty_slots.retain(|dirty| *dirty != slot);
        }
    }

    /// Marks the channel in `slot`, to which `cursors` belongs, as dirty for each shard with
    /// readers there. Returns the wakers to call.
    pub(crate) fn mark_dirty(
        &mut self,
        cursors: &mut ShardCursors,
        slot: usize,
    ) -> Vec<Arc<dyn ShardWaker>> {
        let mut wakers = Vec::new();
        for cursor in cursors.0.iter_mut().filter(|cursor| !cursor.dirty) {
            cursor.dirty = true;
            let shard = self.get_mut(cursor.shard);
            shard.dirty_slots.push(slot);
            // A shard with an older entry has been woken for it, and has not run yet.
            if shard.dirty_slots.len() == 1 {
                wakers.extend(shard.waker.clone());
            }
        }
        wakers
    }

    /// Returns the list of the dirty channels of `shard`.
    pub(crate) fn dirty_slots_mut(&mut self, shard: ShardId) -> &mut Vec<usize> {
        &mut self.get_mut(shard).dirty_slots
    }

    /// Iterates over the shards and their dirty channels, oldest first.
    pub(crate) fn dirty_slots(&self) -> impl Iterator<Item = (ShardId, &[usize])> {
        let ids = (0..).map(ShardId);
        ids.zip(&self.0).map(|(id, shard)| (id, &shard.dirty_slots[..]))
    }

    fn get_mut(&mut self, shard: ShardId) -> &mut Shard {
        &mut self.0[shard.0 as usize]
    }
}
