//! All channels of a log under one lock, and the bounds that hold for them together.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use slab::Slab;

use crate::{
    ChannelName, Message, Seq, channel::Channel, limits::Limits, message::Memory,
    tombstones::Tombstones,
};

/// How far to look for a channel that can make room for a new one.
const LOOK_FOR_IDLE: usize = 64;

/// No further channel can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway holds as many channels as limits.channels allows")]
pub struct TooManyChannels;

#[derive(Debug)]
pub(crate) struct Table {
    by_name: HashMap<ChannelName, usize>,
    pub(crate) slots: Slab<Channel>,
    /// Everything up to here is in the rings, or is no message of theirs.
    pub(crate) watermark: Seq,
    pub(crate) tombstones: Tombstones,
    /// Every message in every ring, oldest first, with its channel's slot. Entries whose message
    /// has left its ring by count or age are stale; they are dropped when met.
    oldest_first: VecDeque<(Seq, usize)>,
    /// Messages in all rings.
    held: usize,
    /// Messages that have left their ring, ever.
    evicted: u64,
    limits: Limits,
    memory: Arc<Memory>,
}

impl Table {
    pub(crate) fn new(limits: Limits, memory: Arc<Memory>) -> Self {
        Self {
            by_name: HashMap::new(),
            slots: Slab::new(),
            watermark: 0,
            tombstones: Tombstones::new(limits.tombstones),
            oldest_first: VecDeque::new(),
            held: 0,
            evicted: 0,
            limits,
            memory,
        }
    }

    pub(crate) fn find(&self, name: &ChannelName) -> Option<usize> {
        self.by_name.get(name).copied()
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
            self.make_room_for_a_channel()?;
        }
        let before = self.tombstones.exhume(name);
        let slot = self.slots.insert(Channel::new(name.clone(), before));
        self.by_name.insert(name.clone(), slot);
        Ok(slot)
    }

    /// Appends to the channel's ring.
    pub(crate) fn push(&mut self, slot: usize, message: Arc<Message>) {
        let seq = message.id.seq;
        self.watermark = seq;
        let channel = &mut self.slots[slot];
        channel.ended = message.draft.end.then_some(seq);
        let gone = channel.ring.push(message, &self.limits.history);
        self.held += 1;
        self.let_go(gone);
        self.oldest_first.push_back((seq, slot));
        if self.oldest_first.len() > 2 * self.held + 1024 {
            self.drop_stale();
        }
        self.evict_to_fit();
    }

    /// Lets go what a ring holds up to `floor`, and remembers that nothing below is held.
    pub(crate) fn empty(&mut self, slot: usize, floor: Seq) {
        let ring = &mut self.slots[slot].ring;
        let before = ring.len();
        ring.empty(floor);
        let gone = before - ring.len();
        self.let_go(gone);
    }

    /// Puts older messages in front of a ring that an engine has filled from its store.
    pub(crate) fn backfill(
        &mut self,
        slot: usize,
        older: Vec<Arc<Message>>,
        floor: crate::ring::Floor,
    ) {
        let ring = &mut self.slots[slot].ring;
        let (before, front) = (ring.len(), ring.floor().seq);
        ring.backfill(older, floor, &self.limits.history);
        self.held += ring.len() - before;
        let restored: Vec<_> =
            ring.iter_after(0).map(|m| m.id.seq).take_while(|seq| *seq <= front).collect();
        for seq in restored.into_iter().rev() {
            self.oldest_first.push_front((seq, slot));
        }
        self.evict_to_fit();
    }

    /// Lets go what is older than the limit in one channel, and the channel itself when idle.
    pub(crate) fn sweep(&mut self, slot: usize, now: u64) {
        let Some(channel) = self.slots.get_mut(slot) else {
            return;
        };
        let gone = channel.ring.expire(now, self.limits.history.age);
        self.let_go(gone);
        self.forget_if_idle(slot);
    }

    fn let_go(&mut self, messages: usize) {
        self.held -= messages;
        self.evicted += messages as u64;
    }

    pub(crate) fn forget_if_idle(&mut self, slot: usize) {
        if self.slots[slot].is_idle() {
            let channel = self.slots.remove(slot);
            self.by_name.remove(&channel.name);
            self.tombstones.bury(&channel.name, channel.tombstone());
        }
    }

    /// Evicts the oldest messages of all until the memory fits its budget. Stops after as many
    /// bytes as were over: what a reader still holds is freed a moment later.
    fn evict_to_fit(&mut self) {
        let mut over = self.memory.bytes().saturating_sub(self.limits.memory_bytes);
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

    /// Forgets the channel with the oldest message among those nobody listens to.
    fn make_room_for_a_channel(&mut self) -> Result<(), TooManyChannels> {
        let idle =
            self.oldest_first.iter().take(LOOK_FOR_IDLE).find(|(seq, slot)| {
                self.is_oldest(*seq, *slot) && !self.slots[*slot].has_listeners()
            });
        let Some(&(_, slot)) = idle else {
            return Err(TooManyChannels);
        };
        while !self.slots[slot].ring.is_empty() {
            self.slots[slot].ring.evict();
            self.let_go(1);
        }
        self.forget_if_idle(slot);
        Ok(())
    }
}
