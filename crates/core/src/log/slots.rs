//! The slots of the table: which channels have one, and which is given up for another.

use crate::{
    ChannelFull, ChannelName, TooManyChannels,
    log::{channel::Channel, table::Table},
};

impl Table {
    pub(crate) fn find_or_create(&mut self, name: &ChannelName) -> Result<usize, TooManyChannels> {
        if let Some(slot) = self.find(name) {
            return Ok(slot);
        }
        if self.slots.len() >= self.limits.channels {
            let made = self.evict_idle_channel();
            // A presence channel is created even at the limit if its channel exists; otherwise a
            // user who has left could stay listed because the departure cannot be published.
            let here = |of: ChannelName| self.find(&of).is_some();
            if !name.observed_channel().is_some_and(here) {
                made?;
            }
        }
        let mut before = self.tombstones.take(name);
        self.created += 1;
        let rules = self.rules_for(name);
        before.floor = self.raise_unlogged(name, before.floor, &rules);
        let mut channel = Channel::new(name.clone(), rules, before, self.created);
        channel.erased = self.erasures.get(name);
        let slot = self.slots.insert(channel);
        self.by_name.insert(name.clone(), slot);
        Ok(slot)
    }

    /// Whether a reader of `names` can join: all channels that are occupied then have to fit.
    /// Checked before anything is changed, so that a refused join has no effect.
    pub(crate) fn has_room_for(&self, names: impl Iterator<Item = ChannelName>) -> bool {
        let is_new = |name: &ChannelName| self.subscriber_count(name) == 0;
        self.occupied + names.filter(is_new).count() <= self.limits.channels
    }

    /// Checks that `name` can have one more subscriber.
    pub(crate) fn check_subscriber_limit(&self, name: &ChannelName) -> Result<(), ChannelFull> {
        let Some(channel) = self.find(name).map(|slot| &self.slots[slot]) else { return Ok(()) };
        match channel.roster.online().total.connections < channel.rules.subscribers {
            true => Ok(()),
            false => Err(ChannelFull(name.clone())),
        }
    }

    /// Finds or creates the channels that a reader is about to join, and keeps them until
    /// [`unpin`](Self::unpin). Existing ones are pinned first; otherwise creating one could evict
    /// another.
    pub(crate) fn pin_all(
        &mut self,
        names: impl Iterator<Item = ChannelName>,
    ) -> Result<Vec<usize>, TooManyChannels> {
        let names: Vec<ChannelName> = names.collect();
        let mut slots: Vec<Option<usize>> = names.iter().map(|name| self.find(name)).collect();
        slots.iter().flatten().for_each(|slot| self.slots[*slot].pins += 1);
        for (name, found) in names.iter().zip(0..) {
            if slots[found].is_none() {
                match self.find_or_create(name) {
                    Ok(slot) => {
                        self.slots[slot].pins += 1;
                        slots[found] = Some(slot);
                    }
                    Err(full) => {
                        slots.into_iter().flatten().for_each(|slot| self.unpin(slot));
                        return Err(full);
                    }
                }
            }
        }
        Ok(slots.into_iter().flatten().collect())
    }

    /// Finds or creates one channel, and keeps it until [`unpin`](Self::unpin).
    pub(crate) fn pin(&mut self, name: &ChannelName) -> Result<usize, TooManyChannels> {
        let slot = self.find_or_create(name)?;
        self.slots[slot].pins += 1;
        Ok(slot)
    }

    /// Removes one pin.
    pub(crate) fn unpin(&mut self, slot: usize) {
        self.slots[slot].pins -= 1;
        self.forget_if_empty(slot);
    }

    /// Forgets a channel that is empty, or queues it as idle if it has no subscriber. To be called
    /// after a subscriber has left or messages were evicted.
    pub(crate) fn forget_if_empty(&mut self, slot: usize) {
        if self.slots[slot].is_empty() {
            let channel = self.slots.remove(slot);
            self.by_name.remove(&channel.name);
            self.tombstones.insert(&channel.name, channel.tombstone());
        } else if !self.slots[slot].has_subscribers() {
            self.idle_queue.push(&mut self.slots, slot);
        }
    }

    /// Forgets the channel that has been without subscribers, and silent, longest.
    pub(super) fn evict_idle_channel(&mut self) -> Result<(), TooManyChannels> {
        let slot = self.idle_queue.pop(&mut self.slots).ok_or(TooManyChannels)?;
        let newest = self.slots[slot].ring.newest();
        self.evict_up_to(slot, newest);
        self.forget_if_empty(slot);
        Ok(())
    }
}
