//! Merging what has left the rings into the wholes of its folds, while the log is not locked.

use std::sync::Arc;

use crate::{
    FoldKind,
    log::table::Table,
    message::memory::{MemoryBudget, MemoryShare},
    sync::Mutex,
};

/// Merges what is due.
pub(super) fn merge_due(table: &Mutex<Table>, kind: &dyn FoldKind, memory: &Arc<MemoryBudget>) {
    let mut locked = table.lock();
    let channels = std::mem::take(&mut locked.due_folds);
    let mut jobs = Vec::new();
    for slot in channels {
        let Some(channel) = locked.slots.get(slot) else { continue };
        jobs.extend(channel.ring.folds().due().map(|job| (slot, job)));
    }
    drop(locked);
    for (slot, job) in jobs {
        let whole = kind.merge(job.whole.as_ref(), &job.rest);
        let share = MemoryShare::new(memory, whole.bytes);
        let mut locked = table.lock();
        if let Some(channel) = locked.slots.get_mut(slot) {
            channel.ring.folds_mut().put(&job, whole, share);
        }
        drop(locked);
        // Here and not under the lock: it frees the messages.
        drop(job);
    }
}
