//! All channels of a log under one lock, and the bounds that hold for them together.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use slab::Slab;

use crate::{
    ChannelFull, ChannelName, ChannelRules, Message, Namespaces, OccupancyObserver, Seq,
    TooManyChannels,
    limits::Limits,
    log::{channel::Channel, tombstones::Tombstones},
    message::memory::MemoryBudget,
    notify::shard::ShardEntry,
    presence::DirtyUsers,
};

/// How many idle channels are passed over for one that has been silent longer.
const SECOND_CHANCES: usize = 64;

/// A channel that nobody listened to when this was noted.
#[derive(Clone, Copy, Debug)]
struct IdleChannel {
    slot: usize,
    serial: u64,
    /// The seq of its newest message at that time.
    newest: Seq,
}

#[derive(Debug)]
pub(crate) struct Table {
    by_name: HashMap<ChannelName, usize>,
    pub(crate) slots: Slab<Channel>,
    pub(crate) shards: Vec<ShardEntry>,
    /// Who has come and gone, for whoever tells presence.
    pub(crate) dirty_users: DirtyUsers,
    /// Everything up to here is in the rings, or is no message of theirs.
    pub(crate) watermark: Seq,
    pub(crate) tombstones: Tombstones,
    /// Every message in every ring, oldest first, with its channel's slot. Entries whose message
    /// has left its ring by count or age are stale; they are dropped when met.
    oldest_first: VecDeque<(Seq, usize)>,
    /// Channels that nobody listens to, longest first, to make room when there are too many.
    idle_queue: VecDeque<IdleChannel>,
    /// Channels that somebody listens to.
    pub(crate) occupied: usize,
    /// Is told of their coming and going.
    pub(crate) observer: Option<Arc<dyn OccupancyObserver>>,
    /// Channels created, ever.
    created: u64,
    /// The last sweep has looked at the slots below this one.
    sweep_position: usize,
    /// Messages in all rings.
    message_count: usize,
    /// Messages that have left their ring, ever.
    evicted: u64,
    /// Readers' seats: for each namespace, on each wire.
    pub(crate) subscriptions: Vec<[u32; 3]>,
    limits: Limits,
    /// As they were at the start.
    first_rules: Namespaces<Arc<ChannelRules>>,
    /// Of all namespaces.
    shortest_age: Duration,
    memory: Arc<MemoryBudget>,
}

fn shortest_age(rules: &Namespaces<Arc<ChannelRules>>) -> Duration {
    rules.iter().map(|rules| rules.history.age).min().unwrap_or_default()
}

impl Table {
    pub(crate) fn new(limits: Limits, memory: Arc<MemoryBudget>) -> Self {
        Self {
            by_name: HashMap::new(),
            slots: Slab::new(),
            shards: Vec::new(),
            dirty_users: DirtyUsers::default(),
            watermark: 0,
            tombstones: Tombstones::new(limits.tombstones),
            oldest_first: VecDeque::new(),
            idle_queue: VecDeque::new(),
            occupied: 0,
            observer: None,
            created: 0,
            sweep_position: 0,
            message_count: 0,
            evicted: 0,
            subscriptions: vec![[0; 3]; limits.rules.iter().count()],
            shortest_age: shortest_age(&limits.rules),
            first_rules: limits.rules.clone(),
            limits,
            memory,
        }
    }

    /// What holds for a channel, held or not.
    pub(crate) fn rules_for(&self, name: &ChannelName) -> Arc<ChannelRules> {
        self.limits.rules.rules_with_presence_from(&self.first_rules, name)
    }

    /// Other rules from now on. Namespaces may have other places in the list, so seats are counted anew. What no longer fits
    /// its channel's bounds goes with the next message there, or sweep.
    pub(crate) fn set_rules(&mut self, rules: Namespaces<Arc<ChannelRules>>) {
        self.subscriptions = vec![[0; 3]; rules.iter().count()];
        self.shortest_age = shortest_age(&rules);
        self.limits.rules = rules;
        let (limits, first) = (&self.limits.rules, &self.first_rules);
        for (_, channel) in &mut self.slots {
            channel.rules = limits.rules_with_presence_from(first, &channel.name);
            let subscriptions = &mut self.subscriptions[channel.rules.namespace_index];
            let wires = channel.roster.online().wires;
            subscriptions
                .iter_mut()
                .zip(wires)
                .for_each(|(subscriptions, count)| *subscriptions += count.connections);
        }
    }

