//! The engine of a log on disk: puts messages into one order, writes them, and reads what lies
//! below the rings.
//!
//! ```text
//! DiskEngine::append → Sequencer     one short lock: refusals, repeats, the seq, the queue
//!   → Writer                         a thread: takes all that waits, one write, one sync
//!   → Log::accept_all                visible, under one lock
//!   → Settlement                     the receipts; then the readers are woken
//! ```

mod config;
mod convert;
mod extent;
mod folder;
mod health;
mod logged;
mod meters;
mod open;
mod pending;
mod read;
mod receipts;
mod sealer;
mod sequencer;
mod syncing;
mod tags;
#[cfg(test)]
mod tests;
mod upkeep;
mod warm_up;
mod writer;

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use tricast_core::{
    ChannelName, Draft, Engine, EngineError, EngineFuture, Health, Lease, Locate, Located,
    MessageId, ReadRequest, Ticket,
};

pub use self::{
    config::{EngineConfig, Fsync},
    folder::{Folder, FolderError, is_locked, look},
    meters::{APPEND_SECONDS, DiskMeters, DiskStats, FSYNC_SECONDS, READ_WAIT_SECONDS},
    open::StartError,
};
pub(crate) use self::{read::Source, tags::LogTagger};
use crate::{
    Reader,
    engine::{extent::extent_of, read::Reads, sequencer::Sequencer},
};

/// How long the drop of an engine waits for its disk.
const PATIENCE: Duration = Duration::from_secs(5);

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// An engine that keeps the log on a disk. Dropping it without closing it leaves the log as a
/// process that dies leaves it: nothing acknowledged is lost.
pub struct DiskEngine {
    reads: Reads,
    reader: Reader,
    sequencer: Arc<Sequencer>,
    threads: Vec<JoinHandle<()>>,
}

impl DiskEngine {
    /// Returns the state of the log.
    pub fn stats(&self) -> DiskStats {
        let Self { reader, sequencer, .. } = self;
        DiskStats {
            bytes: reader.bytes(),
            segments: reader.segments(),
            head: reader.head(),
            floor: reader.floor(),
            queued: sequencer.queued(),
            read_bytes: self.reads.bytes(),
            holes: extent_of(reader).holes.len(),
            damaged: reader.damaged(),
            failed: reader.failed().is_some(),
            full: sequencer.is_full(),
        }
    }
}

impl Engine for DiskEngine {
    fn append(&self, draft: Draft) -> Ticket {
        self.sequencer.append(draft)
    }

    fn read(&self, request: ReadRequest) -> EngineFuture<Lease> {
        self.reads.read(request)
    }

    fn locate(&self, questions: Vec<Locate>) -> EngineFuture<Vec<Located>> {
        self.reads.locate(questions)
    }

    fn erase(&self, channel: ChannelName) -> EngineFuture<MessageId> {
        let until = self.reader.head();
        let newest =
            Locate { channel: channel.clone(), newest: 1, until, visible: usize::MAX, since: 0 };
        let located = self.reads.locate(vec![newest]);
        let sequencer = self.sequencer.clone();
        Box::pin(async move {
            let before = located.await?.first().map_or(0, |located| located.after);
            sequencer.erase(channel, before + 1)?.await.map(|receipt| receipt.id)
        })
    }

    fn health(&self) -> Health {
        self.sequencer.health()
    }

    fn close(&self) -> EngineFuture<()> {
        let closing = self.sequencer.close();
        Box::pin(async move {
            match closing {
                Ok(closing) => closing.await.unwrap_or_else(|_| {
                    Err(EngineError::Unavailable("its thread has stopped".to_owned()))
                }),
                Err(closed) => closed,
            }
        })
    }
}

impl Drop for DiskEngine {
    fn drop(&mut self) {
        self.sequencer.abandon();
        if !self.sequencer.wait_closed(PATIENCE) {
            // The process ends without threads that wait for such a disk.
            tracing::error!("the disk of the log does not answer; the next start recovers the log");
            return;
        }
        // The lock of the directory goes with the writer.
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for DiskEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskEngine").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
