//! All channels of a log under one lock, and the bounds that hold for them together.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use slab::Slab;

use crate::{
    Attendance, ChannelName, ChannelRules, Message, Namespaces, Seq,
    limits::Limits,
    log::{channel::Channel, tombstones::Tombstones},
    message::draft::Memory,
    notify::shard::Shard,
    presence::Notes,
};

/// How many idle channels are passed over for one that has been silent longer.
const SECOND_CHANCES: usize = 64;

/// No further channel can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway holds as many channels as limits.channels allows")]
pub struct TooManyChannels;

/// As many listen to a channel as its namespace allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("as many listen to {0} as may; come back later")]
pub struct ChannelFull(ChannelName);

/// A channel that nobody listened to when this was noted.
#[derive(Clone, Copy, Debug)]
struct Unheard {
    slot: usize,
    serial: u64,
    /// The seq of its newest message at that time.
    newest: Seq,
}

#[derive(Debug)]
pub(crate) struct Table {
    by_name: HashMap<ChannelName, usize>,
    pub(crate) slots: Slab<Channel>,
    pub(crate) shards: Vec<Shard>,
    /// Who has come and gone, for whoever tells presence.
    pub(crate) notes: Notes,
    /// Everything up to here is in the rings, or is no message of theirs.
    pub(crate) watermark: Seq,
    pub(crate) tombstones: Tombstones,
    /// Every message in every ring, oldest first, with its channel's slot. Entries whose message
    /// has left its ring by count or age are stale; they are dropped when met.
    oldest_first: VecDeque<(Seq, usize)>,
    /// Channels that nobody listens to, longest first, to make room when there are too many.
    unheard: VecDeque<Unheard>,
    /// Channels that somebody listens to.
    pub(crate) heard: usize,
    /// Is told of their coming and going.
    pub(crate) attendance: Option<Arc<dyn Attendance>>,
    /// Channels created, ever.
    created: u64,
    /// The last sweep has looked at the slots below this one.
    swept: usize,
    /// Messages in all rings.
    held: usize,
    /// Messages that have left their ring, ever.
    evicted: u64,
    /// Readers' seats: for each namespace, on each wire.
    pub(crate) seats: Vec<[u32; 3]>,
    limits: Limits,
    /// As they were at the start.
    first_rules: Namespaces<Arc<ChannelRules>>,
    /// Of all namespaces.
    shortest_age: Duration,
    memory: Arc<Memory>,
}

fn shortest_age(rules: &Namespaces<Arc<ChannelRules>>) -> Duration {
    rules.iter().map(|rules| rules.history.age).min().unwrap_or_default()
}

impl Table {
    pub(crate) fn new(limits: Limits, memory: Arc<Memory>) -> Self {
        Self {
            by_name: HashMap::new(),
            slots: Slab::new(),
            shards: Vec::new(),
            notes: Notes::default(),
            watermark: 0,
            tombstones: Tombstones::new(limits.tombstones),
            oldest_first: VecDeque::new(),
            unheard: VecDeque::new(),
            heard: 0,
            attendance: None,
            created: 0,
            swept: 0,
            held: 0,
            evicted: 0,
            seats: vec![[0; 3]; limits.rules.iter().count()],
            shortest_age: shortest_age(&limits.rules),
            first_rules: limits.rules.clone(),
            limits,
            memory,
        }
    }

    /// What holds for a channel, held or not.
    pub(crate) fn rules_of(&self, name: &ChannelName) -> Arc<ChannelRules> {
        self.limits.rules.with_presence_of(&self.first_rules, name)
    }

    /// Other rules from now on. Namespaces may have other places in the list, so seats are counted anew. What no longer fits
    /// its channel's bounds goes with the next message there, or sweep.
    pub(crate) fn set_rules(&mut self, rules: Namespaces<Arc<ChannelRules>>) {
        self.seats = vec![[0; 3]; rules.iter().count()];
        self.shortest_age = shortest_age(&rules);
        self.limits.rules = rules;
        let (limits, first) = (&self.limits.rules, &self.first_rules);
        for (_, channel) in &mut self.slots {
            channel.rules = limits.with_presence_of(first, &channel.name);
            let seats = &mut self.seats[channel.rules.namespace];
            let wires = channel.roster.online().wires;
            seats.iter_mut().zip(wires).for_each(|(seats, count)| *seats += count.connections);
        }
    }

