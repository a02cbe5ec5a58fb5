//! What the log does with folds while its table is not locked: it reads which part a message is,
//! and merges what has left the rings.

use std::sync::Arc;

use crate::{
    ChannelName, Draft, EventName, FoldKind, Log, Whole,
    fold::snapshot::Under,
    log::table::Table,
    message::memory::{MemoryBudget, MemoryShare},
    sync::Mutex,
};

impl Log {
    /// Sets how messages fold. To be called before the first message.
    pub fn set_folds(&self, kind: Arc<dyn FoldKind>) {
        self.table.lock().folds = Some(kind.clone());
        // It is set once, before the first message.
        let _ = self.folds.set(kind);
    }

    /// Returns how messages fold, if they do.
    pub(crate) fn folds(&self) -> Option<&dyn FoldKind> {
        self.folds.get().map(|kind| &**kind)
    }

    /// Reads what a message does to a fold, if its publisher has not said so. Without a kind of
    /// folds all messages are ordinary.
    pub(super) fn note_part(&self, draft: &mut Draft) {
        let kind = self.folds.get();
        if kind.is_none() {
            draft.part = None;
        }
        let is_internal = draft.event.as_ref().is_some_and(EventName::is_internal);
        if is_internal && draft.part.is_none() {
            draft.part = kind.and_then(|kind| kind.part(draft)).map(Arc::new);
        }
    }

    /// Returns the open folds of all channels, each as the whole of its parts until now. This
    /// visits all channels under one lock: it is for the start.
    pub fn open_folds(&self) -> Vec<(ChannelName, Whole)> {
        let Some(kind) = self.folds.get() else { return Vec::new() };
        let open = self.table.lock().open_folds();
        let whole = |(name, under): (ChannelName, Under)| (name, under.merge(&**kind));
        open.into_iter().map(whole).collect()
    }

    pub(super) fn merge_folds(&self, is_due: bool) {
        if is_due && let Some(kind) = self.folds.get() {
            merge_due(&self.table, &**kind, &self.memory);
        }
    }
}

/// Merges what is due.
fn merge_due(table: &Mutex<Table>, kind: &dyn FoldKind, memory: &Arc<MemoryBudget>) {
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
