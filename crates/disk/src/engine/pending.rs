//! A message on its way through the engine: what waits for the writer, and how it has ended.

use tricast_core::{EngineError, Receipt, Reservation, Seq, Settlement, Stored, Tag};

/// What a message costs in the queue beside its data.
const OVERHEAD: usize = 512;

/// A message that has its place and waits for the writer.
pub(super) struct Pending {
    pub(super) stored: Stored,
    /// `None` for an erasure.
    pub(super) reservation: Option<Reservation>,
    /// If it is an erasure: the last seq that it erases, or the least that this can be before its
    /// turn comes.
    pub(super) erases: Option<Seq>,
    pub(super) settlement: Settlement,
    /// The tag of its idempotency id.
    pub(super) tag: Option<Tag>,
    /// Whether it is written; others are only numbered.
    pub(super) is_logged: bool,
}

impl Pending {
    pub(super) fn size(&self) -> usize {
        OVERHEAD + self.stored.draft.data.as_bytes().len()
    }
}

/// How a message has ended that was taken from the queue.
pub(super) struct Settled {
    pub(super) settlement: Settlement,
    pub(super) tag: Option<Tag>,
    /// The message's time.
    pub(super) time: u64,
    pub(super) result: Result<Receipt, EngineError>,
}
