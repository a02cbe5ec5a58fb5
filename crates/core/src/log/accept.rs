//! Accepting messages: they become visible to readers.

use std::{collections::HashSet, sync::Arc};

use crate::{
    Message, MessageId, NotAccepted, PartStep, Reservation, ShardWaker, Stored,
    log::{reservation::Pinned, table::Table},
    notify::waker::WakerSet,
    presence::{DirtyUser, PresenceUpdate},
};

/// A message with its seq, and the place that it holds in the log.
#[derive(Debug)]
pub struct Placed {
    /// The message.
    pub stored: Stored,
    /// Its place; `None` for a message that this node has not published.
    pub reservation: Option<Reservation>,
}

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
    /// Wakes the readers of all messages of a batch, each reader once.
    pub fn announce_all(batch: impl IntoIterator<Item = Self>) {
        let mut woken: HashSet<*const WakerSet> = HashSet::new();
        for mut accepted in batch {
            // A waker of a shard is here only if the shard has not been woken.
            let wakers = accepted.wakers.take().filter(|wakers| woken.insert(Arc::as_ptr(wakers)));
            Self { wakers, ..accepted }.announce();
        }
    }

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

/// Makes a message visible that holds no place, if nothing refuses it. `update` is the presence
/// change that the message carries, if it is one of a presence channel.
pub(super) fn accept(
    table: &mut Table,
    stored: Stored,
    update: Option<PresenceUpdate>,
) -> Result<Accepted, NotAccepted> {
    debug_assert!(stored.seq > table.watermark, "the feed is in order");
    let least = stored.draft.min_subscribers;
    if least > 0 && table.subscriber_count(&stored.draft.channel) < least {
        return Err(NotAccepted::NobodyOnline);
    }
    let observed = update.as_ref().map(|update| &update.channel);
    let pinned = Pinned::new(table, &stored.draft.channel, observed)?;
    Ok(place(table, stored, pinned, update))
}

/// Makes a message visible that has its seq, so that nothing can refuse it any more. Without a slot
/// for its channel, its readers will find it in the engine's store, or are told a gap. A message
/// that is visible already, which an engine repeats after a reconnect, changes nothing.
pub(super) fn accept_placed(
    table: &mut Table,
    Placed { stored, reservation }: Placed,
    update: Option<PresenceUpdate>,
) -> Accepted {
    let id = table.id(stored.seq);
    let nobody = Accepted { id, subscribers: 0, wakers: None, shard_wakers: Vec::new() };
    let observed = update.as_ref().map(|update| &update.channel);
    let pinned = match reservation.and_then(Reservation::take) {
        _ if stored.seq <= table.watermark => return nobody,
        None if !table.is_in_reach(&stored.draft.channel, stored.seq) => {
            table.watermark = stored.seq;
            return nobody;
        }
        Some(pinned) => Ok(pinned),
        None => Pinned::new(table, &stored.draft.channel, observed),
    };
    match pinned {
        Ok(pinned) => place(table, stored, pinned, update),
        Err(_) => {
            table.skip(&stored);
            nobody
        }
    }
}

fn place(
    table: &mut Table,
    stored: Stored,
    pinned: Pinned,
    update: Option<PresenceUpdate>,
) -> Accepted {
    let channel = &mut table.slots[pinned.slot];
    let subscribers = channel.roster.online().total.connections;
    let wakers = (subscribers > 0).then(|| channel.wakers.clone());
    let online = channel.visible_users().map(|users| stored.online.unwrap_or(users));
    let shard_wakers = table.shards.mark_dirty(&mut channel.shard_cursors, pinned.slot);
    let part = stored.draft.part.as_ref().filter(|part| part.step == PartStep::Add);
    let fold = part.and_then(|part| channel.ring.folds().find(&part.key));
    let mut message = Message::new(table.epoch, stored, online, table.retention.memory());
    message.fold = fold;
    let id = message.id;
    table.push(pinned.slot, Arc::new(message));
    if let (Some(slot), Some(update)) = (pinned.observed, update) {
        apply(table, slot, update);
    }
    pinned.unpin(table);
    Accepted { id, subscribers, wakers, shard_wakers }
}

/// Applies a presence change to the channel in `slot`.
fn apply(table: &mut Table, slot: usize, update: PresenceUpdate) {
    let channel = &mut table.slots[slot];
    if let Some(presence) = &mut channel.presence {
        let still_connected = presence.apply(update.change).into_iter();
        let users = still_connected.map(|key| DirtyUser::connected(&channel.name, key));
        table.dirty_users.extend(users);
    }
}
