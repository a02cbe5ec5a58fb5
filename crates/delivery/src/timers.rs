//! When each connection of a shard has to be looked at again.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use crate::conns::ConnKey;

/// A time in milliseconds since the shard began.
pub(crate) type Millis = u64;

/// A time that never comes.
pub(crate) const NEVER: Millis = Millis::MAX;

/// The timers of a shard's connections.
///
/// Each connection has at most one entry that counts. An entry may fire too early, because the
/// connection's deadline has moved since; the connection is then armed again. So a message costs no
/// change of a timer.
#[derive(Debug)]
pub(crate) struct Timers {
    begin: Instant,
    heap: BinaryHeap<Reverse<(Millis, ConnKey)>>,
}

impl Timers {
    pub(crate) fn new() -> Self {
        Self { begin: Instant::now(), heap: BinaryHeap::new() }
    }

    pub(crate) fn millis(&self, at: Instant) -> Millis {
        at.saturating_duration_since(self.begin).as_millis() as Millis
    }

    pub(crate) fn instant(&self, millis: Millis) -> Instant {
        self.begin + Duration::from_millis(millis)
    }

    /// Returns the moment of a time of which only the lower half was kept: the last one that is not
    /// after `now`. It is right for 49 days, and too recent after that.
    pub(crate) fn instant_before(&self, now: Instant, lower: u32) -> Instant {
        let now = self.millis(now);
        let ago = (now as u32).wrapping_sub(lower);
        self.instant(now.saturating_sub(u64::from(ago)))
    }

    /// Arms the timer of a connection for `at`, unless its timer, due at `due`, fires before.
    pub(crate) fn arm(&mut self, due: &mut Millis, key: ConnKey, at: Instant) {
        // Rounded up: a timer that fires too early would only be armed again.
        let millis = self.millis(at) + 1;
        if millis < *due {
            *due = millis;
            self.heap.push(Reverse((millis, key)));
        }
    }

    /// Takes the next entry that is due at `now`.
    pub(crate) fn pop(&mut self, now: Millis) -> Option<(Millis, ConnKey)> {
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

    pub(crate) fn time_to_next(&self, now: Millis) -> Option<Duration> {
        let Reverse((millis, _)) = self.heap.peek()?;
        Some(Duration::from_millis(millis.saturating_sub(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_time_is_completed_from_the_present() {
        let timers = Timers::new();
        let lap = 1 << 32;
        for (sent, now) in [(0, 0), (5, 1000), (lap - 1, lap + 1), (lap + 7, 2 * lap + 6)] {
            let found = timers.instant_before(timers.instant(now), sent as u32);
            assert_eq!(timers.millis(found), sent, "{sent} at {now}");
        }
    }
}
