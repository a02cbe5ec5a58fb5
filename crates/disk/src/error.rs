//! Why a log does not take messages: for now, or before the next start.

use std::io;

use tricast_core::Seq;

use crate::{disk::is_full, shared::Shared};

/// The log has failed, and takes no more messages before the next start.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the disk of the log failed: {why}; what was written last may be lost, so nothing more is \
     written; look at the disk, and start the gateway again"
)]
pub struct Failed {
    why: String,
}

impl Failed {
    pub(crate) fn check(shared: &Shared) -> Result<(), Self> {
        shared.failed().map_or(Ok(()), |why| Err(Self { why: why.to_owned() }))
    }

    pub(crate) fn because(shared: &Shared, error: &io::Error) -> Self {
        shared.fail(error);
        Self { why: shared.failed().map_or_else(|| error.to_string(), str::to_owned) }
    }
}

/// Why records were not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The disk has no room. None of the records is in the log; after room was made the next ones
    /// may be appended, also under the same seqs.
    #[error("the disk of the log is full; make room, or lower log.bytes")]
    Full,
    /// The log failed. The records may be there after the next start, or not.
    #[error(transparent)]
    Failed(#[from] Failed),
    /// A record's seq is not above those before it.
    #[error("a record has the seq {seq}, and the log has records up to {last}")]
    Disordered {
        /// The record's seq.
        seq: Seq,
        /// The highest seq before it.
        last: Seq,
    },
}

impl AppendError {
    /// A full disk is not the end of the log; any other error is.
    pub(crate) fn because(shared: &Shared, error: &io::Error) -> Self {
        match is_full(error) {
            true => Self::Full,
            false => Failed::because(shared, error).into(),
        }
    }
}
