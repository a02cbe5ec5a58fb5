//! Metrics of the log on disk, read at a scrape.

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use tricast_disk::DiskStats;

/// The gauges of a gateway whose log is on a disk.
pub(super) struct DiskGauges {
    bytes: Gauge,
    segments: Gauge,
    head: Gauge,
    floor: Gauge,
    queued: Gauge,
    holes: Gauge,
    damaged: Counter,
    full: Gauge,
    failed: Gauge,
}

impl DiskGauges {
    pub(super) fn new() -> Self {
        describe_gauge!(
            "tricast_log_disk_bytes",
            Unit::Bytes,
            "Bytes of the messages in the log on disk."
        );
        describe_gauge!("tricast_log_segments", "Files that hold the log on disk.");
        describe_gauge!("tricast_log_head", "Seq of the newest message in the log on disk.");
        describe_gauge!(
            "tricast_log_floor",
            "Seq up to which messages have left the log on disk (log.bytes, log.age)."
        );
        describe_gauge!(
            "tricast_log_queue_bytes",
            Unit::Bytes,
            "Bytes of published messages that wait to be written."
        );
        describe_gauge!(
            "tricast_log_holes",
            "Ranges of ids whose messages were lost with the power or the disk."
        );
        describe_counter!(
            "tricast_log_damaged_records_total",
            "Records of the log on disk that did not verify when they were read."
        );
        describe_gauge!(
            "tricast_log_full",
            "1 while the disk of the log is full and publishes are refused."
        );
        describe_gauge!(
            "tricast_log_failed",
            "1 after the disk of the log has failed: nothing is published before a restart."
        );
        Self {
            bytes: gauge!("tricast_log_disk_bytes"),
            segments: gauge!("tricast_log_segments"),
            head: gauge!("tricast_log_head"),
            floor: gauge!("tricast_log_floor"),
            queued: gauge!("tricast_log_queue_bytes"),
            holes: gauge!("tricast_log_holes"),
            damaged: counter!("tricast_log_damaged_records_total"),
            full: gauge!("tricast_log_full"),
            failed: gauge!("tricast_log_failed"),
        }
    }

    pub(super) fn update(&self, stats: &DiskStats) {
        self.bytes.set(stats.bytes as f64);
        self.segments.set(stats.segments as f64);
        self.head.set(stats.head as f64);
        self.floor.set(stats.floor as f64);
        self.queued.set(stats.queued as f64);
        self.holes.set(stats.holes as f64);
        self.damaged.absolute(stats.damaged);
        self.full.set(f64::from(u8::from(stats.full)));
        self.failed.set(f64::from(u8::from(stats.failed)));
    }
}
