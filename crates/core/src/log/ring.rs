//! The ring buffer of a channel: its newest messages, and the floor below which they are gone.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{Bounds, Message, Seq};

/// The floor of a channel's history: messages at or below `seq` are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Floor {
    pub(crate) seq: Seq,
    /// Whether there was such a message; `false` if the channel's tombstone is gone too, so that
    /// there may have been none.
    pub(crate) certain: bool,
}

/// The newest messages of one channel, in order of their seq.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
    floor: Floor,
}

impl Ring {
    pub(crate) fn new(floor: Floor) -> Self {
        Self { floor, ..Self::default() }
    }

    pub(crate) fn floor(&self) -> Floor {
        self.floor
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns the seq of the newest message that the ring ever had.
    pub(crate) fn newest(&self) -> Seq {
        self.messages.back().map_or(self.floor.seq, |message| message.id.seq)
    }

    pub(crate) fn oldest(&self) -> Option<&Arc<Message>> {
        self.messages.front()
    }

    /// Appends `message`, and evicts messages that no longer fit; returns how many.
    pub(crate) fn push(&mut self, message: Arc<Message>, bounds: &Bounds) -> usize {
        self.bytes += size(&message);
        let now = message.time;
        self.messages.push_back(message);
        let mut evicted = self.expire(now, bounds.age);
        while self.messages.len() > bounds.messages || self.bytes > bounds.bytes {
            self.evict();
            evicted += 1;
        }
        evicted
    }

    /// Evicts messages older than `age` at `now` (milliseconds); returns how many.
    pub(crate) fn expire(&mut self, now: u64, age: Duration) -> usize {
        let limit = now.saturating_sub(age.as_millis() as u64);
        let mut evicted = 0;
        while self.messages.front().is_some_and(|oldest| oldest.time < limit) {
            self.evict();
            evicted += 1;
        }
        if self.messages.is_empty() && evicted > 0 {
            self.messages.shrink_to_fit();
        }
        evicted
    }

    /// Evicts the oldest message; returns the bytes of memory that it occupied.
    pub(crate) fn evict(&mut self) -> usize {
        let Some(oldest) = self.messages.pop_front() else {
            return 0;
        };
        self.bytes -= size(&oldest);
        self.floor = Floor { seq: oldest.id.seq, certain: true };
        oldest.memory_bytes()
    }

    /// Sets the floor of an empty ring, which may be lower than before: another epoch has begun.
    pub(crate) fn restart(&mut self, floor: Floor) {
        debug_assert!(self.messages.is_empty(), "its messages belong to another epoch");
        self.floor = floor;
    }

    /// Evicts all messages up to `seq`, and raises the floor to `seq` even if there was none.
    pub(crate) fn evict_up_to(&mut self, seq: Seq) {
        while self.messages.front().is_some_and(|oldest| oldest.id.seq <= seq) {
            self.evict();
        }
        if seq > self.floor.seq {
            self.floor = Floor { seq, certain: true };
        }
    }

    /// Returns the index of the first message above `seq`. Most readers are at the head or close to
    /// it, and each message that is compared may cost a cache miss, so the search gallops from the
    /// newest message backwards.
    pub(crate) fn index_after(&self, seq: Seq) -> usize {
        let is_above = |index: usize| self.messages[index].id.seq > seq;
        let (mut low, mut high, mut step) = (self.messages.len(), self.messages.len(), 1);
        while low > 0 && is_above(low - 1) {
            high = low - 1;
            low = low.saturating_sub(step);
            step *= 2;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if is_above(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    /// Returns the index of the first message that was published at `time` or later.
    pub(crate) fn index_since(&self, time: u64) -> usize {
        self.messages.partition_point(|message| message.time < time)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Arc<Message>> {
        self.messages.get(index)
    }

    pub(crate) fn iter_after(&self, seq: Seq) -> impl Iterator<Item = &Arc<Message>> {
        self.messages.range(self.index_after(seq)..)
    }
}

fn size(message: &Message) -> usize {
    message.draft.data.as_bytes().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Data, Draft, Stored, message::memory::MemoryBudget};

    #[test]
    fn index_after_finds_the_first_message_above_any_seq() {
        let memory = Arc::new(MemoryBudget::new(1 << 20));
        let message = |seq| {
            let channel = "a".parse().expect("a channel");
            let draft = Draft::new(channel, Data::Text(String::new()));
            let stored = Stored { seq, time: 0, online: None, draft };
            Arc::new(Message::new("test".parse().expect("an epoch"), stored, None, &memory))
        };
        let bounds = Bounds { messages: 100, bytes: 1 << 20, age: Duration::from_secs(1) };
        for length in 0..40_u64 {
            let mut ring = Ring::new(Floor::default());
            (0..length).for_each(|n| {
                ring.push(message(3 * n + 5), &bounds);
            });
            for seq in 0..130 {
                let naive = (0..length).filter(|n| 3 * n + 5 <= seq).count();
                assert_eq!(ring.index_after(seq), naive, "{length} messages, after {seq}");
            }
        }
    }
}
