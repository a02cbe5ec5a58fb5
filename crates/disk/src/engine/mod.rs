//! The engine of a log on disk: puts messages into one order, writes them, and reads what lies
//! below the rings.

mod convert;
mod extent;
mod read;

use std::sync::Arc;

use tricast_core::{
    Draft, Engine, EngineError, EngineFuture, Health, Lease, Locate, Located, Log, ReadRequest,
    Ticket,
};

use crate::{Reader, engine::read::Reads};

/// An engine that keeps the log on a disk.
pub struct DiskEngine {
    reads: Reads,
}

impl DiskEngine {
    /// The reading side, for an engine whose log has begun.
    fn new(log: Arc<Log>, reader: Reader, read_memory: usize) -> Self {
        Self { reads: Reads::start(log, reader, read_memory) }
    }
}

impl Engine for DiskEngine {
    fn append(&self, _draft: Draft) -> Ticket {
        Ticket::settled(Err(EngineError::Unavailable("not written yet".to_owned())))
    }

    fn read(&self, request: ReadRequest) -> EngineFuture<Lease> {
        self.reads.read(request)
    }

    fn locate(&self, questions: Vec<Locate>) -> EngineFuture<Vec<Located>> {
        self.reads.locate(questions)
    }

    fn health(&self) -> Health {
        Health::Live { lag: 0 }
    }

    fn close(&self) -> EngineFuture<()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
