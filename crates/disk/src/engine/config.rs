//! How an engine keeps its log.

use std::time::Duration;

use crate::{Config, Machine};

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
}
