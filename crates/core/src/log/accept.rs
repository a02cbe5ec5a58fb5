//! Accepting messages: a new one becomes visible to readers, and older ones come from a store.

use std::sync::Arc;

use crate::{
    ChannelName, Epoch, Message, MessageId, NotAccepted, Seq, ShardWaker, Stored, TooManyChannels,
    log::{ring::Floor, table::Table},
    message::memory::MemoryBudget,
    notify::waker::WakerSet,
    presence::{DirtyUser, PresenceChange, PresenceUpdate},
};

/// A message that has become visible, but whose readers have not been woken yet.
#[must_use = "call announce() once no lock is held, or readers are not woken"]
pub struct Accepted {
    /// The id of the message.
    pub id: MessageId,
    /// Connections that are subscribed.
    pub subscribers: u32,
    wakers: Option<Arc<WakerSet>>,
    shard_wakers: Vec<Arc<dyn ShardWaker>>,
}

impl Accepted {
    /// Wakes the readers.
    pub fn announce(self) {
        self.shard_wakers.iter().for_each(|waker| waker.wake());
        if let Some(wakers) = self.wakers {
            wakers.wake_message_readers();
        }
    }
}

impl std::fmt::Debug for Accepted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accepted").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Appends a message to its channel's ring. `update` is the presence change that the message
/// carries, if it is one of a presence channel.
pub(super) fn accept(
    table: &mut Table,
    stored: Stored,
    update: Option<PresenceUpdate>,
) -> Result<Accepted, NotAccepted> {
    debug_assert!(stored.seq > table.watermark, "the feed is in order");
    let min_subscribers = stored.draft.min_subscribers;
    if min_subscribers > 0 && table.subscriber_count(&stored.draft.channel) < min_subscribers {
        return Err(NotAccepted::NobodyOnline);
    }
    // Once the channel is pinned, its presence channel can be created even at the limit.
    let pinned = update.map(|update| PinnedUpdate::new(table, update)).transpose()?;
    let slot = table.find_or_create(&stored.draft.channel)?;
    let channel = &mut table.slots[slot];
    let subscribers = channel.roster.online().total.connections;
    let wakers = (subscribers > 0).then(|| channel.wakers.clone());
    let online = channel.visible_users().map(|users| stored.online.unwrap_or(users));
    let shard_wakers = table.shards.mark_dirty(&mut channel.shard_cursors, slot);
    let message = Message::new(table.epoch, stored, online, table.retention.memory());
    let id = message.id;
    table.push(slot, Arc::new(message));
    if let Some(pinned) = pinned {
        pinned.apply(table);
    }
    Ok(Accepted { id, subscribers, wakers, shard_wakers })
}

/// Makes the messages of an engine's store that are older than those of a ring.
pub(super) fn older_messages(
    older: Vec<Stored>,
    epoch: Epoch,
    memory: &Arc<MemoryBudget>,
) -> Vec<Arc<Message>> {
    let message = |stored: Stored| {
        let online = stored.online;
        Arc::new(Message::new(epoch, stored, online, memory))
    };
    older.into_iter().map(message).collect()
}

/// Prepends messages to the ring of `channel`; it is complete above `floor` then.
pub(super) fn backfill(
    table: &mut Table,
    channel: &ChannelName,
    older: Vec<Arc<Message>>,
    floor: Seq,
) -> Result<(), TooManyChannels> {
    let slot = table.find_or_create(channel)?;
    table.backfill(slot, older, Floor { seq: floor, certain: true });
    Ok(())
}

/// A presence change whose channel is pinned, so that applying it cannot fail.
struct PinnedUpdate {
    slot: usize,
    change: PresenceChange,
}

impl PinnedUpdate {
    /// Pins the channel. Creates it if it is gone: its users may have left while the update was on
    /// its way.
    fn new(table: &mut Table, update: PresenceUpdate) -> Result<Self, TooManyChannels> {
        let slots = table.pin_all(std::iter::once(update.channel))?;
        Ok(Self { slot: slots[0], change: update.change })
    }

    fn apply(self, table: &mut Table) {
        let channel = &mut table.slots[self.slot];
        if let Some(presence) = &mut channel.presence {
            let still_connected = presence.apply(self.change).into_iter();
            let users = still_connected.map(|key| DirtyUser::connected(&channel.name, key));
            table.dirty_users.extend(users);
        }
        table.unpin(self.slot);
    }
}
