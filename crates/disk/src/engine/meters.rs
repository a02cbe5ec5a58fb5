//! Metrics of the log on disk.

use std::time::Duration;

use metrics::{Histogram, Unit, describe_histogram, histogram};

/// How long the disk takes to write a batch, in seconds.
pub const APPEND_SECONDS: &str = "tricast_log_append_seconds";
/// How long the disk takes to make a batch durable, in seconds.
pub const FSYNC_SECONDS: &str = "tricast_log_fsync_seconds";

/// The metrics that are counted as things happen.
#[derive(Clone, Debug)]
pub struct DiskMeters {
    append: Histogram,
    fsync: Histogram,
}

impl DiskMeters {
    /// Makes them with the recorder of this thread.
    pub fn new() -> Self {
        describe_histogram!(
            APPEND_SECONDS,
            Unit::Seconds,
            "Time to write a batch of messages to the log."
        );
        describe_histogram!(
            FSYNC_SECONDS,
            Unit::Seconds,
            "Time to make what was written to the log durable."
        );
        Self { append: histogram!(APPEND_SECONDS), fsync: histogram!(FSYNC_SECONDS) }
    }

    pub(super) fn appended(&self, time: Duration) {
        self.append.record(time);
    }

    pub(super) fn synced(&self, time: Duration) {
        self.fsync.record(time);
    }
}

impl Default for DiskMeters {
    fn default() -> Self {
        Self::new()
    }
}

/// The state of the log on disk, read at a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskStats {
    /// The bytes of all records.
    pub bytes: u64,
    /// The number of segments.
    pub segments: usize,
    /// The last seq that is there to be read.
    pub head: u64,
    /// Seqs up to this one were let go.
    pub floor: u64,
    /// The bytes of messages that wait to be written.
    pub queued: usize,
    /// The bytes of old messages in memory, for readers below the rings.
    pub read_bytes: usize,
    /// Ranges of seqs that are known to be lost.
    pub holes: usize,
    /// Damaged places that were met.
    pub damaged: u64,
    /// Whether the disk has failed.
    pub failed: bool,
    /// Whether the disk was full the last time.
    pub full: bool,
}
