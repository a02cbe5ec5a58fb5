//! `meta` as it is on the disk, for the threads that write it: one reserves seqs, another lets go
//! of segments.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{error::AppendError, meta::Meta, room, shared::Shared};

/// `meta`, which one thread changes at a time.
pub(crate) struct Ledger {
    shared: Arc<Shared>,
    meta: Mutex<Meta>,
}

impl Ledger {
    /// Makes one of what is on the disk.
    pub(crate) fn new(shared: Arc<Shared>, meta: Meta) -> Self {
        Self { shared, meta: Mutex::new(meta) }
    }

    fn lock(&self) -> MutexGuard<'_, Meta> {
        self.meta.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes `meta` durably, with the room of the ballast if there is no other. Nothing is
    /// changed if there is an error.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Meta)) -> Result<(), AppendError> {
        let mut meta = self.lock();
        let mut next = meta.clone();
        change(&mut next);
        let disk = &*self.shared.disk;
        let written = room::with_ballast(disk, || next.write(disk));
        written.map_err(|error| AppendError::because(&self.shared, &error))?;
        *meta = next;
        Ok(())
    }

    /// Changes what the next change writes.
    pub(crate) fn amend(&self, change: impl FnOnce(&mut Meta)) {
        change(&mut self.lock());
    }
}
