//! Which connections of a shard read which channel.

use std::collections::HashMap;

use slab::Slab;
use smallvec::SmallVec;

use crate::conn::Conn;

/// By the channel's slot in the log.
#[derive(Debug, Default)]
pub(crate) struct Subscribers(HashMap<usize, ChannelSubscribers>);

#[derive(Debug, Default)]
pub(crate) struct ChannelSubscribers {
    /// Keys of connections.
    pub(crate) keys: Vec<u32>,
    /// A run of this channel is on its way, or may be: its readers are not all at the same place.
    pub(crate) busy: bool,
}

/// Where a connection stands among the members of one desk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SubscriberIndex {
    slot: u32,
    index: u32,
}

/// The seats of one connection.
pub(crate) type SubscriberIndices = SmallVec<[SubscriberIndex; 2]>;

impl Subscribers {
    pub(crate) fn get(&self, slot: usize) -> Option<&ChannelSubscribers> {
        self.0.get(&slot)
    }

    pub(crate) fn is_busy(&self, slot: usize) -> bool {
        self.get(slot).is_some_and(|channel| channel.busy)
    }

    /// Whether any other channel of a connection than `slot` is busy.
    pub(crate) fn is_other_busy(&self, slot: usize, indices: &[SubscriberIndex]) -> bool {
        indices.iter().any(|entry| entry.slot as usize != slot && self.is_busy(entry.slot as usize))
    }

    pub(crate) fn set_busy(&mut self, slot: usize, busy: bool) {
        let Some(channel) = self.0.get_mut(&slot) else { return };
        channel.busy = busy;
        if !busy && channel.keys.is_empty() {
            self.0.remove(&slot);
        }
    }

    pub(crate) fn add(
        &mut self,
        key: u32,
        slots: impl Iterator<Item = usize>,
    ) -> SubscriberIndices {
        let add_to = |slot| {
            let members = &mut self.0.entry(slot).or_default().keys;
            members.push(key);
            SubscriberIndex { slot: slot as u32, index: members.len() as u32 - 1 }
        };
        slots.map(add_to).collect()
    }

    /// The last member moves into the gap, so that leaving costs the same in any crowd. A run that walks the
    /// members from the end may meet that one twice, and misses nobody.
    pub(crate) fn remove(&mut self, indices: &[SubscriberIndex], conns: &mut Slab<Conn>) {
        for entry in indices {
            let Some(channel) = self.0.get_mut(&(entry.slot as usize)) else { continue };
            channel.keys.swap_remove(entry.index as usize);
            let moved = channel.keys.get(entry.index as usize).copied();
            if let Some(moved) = moved.and_then(|key| conns.get_mut(key as usize))
                && let Some(other) =
                    moved.cold.indices.iter_mut().find(|its| its.slot == entry.slot)
            {
                other.index = entry.index;
            }
            if channel.keys.len() * 4 < channel.keys.capacity() {
                channel.keys.shrink_to(channel.keys.len() * 2);
            }
            if channel.keys.is_empty() && !channel.busy {
                self.0.remove(&(entry.slot as usize));
            }
        }
    }
}
