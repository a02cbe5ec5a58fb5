//! When each connection of a shard wants to be looked at again.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

/// No time at all.
pub(crate) const NEVER: u64 = u64::MAX;

/// Times in milliseconds since the shard began. An entry is a hint: it may ring too early, for a time that
/// was moved on since, and then the connection is set anew. So a message costs no change of a timer.
#[derive(Debug)]
pub(crate) struct Timers {
    begin: Instant,
    heap: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Timers {
    pub(crate) fn new() -> Self {
        Self { begin: Instant::now(), heap: BinaryHeap::new() }
    }

    /// `at` in this shard's milliseconds.
    pub(crate) fn millis(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.begin).as_millis() as u64
    }

    /// The moment of such a number.
    pub(crate) fn instant(&self, millis: u64) -> Instant {
        self.begin + Duration::from_millis(millis)
    }

    pub(crate) fn set(&mut self, millis: u64, key: u32) {
        self.heap.push(Reverse((millis, key)));
    }

    /// The next entry that is due at `now`.
    pub(crate) fn pop(&mut self, now: u64) -> Option<(u64, u32)> {
        let Reverse((millis, _)) = self.heap.peek()?;
        if *millis > now {
            return None;
        }
        let popped = self.heap.pop().map(|Reverse(entry)| entry);
        if self.heap.len() * 4 < self.heap.capacity() {
            self.heap.shrink_to(self.heap.len() * 2);
        }
        popped
    }

    /// How long nothing is due.
    pub(crate) fn time_to_next(&self, now: u64) -> Option<Duration> {
        let Reverse((millis, _)) = self.heap.peek()?;
        Some(Duration::from_millis(millis.saturating_sub(now)))
    }
}
