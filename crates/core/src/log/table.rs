//! The table of a log's channels, which are under one lock and share limits.

use std::{collections::HashMap, ops::Range, sync::Arc};

use slab::Slab;

use crate::{
    ChannelFull, ChannelName, ChannelRules, Epoch, Locate, LogStats, Message, MessageId,
    Namespaces, NotRecovered, OccupancyObserver, OnlineCounts, PerWire, Seq, Start, Stored,
    TooManyChannels,
    limits::Limits,
    log::{
        beginning::Beginning,
        channel::Channel,
        extent::Extent,
        idle::IdleQueue,
        retention::Retention,
        ring::Floor,
        start::LocatedChannels,
        tombstones::{Tombstone, Tombstones},
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
    /// The epochs before this one whose ids still resume, each up to a seq.
    pub(crate) lineage: Vec<(Epoch, Seq)>,
    /// What the engine stores below the rings; `None` if it stores nothing.
    pub(crate) extent: Option<Extent>,
    /// Channels that are not logged have nothing up to here: it is the head at the start.
    pub(crate) unlogged_floor: Seq,
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
    /// Messages since the start for which there was no slot.
    skipped: u64,
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
            lineage: Vec::new(),
            extent: None,
            unlogged_floor: 0,
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
            skipped: 0,
            subscriptions: vec![PerWire::default(); limits.rules.iter().count()],
            first_rules: limits.rules.clone(),
            limits,
        }
    }

    pub(crate) fn id(&self, seq: Seq) -> MessageId {
        MessageId { epoch: self.epoch, seq }
    }

    /// Returns the position that an id stands for, or why this log cannot resume there.
    pub(crate) fn seq_of(&self, id: MessageId) -> Result<Seq, NotRecovered> {
        if id.epoch == self.epoch {
            return if id.seq <= self.watermark { Ok(id.seq) } else { Err(NotRecovered::Foreign) };
        }
        let earlier =
            self.lineage.iter().find(|(epoch, upto)| *epoch == id.epoch && id.seq <= *upto);
        earlier.map(|_| id.seq).ok_or(NotRecovered::Epoch)
    }

    /// Whether the channel in `slot` may have lost a message above `after`.
    pub(crate) fn may_have_lost(&self, slot: usize, after: Seq) -> bool {
        let floor = self.slots[slot].ring.floor().seq;
        match &self.extent {
            Some(extent) if self.slots[slot].rules.log => extent.may_have_lost(after, floor),
            _ => floor > after,
        }
    }

    /// Returns the position before the oldest message of the channel in `slot` that is left.
    pub(crate) fn oldest_position(&self, slot: usize) -> Seq {
        let floor = self.slots[slot].ring.floor().seq;
        match &self.extent {
            Some(extent) if self.slots[slot].rules.log => extent.after.min(floor),
            _ => floor,
        }
    }

    /// Returns the newest position that is visible to readers.
    pub(crate) fn head(&self) -> MessageId {
        self.id(self.watermark)
    }

    /// Returns the floor of a channel, whether it exists or not.
    pub(crate) fn floor(&self, name: &ChannelName) -> Floor {
        match self.find(name) {
            Some(slot) => self.slots[slot].ring.floor(),
            None => self.raise_unlogged(name, self.tombstones.peek(name), &self.rules_for(name)),
        }
    }

    /// Returns the floor of a channel that is not in the table: what is not logged has nothing from
    /// before the start. Of a presence channel a checkpoint may say where it ended.
    fn raise_unlogged(&self, name: &ChannelName, floor: Floor, rules: &ChannelRules) -> Floor {
        let is_restored = floor.certain && name.observed_channel().is_some();
        match !rules.log && !is_restored && floor.seq < self.unlogged_floor {
            true => Floor { seq: self.unlogged_floor, certain: false },
            false => floor,
        }
    }

    /// Whether the engine stores the messages of the channel in `slot` that have left its ring.
    pub(crate) fn is_stored(&self, slot: usize) -> bool {
        self.extent.is_some() && self.slots[slot].rules.log
    }

    /// Whether the engine stores the messages of a channel, in the table or not, that have left its
    /// ring.
    pub(crate) fn stores(&self, name: &ChannelName) -> bool {
        self.extent.is_some() && self.rules_for(name).log
    }

    /// Begins another epoch, or the first: forgets all messages and tombstones. Channels keep their
    /// subscribers. Messages up to `after` are below every ring.
    pub(crate) fn begin(&mut self, beginning: Beginning) {
        let Beginning { epoch, lineage, after, head, extent } = beginning;
        let slots: Vec<usize> = self.slots.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            let newest = self.slots[slot].ring.newest();
            self.evict_up_to(slot, newest);
            self.slots[slot].ended = None;
            self.forget_if_empty(slot);
        }
        (self.epoch, self.lineage, self.extent) = (epoch, lineage, extent);
        self.tombstones = Tombstones::new(self.limits.tombstones);
        self.tombstones.forget_up_to(after);
        (self.watermark, self.unlogged_floor) = (after, head);
        let unlogged = Floor { seq: head, certain: false };
        for (_, channel) in &mut self.slots {
            let floor = Floor { seq: after, certain: false };
            channel.ring.restart(if channel.rules.log { floor } else { unlogged });
        }
    }

    /// Returns the rules for a channel, whether it exists or not.
    pub(crate) fn rules_for(&self, name: &ChannelName) -> Arc<ChannelRules> {
        self.limits.rules.rules_fixed_by(&self.first_rules, name)
    }

    /// Replaces the rules. Namespaces may have other indexes now, so subscriptions are recounted.
    /// Messages that no longer fit their channel's bounds are evicted by the next push or sweep.
    pub(crate) fn set_rules(&mut self, rules: Namespaces<Arc<ChannelRules>>) {
        self.subscriptions = vec![PerWire::default(); rules.iter().count()];
        self.retention.set_rules(&rules);
        self.limits.rules = rules;
        let (limits, first) = (&self.limits.rules, &self.first_rules);
        for (_, channel) in &mut self.slots {
            channel.rules = limits.rules_fixed_by(first, &channel.name);
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
            skipped: self.skipped,
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
        let mut before = self.tombstones.take(name);
        self.created += 1;
        let rules = self.rules_for(name);
        before.floor = self.raise_unlogged(name, before.floor, &rules);
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

    /// Notes which channels have ended, as the engine says about channels that had no slot.
    pub(crate) fn note_ends(&mut self, slots: &[usize], located: &LocatedChannels) {
        for slot in slots {
            let channel = &mut self.slots[*slot];
            // A message in the ring is newer than what the engine was asked about.
            if channel.ring.is_empty() && channel.ended.is_none() {
                channel.ended = located.get(&channel.name).and_then(|located| located.ended);
            }
        }
    }

    /// Returns what the engine has to be asked about `name` before a reader with `start` joins it:
    /// where its newest messages begin, which of them are hidden, and whether a channel without a
    /// slot has ended.
    pub(crate) fn question_about(
        &self,
        name: &ChannelName,
        start: Start,
        now: u64,
    ) -> Option<Locate> {
        let extent = self.extent.as_ref()?;
        let slot = self.find(name);
        let floor = self.floor(name).seq;
        if floor <= extent.after || !self.rules_for(name).log {
            return None;
        }
        let held = slot.map_or(0, |slot| self.slots[slot].ring.len());
        let newest = match start {
            Start::Newest(n) => n.saturating_sub(held),
            _ => 0,
        };
        let (visible, since) = match start {
            Start::Latest => (usize::MAX, 0),
            _ => self.visible_below(name, now),
        };
        let is_limited = visible != usize::MAX || since > 0;
        let is_known =
            newest == 0 && !is_limited && (held > 0 || slot.is_some() || start == Start::Latest);
        (!is_known).then(|| Locate { channel: name.clone(), newest, until: floor, visible, since })
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

    /// Notes what is left of a channel from before the start.
    pub(crate) fn set_tombstone(&mut self, name: &ChannelName, tombstone: Tombstone) {
        self.tombstones.insert(name, tombstone);
    }

    /// Moves over a message for which there is no slot: its channel's floor rises to it.
    pub(crate) fn skip(&mut self, stored: &Stored) {
        let seq = stored.seq;
        self.watermark = seq;
        self.skipped += 1;
        let ended = stored.draft.end.then_some(seq);
        let tombstone = Tombstone { floor: Floor { seq, certain: true }, ended };
        self.tombstones.insert(&stored.draft.channel, tombstone);
    }

    /// Evicts a ring's messages up to `floor`, and raises its floor.
    pub(crate) fn evict_up_to(&mut self, slot: usize, floor: Seq) {
        let ring = &mut self.slots[slot].ring;
        let before = ring.len();
        ring.evict_up_to(floor);
        self.retention.count_evicted(before - ring.len());
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
