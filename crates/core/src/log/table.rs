//! The table of a log's channels, which are under one lock and share limits.

use std::{collections::HashMap, ops::Range, sync::Arc};

use slab::Slab;

use crate::{
    ChannelName, ChannelRules, Draft, Epoch, FoldKind, LogStats, Message, MessageId, Namespaces,
    OccupancyObserver, OnlineCounts, PerWire, Seq, Stored,
    fold::{
        kind::is_add,
        snapshot::{Snapshot, Under},
    },
    limits::Limits,
    log::{
        channel::Channel,
        earlier_rules::EarlierRules,
        erasure::Erasures,
        extent::Extent,
        idle::IdleQueue,
        retention::Retention,
        ring::Floor,
        tombstones::{Tombstone, Tombstones},
    },
    message::memory::MemoryBudget,
    notify::shard::Shards,
    presence::{DirtyUsers, Presence},
};

/// How long the parts of a fold stay in the ring after it has ended, for readers that are a little
/// behind.
const ENDED_PARTS_MILLIS: u64 = 5000;

#[derive(Debug)]
pub(crate) struct Table {
    /// The epoch of the log.
    pub(crate) epoch: Epoch,
    pub(super) by_name: HashMap<ChannelName, usize>,
    pub(crate) slots: Slab<Channel>,
    pub(crate) shards: Shards,
    /// Dirty users, for the presence tracker.
    pub(crate) dirty_users: DirtyUsers,
    /// The epochs before this one whose ids still resume, each up to a seq.
    pub(crate) lineage: Vec<(Epoch, Seq)>,
    /// What the engine stores below the rings; `None` if it stores nothing.
    pub(crate) extent: Option<Extent>,
    /// What is erased of the channels that the engine stores.
    pub(crate) erasures: Erasures,
    /// Channels that are not logged have nothing up to here: it is the head at the start.
    pub(crate) unlogged_floor: Seq,
    /// The parts of the log in which other namespaces were logged.
    pub(crate) earlier: Vec<EarlierRules>,
    /// Every message up to here is in its ring, or belongs to no channel of this table.
    pub(crate) watermark: Seq,
    pub(super) tombstones: Tombstones,
    pub(super) retention: Retention,
    pub(super) idle_queue: IdleQueue,
    /// Channels that have a subscriber.
    pub(crate) occupied: usize,
    /// How messages fold; `None` if none do.
    pub(crate) folds: Option<Arc<dyn FoldKind>>,
    /// Channels in whose folds something is to be merged.
    pub(crate) due_folds: Vec<usize>,
    /// Is notified when a channel becomes occupied or vacated.
    pub(crate) observer: Option<Arc<dyn OccupancyObserver>>,
    /// Channels created since the start.
    pub(super) created: u64,
    /// Messages since the start for which there was no slot.
    skipped: u64,
    /// Subscriptions of each namespace, on each wire.
    pub(crate) subscriptions: Vec<PerWire<u32>>,
    pub(super) limits: Limits,
    /// The rules at the start, which decide on presence.
    first_rules: Namespaces<Arc<ChannelRules>>,
}

impl Table {
    pub(crate) fn new(epoch: Epoch, limits: Limits, memory: Arc<MemoryBudget>) -> Self {
        Self {
            epoch,
            lineage: Vec::new(),
            extent: None,
            erasures: Erasures::default(),
            unlogged_floor: 0,
            earlier: Vec::new(),
            by_name: HashMap::new(),
            slots: Slab::new(),
            shards: Shards::default(),
            dirty_users: DirtyUsers::default(),
            watermark: 0,
            tombstones: Tombstones::new(limits.tombstones),
            retention: Retention::new(&limits.rules, memory),
            idle_queue: IdleQueue::default(),
            occupied: 0,
            folds: None,
            due_folds: Vec::new(),
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

    /// Returns the newest position that is visible to readers.
    pub(crate) fn head(&self) -> MessageId {
        self.id(self.watermark)
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

    /// Appends a message to the channel's ring, and evicts old messages to fit all limits.
    pub(crate) fn push(&mut self, slot: usize, message: Arc<Message>) {
        let seq = message.id.seq;
        self.watermark = seq;
        let channel = &mut self.slots[slot];
        let was_folding = !channel.ring.folds().is_empty();
        (channel.ended, channel.knows_end) = (message.draft.end.then_some(seq), true);
        let idle = !channel.has_subscribers();
        let evicted = channel.ring.push(message, &channel.rules.history);
        self.retention.push(seq, slot);
        let is_folding = !channel.ring.folds().is_empty();
        // A channel with open folds is neither idle nor forgotten.
        match (was_folding, is_folding) {
            (false, true) => channel.pins += 1,
            (true, false) => channel.pins -= 1,
            _ => {}
        }
        if channel.ring.folds().is_due() {
            self.due_folds.push(slot);
        }
        self.retention.count_evicted(evicted);
        self.retention.compact(&self.slots);
        if idle {
            self.idle_queue.push(&mut self.slots, slot);
        }
        self.evict_to_fit();
    }

    /// Returns the snapshot of what is under way in the channel in `slot`, for a reader that has
    /// read everything else up to `seq`; `None` if nothing is.
    pub(crate) fn snapshot(&self, slot: usize, seq: Seq) -> Option<Arc<Snapshot>> {
        let (channel, kind) = (&self.slots[slot], self.folds.as_ref()?);
        let ring = &channel.ring;
        if ring.folds().is_empty() {
            return None;
        }
        let held: Vec<_> = ring.parts_up_to(seq).collect();
        let id = self.id(seq);
        let (kind, memory) = (kind.clone(), self.retention.memory().clone());
        let name = channel.name.clone();
        ring.folds().snapshot(id, &held, |folds| Snapshot::new(id, name, folds, kind, memory))
    }

    /// Returns what is under way in all channels.
    pub(crate) fn open_folds(&self) -> Vec<(ChannelName, Under)> {
        let of_channel = |channel: &Channel| {
            let held: Vec<_> = channel.ring.parts_up_to(self.watermark).collect();
            let name = channel.name.clone();
            let open = channel.ring.folds().under_way(self.watermark, &held);
            open.map(|under| (name.clone(), under)).collect::<Vec<_>>()
        };
        self.slots.iter().flat_map(|(_, channel)| of_channel(channel)).collect()
    }

    /// Whether a message adds to a fold.
    pub(crate) fn is_add(&self, draft: &Draft) -> bool {
        is_add(self.folds.as_deref(), draft)
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

    /// Evicts expired and erased messages of one channel, and forgets the channel if it is empty
    /// then.
    pub(crate) fn sweep(&mut self, slot: usize, now: u64) {
        let Some(channel) = self.slots.get_mut(slot) else {
            return;
        };
        let mut evicted = channel.ring.expire(now, channel.rules.history.age);
        channel.ring.folds_mut().forget_snapshot();
        // A reader that has not read them yet reads the end, which has the whole.
        if let Some(ended) = channel.ring.newest_ended_part(now.saturating_sub(ENDED_PARTS_MILLIS))
        {
            evicted += channel.ring.fold_up_to(ended);
        }
        self.retention.count_evicted(evicted);
        self.evict_erased(slot);
        self.forget_if_empty(slot);
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
}
