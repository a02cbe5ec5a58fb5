//! A reader's seat in one channel: counted, woken, and at its shard's desk. Taken and given up in one place.

use std::sync::Arc;

use crate::{
    Identity, Wire,
    log::{cursor::ChannelCursor, table::Table},
    notify::{
        shard::ShardId,
        waker::{ReaderWaker, WakeOn, WakerSet},
    },
    presence::DirtyUser,
};

/// Who takes a seat.
pub(crate) struct Member<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) wire: Wire,
    pub(crate) waker: &'a Arc<ReaderWaker>,
    /// The shard that brings the news; without one the bell does.
    pub(crate) shard: Option<ShardId>,
    /// It is told changes of the online count.
    pub(crate) online_updates: bool,
}

impl Table {
    /// Seats a reader in a channel that is pinned, and undoes the pin. The count's watchers in the belfry are to
    /// be rung once the lock is free.
    pub(crate) fn add_subscriber(
        &mut self,
        cursor: &mut ChannelCursor,
        member: &Member<'_>,
    ) -> Arc<WakerSet> {
        let channel = &mut self.slots[cursor.slot];
        let wakers = channel.wakers.clone();
        if channel.roster.online().total.connections == 0 {
            self.occupied += 1;
            self.observer.iter().for_each(|observer| observer.occupied(&channel.name));
        }
        let first = channel.roster.join(member.identity.online_key(), member.wire);
        self.subscriptions[channel.rules.namespace_index][member.wire.index()] += 1;
        if let Some(presence) = &mut channel.presence {
            let key = presence.connect(member.identity, first);
            self.dirty_users.extend(key.map(|key| DirtyUser::connected(&channel.name, key)));
        }
        let wake_on = WakeOn {
            messages: member.shard.is_none(),
            online: member.online_updates && cursor.explicit,
        };
        if wake_on.messages || wake_on.online {
            cursor.waker_id = wakers.insert(member.waker, wake_on);
        }
        if let Some(shard) = member.shard {
            self.attach_shard(cursor.slot, shard);
        }
        self.unpin(cursor.slot);
        wakers
    }

    /// Takes a reader's seat back; gives the belfry whose watchers are to be rung once the lock is free, if
    /// somebody is left.
    pub(crate) fn remove_subscriber(
        &mut self,
        cursor: &ChannelCursor,
        member: &Member<'_>,
    ) -> Option<Arc<WakerSet>> {
        let channel = &mut self.slots[cursor.slot];
        channel.wakers.remove(cursor.waker_id);
        let last = channel.roster.leave(&member.identity.online_key(), member.wire);
        self.subscriptions[channel.rules.namespace_index][member.wire.index()] -= 1;
        if let Some(presence) = &mut channel.presence
            && last
        {
            let key = presence.disconnect(member.identity);
            self.dirty_users.extend([DirtyUser::disconnected(&channel.name, key)]);
        }
        let left = channel.roster.online().total.connections > 0;
        let wakers = left.then(|| channel.wakers.clone());
        if !left {
            self.occupied -= 1;
            self.observer.iter().for_each(|observer| observer.vacated(&channel.name));
        }
        if let Some(shard) = member.shard {
            self.detach_shard(cursor.slot, shard);
        }
        self.forget_if_empty(cursor.slot);
        wakers
    }
}
