//! Tombstones of forgotten channels, so that a reader that returns learns what it has missed.

use std::{
    collections::{HashMap, VecDeque, hash_map::RandomState},
    hash::BuildHasher,
};

use crate::{ChannelName, Seq, log::ring::Floor};

/// The remains of a forgotten channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tombstone {
    /// The floor of its history: the highest seq that it evicted.
    pub(crate) floor: Floor,
    /// The seq of its last message, if that message ended the channel.
    pub(crate) ended: Option<Seq>,
}

/// A bounded table of tombstones. When it overflows, the oldest are evicted and one watermark rises
/// to their floors: below it nothing is certain.
#[derive(Debug)]
pub(crate) struct Tombstones {
    by_hash: HashMap<u64, (Tombstone, u64)>,
    /// Hash and serial of each tombstone. The entry of a channel that returned is stale.
    oldest_first: VecDeque<(u64, u64)>,
    last_serial: u64,
    limit: usize,
    uncertain_up_to: Seq,
    hasher: RandomState,
}

impl Tombstones {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            by_hash: HashMap::new(),
            oldest_first: VecDeque::new(),
            last_serial: 0,
            limit,
            uncertain_up_to: 0,
            hasher: RandomState::new(),
        }
    }

    /// Makes everything up to `seq` uncertain.
    pub(crate) fn forget_up_to(&mut self, seq: Seq) {
        self.uncertain_up_to = self.uncertain_up_to.max(seq);
    }

    /// Inserts the tombstone of a channel that is being forgotten.
    pub(crate) fn insert(&mut self, channel: &ChannelName, tombstone: Tombstone) {
        if !tombstone.floor.certain {
            // The watermark covers it already.
            return;
        }
        let hash = self.hasher.hash_one(channel);
        self.last_serial += 1;
        self.by_hash.insert(hash, (tombstone, self.last_serial));
        self.oldest_first.push_back((hash, self.last_serial));
        while self.by_hash.len() > self.limit {
            self.evict_oldest();
        }
        if self.oldest_first.len() > 2 * self.by_hash.len() + 16 {
            let by_hash = &self.by_hash;
            self.oldest_first.retain(|entry| is_current(by_hash, entry));
        }
    }

    fn evict_oldest(&mut self) {
        let Some(entry) = self.oldest_first.pop_front() else { return };
        if is_current(&self.by_hash, &entry)
            && let Some((lost, _)) = self.by_hash.remove(&entry.0)
        {
            self.uncertain_up_to = self.uncertain_up_to.max(lost.floor.seq);
        }
    }

    /// Removes and returns the tombstone of a channel that returns.
    pub(crate) fn take(&mut self, channel: &ChannelName) -> Tombstone {
        let hash = self.hasher.hash_one(channel);
        let unknown = Tombstone { floor: self.unknown(), ended: None };
        self.by_hash.remove(&hash).map_or(unknown, |(tombstone, _)| tombstone)
    }

    /// Returns the floor of a channel that stays forgotten.
    pub(crate) fn peek(&self, channel: &ChannelName) -> Floor {
        let hash = self.hasher.hash_one(channel);
        self.by_hash.get(&hash).map_or(self.unknown(), |(tombstone, _)| tombstone.floor)
    }

    /// Returns the floor of a channel that has no tombstone.
    fn unknown(&self) -> Floor {
        Floor { seq: self.uncertain_up_to, certain: false }
    }
}

fn is_current(by_hash: &HashMap<u64, (Tombstone, u64)>, (hash, serial): &(u64, u64)) -> bool {
    by_hash.get(hash).is_some_and(|(_, current)| current == serial)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tombstone(seq: Seq) -> Tombstone {
        Tombstone { floor: Floor { seq, certain: true }, ended: None }
    }

    fn name(n: usize) -> ChannelName {
        format!("c{n}").parse().expect("a channel")
    }

    #[test]
    fn overflow_raises_the_watermark_and_nothing_is_certain_below_it() {
        let mut tombstones = Tombstones::new(2);
        for n in 1..=3 {
            tombstones.insert(&name(n), tombstone(n as Seq * 10));
        }
        assert_eq!(tombstones.take(&name(1)).floor, Floor { seq: 10, certain: false });
        assert_eq!(tombstones.take(&name(3)), tombstone(30));
        assert_eq!(tombstones.peek(&name(3)), Floor { seq: 10, certain: false });
    }

    #[test]
    fn a_channel_that_is_forgotten_repeatedly_evicts_no_other_tombstone() {
        let mut tombstones = Tombstones::new(3);
        tombstones.insert(&name(7), tombstone(7));
        for seq in 10..100 {
            tombstones.insert(&name(1), tombstone(seq));
            tombstones.take(&name(1));
        }
        assert_eq!(tombstones.take(&name(7)), tombstone(7));
        assert_eq!(tombstones.peek(&name(2)), Floor { seq: 0, certain: false });
    }

    #[test]
    fn stale_entries_do_not_grow_the_table() {
        let mut tombstones = Tombstones::new(4);
        for seq in 1..1000 {
            tombstones.insert(&name(1), tombstone(seq));
            tombstones.take(&name(1));
        }
        assert!(tombstones.oldest_first.len() <= 16);
        assert!(tombstones.by_hash.is_empty());
    }
}
