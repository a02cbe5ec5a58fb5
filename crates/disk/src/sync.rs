//! Making what was appended durable, from any thread.

use std::sync::Arc;

use tricast_core::Seq;

use crate::{error::Failed, shared::Shared};

/// Makes what was appended durable, while the store appends more. Cloned for other threads.
#[derive(Clone)]
pub struct Syncer {
    shared: Arc<Shared>,
}

impl Syncer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Makes everything durable that was appended before this call, the oldest first. Returns the
    /// last of its seqs.
    ///
    /// # Errors
    /// If the disk fails. The log then takes no more messages: what was written may be lost, even
    /// if a later sync succeeds.
    pub fn sync(&self) -> Result<Seq, Failed> {
        Failed::check(&self.shared)?;
        self.shared.sync().map_err(|error| Failed::because(&self.shared, &error))
    }
}
