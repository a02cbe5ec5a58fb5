//! Which connections of a shard read which channel.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::conns::{ConnKey, Conns};

/// A channel's slot in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot(u32);

impl From<usize> for Slot {
    fn from(slot: usize) -> Self {
        Self(slot as u32)
    }
}

/// The subscribers of every channel that has some in this shard.
#[derive(Debug, Default)]
pub(crate) struct Subscribers(HashMap<Slot, ChannelSubscribers>);

#[derive(Debug, Default)]
struct ChannelSubscribers {
    keys: Vec<ConnKey>,
    /// A batch of this channel is being sent, so its readers are not all at the same position.
    busy: bool,
}

/// The place of a connection among the subscribers of one channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SubscriberIndex {
    slot: Slot,
    index: u32,
}

/// The places of one connection, one for each of its channels.
pub(crate) type SubscriberIndices = SmallVec<[SubscriberIndex; 2]>;

impl Subscribers {
    /// Returns the subscribers of a channel; `None` if the channel has no entry.
    pub(crate) fn get(&self, slot: Slot) -> Option<&[ConnKey]> {
        self.0.get(&slot).map(|channel| &channel.keys[..])
    }

    pub(crate) fn is_busy(&self, slot: Slot) -> bool {
        self.0.get(&slot).is_some_and(|channel| channel.busy)
    }

    /// Returns whether a channel of a connection other than `slot` is busy.
    pub(crate) fn is_other_busy(&self, slot: Slot, indices: &[SubscriberIndex]) -> bool {
        indices.iter().any(|entry| entry.slot != slot && self.is_busy(entry.slot))
    }

    pub(crate) fn mark_busy(&mut self, slot: Slot) {
        if let Some(channel) = self.0.get_mut(&slot) {
            channel.busy = true;
        }
    }

    pub(crate) fn mark_idle(&mut self, slot: Slot) {
        let Some(channel) = self.0.get_mut(&slot) else { return };
        channel.busy = false;
        if channel.keys.is_empty() {
            self.0.remove(&slot);
        }
    }

    pub(crate) fn add(
        &mut self,
        key: ConnKey,
        slots: impl Iterator<Item = usize>,
    ) -> SubscriberIndices {
        let add_to = |slot| {
            let slot = Slot::from(slot);
            let keys = &mut self.0.entry(slot).or_default().keys;
            keys.push(key);
            SubscriberIndex { slot, index: keys.len() as u32 - 1 }
        };
        slots.map(add_to).collect()
    }

    /// Removes a connection from its channels.
    ///
    /// The last subscriber moves into the gap, so that leaving costs the same in any crowd. A
    /// broadcast walks the subscribers from the end: it may meet that one twice, and misses none.
    pub(crate) fn remove(&mut self, indices: &[SubscriberIndex], conns: &mut Conns) {
        for entry in indices {
            let Some(channel) = self.0.get_mut(&entry.slot) else { continue };
            channel.keys.swap_remove(entry.index as usize);
            let moved = channel.keys.get(entry.index as usize).copied();
            if let Some(moved) = moved.and_then(|key| conns.get_mut(key))
                && let Some(other) =
                    moved.cold.indices.iter_mut().find(|its| its.slot == entry.slot)
            {
                other.index = entry.index;
            }
            if channel.keys.len() * 4 < channel.keys.capacity() {
                channel.keys.shrink_to(channel.keys.len() * 2);
            }
            if channel.keys.is_empty() && !channel.busy {
                self.0.remove(&entry.slot);
            }
        }
    }
}
