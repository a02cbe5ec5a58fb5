//! Delivery to shards: they take the new messages of dirty channels in batches.

use crate::{
    ReadLimit, ShardId,
    log::{batch::Batch, table::Table},
};

/// Channels of each shard's list that are searched for the oldest message.
const SAMPLE: usize = 64;

/// Returns when the oldest message was published that some shard has not taken yet.
pub(super) fn oldest_pending(table: &Table) -> Option<u64> {
    let first_pending = |shard: ShardId, slot: usize| {
        let channel = table.slots.get(slot)?;
        let taken_up_to = channel.shard_cursors.get(shard)?.taken_up_to;
        channel.ring.iter_after(taken_up_to).next().map(|message| message.time)
    };
    let lists = table.shards.dirty_slots();
    let pending = lists.flat_map(|(shard, slots)| {
        slots.iter().take(SAMPLE).filter_map(move |slot| first_pending(shard, *slot))
    });
    pending.min()
}

/// Appends to `batches` one batch for each dirty channel of `shard`, each up to `limit`. Channels
/// that are `busy`, or have more messages than `limit`, stay in the shard's list.
pub(super) fn take_batches(
    table: &mut Table,
    shard: ShardId,
    busy: impl Fn(usize) -> bool,
    limit: ReadLimit,
    batches: &mut Vec<Batch>,
) {
    let mut dirty_slots = std::mem::take(table.shards.dirty_slots_mut(shard));
    let watermark = table.watermark;
    dirty_slots.retain(|&slot| {
        if busy(slot) {
            return true;
        }
        // The channel may have been forgotten, and its slot given to another.
        let Some(channel) = table.slots.get_mut(slot) else { return false };
        let cursor = channel.shard_cursors.get_mut(shard);
        let Some(cursor) = cursor.filter(|cursor| cursor.dirty) else { return false };
        let batch = Batch::take(&channel.ring, slot, cursor.taken_up_to, watermark, limit);
        cursor.taken_up_to = batch.last_seq();
        cursor.dirty = batch.last_seq() < channel.ring.newest();
        let remains = cursor.dirty;
        batches.push(batch);
        remains
    });
    *table.shards.dirty_slots_mut(shard) = dirty_slots;
}
