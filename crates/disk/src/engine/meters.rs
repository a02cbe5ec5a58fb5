//! Metrics of the log on disk.

use std::time::Duration;

use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

/// How long the disk takes to write a batch, in seconds.
pub const APPEND_SECONDS: &str = "tricast_log_append_seconds";
/// How long the disk takes to make a batch durable, in seconds.
pub const FSYNC_SECONDS: &str = "tricast_log_fsync_seconds";

/// How long a reader waits for a portion of old messages, in seconds.
pub const READ_WAIT_SECONDS: &str = "tricast_log_read_wait_seconds";
/// The bytes of old messages that were read from the disk.
const READ_BYTES: &str = "tricast_log_read_bytes_total";

/// The metrics that are counted as things happen.
#[derive(Clone, Debug)]
pub struct DiskMeters {
    append: Histogram,
    fsync: Histogram,
    read_wait: Histogram,
    read_bytes: Counter,
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
        describe_histogram!(
            READ_WAIT_SECONDS,
            Unit::Seconds,
            "Time from a reader's question for old messages until it has a portion of them."
        );
        describe_counter!(
            READ_BYTES,
            Unit::Bytes,
            "Bytes of data of old messages that were read from the log on disk."
        );
        Self {
            append: histogram!(APPEND_SECONDS),
            fsync: histogram!(FSYNC_SECONDS),
            read_wait: histogram!(READ_WAIT_SECONDS),
            read_bytes: counter!(READ_BYTES),
        }
    }

    /// Notes that a reader got a portion after so long.
    pub(super) fn served(&self, time: Duration) {
        self.read_wait.record(time);
    }

    /// Notes that so many bytes of data were read for readers.
    pub(super) fn read(&self, bytes: usize) {
        self.read_bytes.increment(bytes as u64);
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
