//! Retention: the order in which messages are evicted from the log, by age and by memory.

use std::{collections::VecDeque, ops::Range, sync::Arc, time::Duration};

use slab::Slab;

use crate::{ChannelRules, Namespaces, Seq, log::channel::Channel, message::memory::MemoryBudget};

/// All messages of a log in the order of their age, and the memory that they occupy.
#[derive(Debug)]
pub(crate) struct Retention {
    /// Every message in every ring, oldest first, with its channel's slot. Entries whose message
    /// has left its ring by count or age are stale; they are dropped when met.
    oldest_first: VecDeque<(Seq, usize)>,
    /// Messages in all rings.
    messages: usize,
    /// Messages that have left their ring since the start.
    evicted: u64,
    /// The slot at which the next sweep continues.
    sweep_position: usize,
    /// The shortest age limit of all namespaces, which sets the pace of sweeps.
    shortest_age: Duration,
    memory: Arc<MemoryBudget>,
}

impl Retention {
    pub(super) fn new(rules: &Namespaces<Arc<ChannelRules>>, memory: Arc<MemoryBudget>) -> Self {
        Self {
            oldest_first: VecDeque::new(),
            messages: 0,
            evicted: 0,
            sweep_position: 0,
            shortest_age: shortest_age(rules),
            memory,
        }
    }

    pub(super) fn set_rules(&mut self, rules: &Namespaces<Arc<ChannelRules>>) {
        self.shortest_age = shortest_age(rules);
    }

    pub(super) fn memory(&self) -> &Arc<MemoryBudget> {
        &self.memory
    }

    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Adds the newest message of all, in the channel in `slot`.
    pub(super) fn push(&mut self, seq: Seq, slot: usize) {
        self.messages += 1;
        self.oldest_first.push_back((seq, slot));
    }

    /// Counts messages that have left their ring.
    pub(super) fn count_evicted(&mut self, messages: usize) {
        self.messages -= messages;
        self.evicted += messages as u64;
    }

    /// Drops stale entries once they are the majority.
    pub(super) fn compact(&mut self, slots: &Slab<Channel>) {
        if self.oldest_first.len() <= 2 * self.messages + 1024 {
            return;
        }
        self.oldest_first.retain(|(seq, slot)| {
            let channel = slots.get(*slot);
            channel.is_some_and(|channel| channel.ring.find(*seq).is_some())
        });
    }

    /// Evicts the oldest message of all. Returns the slot of its channel and the bytes that it
    /// occupied, or `None` if there is no message.
    pub(super) fn evict_oldest(&mut self, slots: &mut Slab<Channel>) -> Option<(usize, usize)> {
        while let Some((seq, slot)) = self.oldest_first.pop_front() {
            let Some(channel) = slots.get_mut(slot) else { continue };
            if channel.ring.oldest().is_some_and(|oldest| oldest.id.seq == seq) {
                self.count_evicted(1);
                return Some((slot, channel.ring.evict()));
            }
        }
        None
    }

    /// Returns the slots for the next sweep, which visits every slot well within the shortest age
    /// limit, and within a minute.
    pub(super) fn next_to_sweep(&mut self, all: usize) -> Range<usize> {
        let sweeps = (self.shortest_age.as_secs() / 16).clamp(1, 60) as usize;
        let from = if self.sweep_position < all { self.sweep_position } else { 0 };
        self.sweep_position = (from + all.div_ceil(sweeps)).min(all);
        from..self.sweep_position
    }
}

fn shortest_age(rules: &Namespaces<Arc<ChannelRules>>) -> Duration {
    rules.iter().map(|rules| rules.history.age).min().unwrap_or_default()
}
