//! What is remembered of forgotten channels, so that a reader who comes back is told of its loss.

use std::{
    collections::{HashMap, VecDeque, hash_map::RandomState},
    hash::BuildHasher,
};

use crate::{ChannelName, Seq, ring::Floor};

/// A forgotten channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tombstone {
    /// The highest seq that it let go.
    pub(crate) floor: Floor,
    /// Its last message ended it.
    pub(crate) ended: Option<Seq>,
}

/// A bounded table of tombstones. When it overflows the oldest go, and one watermark
/// rises to what they knew: below it nothing can be said for certain.
#[derive(Debug)]
pub(crate) struct Tombstones {
    by_hash: HashMap<u64, Tombstone>,
    oldest_first: VecDeque<u64>,
    limit: usize,
    watermark: Seq,
    hasher: RandomState,
}

impl Tombstones {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            by_hash: HashMap::new(),
            oldest_first: VecDeque::new(),
            limit,
            watermark: 0,
            hasher: RandomState::new(),
        }
    }

    /// Remembers a channel that is being forgotten.
    pub(crate) fn bury(&mut self, channel: &ChannelName, tombstone: Tombstone) {
        if !tombstone.floor.certain {
            // The watermark says as much already.
            return;
        }
        let hash = self.hasher.hash_one(channel);
        self.by_hash.insert(hash, tombstone);
        self.oldest_first.push_back(hash);
        while self.oldest_first.len() > self.limit {
            let Some(oldest) = self.oldest_first.pop_front() else {
                break;
            };
            // A channel that came back in between is no longer in the map.
            if let Some(lost) = self.by_hash.remove(&oldest) {
                self.watermark = self.watermark.max(lost.floor.seq);
            }
        }
    }

    /// Takes out what is known of a channel that comes back.
    pub(crate) fn exhume(&mut self, channel: &ChannelName) -> Tombstone {
        let hash = self.hasher.hash_one(channel);
        let watermark = Floor { seq: self.watermark, certain: false };
        self.by_hash.remove(&hash).unwrap_or(Tombstone { floor: watermark, ended: None })
    }

    /// What is known of a channel, which stays forgotten.
    pub(crate) fn peek(&self, channel: &ChannelName) -> Floor {
        let hash = self.hasher.hash_one(channel);
        let watermark = Floor { seq: self.watermark, certain: false };
        self.by_hash.get(&hash).map_or(watermark, |tombstone| tombstone.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grave(seq: Seq) -> Tombstone {
        Tombstone { floor: Floor { seq, certain: true }, ended: None }
    }

    fn name(n: usize) -> ChannelName {
        format!("c{n}").parse().expect("fits")
    }

    #[test]
    fn overflow_raises_the_watermark_and_nothing_is_certain_below_it() {
        let mut tombstones = Tombstones::new(2);
        for n in 1..=3 {
            tombstones.bury(&name(n), grave(n as Seq * 10));
        }
        assert_eq!(tombstones.exhume(&name(1)).floor, Floor { seq: 10, certain: false });
        assert_eq!(tombstones.exhume(&name(3)), grave(30));
        assert_eq!(tombstones.peek(&name(3)), Floor { seq: 10, certain: false });
    }

    #[test]
    fn channels_that_come_and_go_do_not_grow_the_table() {
        let mut tombstones = Tombstones::new(4);
        for seq in 1..1000 {
            tombstones.bury(&name(1), grave(seq));
            tombstones.exhume(&name(1));
        }
        assert!(tombstones.oldest_first.len() <= 4);
        assert!(tombstones.by_hash.is_empty());
    }
}
