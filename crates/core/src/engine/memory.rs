//! The memory engine: keeps messages in the ring buffers only, so they end with the process.

use std::{future::ready, sync::Arc, time::Duration};

use crate::{
    ChannelName, Draft, Engine, EngineError, EngineFuture, Health, Hole, IdempotencyKey, Lease,
    Locate, Located, Log, MessageId, Portion, ReadMemory, ReadRequest, Receipt, Seq, Stored,
    Ticket, clock, engine::idempotency::Idempotency, sync::Mutex,
};

/// An engine that numbers messages one after the other and stores nothing itself.
#[derive(Debug)]
pub struct MemoryEngine {
    log: Arc<Log>,
    sequencer: Mutex<Sequencer>,
}

#[derive(Debug)]
struct Sequencer {
    last: Seq,
    receipts: Idempotency,
}

impl MemoryEngine {
    /// Makes an engine that feeds `log`. Idempotency ids are remembered for `window`, at most
    /// `entries` of them.
    pub fn new(log: Arc<Log>, window: Duration, entries: usize) -> Self {
        let receipts = Idempotency::new(window, entries);
        let last = log.head().seq;
        Self { log, sequencer: Mutex::new(Sequencer { last, receipts }) }
    }

    fn append_now(&self, draft: Draft) -> Result<Receipt, EngineError> {
        let mut sequencer = self.sequencer.lock();
        let time = clock::unix_millis();
        let key = IdempotencyKey::of(&draft);
        if let Some(first) = key.as_ref().and_then(|key| sequencer.receipts.find(key, time)) {
            return Ok(Receipt { duplicate: true, ..first });
        }
        let seq = sequencer.last + 1;
        // The lock is held during this call; otherwise a later seq could become visible first.
        let accepted = self.log.accept(Stored { seq, time, online: None, draft })?;
        sequencer.last = seq;
        let receipt =
            Receipt { id: accepted.id, subscribers: accepted.subscribers, duplicate: false };
        if let Some(key) = key {
            sequencer.receipts.insert(key, receipt, time);
        }
        drop(sequencer);
        accepted.announce();
        Ok(receipt)
    }
}

impl Engine for MemoryEngine {
    fn append(&self, draft: Draft) -> Ticket {
        Ticket::settled(self.append_now(draft))
    }

    fn read(&self, request: ReadRequest) -> EngineFuture<Lease> {
        // It has no extent, so nobody asks; the truthful answer is that nothing is left.
        let after = request.channels.iter().map(|(_, after)| *after).min().unwrap_or(0);
        let hole = Hole { first: after + 1, last: request.until };
        let memory = ReadMemory::new(0);
        let portion =
            Portion::new(self.log.epoch(), Vec::new(), vec![hole], request.until, &memory);
        Box::pin(ready(Ok(Lease::Owned(Arc::new(portion)))))
    }

    fn locate(&self, questions: Vec<Locate>) -> EngineFuture<Vec<Located>> {
        let nothing = |question: Locate| Located { after: question.until, ..Located::default() };
        Box::pin(ready(Ok(questions.into_iter().map(nothing).collect())))
    }

    fn erase(&self, channel: ChannelName) -> EngineFuture<MessageId> {
        // Nothing gets its place meanwhile.
        let sequencer = self.sequencer.lock();
        self.log.erase(&channel, self.log.newest_known(&channel));
        drop(sequencer);
        Box::pin(ready(Ok(self.log.head())))
    }

    fn health(&self) -> Health {
        Health::Live { lag: 0 }
    }

    fn close(&self) -> EngineFuture<()> {
        Box::pin(ready(Ok(())))
    }
}