    pub(crate) fn find(&self, name: &ChannelName) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// How many connections listen to a channel.
    pub(crate) fn listening(&self, name: &ChannelName) -> u32 {
        let slot = self.find(name);
        slot.map_or(0, |slot| self.slots[slot].roster.online().total.connections)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn held(&self) -> usize {
        self.held
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(crate) fn find_or_create(&mut self, name: &ChannelName) -> Result<usize, TooManyChannels> {
        if let Some(slot) = self.find(name) {
            return Ok(slot);
        }
        if self.slots.len() >= self.limits.channels {
            let made = self.make_room_for_a_channel();
            // There is always room to tell of a channel that is here, or whoever has left it could stay listed
            // for want of a place to say so.
            let here = |of: ChannelName| self.find(&of).is_some();
            if !name.presence_of().is_some_and(here) {
                made?;
            }
        }
        let before = self.tombstones.exhume(name);
        self.created += 1;
        let rules = self.rules_of(name);
        let slot = self.slots.insert(Channel::new(name.clone(), rules, before, self.created));
        self.by_name.insert(name.clone(), slot);
        Ok(slot)
    }

    /// Whether a reader of `names` can be let in: all channels that are listened to then must fit.
    /// Asked before anything is done, so that a refused reader changes nothing.
    pub(crate) fn has_room_for(&self, names: impl Iterator<Item = ChannelName>) -> bool {
        let is_new = |name: &ChannelName| self.listening(name) == 0;
        self.heard + names.filter(is_new).count() <= self.limits.channels
    }

    /// Whether one more may listen to `name`.
    pub(crate) fn check_crowd(&self, name: &ChannelName) -> Result<(), ChannelFull> {
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
        self.forget_if_idle(slot);
    }

    /// Appends to the channel's ring.
    pub(crate) fn push(&mut self, slot: usize, message: Arc<Message>) {
        let seq = message.id.seq;
        self.watermark = seq;
        let channel = &mut self.slots[slot];
        channel.ended = message.draft.end.then_some(seq);
        let unheard = !channel.has_listeners();
        let gone = channel.ring.push(message, &channel.rules.history);
        self.held += 1;
        self.let_go(gone);
        self.oldest_first.push_back((seq, slot));
        if self.oldest_first.len() > 2 * self.held + 1024 {
            self.drop_stale();
        }
        if unheard {
            self.note_unheard(slot);
        }
        self.evict_to_fit();
    }

    /// Lets go what a ring holds up to `floor`, and remembers that nothing below is held.
    pub(crate) fn let_go_to(&mut self, slot: usize, floor: Seq) {
        let ring = &mut self.slots[slot].ring;
        let before = ring.len();
        ring.let_go_to(floor);
        let gone = before - ring.len();
        self.let_go(gone);
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
        self.held += ring.len() - before;
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
        let from = if self.swept < all { self.swept } else { 0 };
        self.swept = (from + all.div_ceil(sweeps)).min(all);
        from..self.swept
    }

    /// Lets go what is older than the limit in one channel, and the channel itself when idle.
    pub(crate) fn sweep(&mut self, slot: usize, now: u64) {
        let Some(channel) = self.slots.get_mut(slot) else {
            return;
        };
        let gone = channel.ring.expire(now, channel.rules.history.age);
        self.let_go(gone);
        self.forget_if_idle(slot);
    }

    fn let_go(&mut self, messages: usize) {
        self.held -= messages;
        self.evicted += messages as u64;
    }

    /// After somebody has left or something was let go: forgets the channel when nothing is
    /// left of it, else notes that nobody listens.
    pub(crate) fn forget_if_idle(&mut self, slot: usize) {
        if self.slots[slot].is_idle() {
            let channel = self.slots.remove(slot);
            self.by_name.remove(&channel.name);
            self.tombstones.bury(&channel.name, channel.tombstone());
        } else if !self.slots[slot].has_listeners() {
            self.note_unheard(slot);
        }
    }

    fn note_unheard(&mut self, slot: usize) {
        let channel = &mut self.slots[slot];
        if std::mem::replace(&mut channel.queued, true) {
            return;
        }
        let (serial, newest) = (channel.serial, channel.ring.newest());
        self.unheard.push_back(Unheard { slot, serial, newest });
        if self.unheard.len() > 2 * self.slots.len() + 1024 {
            let slots = &self.slots;
            self.unheard.retain(|one| slots.get(one.slot).is_some_and(|c| c.serial == one.serial));
        }
    }

    /// Evicts the oldest messages of all until the memory fits its budget. Stops after as many
    /// bytes as were over: what a reader still holds is freed a moment later.
    pub(crate) fn evict_to_fit(&mut self) {
        let mut over = self.memory.over();
        let mut gone = 0;
        while over > 0 {
            let Some((seq, slot)) = self.oldest_first.pop_front() else {
                break;
            };
            if self.is_oldest(seq, slot) {
                over = over.saturating_sub(self.slots[slot].ring.evict());
                gone += 1;
                self.forget_if_idle(slot);
            }
        }
        self.let_go(gone);
    }

    fn is_oldest(&self, seq: Seq, slot: usize) -> bool {
        let first = self.slots.get(slot).and_then(|channel| channel.ring.first());
        first.is_some_and(|message| message.id.seq == seq)
    }

    fn drop_stale(&mut self) {
        let slots = &self.slots;
        self.oldest_first.retain(|(seq, slot)| {
            let first = slots.get(*slot).and_then(|channel| channel.ring.first());
            first.is_some_and(|first| first.id.seq <= *seq)
        });
    }

    /// Forgets a channel that nobody listens to: the one that has been so, and silent, longest.
    fn make_room_for_a_channel(&mut self) -> Result<(), TooManyChannels> {
        let mut chances = SECOND_CHANCES;
        while let Some(one) = self.unheard.pop_front() {
            let Some(channel) = self.slots.get_mut(one.slot) else { continue };
            if channel.serial != one.serial {
                continue;
            }
            channel.queued = false;
            // One with members is noted again when the last of them has gone.
            if channel.has_listeners() || channel.has_members() {
                continue;
            }
            if channel.ring.newest() > one.newest && chances > 0 {
                chances -= 1;
                self.note_unheard(one.slot);
                continue;
            }
            let newest = channel.ring.newest();
            self.let_go_to(one.slot, newest);
            self.forget_if_idle(one.slot);
            return Ok(());
        }
        Err(TooManyChannels)
    }
}
