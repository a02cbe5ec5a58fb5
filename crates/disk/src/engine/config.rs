//! How an engine keeps its log.

use std::time::{Duration, Instant};

use crate::{Config, Machine, Retention, engine::millis};

/// When messages are made durable. Whatever it says, a process that dies loses nothing that it
/// acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Before a message is visible or acknowledged: a power failure loses nothing of that.
    Always,
    /// Every so often, while messages come: a power failure loses what came since.
    Every(Duration),
    /// When the system thinks fit, when a segment is full, and at the end.
    Os,
}

/// A segment is written for at most this part of the age, as a divisor.
const SEGMENTS_OF_AGE: u32 = 32;

/// How an engine keeps its log.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// When messages are made durable.
    pub fsync: Fsync,
    /// The most bytes of records that are kept.
    pub bytes: u64,
    /// For how long a record is kept; `None` is no limit.
    pub age: Option<Duration>,
    /// The bytes of memory for messages that readers below the rings have been given.
    pub read_memory: usize,
    /// The most bytes of the log's end with which the rings are filled at the start.
    pub warm_up: u64,
    /// The most bytes of messages that wait to be written.
    pub queue: usize,
    /// For how long idempotency ids are remembered.
    pub idempotency_window: Duration,
    /// How many idempotency ids are remembered.
    pub idempotency_entries: usize,
    /// How the store is opened.
    pub store: Config,
}

impl EngineConfig {
    /// The defaults for a log that keeps `bytes`.
    pub fn new(fsync: Fsync, bytes: u64) -> Self {
        let store = Config::for_bytes(bytes, Machine::this());
        Self {
            fsync,
            bytes,
            age: None,
            read_memory: 32 << 20,
            warm_up: 32 << 20,
            queue: 64 << 20,
            idempotency_window: Duration::from_secs(300),
            idempotency_entries: 100_000,
            store: Config { always: fsync == Fsync::Always, ..store },
        }
    }

    /// When a segment that begins now has been written for too long.
    pub(super) fn roll_at(&self) -> Option<Instant> {
        self.age.map(|age| Instant::now() + age / SEGMENTS_OF_AGE)
    }

    /// What is let go.
    pub(super) fn retention(&self) -> Retention {
        Retention { bytes: self.bytes, age: self.age.map(millis) }
    }

    /// The most files that are open, about: a segment and its index for each part of the log. A
    /// segment that an age or a restart ended is smaller, so there are some more of them.
    pub fn files(&self) -> usize {
        let segments = self.bytes.div_ceil(self.store.segment_bytes.max(1));
        usize::try_from(segments).unwrap_or(usize::MAX).saturating_add(SMALL_SEGMENTS) * 2
    }
}

/// Segments that age and restarts end before they are full.
const SMALL_SEGMENTS: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_and_its_index_are_two_files() {
        let files = |bytes: u64| EngineConfig::new(Fsync::Os, bytes).files();
        assert_eq!(files(10 << 30), 2 * (160 + SMALL_SEGMENTS));
        assert_eq!(files(16 << 20), 2 * (4 + SMALL_SEGMENTS));
    }
}
