//! Making what was written durable, beside the writer.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::{
    Syncer,
    engine::{meters::DiskMeters, sequencer::Sequencer},
};

/// Syncs at each interval in which something was written, until the end.
pub(super) fn run(
    syncer: &Syncer,
    sequencer: &Sequencer,
    is_dirty: &AtomicBool,
    meters: &DiskMeters,
    interval: Duration,
) {
    while !sequencer.wait_for_end(interval) {
        if !is_dirty.swap(false, Ordering::AcqRel) {
            continue;
        }
        let begun = Instant::now();
        if let Err(failed) = syncer.sync() {
            // A later sync that succeeds would prove nothing.
            return sequencer.fail(&failed.to_string(), Vec::new());
        }
        meters.synced(begun.elapsed());
    }
}
