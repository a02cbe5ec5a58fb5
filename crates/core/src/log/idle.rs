//! The queue of idle channels, which are evicted at the limit of channels.

use std::collections::VecDeque;

use slab::Slab;

use crate::{Seq, log::channel::Channel};

/// Idle channels that may be spared in one eviction because they had messages since they were
/// queued.
const SECOND_CHANCES: usize = 64;

/// An entry: a channel that had no subscriber when it was queued.
#[derive(Clone, Copy, Debug)]
struct IdleChannel {
    slot: usize,
    serial: u64,
    /// The seq of its newest message at that time, by which later messages are noticed.
    newest: Seq,
}

#[derive(Debug, Default)]
pub(super) struct IdleQueue(VecDeque<IdleChannel>);

impl IdleQueue {
    /// Queues the channel in `slot`, unless it is queued already.
    pub(super) fn push(&mut self, slots: &mut Slab<Channel>, slot: usize) {
        let channel = &mut slots[slot];
        if std::mem::replace(&mut channel.in_idle_queue, true) {
            return;
        }
        let (serial, newest) = (channel.serial, channel.ring.newest());
        self.0.push_back(IdleChannel { slot, serial, newest });
        if self.0.len() > 2 * slots.len() + 1024 {
            self.0.retain(|one| slots.get(one.slot).is_some_and(|c| c.serial == one.serial));
        }
    }

    /// Removes and returns the slot of the channel that has been idle longest, preferably without
    /// a message since.
    pub(super) fn pop(&mut self, slots: &mut Slab<Channel>) -> Option<usize> {
        let mut chances = SECOND_CHANCES;
        while let Some(one) = self.0.pop_front() {
            let Some(channel) = slots.get_mut(one.slot) else { continue };
            if channel.serial != one.serial {
                continue;
            }
            channel.in_idle_queue = false;
            // Such a channel is queued again once it has neither.
            if channel.has_subscribers() || channel.has_announced_users() {
                continue;
            }
            if channel.ring.newest() > one.newest && chances > 0 {
                chances -= 1;
                self.push(slots, one.slot);
                continue;
            }
            return Some(one.slot);
        }
        None
    }
}
