//! Sealing a segment that is full: it becomes durable and gets its index, beside the writing
//! thread.

use std::{io, sync::Arc};

use crate::{
    contents::walk,
    disk::{self, is_full, remove_if_there},
    error::Failed,
    index,
    segment::{INDEX, Segment, name_of},
    shared::Shared,
};

/// A full segment, to be sealed by a thread that may wait for the disk.
pub struct SealJob {
    shared: Arc<Shared>,
    segment: Arc<Segment>,
}

/// Why a segment was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The disk has no room for the index. The segment is durable, and readers find its records;
    /// the job can be run again later.
    #[error("the disk has no room for the index of a segment; make room, or lower log.bytes")]
    Full,
    /// The disk failed. The log takes no more messages.
    #[error(transparent)]
    Failed(#[from] Failed),
}

impl SealJob {
    pub(crate) fn new(shared: Arc<Shared>, segment: Arc<Segment>) -> Self {
        Self { shared, segment }
    }

    /// Seals the segment.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn run(&self) -> Result<(), SealError> {
        Failed::check(&self.shared)?;
        match seal(&self.shared, &self.segment) {
            Ok(()) => Ok(()),
            Err(error) if is_full(&error) => Err(SealError::Full),
            Err(error) => Err(Failed::because(&self.shared, &error).into()),
        }
    }
}

/// Makes a segment durable that gets no more records, and writes its index.
pub(crate) fn seal(shared: &Shared, segment: &Segment) -> io::Result<()> {
    let length = segment.summary().length;
    segment.file.set_length(length)?;
    segment.sync()?;
    let base = segment.base;
    let walked = walk(&*segment.file, base, length, shared.hasher).map_err(io::Error::other)?;
    if segment.is_retired() {
        return Ok(());
    }
    let fingerprint = shared.hasher.fingerprint();
    let bytes = index::encode(base, fingerprint, &walked.contents, &walked.receipts);
    disk::replace(&*shared.disk, &name_of(base, INDEX), &bytes)?;
    if segment.is_retired() {
        // It was let go meanwhile: the index goes too.
        return remove_if_there(&*shared.disk, &name_of(base, INDEX));
    }
    segment.use_index(walked.contents.summary);
    shared.is_sealed(base);
    Ok(())
}