    pub(crate) fn find(&self, name: &ChannelName) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// How many connections listen to a channel.
    pub(crate) fn subscriber_count(&self, name: &ChannelName) -> u32 {
        let slot = self.find(name);
        slot.map_or(0, |slot| self.slots[slot].roster.online().total.connections)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn message_count(&self) -> usize {
        self.message_count
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(crate) fn find_or_create(&mut self, name: &ChannelName) -> Result<usize, TooManyChannels> {
        if let Some(slot) = self.find(name) {
            return Ok(slot);
        }
        if self.slots.len() >= self.limits.channels {
            let made = self.evict_idle_channel();
            // There is always room to tell of a channel that is here, or whoever has left it could stay listed
            // for want of a place to say so.
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

    /// Whether a reader of `names` can be let in: all channels that are listened to then must fit.
    /// Asked before anything is done, so that a refused reader changes nothing.
    pub(crate) fn has_room_for(&self, names: impl Iterator<Item = ChannelName>) -> bool {
        let is_new = |name: &ChannelName| self.subscriber_count(name) == 0;
        self.occupied + names.filter(is_new).count() <= self.limits.channels
    }

    /// Whether one more may listen to `name`.
    pub(crate) fn check_subscriber_limit(&self, name: &ChannelName) -> Result<(), ChannelFull> {
        let Some(channel) = self.find(name).map(|slot| &self.slots[slot]) else { return Ok(()) };
        match channel.roster.online().total.connections < channel.rules.subscribers {
            true => Ok(()),
            false => Err(ChannelFull(name.clone())),
        }
    }

    /// Finds or creates the channels and keeps them until [`unpin`](Self::unpin): a reader is about to
    /// join. Those that exist are pinned first, or making room for one could forget another.
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

    /// Undoes one pin.
    pub(crate) fn unpin(&mut self, slot: usize) {
        self.slots[slot].pins -= 1;
        self.forget_if_empty(slot);
    }

    /// Appends to the channel's ring.
    pub(crate) fn push(&mut self, slot: usize, message: Arc<Message>) {
        let seq = message.id.seq;
        self.watermark = seq;
        let channel = &mut self.slots[slot];
        channel.ended = message.draft.end.then_some(seq);
        let idle = !channel.has_subscribers();
        let evicted = channel.ring.push(message, &channel.rules.history);
        self.message_count += 1;
        self.count_evicted(evicted);
        self.oldest_first.push_back((seq, slot));
        if self.oldest_first.len() > 2 * self.message_count + 1024 {
            self.drop_stale();
        }
        if idle {
            self.queue_idle(slot);
        }
        self.evict_to_fit();
    }

    /// Lets go what a ring holds up to `floor`, and remembers that nothing below is held.
    pub(crate) fn evict_up_to(&mut self, slot: usize, floor: Seq) {
        let ring = &mut self.slots[slot].ring;
        let before = ring.len();
        ring.evict_up_to(floor);
        let evicted = before - ring.len();
        self.count_evicted(evicted);
    }

    /// Puts older messages in front of a ring that an engine has filled from its store.
    pub(crate) fn backfill(
        &mut self,
        slot: usize,
        older: Vec<Arc<Message>>,
        floor: crate::log::ring::Floor,
    ) {
        let channel = &mut self.slots[slot];
        let ring = &mut channel.ring;
        let (before, front) = (ring.len(), ring.floor().seq);
        ring.backfill(older, floor, &channel.rules.history);
        self.message_count += ring.len() - before;
        let restored: Vec<_> =
            ring.iter_after(0).map(|m| m.id.seq).take_while(|seq| *seq <= front).collect();
        for seq in restored.into_iter().rev() {
            self.oldest_first.push_front((seq, slot));
        }
        self.evict_to_fit();
    }

    /// The slots that the next sweep is to look at.
    pub(crate) fn next_to_sweep(&mut self) -> Range<usize> {
        let sweeps = (self.shortest_age.as_secs() / 16).clamp(1, 60) as usize;
        let all = self.slots.capacity();
        let from = if self.sweep_position < all { self.sweep_position } else { 0 };
        self.sweep_position = (from + all.div_ceil(sweeps)).min(all);
        from..self.sweep_position
    }

    /// Lets go what is older than the limit in one channel, and the channel itself when idle.
    pub(crate) fn sweep(&mut self, slot: usize, now: u64) {
        let Some(channel) = self.slots.get_mut(slot) else {
            return;
        };
        let evicted = channel.ring.expire(now, channel.rules.history.age);
        self.count_evicted(evicted);
        self.forget_if_empty(slot);
    }

    fn count_evicted(&mut self, messages: usize) {
        self.message_count -= messages;
        self.evicted += messages as u64;
    }

    /// After somebody has left or something was let go: forgets the channel when nothing is
    /// left of it, else notes that nobody listens.
    pub(crate) fn forget_if_empty(&mut self, slot: usize) {
        if self.slots[slot].is_empty() {
            let channel = self.slots.remove(slot);
            self.by_name.remove(&channel.name);
            self.tombstones.insert(&channel.name, channel.tombstone());
        } else if !self.slots[slot].has_subscribers() {
            self.queue_idle(slot);
        }
    }

    fn queue_idle(&mut self, slot: usize) {
        let channel = &mut self.slots[slot];
        if std::mem::replace(&mut channel.in_idle_queue, true) {
            return;
        }
        let (serial, newest) = (channel.serial, channel.ring.newest());
        self.idle_queue.push_back(IdleChannel { slot, serial, newest });
        if self.idle_queue.len() > 2 * self.slots.len() + 1024 {
            let slots = &self.slots;
            self.idle_queue
                .retain(|one| slots.get(one.slot).is_some_and(|c| c.serial == one.serial));
        }
    }

    /// Evicts the oldest messages of all until the memory fits its budget. Stops after as many
    /// bytes as were over: what a reader still holds is freed a moment later.
    pub(crate) fn evict_to_fit(&mut self) {
        let mut over = self.memory.excess();
        let mut evicted = 0;
        while over > 0 {
            let Some((seq, slot)) = self.oldest_first.pop_front() else {
                break;
            };
            if self.is_oldest(seq, slot) {
                over = over.saturating_sub(self.slots[slot].ring.evict());
                evicted += 1;
                self.forget_if_empty(slot);
            }
        }
        self.count_evicted(evicted);
    }

    fn is_oldest(&self, seq: Seq, slot: usize) -> bool {
        let first = self.slots.get(slot).and_then(|channel| channel.ring.oldest());
        first.is_some_and(|message| message.id.seq == seq)
    }

    fn drop_stale(&mut self) {
        let slots = &self.slots;
        self.oldest_first.retain(|(seq, slot)| {
            let first = slots.get(*slot).and_then(|channel| channel.ring.oldest());
            first.is_some_and(|first| first.id.seq <= *seq)
        });
    }

    /// Forgets a channel that nobody listens to: the one that has been so, and silent, longest.
    fn evict_idle_channel(&mut self) -> Result<(), TooManyChannels> {
        let mut chances = SECOND_CHANCES;
        while let Some(one) = self.idle_queue.pop_front() {
            let Some(channel) = self.slots.get_mut(one.slot) else { continue };
            if channel.serial != one.serial {
                continue;
            }
            channel.in_idle_queue = false;
            // One with members is noted again when the last of them has gone.
            if channel.has_subscribers() || channel.has_announced_users() {
                continue;
            }
            if channel.ring.newest() > one.newest && chances > 0 {
                chances -= 1;
                self.queue_idle(one.slot);
                continue;
            }
            let newest = channel.ring.newest();
            self.evict_up_to(one.slot, newest);
            self.forget_if_empty(one.slot);
            return Ok(());
        }
        Err(TooManyChannels)
    }
}
