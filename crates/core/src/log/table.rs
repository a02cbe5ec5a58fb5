//! The table of a log's channels, which are under one lock and share limits.

use std::{collections::HashMap, ops::Range, sync::Arc};

use slab::Slab;

use crate::{
    ChannelFull, ChannelName, ChannelRules, Epoch, LogStats, Message, MessageId, Namespaces,
    OccupancyObserver, OnlineCounts, PerWire, Seq, TooManyChannels,
    limits::Limits,
    log::{
        channel::Channel, idle::IdleQueue, retention::Retention, ring::Floor,
        tombstones::Tombstones,
    },
    message::memory::MemoryBudget,
    notify::shard::Shards,
    presence::{DirtyUsers, Presence},
};

#[derive(Debug)]
pub(crate) struct Table {
    /// The epoch of the log.
    pub(crate) epoch: Epoch,
    by_name: HashMap<ChannelName, usize>,
    pub(crate) slots: Slab<Channel>,
    pub(crate) shards: Shards,
    /// Dirty users, for the presence tracker.
    pub(crate) dirty_users: DirtyUsers,
    /// Every message up to here is in its ring, or belongs to no channel of this table.
    pub(crate) watermark: Seq,
    tombstones: Tombstones,
    pub(super) retention: Retention,
    idle_queue: IdleQueue,
    /// Channels that have a subscriber.
    pub(crate) occupied: usize,
    /// Is notified when a channel becomes occupied or vacated.
    pub(crate) observer: Option<Arc<dyn OccupancyObserver>>,
    /// Channels created since the start.
    created: u64,
    /// Subscriptions of each namespace, on each wire.
    pub(crate) subscriptions: Vec<PerWire<u32>>,
    limits: Limits,
    /// The rules at the start, which decide on presence.
    first_rules: Namespaces<Arc<ChannelRules>>,
}

impl Table {
    pub(crate) fn new(epoch: Epoch, limits: Limits, memory: Arc<MemoryBudget>) -> Self {
        Self {
            epoch,
            by_name: HashMap::new(),
            slots: Slab::new(),
            shards: Shards::default(),
            dirty_users: DirtyUsers::default(),
            watermark: 0,
            tombstones: Tombstones::new(limits.tombstones),
            retention: Retention::new(&limits.rules, memory),
            idle_queue: IdleQueue::default(),
            occupied: 0,
            observer: None,
            created: 0,
            subscriptions: vec![PerWire::default(); limits.rules.iter().count()],
            first_rules: limits.rules.clone(),
            limits,
        }
    }

    pub(crate) fn id(&self, seq: Seq) -> MessageId {
        MessageId { epoch: self.epoch, seq }
    }

    /// Returns the newest position that is visible to readers.
    pub(crate) fn head(&self) -> MessageId {
        self.id(self.watermark)
    }

    /// Returns the floor of a channel, whether it exists or not.
    pub(crate) fn floor(&self, name: &ChannelName) -> Floor {
        let ring = self.find(name).map(|slot| self.slots[slot].ring.floor());
        ring.unwrap_or_else(|| self.tombstones.peek(name))
    }

    /// Returns the rules for a channel, whether it exists or not.
    pub(crate) fn rules_for(&self, name: &ChannelName) -> Arc<ChannelRules> {
        self.limits.rules.rules_with_presence_from(&self.first_rules, name)
    }

    /// Replaces the rules. Namespaces may have other indexes now, so subscriptions are recounted.
    /// Messages that no longer fit their channel's bounds are evicted by the next push or sweep.
    pub(crate) fn set_rules(&mut self, rules: Namespaces<Arc<ChannelRules>>) {
        self.subscriptions = vec![PerWire::default(); rules.iter().count()];
        self.retention.set_rules(&rules);
        self.limits.rules = rules;
        let (limits, first) = (&self.limits.rules, &self.first_rules);
        for (_, channel) in &mut self.slots {
            channel.rules = limits.rules_with_presence_from(first, &channel.name);
            let subscriptions = &mut self.subscriptions[channel.rules.namespace_index];
            for (wire, count) in channel.roster.online().wires.iter() {
                subscriptions[wire] += count.connections;
            }
        }
    }

