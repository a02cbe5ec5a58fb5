//! A reader as a member of its channels: counted and woken there, and known to its shard. It enters
//! and leaves a channel in one place.

use std::sync::Arc;

use crate::{
    Identity, ShardId, Wire,
    log::{channel_cursor::ChannelCursor, counts::Left, cursor::Cursor, table::Table},
    notify::waker::{ReaderWaker, WakeOn, WakerSet},
    presence::DirtyUser,
};

/// A reader as a member of all its channels.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) identity: Arc<Identity>,
    pub(crate) wire: Wire,
    pub(crate) waker: Arc<ReaderWaker>,
    /// The shard that reads new messages for this reader; without one the reader itself is woken.
    shard: Option<ShardId>,
}

impl Member {
    pub(crate) fn new(identity: Arc<Identity>, wire: Wire, waker: Arc<ReaderWaker>) -> Self {
        Self { identity, wire, waker, shard: None }
    }

    /// Enters a pinned channel and releases the pin. The caller must wake the watchers of the
    /// online count after unlocking.
    pub(crate) fn enter(
        &self,
        table: &mut Table,
        cursor: &mut ChannelCursor,
        online_updates: bool,
    ) -> Arc<WakerSet> {
        let channel = &mut table.slots[cursor.slot];
        let wakers = channel.wakers.clone();
        if channel.roster.online().total.connections == 0 {
            table.occupied += 1;
            table.observer.iter().for_each(|observer| observer.occupied(&channel.name));
        }
        let joined = channel.roster.join(self.identity.online_key(), self.wire);
        table.subscriptions[channel.rules.namespace_index][self.wire] += 1;
        if let Some(presence) = &mut channel.presence {
            let key = presence.connect(&self.identity, joined);
            table.dirty_users.extend(key.map(|key| DirtyUser::connected(&channel.name, key)));
        }
        let wake_on =
            WakeOn { messages: self.shard.is_none(), online: online_updates && cursor.explicit };
        if wake_on.messages || wake_on.online {
            cursor.waker_id = wakers.insert(&self.waker, wake_on);
        }
        if let Some(shard) = self.shard {
            channel.shard_cursors.attach(shard, table.watermark);
        }
        table.unpin(cursor.slot);
        wakers
    }

    /// Leaves a channel. If it is still occupied, returns its wakers: the caller must wake the
    /// watchers of the online count after unlocking.
    pub(crate) fn leave(&self, table: &mut Table, cursor: &ChannelCursor) -> Option<Arc<WakerSet>> {
        let channel = &mut table.slots[cursor.slot];
        channel.wakers.remove(cursor.waker_id);
        let left = channel.roster.leave(&self.identity.online_key(), self.wire);
        table.subscriptions[channel.rules.namespace_index][self.wire] -= 1;
        if let Some(presence) = &mut channel.presence
            && left == Left::Last
        {
            let key = presence.disconnect(&self.identity);
            table.dirty_users.extend([DirtyUser::disconnected(&channel.name, key)]);
        }
        let is_occupied = channel.roster.online().total.connections > 0;
        let wakers = is_occupied.then(|| channel.wakers.clone());
        if !is_occupied {
            table.occupied -= 1;
            table.observer.iter().for_each(|observer| observer.vacated(&channel.name));
        }
        if let Some(shard) = self.shard {
            table.shards.detach(&mut channel.shard_cursors, cursor.slot, shard);
        }
        table.forget_if_empty(cursor.slot);
        wakers
    }

    /// Attaches the reader to `shard`, which from now on is woken for new messages, once for all
    /// its readers. The reader itself is woken only to close and, if it asked for them, for online
    /// counts.
    pub(crate) fn attach_to_shard(
        &mut self,
        table: &mut Table,
        cursor: &mut Cursor,
        shard: ShardId,
        online_updates: bool,
    ) {
        for cursor in &mut cursor.channels {
            let channel = &mut table.slots[cursor.slot];
            channel.wakers.remove(std::mem::replace(&mut cursor.waker_id, u64::MAX));
            if online_updates && cursor.explicit {
                let wake_on = WakeOn { messages: false, online: true };
                cursor.waker_id = channel.wakers.insert(&self.waker, wake_on);
            }
            channel.shard_cursors.attach(shard, table.watermark);
        }
        self.shard = Some(shard);
    }
}