    pub(crate) fn find(&self, name: &ChannelName) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Returns the number of connections subscribed to a channel.
    pub(crate) fn subscriber_count(&self, name: &ChannelName) -> u32 {
        self.online(name).total.connections
    }

    /// Returns the online counts of a channel, whether it exists or not.
    pub(crate) fn online(&self, name: &ChannelName) -> OnlineCounts {
        self.find(name).map(|slot| self.slots[slot].roster.online()).unwrap_or_default()
    }

    /// The presence of a channel that has one.
    pub(crate) fn presence(&self, name: &ChannelName) -> Option<&Presence> {
        self.slots[self.find(name)?].presence.as_deref()
    }

    pub(crate) fn stats(&self) -> LogStats {
        LogStats {
            channels: self.slots.len(),
            messages: self.retention.messages(),
            bytes: self.retention.memory().bytes(),
            evicted: self.retention.evicted(),
            subscriptions: self.subscriptions.clone(),
        }
    }

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
        let before = self.tombstones.take(name);
        self.created += 1;
        let rules = self.rules_for(name);
        let slot = self.slots.insert(Channel::new(name.clone(), rules, before, self.created));
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

    /// Removes one pin.
    pub(crate) fn unpin(&mut self, slot: usize) {
        self.slots[slot].pins -= 1;
        self.forget_if_empty(slot);
    }

    /// Appends a message to the channel's ring, and evicts old messages to fit all limits.
    pub(crate) fn push(&mut self, slot: usize, message: Arc<Message>) {
        let seq = message.id.seq;
        self.watermark = seq;
        let channel = &mut self.slots[slot];
        channel.ended = message.draft.end.then_some(seq);
        let idle = !channel.has_subscribers();
        let evicted = channel.ring.push(message, &channel.rules.history);
        self.retention.push(seq, slot);
        self.retention.count_evicted(evicted);
        self.retention.compact(&self.slots);
        if idle {
            self.idle_queue.push(&mut self.slots, slot);
        }
        self.evict_to_fit();
    }

    /// Evicts a ring's messages up to `floor`, and raises its floor.
    pub(crate) fn evict_up_to(&mut self, slot: usize, floor: Seq) {
        let ring = &mut self.slots[slot].ring;
        let before = ring.len();
        ring.evict_up_to(floor);
        self.retention.count_evicted(before - ring.len());
    }

    /// Prepends to a ring older messages from the engine's store.
    pub(crate) fn backfill(&mut self, slot: usize, older: Vec<Arc<Message>>, floor: Floor) {
        let channel = &mut self.slots[slot];
        let ring = &mut channel.ring;
        let front = ring.floor().seq;
        ring.backfill(older, floor, &channel.rules.history);
        let restored = ring.iter_after(0).map(|message| message.id.seq);
        let restored = restored.take_while(|seq| *seq <= front).collect();
        self.retention.push_older(restored, slot);
        self.evict_to_fit();
    }

    /// Returns the slots for the next sweep.
    pub(crate) fn next_to_sweep(&mut self) -> Range<usize> {
        self.retention.next_to_sweep(self.slots.capacity())
    }

    /// Evicts expired messages of one channel, and forgets the channel if it is empty then.
    pub(crate) fn sweep(&mut self, slot: usize, now: u64) {
        let Some(channel) = self.slots.get_mut(slot) else {
            return;
        };
        let evicted = channel.ring.expire(now, channel.rules.history.age);
        self.retention.count_evicted(evicted);
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

    /// Evicts the oldest messages of all channels until the memory fits its budget. Stops after as
    /// many bytes as were in excess: those that a reader still holds are freed a moment later.
    pub(crate) fn evict_to_fit(&mut self) {
        let mut excess = self.retention.memory().excess();
        while excess > 0 {
            let Some((slot, bytes)) = self.retention.evict_oldest(&mut self.slots) else { break };
            excess = excess.saturating_sub(bytes);
            self.forget_if_empty(slot);
        }
    }

    /// Forgets the channel that has been without subscribers, and silent, longest.
    fn evict_idle_channel(&mut self) -> Result<(), TooManyChannels> {
        let slot = self.idle_queue.pop(&mut self.slots).ok_or(TooManyChannels)?;
        let newest = self.slots[slot].ring.newest();
        self.evict_up_to(slot, newest);
        self.forget_if_empty(slot);
        Ok(())
    }
}
